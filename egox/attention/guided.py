"""Guidance on a transformer: which canvas, which rules, and the geometry of the clips in work.

Blocks of Wan hand nothing to their attention but hidden states, so geometry is state: set it before a forward pass, and leave it
until the backward pass is over, which calls blocks again under gradient checkpointing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor

from ..canvas import Grid
from ..conditioning import Guidance

if TYPE_CHECKING:
    from ..geometry import TokenGeometry
    from .flex import FlexTables


class GuidanceError(ValueError):
    """Guidance that cannot be applied as asked; the message says what is in the way and what to do."""


class Tables(NamedTuple):
    """A batch of TokenGeometry as plain tensors: rays [B, f, M, 3], directions [B, f, Nx, 3], and their flags."""

    rays: Tensor
    rays_valid: Tensor
    directions: Tensor
    directions_valid: Tensor


class GuidedAttention:
    """What all guided self-attentions of one transformer share. Made by `install_guidance`.

    tokens: the canvas. rules: never off. backend: "sdpa" adds one query frame's mask at a time; "flex" forms the bias in the
    kernel.
    """

    def __init__(self, transformer: Any, tokens: Grid, rules: Guidance, backend: Literal["sdpa", "flex"]) -> None:
        self.tokens = tokens
        self.rules = rules
        self.backend: Literal["sdpa", "flex"] = backend
        self._transformer = transformer
        self._tables: Tables | None = None
        self._flex: FlexTables | None = None

    def set(self, geometry: TokenGeometry) -> None:
        """Geometry for the passes that follow: of one clip, for every clip of a batch alike, or a batch of clips.

        Raises GuidanceError where it is not of this canvas, not float32, or not finite.
        """
        grid = self.tokens
        rays, directions = (grid.frames, grid.height * grid.ego, 3), (grid.frames, grid.exo_cells, 3)
        for name, vectors, expected in (("rays", geometry.rays, rays), ("directions", geometry.directions, directions)):
            if tuple(vectors.shape[-3:]) != expected or vectors.ndim > 4:
                raise GuidanceError(
                    f"geometry has {name} {tuple(vectors.shape)}, this canvas needs [(batch), frames, tokens, 3], {expected}"
                )
            if vectors.dtype not in (torch.float32, torch.float64):
                raise GuidanceError(f"geometry has {name} in {vectors.dtype}, expected float32: half precision turns directions")
            if not torch.isfinite(vectors).all():
                raise GuidanceError(f"geometry has {name} that are not finite: unknown ones must be 0 and not valid")
        parts = (geometry.rays, geometry.rays_valid, geometry.directions, geometry.directions_valid)
        rays_dim = geometry.rays.ndim
        self._tables = Tables(*(part.detach() if rays_dim == 4 else part.detach()[None] for part in parts))
        if self.backend == "flex":
            from .flex import flex_tables

            self._flex = flex_tables(self._tables, grid)

    def clear(self) -> None:
        """Forget the geometry. After the backward pass, not before it."""
        self._tables = self._flex = None

    @property
    def recomputes(self) -> bool:
        """Whether masks are dropped after use and made again in the backward pass: as blocks are, with gradient checkpointing.

        Otherwise autograd keeps the masks of all frames of all blocks.
        """
        return bool(self._transformer.gradient_checkpointing)

    def tables_for(self, hidden_states: Tensor) -> Tables:
        """The geometry on the device of hidden states [batch, N, channels]; offloading moves modules, not this.

        Raises GuidanceError where none is set, or it is of another batch or canvas.
        """
        if self._tables is None:
            raise GuidanceError(
                "guidance is on, but no geometry is set: call set(token_geometry(...)) on what install_guidance returned"
            )
        batch, count = hidden_states.shape[:2]
        if count != self.tokens.cells:
            raise GuidanceError(f"the transformer runs on {count} tokens, guidance was installed for {self.tokens.cells}")
        clips = self._tables.rays.shape[0]
        if clips not in (1, batch):
            raise GuidanceError(f"geometry is of {clips} clips, the batch of {batch}: set one for each, or one for all")
        if self._tables.rays.device != hidden_states.device:
            self._tables = Tables(*(table.to(hidden_states.device) for table in self._tables))
        return self._tables

    def flex_tables_for(self, hidden_states: Tensor) -> FlexTables:
        """The geometry as the kernel reads it. Raises as `tables_for`."""
        self.tables_for(hidden_states)
        assert self._flex is not None
        if self._flex.x.device != hidden_states.device:
            self._flex = type(self._flex)._make(table.to(hidden_states.device) for table in self._flex)
        return self._flex


def install_guidance(
    transformer: Any, tokens: Grid, rules: Guidance, *, backend: Literal["sdpa", "flex"] = "sdpa"
) -> GuidedAttention | None:
    """Guide the self-attention of all blocks of a stock WanTransformer3DModel on this canvas. Weights stay untouched.

    Replaces guidance that was installed before. Returns None, with stock attention in place, where rules are off or the canvas
    has no exo columns: then there is nothing to guide. After this every pass needs geometry, see `GuidedAttention.set`.
    Raises GuidanceError for attention that is not stock, a transformer that is split over devices, or an unknown backend.
    """
    from .processor import GuidedAttnProcessor, put_processors

    if backend not in ("sdpa", "flex"):
        raise GuidanceError(f"guidance backend {backend!r}: expected 'sdpa' or 'flex'")
    remove_guidance(transformer)
    if not rules.on or tokens.exo == 0:
        return None
    if getattr(transformer, "_parallel_config", None) is not None:
        raise GuidanceError("guidance needs all tokens on one device: it does not work with a parallel config")
    guided = GuidedAttention(transformer, tokens, rules, backend)
    put_processors(transformer, lambda: GuidedAttnProcessor(guided))
    return guided


def remove_guidance(transformer: Any) -> None:
    """Put the stock self-attention back. Raises GuidanceError where it is neither stock nor guided."""
    from .processor import put_stock_processors

    put_stock_processors(transformer)


def guidance_of(transformer: Any) -> GuidedAttention | None:
    """What `install_guidance` put there, or None."""
    return getattr(transformer.blocks[0].attn1.processor, "guided", None)
