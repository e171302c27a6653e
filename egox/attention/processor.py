"""The guided self-attention as a processor of diffusers' stock Wan transformer.

Exo queries attend as ever, in one call. Ego queries attend one frame at a time, with that frame's mask, or in one call of a
kernel that forms the bias itself. The softmax runs over all keys, exo and ego, in both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry, dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .bias import frame_mask
from .guided import GuidanceError, GuidedAttention, Tables

KEEPS_MASKS = (
    AttentionBackendName.NATIVE,
    AttentionBackendName._NATIVE_EFFICIENT,
    AttentionBackendName._NATIVE_MATH,
    AttentionBackendName._NATIVE_CUDNN,
)
"""Attention of diffusers that adds a mask to the logits. Others refuse one, drop it, or were never tried with one."""


class GuidedAttnProcessor(WanAttnProcessor):
    """Self-attention of one block with the bias of Eq. 4 on ego queries and exo keys."""

    def __init__(self, guided: GuidedAttention) -> None:
        super().__init__()
        self.guided = guided

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """[batch, N, channels] to the same. Raises GuidanceError where the guidance could not be applied."""
        if encoder_hidden_states is not None or attention_mask is not None:
            raise GuidanceError("guidance is for self-attention without a mask of its own")
        if self._parallel_config is not None:
            raise GuidanceError("guidance needs all tokens on one device: it does not work with a parallel config")
        guided, grid = self.guided, self.guided.tokens
        tables = guided.tables_for(hidden_states)
        query, key, value = queries_keys_values(attn, hidden_states, rotary_emb)
        cells = query.unflatten(1, (grid.frames, grid.height, grid.width))
        exo_queries = cells[:, :, :, : grid.exo].flatten(1, 3)
        ego_queries = cells[:, :, :, grid.exo :].flatten(2, 3)  # [B, f, M, heads, d]
        del query, cells  # what a stock attention would not hold either must not add to its memory
        exo = dispatch_attention_fn(exo_queries, key, value, backend=self._attention_backend)
        del exo_queries
        if guided.backend == "flex":
            from .flex import flex_attention_of_frames

            ego = flex_attention_of_frames(ego_queries, key, value, guided.flex_tables_for(hidden_states), guided.rules)
        else:
            ego = self._frame_by_frame(ego_queries, key, value, tables)
        del ego_queries, key, value
        parts = [exo.unflatten(1, (grid.frames, grid.height, grid.exo)), ego.unflatten(2, (grid.height, grid.ego))]
        joint = torch.cat(parts, dim=3)
        del exo, ego, parts
        out = joint.flatten(1, 3).flatten(2, 3).type_as(hidden_states)
        return attn.to_out[1](attn.to_out[0](out))

    def _frame_by_frame(self, queries: Tensor, key: Tensor, value: Tensor, tables: Tables) -> Tensor:
        """[B, f, M, heads, d] to the same: one call a frame, one mask at a time."""
        self._refuse_backends_without_masks()
        attend: Callable[..., Tensor] = self._one_frame
        if torch.is_grad_enabled() and self.guided.recomputes:
            attend = functools.partial(_recomputed, attend)
        return torch.stack([attend(queries[:, i], key, value, tables, i) for i in range(queries.shape[1])], dim=1)

    def _one_frame(self, queries: Tensor, key: Tensor, value: Tensor, tables: Tables, frame: int) -> Tensor:
        device = queries.device.type
        cast = device != "meta" and torch.is_autocast_enabled(device)  # meta tensors know no autocast
        mask = frame_mask(
            tables.rays[:, frame],
            tables.rays_valid[:, frame],
            tables.directions[:, frame],
            tables.directions_valid[:, frame],
            self.guided.rules,
            tokens=self.guided.tokens,
            dtype=torch.get_autocast_dtype(device) if cast else queries.dtype,
        )
        return dispatch_attention_fn(queries, key, value, attn_mask=mask, backend=self._attention_backend)

    def _refuse_backends_without_masks(self) -> None:
        backend = self._attention_backend
        if backend is None:
            backend, _ = _AttentionBackendRegistry.get_active_backend()
        if backend not in KEEPS_MASKS:
            raise GuidanceError(
                f"attention backend {AttentionBackendName(backend).value!r} takes no additive mask, so guidance would be lost: "
                "call set_attention_backend('native') on the transformer, or install guidance with backend='flex'"
            )


def queries_keys_values(
    attn: Any, hidden_states: Tensor, rotary_emb: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """What a self-attention of Wan compares and mixes: three [batch, N, heads, d], normed and turned by their places."""
    if attn.fused_projections:
        query, key, value = attn.to_qkv(hidden_states).chunk(3, dim=-1)
    else:
        query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
    # One after the other: the first is let go before the second is made anew.
    query = attn.norm_q(query).unflatten(2, (attn.heads, -1))
    key = attn.norm_k(key).unflatten(2, (attn.heads, -1))
    if rotary_emb is not None:
        query = _turned(query, *rotary_emb)
        key = _turned(key, *rotary_emb)
    return query, key, value.unflatten(2, (attn.heads, -1))


def _recomputed(attend: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """Nothing but arguments is kept for the backward pass."""
    out: Any = checkpoint(attend, *arguments, use_reentrant=False, preserve_rng_state=False)
    return out


def _turned(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Pairs of neighbouring channels turned by the angles of their token. The tables hold every angle twice."""
    even, odd = vectors[..., 0::2], vectors[..., 1::2]
    cos, sin = cosines[..., 0::2], sines[..., 1::2]
    pairs = [(even * cos - odd * sin).type_as(vectors), (even * sin + odd * cos).type_as(vectors)]
    return torch.stack(pairs, dim=-1).flatten(-2)


def put_stock_processors(transformer: Any) -> None:
    """Stock processors in the self-attention of all blocks, where guided ones are."""
    put_processors(transformer, WanAttnProcessor)


def put_processors(transformer: Any, make: Callable[[], WanAttnProcessor]) -> None:
    """A new processor for the self-attention of each block, with the attention backend of the one before it.

    Raises GuidanceError for a transformer of another kind, or attention that somebody else has changed.
    """
    blocks = getattr(transformer, "blocks", None)
    if blocks is None or not hasattr(transformer, "gradient_checkpointing"):
        raise GuidanceError(f"guidance is for the Wan transformer of diffusers, not for {type(transformer).__name__}")
    for number, block in enumerate(blocks):
        before = block.attn1.processor
        if type(before) not in (WanAttnProcessor, GuidedAttnProcessor):
            raise GuidanceError(f"the self-attention of block {number} has a {type(before).__name__}: guidance would replace it")
        if type(before) is WanAttnProcessor and make is WanAttnProcessor:
            continue
        after = make()
        after._attention_backend, after._parallel_config = before._attention_backend, before._parallel_config
        block.attn1.set_processor(after)
