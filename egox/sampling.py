"""One clip in work: what the stock sampling loop is handed, and what is put right after each of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from .canvas import CanvasError, Grid
from .conditioning import Conditioning, condition_channels, exo_at
from .encoding import EncodedClip

Callback = Callable[..., dict[str, Any]]


class SamplingError(ValueError):
    """Sampling that cannot be done as asked, or went wrong; the message names what, and the step where there is one."""


class Sampling:
    """Latents and condition of one clip, between the stock loop's calls.

    grid: of latents. noise, exo_noise: like the latents of prior and exo, on their device; the ego columns begin as `noise`.
    image_embeds: [1, n, width], for a transformer that takes them.
    """

    def __init__(
        self, grid: Grid, rules: Conditioning, encoded: EncodedClip, noise: Tensor, exo_noise: Tensor, image_embeds: Tensor | None
    ) -> None:
        self.grid, self.rules, self.encoded = grid, rules, encoded
        self.noise, self.exo_noise = noise, exo_noise
        self.image_embeds = image_embeds
        self._condition: Tensor | None = None

    def start(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """The first latents [1, 16, f, h, w], and mask and condition beside them [1, 20, f, h, w]."""
        exo = self._exo(level)
        self._condition = condition_channels(self.grid, self.rules, exo=exo, prior=self.encoded.prior, valid=self.encoded.valid)
        return self.grid.join(exo, self.noise), self._condition

    def restored(self, latents: Tensor, level: Tensor) -> Tensor:
        """Latents whose exo columns are those of this level; the condition follows, in place, where they change."""
        exo = self._exo(level)
        if self.rules.exo != "clean" and self._condition is not None:
            self.grid.split(self._condition[:, -exo.shape[1] :])[0].copy_(exo)
        return self.grid.join(exo, self.grid.split(latents)[1])

    def after_step(self, levels: Callable[[], Tensor], callback: Callback | None, wanted: Iterable[str]) -> Callback:
        """The callback for the stock loop: looks for what is not finite, restores the exo columns, and calls the user's.

        levels: the scheduler's noise levels, one more than there are steps, asked for when steps are done.
        """
        names = tuple(wanted)

        def after(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            reached = levels()[step + 1]
            if not torch.isfinite(tensors["latents"]).all():
                raise SamplingError(
                    f"latents are not finite after step {step + 1} of {len(levels()) - 1}, so no video is made of them: the"
                    " weights are broken, or the precision is too low"
                )
            latents = self.restored(tensors["latents"], reached)
            if callback is None:
                return {"latents": latents}
            given = {name: latents if name == "latents" else tensors[name] for name in names}
            changed = callback(pipeline, step, timestep, given)
            if "latents" in changed:
                latents = self.restored(changed["latents"], reached)
            return {**changed, "latents": latents}

        return after

    def _exo(self, level: Tensor) -> Tensor:
        return exo_at(self.rules, self.encoded.exo, self.exo_noise, level.reshape(1).to(self.exo_noise.device))


def check_channels(codec: Any, transformer: Any) -> None:
    """Raises SamplingError where a transformer does not take Eq. 3's channels of this codec's latents."""
    latent, mask = codec.config.z_dim, codec.config.scale_factor_temporal
    expected = (2 * latent + mask, latent)
    found = (transformer.config.in_channels, transformer.config.out_channels)
    if found != expected:
        raise SamplingError(
            f"the transformer takes {found[0]} channels and gives {found[1]}; state, mask and condition of this codec are"
            f" {latent} + {mask} + {latent} = {expected[0]}, and out come {expected[1]}: take an image-to-video base"
        )


def check_places(transformer: Any, tokens: Grid) -> None:
    """Raises CanvasError where a canvas is larger than a transformer's table of positions."""
    most = transformer.config.rope_max_seq_len
    if max(tokens.frames, tokens.height, tokens.width) > most:
        raise CanvasError(
            f"the canvas has {tokens.frames}x{tokens.height}x{tokens.width} tokens, this transformer knows places up to {most}"
        )


def shifted(scheduler: Any, shift: float | None) -> Any:
    """The scheduler itself without a shift, otherwise UniPC over flow matching with it."""
    if shift is None:
        if not scheduler.config.get("use_flow_sigmas", True):
            raise SamplingError(f"{type(scheduler).__name__} of this checkpoint does not sample flow matching (use_flow_sigmas)")
        return scheduler
    from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

    return UniPCMultistepScheduler.from_config(
        scheduler.config, prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
