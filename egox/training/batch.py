"""Examples stacked to a batch: what a task is given.

An example is a dict of tensors of one clip, or of one frame of it (f = 1), latents normalised and float32:

    exo [c, f, h, We]   ego [c, f, h, w]   prior [c, f, h, w]   valid [4, f, h, w]   shares of known pixels
    rays, rays_valid, directions, directions_valid: the fields of `TokenGeometry`
    prompt_embeds [L, text_dim], trimmed to their true length   image_embeds [n, d], where the transformer takes them

An example of one view alone holds that view as `ego`, and no exo, prior, valid or geometry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..canvas import Grid

if TYPE_CHECKING:
    from ..geometry import TokenGeometry

GEOMETRY = ("rays", "rays_valid", "directions", "directions_valid")


class BatchError(ValueError):
    """Examples that do not stack; the message names the field, the example and both shapes."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Batch:
    """Stacked examples; a field that the examples lack is None. `prompt_embeds` are [batch, text_tokens, text_dim]."""

    names: tuple[str, ...]
    ego: Tensor
    prompt_embeds: Tensor
    exo: Tensor | None = None
    prior: Tensor | None = None
    valid: Tensor | None = None
    image_embeds: Tensor | None = None
    geometry: TokenGeometry | None = None

    def __len__(self) -> int:
        return len(self.ego)

    @property
    def latents(self) -> Grid:
        """The canvas in latents; without exo, that of one view."""
        frames, height, width = self.ego.shape[-3:]
        return Grid(frames=frames, height=height, exo=0 if self.exo is None else self.exo.shape[-1], ego=width)

    def to(self, device: torch.device | str) -> Batch:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{name: value.to(device) if hasattr(value, "to") else value for name, value in values.items()})


def collate(examples: Sequence[Mapping[str, Tensor]], text_tokens: int, *, names: Sequence[str] | None = None) -> Batch:
    """Stack examples; prompts are padded with zeros to `text_tokens`, as Wan pads them.

    names: of the examples, for messages. Raises BatchError where fields or shapes differ, or a prompt is longer than that.
    """
    names = tuple(names) if names is not None else tuple(f"example {k}" for k in range(len(examples)))
    if not examples:
        raise BatchError("no example: a batch needs at least one")
    for name, example in zip(names, examples, strict=True):
        if example.keys() != examples[0].keys():
            odd = ", ".join(sorted(example.keys() ^ examples[0].keys()))
            raise BatchError(f"{name} and {names[0]} do not both have {odd}: make the examples again, all in one way")
        for needed in ("ego", "prompt_embeds"):
            if needed not in example:
                raise BatchError(f"{name} has no {needed}; it has {', '.join(sorted(example)) or 'nothing'}")
    stacked = {
        field: _stacked([example[field] for example in examples], field, names)
        for field in examples[0]
        if field in ("exo", "ego", "prior", "valid", "image_embeds")
    }
    return Batch(names=names, prompt_embeds=_padded(examples, text_tokens, names), geometry=_geometry(examples, names), **stacked)


def _stacked(tensors: Sequence[Tensor], field: str, names: Sequence[str]) -> Tensor:
    for name, tensor in zip(names, tensors, strict=True):
        if tensor.shape != tensors[0].shape:
            raise BatchError(
                f"{field} of {name} is {tuple(tensor.shape)}, of {names[0]} {tuple(tensors[0].shape)}:"
                " a training has one canvas, make the examples again"
            )
    return torch.stack([tensor.float() for tensor in tensors])


def _padded(examples: Sequence[Mapping[str, Tensor]], text_tokens: int, names: Sequence[str]) -> Tensor:
    rows = []
    for name, example in zip(names, examples, strict=True):
        prompt = example["prompt_embeds"].float()
        if len(prompt) > text_tokens:
            raise BatchError(f"the prompt of {name} has {len(prompt)} tokens, the model takes {text_tokens}: cut it before")
        rows.append(F.pad(prompt, (0, 0, 0, text_tokens - len(prompt))))
    return _stacked(rows, "prompt_embeds", names)


def _geometry(examples: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> TokenGeometry | None:
    there = [field for field in GEOMETRY if field in examples[0]]
    if not there:
        return None
    from ..geometry import TokenGeometry

    if len(there) < len(GEOMETRY):
        raise BatchError(f"{names[0]} has {', '.join(there)} alone; geometry is {', '.join(GEOMETRY)}")
    clips = [{field: example[field] for field in GEOMETRY} for example in examples]
    for field in GEOMETRY:
        _stacked([clip[field] for clip in clips], field, names)
    return TokenGeometry.stack([TokenGeometry(**clip) for clip in clips])


def names_of(examples: Sequence[Mapping[str, Tensor]]) -> Sequence[str]:
    """A store knows the names of its examples; others are numbered."""
    known = getattr(examples, "names", None)
    return known if known is not None else [f"example {k}" for k in range(len(examples))]


def canvas_of(example: Mapping[str, Tensor]) -> Grid:
    """The canvas of an example, in latents. Raises BatchError where it has no ego."""
    if "ego" not in example:
        raise BatchError(f"the first example has no ego, only {', '.join(sorted(example)) or 'nothing'}; make the examples again")
    frames, height, width = example["ego"].shape[-3:]
    return Grid(frames=frames, height=height, exo=example["exo"].shape[-1] if "exo" in example else 0, ego=width)
