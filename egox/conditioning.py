"""What the transformer is given beside the noisy ego latents (paper Sec. 3.2, Eq. 3), and the rules that parities differ in.

Eq. 3, on channels: [ state 16 | mask 4 | condition 16 ] of Wan's codec, inside each group exo and ego side by side on width.

    state:      exo clean latents x_0       ego noisy latents z_t
    mask:       exo 1 (conditioning)        ego 0 (to synthesise)
    condition:  exo clean latents x_0       ego latents of the ego prior p_0

Only the ego columns are ever updated, enter the loss or are decoded. `Conditioning` holds every choice in which the paper, the
published weights and the ablations differ; recipes fill it, and no code asks for a recipe's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from .canvas import Grid

if TYPE_CHECKING:
    from torch import Tensor

Posterior = Literal["mode", "sample"]


class Guidance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Geometry-guided attention (Sec. 3.3).

    on: False leaves the self-attention as it is.
    form: "paper" adds log(strength * (cos + 1)), Eq. 4; "positive_gain" adds log(1 + c), where positive cosines are multiplied by
    `gain` first (all of them where gain < 1): what the published code does.
    strength: lambda_g of Eq. 4. The paper gives no value. It is the same for all exo keys, so it only moves attention between exo
    and ego keys: 1 is neutral, above 1 favours exo.
    gain: of "positive_gain". floor: least g, for the logarithm of opposite directions.
    rays: of ego tokens; "lens" of the true lens, "released" as the published sampling code has them, "released_training" as its
    training code. points: of exo tokens; "pooled" means of valid points, "released" as published: pinhole, bilinear, directions
    averaged without normalising them again.
    """

    on: bool = True
    form: Literal["paper", "positive_gain"] = "paper"
    strength: float = 1.0
    gain: float = 1.0
    floor: float = 1e-6
    rays: Literal["lens", "released", "released_training"] = "lens"
    points: Literal["pooled", "released"] = "pooled"

    def __post_init__(self) -> None:
        for name in ("strength", "gain", "floor"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ValueError(f"guidance {name} is {value}, expected a finite number above 0")


class Conditioning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One parity of the conditioning.

    exo_mask: 1 on all exo frames (the paper), on the first latent frame ("first_frame", the published sampling code), or there
    and in the last channel of the last latent frame ("first_and_stray", its training code).
    ego_mask: 0 (both), or the share of pixels that the prior knows in each latent cell ("valid").
    exo: "clean" latents at every step, or "noised" to the level of the step, in state and condition alike (an ablation).
    prior: "rendered", or "zero" condition latents (an ablation). prior_holes: what is encoded where the prior knows nothing.
    posterior: what of the codec's posterior is taken; "sample" makes latents depend on a seed.
    image_context: the picture for the image encoder, where the transformer takes one: the first exo frame ("exo"), the canvas
    whose ego half is decoded noise ("exo_beside_noise", published sampling), or is the true first ego frame, both darkened by
    rescaling twice ("exo_beside_truth_darkened", published training: it leaks the answer and is there for parity only).
    text: "stock" cleans the prompt and zeroes embeddings beyond its end; "raw_padding" does neither (published training).
    """

    exo_mask: Literal["all_frames", "first_frame", "first_and_stray"] = "all_frames"
    ego_mask: Literal["zero", "valid"] = "zero"
    exo: Literal["clean", "noised"] = "clean"
    prior: Literal["rendered", "zero"] = "rendered"
    prior_holes: Literal["black", "filled"] = "black"
    posterior: Posterior = "mode"
    image_context: Literal["exo", "exo_beside_noise", "exo_beside_truth_darkened"] = "exo"
    text: Literal["stock", "raw_padding"] = "stock"
    guidance: Guidance = Guidance()


def mask_channels(grid: Grid, rules: Conditioning, *, valid: Tensor) -> Tensor:
    """The mask m of Eq. 3, [batch, temporal, frames, height, width] in the kind of `valid`.

    grid: of latents. valid: share of pixels that the prior knows, [batch, temporal, frames, height, ego] (`cell_shares`).
    """
    import torch

    batch, channels = valid.shape[:2]
    exo = valid.new_zeros(batch, channels, grid.frames, grid.height, grid.exo)
    if rules.exo_mask == "all_frames":
        exo += 1
    else:
        exo[:, :, 0] = 1
        if rules.exo_mask == "first_and_stray":
            exo[:, -1, -1] = 1
    ego = valid if rules.ego_mask == "valid" else torch.zeros_like(valid)
    return grid.join(exo, ego)


def condition_channels(grid: Grid, rules: Conditioning, *, exo: Tensor, prior: Tensor, valid: Tensor) -> Tensor:
    """Mask and condition latents, [batch, temporal + channels, frames, height, width].

    grid: of latents. exo: [batch, channels, frames, height, exo], as it enters the state too; prior: [..., ego]; valid: see
    `mask_channels`.
    Without a prior ("zero") nothing counts as known either.
    """
    import torch

    if rules.prior == "zero":
        prior, valid = torch.zeros_like(prior), torch.zeros_like(valid)
    return torch.cat([mask_channels(grid, rules, valid=valid), grid.join(exo, prior)], dim=1)


def noised(clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Flow matching: (1 - t) x + t noise, with level t [batch] in [0, 1]. The velocity is noise - x."""
    t = level.reshape(-1, *([1] * (clean.ndim - 1))).to(clean.dtype)
    return (1 - t) * clean + t * noise


def exo_at(rules: Conditioning, exo: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """The exo latents that state and condition hold at a noise level: clean, or noised in the ablation."""
    return exo if rules.exo == "clean" else noised(exo, noise, level)
