"""Guided attention worked out again in two other ways, and worlds to try it on. Shares no code with what it checks.

`dense` adds the whole bias to stock attention. `factored` has no bias and no logarithm: g = 1 + cos is an inner product of four
numbers, so the sums over exp(s) g v are four attentions over values that are scaled by key.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor, WanRotaryPosEmbed
from torch import Tensor

from egox.attention import GuidedAttention, install_guidance
from egox.canvas import Grid
from egox.conditioning import Guidance
from egox.geometry import TokenGeometry

GRID = Grid(frames=3, height=2, exo=3, ego=2)
HEADS, WIDTH = 2, 12
CHANNELS = HEADS * WIDTH


def unit(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    vectors = torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (vectors / vectors.norm(dim=-1, keepdim=True)).to(dtype)


def world(
    grid: Grid = GRID, *, batch: tuple[int, ...] = (), seed: int = 0, lost: float = 0.2, dtype: torch.dtype = torch.float64
) -> TokenGeometry:
    """Random points seen from a centre that differs from frame to frame; a share of rays and points is unknown."""
    random = torch.Generator().manual_seed(seed)
    points = 3 * torch.randn(*batch, 1, grid.exo_cells, 3, generator=random, dtype=torch.float64)
    centres = torch.randn(*batch, grid.frames, 1, 3, generator=random, dtype=torch.float64)
    directions = (points - centres) / (points - centres).norm(dim=-1, keepdim=True)
    rays = unit(*batch, grid.frames, grid.height * grid.ego, seed=seed + 1)
    rays_valid = torch.rand(*rays.shape[:-1], generator=random) >= lost
    directions_valid = torch.rand(*batch, 1, grid.exo_cells, generator=random).expand(directions.shape[:-1]) >= lost
    return TokenGeometry(
        rays=torch.where(rays_valid[..., None], rays, 0).to(dtype),
        rays_valid=rays_valid,
        directions=torch.where(directions_valid[..., None], directions, 0).to(dtype),
        directions_valid=directions_valid.clone(),
    )


def attention(*, seed: int = 0, dtype: torch.dtype = torch.float64) -> WanAttention:
    """One self-attention with random weights, norms included."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = WanAttention(dim=CHANNELS, heads=HEADS, dim_head=WIDTH, processor=WanAttnProcessor())
        for norm in (made.norm_q, made.norm_k):
            torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
        torch.nn.init.normal_(made.to_q.weight, std=0.6)  # logits that are far from all alike
        torch.nn.init.normal_(made.to_v.weight, std=0.6)
    return made.to(dtype).eval()


def inputs(batch: int = 1, *, seed: int = 5, grid: Grid = GRID, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, grid.cells, CHANNELS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def places(grid: Grid = GRID, *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    cos, sin = WanRotaryPosEmbed(WIDTH, (1, 1, 1), 32)(torch.empty(1, 1, grid.frames, grid.height, grid.width))
    return cos.to(dtype), sin.to(dtype)


def guide(
    attn: WanAttention,
    geometry: TokenGeometry,
    rules: Guidance,
    *,
    grid: Grid = GRID,
    backend: Any = "sdpa",
    checkpointing: bool = False,
) -> GuidedAttention:
    """Guidance on one attention that stands alone."""
    alone = SimpleNamespace(gradient_checkpointing=checkpointing, blocks=[SimpleNamespace(attn1=attn)])
    guided = install_guidance(alone, grid, rules, backend=backend)
    assert guided is not None
    guided.set(geometry)
    return guided


def whole_bias(geometry: TokenGeometry, rules: Guidance, *, grid: Grid = GRID) -> Tensor:
    """The bias of all pairs of one clip, [N, N] float64, pair by pair in numpy."""
    rays, directions = geometry.rays.double().numpy(), geometry.directions.double().numpy()
    bias = np.zeros((grid.cells, grid.cells))
    exo = grid.exo_rows.flatten().tolist()
    for frame in range(grid.frames):
        for m, row in enumerate(grid.ego_rows[frame].tolist()):
            for n, column in enumerate(exo):
                if not (geometry.rays_valid[frame, m] and geometry.directions_valid[frame, n]):
                    continue
                cosine = float(rays[frame, m] @ directions[frame, n])
                if rules.form == "paper":
                    bias[row, column] = np.log(rules.strength * max(cosine + 1, rules.floor))
                else:
                    gained = rules.gain * cosine if cosine > 0 or rules.gain < 1 else cosine
                    bias[row, column] = np.log(1 + gained + rules.floor)
    return torch.from_numpy(bias)


def dense(attn: WanAttention, hidden: Tensor, geometry: TokenGeometry, rules: Guidance, *, grid: Grid = GRID) -> Tensor:
    """Stock attention with the whole bias as its mask."""
    bias = whole_bias(geometry, rules, grid=grid).to(hidden.dtype)
    return WanAttnProcessor()(attn, hidden, None, bias[None, None], places(grid, dtype=hidden.dtype))


def scores(attn: WanAttention, hidden: Tensor, *, grid: Grid = GRID) -> Tensor:
    """Logits without bias, [batch, heads, N, N]; channels are turned as complex numbers."""
    cos, sin = (table[0, :, 0] for table in places(grid, dtype=hidden.dtype))
    turns = torch.complex(cos[:, 0::2], sin[:, 1::2])

    def turned(vectors: Tensor) -> Tensor:
        pairs = vectors.unflatten(-1, (HEADS, WIDTH // 2, 2)).transpose(1, 2).contiguous()
        return torch.view_as_real(torch.view_as_complex(pairs) * turns).flatten(-2)

    query, key = turned(attn.norm_q(attn.to_q(hidden))), turned(attn.norm_k(attn.to_k(hidden)))
    return query @ key.transpose(-1, -2) / WIDTH**0.5


def factored(attn: WanAttention, hidden: Tensor, geometry: TokenGeometry, strength: float, *, grid: Grid = GRID) -> Tensor:
    """out_m = sum_a q+_a A(k+_a v) / sum_a q+_a A(k+_a), with A plain attention and q+ = (ray, 1).

    k+ is strength (direction, 1) for exo keys and (0, 0, 0, 1) for ego keys. Everything must be known.
    """
    weights = torch.softmax(scores(attn, hidden, grid=grid), dim=-1)
    value = attn.to_v(hidden).unflatten(-1, (HEADS, WIDTH)).transpose(1, 2)
    out = weights @ value
    for frame in range(grid.frames):
        rows = grid.ego_rows[frame]
        near = torch.cat([geometry.rays[frame], torch.ones(len(rows), 1, dtype=hidden.dtype)], dim=-1)
        far = torch.zeros(grid.cells, 4, dtype=hidden.dtype)
        far[:, 3] = 1
        ones = torch.ones(grid.exo_cells, 1, dtype=hidden.dtype)
        far[grid.exo_rows.flatten()] = strength * torch.cat([geometry.directions[frame], ones], dim=-1)
        over, under = torch.zeros_like(out[:, :, rows]), torch.zeros_like(out[:, :, rows, :1])
        for a in range(4):
            over = over + near[:, a, None] * (weights[:, :, rows] @ (far[:, a, None] * value))
            under = under + near[:, a, None] * (weights[:, :, rows] @ far[:, a, None])
        out[:, :, rows] = over / under
    return attn.to_out[0](out.transpose(1, 2).flatten(2))
