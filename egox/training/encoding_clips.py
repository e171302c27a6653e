"""From a clip with its truth to the examples that training reads: latents, embeddings and the geometry of tokens.

Four kinds of examples, by what a recipe trains: whole clips or single frames of them, of both views or of one view alone. Single
frames are encoded as first frames, each alone. Of one view alone the exo video gives its middle, cut to the ego picture's size: a
base model learns both views on one canvas.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..canvas import JointCanvas
from ..clip import EgoXClip
from ..conditioning import Conditioning
from ..encoding import EncodedClip, context_picture, encode_clip, encode_video, noise_picture
from ..geometry import token_geometry
from ..recipe import Training

VERSION = "2"
"""Part of every example's key: to be raised with any change of code that changes examples."""

EGO, EXO = "ego", "exo"

INSTANTS = 5
"""Single frames that are taken of a clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleKind:
    """one_view: each view alone, what "inpaint" learns from; else both with prior and geometry. single: frames, not clips."""

    one_view: bool
    single: bool

    @classmethod
    def of(cls, training: Training) -> ExampleKind:
        return cls(one_view=training.task == "inpaint", single=training.frames == "single")

    @property
    def name(self) -> str:
        return ("view-" if self.one_view else "") + ("frames" if self.single else "clips")

    def instants(self, frames: int) -> tuple[int | None, ...]:
        """Which frames of a clip become examples: INSTANTS from the first to the last, or None for all as one clip."""
        return tuple(dict.fromkeys(k * (frames - 1) // (INSTANTS - 1) for k in range(INSTANTS))) if self.single else (None,)

    def examples_of(self, clip: str, frames: int) -> tuple[str, ...]:
        """Names of the examples that a clip of so many frames gives, in the order of `ClipEncoder.examples`."""
        views = (f".{EGO}", f".{EXO}") if self.one_view else ("",)
        instants = ("" if at is None else f".{at}" for at in self.instants(frames))
        return tuple(f"{clip}{view}{at}" for at in instants for view in views)

    def relevant(self, rules: Conditioning) -> dict[str, Any]:
        """The rules that decide what is in an example; all others only decide how it is used."""
        chosen: dict[str, Any] = {"posterior": rules.posterior, "image_context": rules.image_context, "text": rules.text}
        if not self.one_view:
            guidance = rules.guidance
            chosen |= {"prior_holes": rules.prior_holes, "rays": guidance.rays, "points": guidance.points}
        return chosen


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClipEncoder:
    """The encoders of one recipe. text: a prompt's embeddings [length, width], trimmed.

    picture: embeddings [n, width] of a picture [height, width, 3]; None where the transformer takes none. device: of the codec.
    """

    codec: Any
    rules: Conditioning
    text: Callable[[str], Tensor]
    picture: Callable[[NDArray[np.uint8]], Tensor] | None = None
    device: str | torch.device = "cpu"

    def examples(self, kind: ExampleKind, clip: EgoXClip, truth: NDArray[np.uint8], *, seed: int) -> Iterator[dict[str, Tensor]]:
        """Of both views, in the order of `ExampleKind.examples_of`. truth: [t, h, w, 3] uint8. seed: of a sampled posterior."""
        for at in kind.instants(len(clip)):
            part, true = (clip, truth) if at is None else (frame_of(clip, at), truth[at : at + 1])
            generator = torch.Generator().manual_seed(seed + (at or 0))
            yield self._both(part, true, generator)

    def views(
        self, kind: ExampleKind, exo: NDArray[np.uint8], ego: NDArray[np.uint8], prompt: str, *, seed: int
    ) -> Iterator[dict[str, Tensor]]:
        """Of each view alone, in the order of `ExampleKind.examples_of`. exo, ego: [t, h, width, 3] uint8."""
        left = (exo.shape[2] - ego.shape[2]) // 2
        middle = exo[:, :, left : left + ego.shape[2]]
        for at in kind.instants(len(ego)):
            chosen = slice(None) if at is None else slice(at, at + 1)
            generator = torch.Generator().manual_seed(seed + (at or 0))
            for video in (ego[chosen], middle[chosen]):
                yield {
                    "ego": self._latents(video, generator),
                    "prompt_embeds": self.text(prompt),
                    **({} if self.picture is None else {"image_embeds": self.picture(video[0])}),
                }

    def _both(self, clip: EgoXClip, truth: NDArray[np.uint8], generator: torch.Generator) -> dict[str, Tensor]:
        if clip.depth_m is None:
            raise ValueError("the clip has no depth, and geometry is part of every example")
        canvas = JointCanvas.of(frames=len(clip), exo_size=clip.exo_size, ego_size=clip.ego_size, codec=self.codec)
        encoded = encode_clip(self.codec, clip, canvas, self.rules, generator=generator, device=self.device)
        geometry = token_geometry(
            canvas, depth_m=clip.depth_m, exo=clip.exo_camera, ego=clip.ego_camera, rules=self.rules.guidance
        )
        return {
            "exo": encoded.exo[0],
            "prior": encoded.prior[0],
            "valid": encoded.valid[0],
            "ego": self._latents(truth, generator),
            "rays": geometry.rays,
            "rays_valid": geometry.rays_valid,
            "directions": geometry.directions,
            "directions_valid": geometry.directions_valid,
            "prompt_embeds": self.text(clip.prompt),
            **self._context(clip, truth, encoded, generator),
        }

    def _latents(self, video: NDArray[np.uint8], generator: torch.Generator) -> Tensor:
        return encode_video(self.codec, video, posterior=self.rules.posterior, generator=generator, device=self.device)[0]

    def _context(
        self, clip: EgoXClip, truth: NDArray[np.uint8], encoded: EncodedClip, generator: torch.Generator
    ) -> dict[str, Tensor]:
        if self.picture is None:
            return {}
        if self.rules.image_context == "exo_beside_noise":
            noise = torch.randn(encoded.prior.shape, generator=generator).to(encoded.exo.device)
            shown = noise_picture(self.codec, encoded.exo, noise, device=self.device)
        else:
            shown = context_picture(self.rules, clip.exo[0], truth[0])
        return {"image_embeds": self.picture(shown)}


def frame_of(clip: EgoXClip, at: int) -> EgoXClip:
    """One frame of a clip as a clip."""
    chosen = slice(at, at + 1)
    return dataclasses.replace(
        clip,
        exo=clip.exo[chosen],
        prior=clip.prior[chosen],
        prior_valid=clip.prior_valid[chosen],
        depth_m=None if clip.depth_m is None else clip.depth_m[chosen],
        exo_camera=clip.exo_camera.select([at]),
        ego_camera=clip.ego_camera.select([at]),
    )
