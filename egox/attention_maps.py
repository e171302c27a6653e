"""Where ego tokens look in the exo view, with guidance and without (paper Fig. 7), as maps and as a number.

A pass of the transformer is caught in the middle of sampling and run again, once guided and once not, with the same weights and
the same input; the softmax rows of chosen ego tokens are worked out beside it, in the blocks that one asks for. The number: how
much of what a token gives to exo tokens goes to those that lie where it looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .attention import guidance_of, install_guidance, remove_guidance
from .attention.bias import frame_mask
from .canvas import Grid
from .conditioning import Guidance
from .geometry import TokenGeometry

if TYPE_CHECKING:
    from .clip import EgoXClip
    from .pipeline import EgoXPipeline

DEGREES = 10.0
"""Exo tokens match an ego token where their direction is at most this far from its ray: about two tokens."""


class AttentionMapError(ValueError):
    """Tokens, blocks or steps that are not there; the message says which are."""


class Call(NamedTuple):
    """The arguments of one pass of a transformer."""

    positional: tuple[Any, ...]
    named: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AttentionMaps:
    """Mean weights over heads and blocks of R ego tokens of one frame, float32 on the CPU; those of a token sum to 1.

    exo: [R, f, h, exo] tokens. ego: [R, f, h, ego].
    """

    exo: Tensor
    ego: Tensor

    @property
    def on_exo(self) -> Tensor:
        """The share of all weight that goes to exo tokens, [R]."""
        return self.exo.flatten(1).sum(-1)


class Matching(NamedTuple):
    """Of R ego tokens: share of their weight on known exo tokens that is on matching ones; chance: what even weights would give.

    Both [R] float32, nan for a token without a ray, or that looks where no known exo token is.
    """

    share: Tensor
    chance: Tensor


class _Caught(Exception):
    """Ends sampling when the pass that was asked for is there."""


def call_at_step(
    pipeline: EgoXPipeline,
    clip: EgoXClip,
    *,
    step: int,
    seed: int,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
) -> Call:
    """The conditional pass of a sampling step, 1 the first; sampling ends there. All other arguments are the pipeline's.

    Raises AttentionMapError where there is no such step.
    """
    sampling = pipeline.recipe.sampling
    steps = sampling.steps if num_inference_steps is None else num_inference_steps
    scale = sampling.guidance_scale if guidance_scale is None else guidance_scale
    if not 1 <= step <= steps:
        raise AttentionMapError(f"step {step}: sampling has steps 1 to {steps}")
    awaited = (step - 1) * (2 if scale > 1 else 1)  # each step begins with the pass that sees the prompt
    passes = 0
    caught: list[Call] = []

    def watch(_: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        nonlocal passes
        if passes == awaited:
            caught.append(Call(_copied(positional), _copied(named)))
            raise _Caught
        passes += 1

    handle = pipeline.transformer.register_forward_pre_hook(watch, with_kwargs=True)
    try:
        pipeline(clip, seed=seed, num_inference_steps=steps, guidance_scale=scale)
    except _Caught:
        pass
    finally:
        handle.remove()
        pipeline.maybe_free_model_hooks()
    if not caught:
        raise AttentionMapError(f"sampling ended before step {step}: a step cache may have left passes out")
    return caught[0]


def _copied(value: Any) -> Any:
    """Tensors as they are now; the loop may write into its own."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, tuple):
        return tuple(_copied(part) for part in value)
    return {name: _copied(part) for name, part in value.items()} if isinstance(value, dict) else value


@torch.no_grad()
def attention_maps(
    transformer: Any,
    call: Call,
    tokens: Grid,
    *,
    frame: int,
    ego: Sequence[int] | None = None,
    guidance: tuple[Guidance, TokenGeometry] | None = None,
    blocks: Sequence[int] | None = None,
) -> AttentionMaps:
    """Where ego tokens of a latent frame look during one pass for one clip.

    ego: places in `Grid.ego_rows[frame]`, row by row; None is all. blocks: of the transformer; None is all.
    guidance: rules and the clip's geometry; None runs the pass unguided. What was installed before is put back.
    Raises AttentionMapError for tokens or blocks that are not there.
    """
    count = tokens.height * tokens.ego
    chosen = list(range(count)) if ego is None else list(ego)
    layers = list(range(len(transformer.blocks))) if blocks is None else list(blocks)
    for name, asked, most in (
        ("frame", [frame], tokens.frames),
        ("ego token", chosen, count),
        ("block", layers, len(transformer.blocks)),
    ):
        wrong = [number for number in asked if not 0 <= number < most]
        if wrong or not asked:
            raise AttentionMapError(f"{name} {wrong[0] if wrong else 'none'}: there are 0 to {most - 1}")
    watcher = _Watcher(tokens, frame, chosen, guidance)
    handles = [transformer.blocks[number].attn1.register_forward_pre_hook(watcher) for number in layers]
    try:
        with _guided(transformer, tokens, guidance):
            transformer(*call.positional, **call.named)
    finally:
        for handle in handles:
            handle.remove()
    mean = (watcher.weights.cpu() / len(layers)).unflatten(1, (tokens.frames, tokens.height, tokens.width))
    exo, own = tokens.split(mean)
    return AttentionMaps(exo=exo.contiguous(), ego=own.contiguous())


@contextmanager
def _guided(transformer: Any, tokens: Grid, guidance: tuple[Guidance, TokenGeometry] | None) -> Iterator[None]:
    """This guidance, or none, on the transformer; what was there comes back, without geometry."""
    before = guidance_of(transformer)
    try:
        if guidance is None:
            remove_guidance(transformer)
        else:
            guided = install_guidance(transformer, tokens, guidance[0])
            if guided is None:
                raise AttentionMapError("these rules do not guide: guidance is off, or the canvas has no exo columns")
            guided.set(guidance[1])
        yield
    finally:
        remove_guidance(transformer)
        if before is not None:
            install_guidance(transformer, before.tokens, before.rules, backend=before.backend)


class _Watcher:
    """Adds up the softmax rows of chosen tokens, before the attention of a block runs. weights: [R, N] float32."""

    def __init__(self, tokens: Grid, frame: int, ego: list[int], guidance: tuple[Guidance, TokenGeometry] | None) -> None:
        self.tokens, self.frame, self.ego, self.guidance = tokens, frame, ego, guidance
        self.weights = torch.zeros(len(ego), tokens.cells)

    def __call__(self, attn: Any, arguments: tuple[Any, ...]) -> None:
        from .attention.processor import queries_keys_values

        hidden, _, _, places = arguments
        if hidden.shape[0] != 1 or hidden.shape[1] != self.tokens.cells:
            raise AttentionMapError(
                f"the pass is of {hidden.shape[0]} clips with {hidden.shape[1]} tokens, expected one with {self.tokens.cells}"
            )
        query, key, _ = queries_keys_values(attn, hidden, places)
        rows = self.tokens.ego_rows[self.frame][self.ego].to(hidden.device)
        query, key = query[0, rows].float(), key[0].float()  # [R, heads, d], [N, heads, d]
        bias, self.weights = self._bias(hidden.device), self.weights.to(hidden.device)
        for head in range(attn.heads):  # one after the other: at full size all together are 3.5 GB
            logits = query[:, head] @ key[:, head].T / query.shape[-1] ** 0.5
            self.weights += torch.softmax(logits + bias, dim=-1) / attn.heads

    def _bias(self, device: torch.device) -> Tensor | float:
        """[R, N], or 0."""
        if self.guidance is None:
            return 0.0
        rules, clip = self.guidance
        parts = (clip.rays, clip.rays_valid, clip.directions, clip.directions_valid)
        rays, known, directions, seen = (part[None, self.frame].to(device) for part in parts)
        mask = frame_mask(rays[:, self.ego], known[:, self.ego], directions, seen, rules, tokens=self.tokens, dtype=torch.float32)
        return mask[0, 0]


def matching_tokens(geometry: TokenGeometry, *, frame: int, ego: Sequence[int] | None = None, degrees: float = DEGREES) -> Tensor:
    """Which exo tokens lie where ego tokens of a frame look, within an angle: [R, Nx] bool, in the order of `Grid.exo_rows`.

    geometry: of one clip. Tokens without ray or direction match nothing.
    """
    rays, known = geometry.rays[frame], geometry.rays_valid[frame]
    if ego is not None:
        rays, known = rays[list(ego)], known[list(ego)]
    both = known[:, None] & geometry.directions_valid[frame][None]
    # The angle from the chord: the cosine of small angles would round in float32.
    unit = torch.nn.functional.normalize
    chord = torch.cdist(unit(rays.double(), dim=-1), unit(geometry.directions[frame].double(), dim=-1))
    angle = 2 * torch.asin((chord / 2).clamp(max=1))
    return both & (angle <= torch.pi * degrees / 180)


def share_on_matching(
    maps: AttentionMaps, geometry: TokenGeometry, *, frame: int, ego: Sequence[int] | None = None, degrees: float = DEGREES
) -> Matching:
    """Fig. 7 as a number, for the R ego tokens of the maps.

    maps: of these tokens (`frame`, `ego`) as `attention_maps` gave them. geometry: of one clip.
    Exo tokens without a known point count neither way.
    """
    match = matching_tokens(geometry, frame=frame, ego=ego, degrees=degrees)
    weights = maps.exo.flatten(1).double()
    if weights.shape != match.shape:
        raise AttentionMapError(f"maps are of {tuple(weights.shape)} tokens, geometry of {tuple(match.shape)}")
    seen = geometry.directions_valid[frame].double()
    possible = match.any(-1)

    def share(of: Tensor) -> Tensor:
        parts = (of * match).sum(-1) / (of * seen).sum(-1)
        return torch.where(possible, parts, torch.nan).float()

    return Matching(share(weights), share(torch.ones_like(weights)))
