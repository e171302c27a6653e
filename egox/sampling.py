"""One clip in work: what the stock sampling loop is handed, and what is put right after each of its steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from .canvas import CanvasError, Grid
from .conditioning import Conditioning, condition_channels, exo_at
from .encoding import EncodedClip

Callback = Callable[..., dict[str, Any]]

IMAGE_BRANCH_TEXT_TOKENS = 512
"""Where a Wan transformer has an image branch, its cross-attention splits text from picture at this many embeddings."""


class SamplingError(ValueError):
    """Sampling that cannot be done as asked, or went wrong; the message names what, and the step where there is one."""


class ClipInWork:
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
        """The first latents [1, channels, f, h, w], and mask and condition beside them [1, 4 + channels, f, h, w]."""
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

        The exo columns are restored again after the user's, which may have written into the tensors that it was given.

        levels: the scheduler's noise levels, one more than there are steps, asked for when steps are done.
        """
        names = tuple(wanted)

        def after(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            reached = levels()[step + 1]
            place = f"step {step + 1} of {len(levels()) - 1}"
            if not torch.isfinite(tensors["latents"]).all():
                raise SamplingError(
                    f"latents are not finite after {place}, so no video is made of them: the weights are broken, or the precision"
                    " is too low"
                )
            latents = self.restored(tensors["latents"], reached)
            if callback is None:
                return {"latents": latents}
            given = {name: latents if name == "latents" else tensors[name] for name in names}
            changed = callback(pipeline, step, timestep, given)
            if not isinstance(changed, Mapping):
                raise SamplingError(
                    f"callback_on_step_end returned {type(changed).__name__} after {place}, expected a dict of the tensors that"
                    " it changes: return {} where it changes none"
                )
            changed = {"latents": latents, **changed}  # changed in place, they are not among what is returned
            for name, value in changed.items():
                if isinstance(value, Tensor) and not torch.isfinite(value).all():
                    raise SamplingError(f"callback_on_step_end made {name} that are not finite after {place}")
            return {**changed, "latents": self.restored(changed["latents"], reached)}

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


def check_text_length(transformer: Any, tokens: int) -> None:
    """Raises SamplingError where a transformer with an image branch would take a part of the text for the picture."""
    if transformer.config.image_dim is not None and tokens != IMAGE_BRANCH_TEXT_TOKENS:
        raise SamplingError(
            f"model.text_tokens is {tokens}, and this transformer takes all but the last {IMAGE_BRANCH_TEXT_TOKENS} embeddings"
            f" for those of a picture: set text_tokens = {IMAGE_BRANCH_TEXT_TOKENS} in the recipe, or take a transformer without"
            " image_dim"
        )


def check_settings(steps: int, guidance_scale: float, scheduler: Any) -> None:
    """Raises SamplingError for a number of steps, or a scale of text guidance, that the scheduler and the loop cannot take."""
    most = scheduler.config.num_train_timesteps
    if not 1 <= steps <= most:
        raise SamplingError(f"{steps} steps: sampling takes at least one, and this scheduler has {most} levels")
    if not 0 <= guidance_scale < math.inf:
        raise SamplingError(f"guidance_scale is {guidance_scale}, expected a finite number; at 1 text does not guide")


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU. Raises SamplingError for a seed that torch does not take."""
    if not -(2**63) <= seed < 2**64:
        raise SamplingError(f"seed is {seed}, expected a whole number from 0 to 2**64 - 1")
    return torch.Generator().manual_seed(seed)


def shifted(scheduler: Any, shift: float | None) -> Any:
    """The scheduler itself without a shift, otherwise one of its class over flow matching with it.

    Raises SamplingError where the scheduler does not sample flow matching, or has no flow shift to be set.
    """
    name = type(scheduler).__name__
    if shift is None:
        if not scheduler.config.get("use_flow_sigmas", True):
            raise SamplingError(f"{name} of this checkpoint does not sample flow matching (use_flow_sigmas)")
        return scheduler
    if "flow_shift" not in scheduler.config:
        raise SamplingError(
            f"the recipe has sampling.shift = {shift}, and {name} has no flow_shift: give a scheduler that has, such as"
            " UniPCMultistepScheduler, or take a recipe without a shift"
        )
    return type(scheduler).from_config(
        scheduler.config, prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
