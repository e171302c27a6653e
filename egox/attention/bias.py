"""The bias of Eq. 4: what is added to the logits of ego queries and exo keys.

    s'_mn = s_mn + log(lambda_g * g(q_m, k_n)),   g(a, b) = cos(a, b) + 1        (Eq. 4, 5)

q_m is the viewing ray of ego token m, k_n the direction in which exo token n lies from the ego centre of the query's own frame.
All other pairs get nothing: ego keys, exo queries, and tokens whose ray or point is unknown, which is neutral (g = 1).

As ego keys get no bias, a constant lambda_g does not cancel in Eq. 7: it multiplies the weight of all exo keys against ego keys.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..canvas import Grid
from ..conditioning import Guidance

ALIGNED = 8
"""Rows of a mask start at multiples of this many elements: kernels copy others, at twice the memory."""

CHUNK_ELEMENTS = 1 << 21
"""Pairs whose bias is worked out at once: 8 MB in float32, little beside a frame's mask of 44 MB at the size of the paper."""


def log_gain(cosine: Tensor, rules: Guidance) -> Tensor:
    """log(g lambda_g) of cosines of any shape. The one place of the formula: masks and kernels share it.

    "paper": log(strength * max(cos + 1, floor)). "positive_gain": log(1 + c + floor), where positive cosines are multiplied by
    `gain` first, all of them where gain < 1; as published.
    """
    if rules.form == "paper":
        return torch.log((cosine + 1).clamp(min=rules.floor) * rules.strength)
    cosine = cosine.clamp(-1, 1)
    scaled = cosine * rules.gain
    return torch.log((torch.where(cosine > 0, scaled, cosine) if rules.gain > 1 else scaled) + (1 + rules.floor))


@torch.no_grad()
def guidance_bias(rays: Tensor, rays_valid: Tensor, directions: Tensor, directions_valid: Tensor, rules: Guidance) -> Tensor:
    """The bias of ego queries on exo keys, [..., M, Nx], in the kind of `rays`: float32, or float64.

    rays: [..., M, 3] world, unit. directions: [..., Nx, 3] world, unit, from the ego centre of the queries' frame. rays_valid
    [..., M] and directions_valid [..., Nx]: bool; unknown ones get 0. There is no gradient to geometry.
    Products are elementwise: a matrix product would fall to bf16 under autocast, and to TF32 where that is allowed.
    Raises ValueError for other shapes and kinds.
    """
    for name, vectors, valid in (("rays", rays, rays_valid), ("directions", directions, directions_valid)):
        if vectors.shape[-1] != 3 or valid.shape != vectors.shape[:-1] or valid.dtype != torch.bool:
            raise ValueError(
                f"{name} {tuple(vectors.shape)} with {valid.dtype} {tuple(valid.shape)}: expected [..., 3] and bool [...]"
            )
        if vectors.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"{name} are {vectors.dtype}, expected float32: half precision turns them by up to half a degree")
    known = rays_valid[..., :, None] & directions_valid[..., None, :]
    cosine = rays[..., :, None, 0] * directions[..., None, :, 0]
    for i in (1, 2):
        cosine.addcmul_(rays[..., :, None, i], directions[..., None, :, i])
    return torch.where(known, log_gain(cosine, rules), 0)


def frame_mask(
    rays: Tensor,
    rays_valid: Tensor,
    directions: Tensor,
    directions_valid: Tensor,
    rules: Guidance,
    *,
    tokens: Grid,
    dtype: torch.dtype,
) -> Tensor:
    """The additive mask of one query frame's ego tokens over all keys of the canvas, [batch, 1, M, N] in `dtype`.

    rays [batch, M, 3], directions [batch, Nx, 3] and their flags are those of the frame, Nx in the order of `Grid.exo_rows`.
    Ego keys hold 0. Formed in float32, a few rows at a time; rows are aligned in memory, so no kernel copies it.
    """
    batch, count = rays.shape[:2]
    aligned = -(-tokens.cells // ALIGNED) * ALIGNED
    mask = rays.new_zeros(batch, 1, count, aligned, dtype=dtype)[..., : tokens.cells]
    exo = mask[:, 0].unflatten(-1, (tokens.frames, tokens.height, tokens.width))[..., : tokens.exo]
    rows = max(1, CHUNK_ELEMENTS // max(1, batch * tokens.exo_cells))
    for start in range(0, count, rows):
        part = slice(start, start + rows)
        bias = guidance_bias(rays[:, part], rays_valid[:, part], directions, directions_valid, rules)
        exo[:, part] = bias.unflatten(-1, (tokens.frames, tokens.height, tokens.exo)).to(dtype)
    return mask
