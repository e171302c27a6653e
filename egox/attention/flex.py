"""The bias formed in the kernel: FlexAttention over small tables, so that no mask exists at all.

Query frames are folded into the heads, h * f + i, and share the keys of head h as in grouped-query attention: a block of scores
then belongs to one frame, and the kernel reads one direction a key instead of one a pair. Ego queries of all frames are one call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention

from ..canvas import Grid
from ..conditioning import Guidance
from .bias import log_gain
from .guided import GuidanceError, Tables


class FlexTables(NamedTuple):
    """Geometry by its components, contiguous: of rays [B, f, M], of directions [B, f, N] with one place for every key.

    known, seen: 1 where a ray, or a direction, is valid, int32: ego keys hold 0, so they get no bias.
    """

    ray_x: Tensor
    ray_y: Tensor
    ray_z: Tensor
    known: Tensor
    x: Tensor
    y: Tensor
    z: Tensor
    seen: Tensor


def flex_tables(tables: Tables, tokens: Grid) -> FlexTables:
    """6 MB at the size of the paper."""
    rows = tokens.exo_rows.flatten().to(tables.directions.device)

    def spread(values: Tensor) -> Tensor:
        wide = values.new_zeros(*values.shape[:-1], tokens.cells)
        wide[..., rows] = values
        return wide

    ray_x, ray_y, ray_z = (tables.rays[..., i].contiguous() for i in range(3))
    x, y, z = (spread(tables.directions[..., i]) for i in range(3))
    return FlexTables(ray_x, ray_y, ray_z, tables.rays_valid.int(), x, y, z, spread(tables.directions_valid.int()))


def flex_attention_of_frames(queries: Tensor, key: Tensor, value: Tensor, tables: FlexTables, rules: Guidance) -> Tensor:
    """Ego queries [B, f, M, heads, d] over all keys [B, N, heads, d], biased; to [B, f, M, heads, d].

    Compiled on CUDA. On the CPU it runs eagerly, holds all scores, and has no backward pass.
    Raises GuidanceError where a gradient is asked for on the CPU.
    """
    on_cpu = queries.device.type == "cpu"
    if on_cpu and torch.is_grad_enabled() and any(part.requires_grad for part in (queries, key, value)):
        raise GuidanceError("FlexAttention has no backward pass on the CPU: train there with guidance of backend='sdpa'")
    batch, frames, _, heads, _ = queries.shape
    grouped = queries.permute(0, 3, 1, 2, 4).flatten(1, 2)  # [B, heads * f, M, d]
    tables = FlexTables._make(table.expand(batch, -1, -1) for table in tables)
    eager = on_cpu or torch.compiler.is_compiling()  # a block that is compiled takes it in
    attend = (_attention if eager else _compiled)(rules, frames)
    # Under autocast norms leave float32 beside values in half precision, which only attention of torch itself evens out.
    out = attend(grouped.to(value.dtype), key.to(value.dtype).transpose(1, 2), value.transpose(1, 2), tables)
    return out.unflatten(1, (heads, frames)).permute(0, 2, 3, 1, 4)


_Attend = Callable[[Tensor, Tensor, Tensor, FlexTables], Tensor]


@functools.cache
def _compiled(rules: Guidance, frames: int) -> _Attend:
    """Compiled when it is first called, and once for these rules."""
    return torch.compile(_attention(rules, frames), dynamic=False)


def _attention(rules: Guidance, frames: int) -> _Attend:
    def attend(query: Tensor, key: Tensor, value: Tensor, tables: FlexTables) -> Tensor:
        def biased(score: Tensor, clip: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
            frame = head % frames
            ray, to = (clip, frame, row), (clip, frame, column)
            cosine = tables.ray_x[ray] * tables.x[to] + tables.ray_y[ray] * tables.y[to] + tables.ray_z[ray] * tables.z[to]
            return score + torch.where((tables.known[ray] * tables.seen[to]) > 0, log_gain(cosine, rules), 0.0)

        return flex_attention(query, key, value, score_mod=biased, enable_gqa=True)  # pyright: ignore[reportReturnType]

    return attend
