"""What is learned: the loop knows a task only by its protocol, so that other video-diffusion methods train with the same loop.

Flow matching throughout: z_t = (1 - t) x + t noise, the target is the velocity noise - x, the transformer is told 1000 t.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Generator, Tensor, nn

from ..canvas import Grid
from ..conditioning import Conditioning, condition_channels, exo_at, noised
from ..recipe import Recipe, Training
from .batch import Batch, canvas_of, collate
from .noise import GRAINS, draw_level

if TYPE_CHECKING:
    from ..attention import GuidedAttention

FIRST_FRAME = 0.45
"""Share of clips in inpainting of which the first latent frame is known and nothing else: image to video."""

NOTHING = 0.1
"""Share of examples in inpainting of which nothing is known."""


class TaskError(ValueError):
    """Examples that lack what a task needs, or a transformer of other channels; the message says which."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Draws:
    """Everything random about a batch, drawn beforehand on the CPU.

    levels: t in (0, 1], [batch] float32. noise: like the ego latents. exo_noise: like the exo latents, where these are noised.
    known: [batch, 1, frames, height, width] float32 of 0 and 1, of inpainting.
    """

    levels: Tensor
    noise: Tensor
    exo_noise: Tensor | None = None
    known: Tensor | None = None

    def to(self, device: torch.device | str) -> Draws:
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in tensors.items() if isinstance(value, Tensor)})


class Task(Protocol):
    """What the loop asks for. Batches and draws are the task's own; of draws the loop reads `levels`, of both it calls `to`."""

    def attach(self, transformer: nn.Module) -> None:
        """Once, before training: change the transformer where the task needs that."""
        ...

    def detach(self, transformer: nn.Module) -> None:
        """Undo `attach`."""
        ...

    def prepare(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        generators: Sequence[Generator],
        *,
        names: Sequence[str],
        level: float | None = None,
    ) -> tuple[Any, Any]:
        """(batch, draws). generators: one an example. level: of validation, where nothing else is left to chance either.

        Several threads call it at once where an accelerator trains: it must write nothing that they share.
        """
        ...

    def losses(self, transformer: nn.Module, batch: Any, draws: Any) -> Tensor:
        """[batch] float32, one loss an example, with gradients."""
        ...


@dataclass(kw_only=True)
class EgoXTask:
    """Eq. 3: exo clean beside noised ego, mask and prior on channels; the loss sees ego columns alone.

    rules: conditioning of the training. training: noise levels and dropouts.
    mirror_signs: [2, channels] of the codec, for trainings that mirror. empty_prompt: [L, text_dim], what stands in for a dropped
    prompt; None for zeros.
    """

    latents: Grid
    tokens: Grid
    rules: Conditioning
    training: Training
    text_tokens: int
    mirror_signs: Tensor | None = None
    empty_prompt: Tensor | None = None
    _guided: GuidedAttention | None = None

    def attach(self, transformer: nn.Module) -> None:
        if self.rules.guidance.on:
            from ..attention import install_guidance

            self._guided = install_guidance(transformer, self.tokens, self.rules.guidance)

    def detach(self, transformer: nn.Module) -> None:
        if self._guided is not None:
            from ..attention import remove_guidance

            remove_guidance(transformer)
            self._guided = None

    def prepare(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        generators: Sequence[Generator],
        *,
        names: Sequence[str],
        level: float | None = None,
    ) -> tuple[Batch, Draws]:
        if level is None:
            examples = [self._dropped(example, generator) for example, generator in zip(examples, generators, strict=True)]
        batch = collate(examples, self.text_tokens, names=names)
        for field in ("exo", "prior", "valid"):
            if getattr(batch, field) is None:
                raise TaskError(f"{batch.names[0]} has no {field}: EgoX needs both views and the prior; make the examples again")
        if self.rules.guidance.on and batch.geometry is None:
            raise TaskError(f"{batch.names[0]} has no geometry, but the recipe guides attention: make the examples again")
        exo_noise = None
        levels, noise = _levels(self.training, generators, level), _noise(batch.ego, generators)
        if self.rules.exo == "noised":
            assert batch.exo is not None
            exo_noise = _noise(batch.exo, generators)
        return batch, Draws(levels=levels, noise=noise, exo_noise=exo_noise)

    def losses(self, transformer: nn.Module, batch: Batch, draws: Draws) -> Tensor:
        grid, exo, prior, valid = self.latents, batch.exo, batch.prior, batch.valid
        assert exo is not None
        assert prior is not None
        assert valid is not None
        if draws.exo_noise is not None:
            exo = exo_at(self.rules, exo, draws.exo_noise, draws.levels)
        state = grid.join(exo, noised(batch.ego, draws.noise, draws.levels))
        condition = condition_channels(grid, self.rules, exo=exo, prior=prior, valid=valid)
        if self._guided is not None:
            from ..attention import guidance_of

            if guidance_of(getattr(transformer, "module", transformer)) is not self._guided:
                raise TaskError(
                    "guidance was taken off the transformer, or replaced, since training began: put it back after use"
                )
            assert batch.geometry is not None
            # It stays until the next batch: gradient checkpointing calls the attention again during the backward pass.
            self._guided.set(batch.geometry)
        velocity = _velocity(transformer, batch, draws, torch.cat([state, condition], dim=1))
        return _squared_error(grid.split(velocity)[1], batch, draws)

    def _dropped(self, example: Mapping[str, Tensor], generator: Generator) -> Mapping[str, Tensor]:
        """Without its prompt, or its prior, or mirrored, each by chance. All chances are always drawn: noise must not depend on
        them."""
        no_text, no_prior, mirror = torch.rand(3, generator=generator).tolist()
        if no_text < self.training.text_dropout:
            example = _without_prompt(example, self.empty_prompt)
        if no_prior < self.training.prior_dropout and "prior" in example and "valid" in example:
            zeros = {field: torch.zeros_like(example[field]) for field in ("prior", "valid")}
            example = {**example, **zeros}
        if mirror < self.training.mirror:
            assert self.mirror_signs is not None  # `task_of` has looked
            example = mirrored(example, self.mirror_signs, self.tokens)
        return example


@dataclass(kw_only=True)
class InpaintTask:
    """One view with known parts, what a base learns before it is given two: inpainting, and image to video of clips.

    Latent cells are known or not, where Wan's own training blackens pixels before it encodes them. Unknown cells are 0 here, and
    known ones beside them hold what they share with those.
    The mask is 1 in all its channels where a cell is known, and the condition holds the cell's latents; elsewhere both are 0.
    The loss is on all cells. Fields as of `EgoXTask`.
    """

    latents: Grid
    training: Training
    text_tokens: int
    mirror_signs: Tensor | None = None
    empty_prompt: Tensor | None = None

    def attach(self, transformer: nn.Module) -> None:
        pass

    def detach(self, transformer: nn.Module) -> None:
        pass

    def prepare(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        generators: Sequence[Generator],
        *,
        names: Sequence[str],
        level: float | None = None,
    ) -> tuple[Batch, Draws]:
        views = [{key: value for key, value in example.items() if key in _ONE_VIEW} for example in examples]
        if level is None:
            views = [self._dropped(view, generator) for view, generator in zip(views, generators, strict=True)]
        batch = collate(views, self.text_tokens, names=names)
        levels, noise = _levels(self.training, generators, level), _noise(batch.ego, generators)
        known = torch.stack([known_cells(self.latents, generator) for generator in generators])[:, None]
        return batch, Draws(levels=levels, noise=noise, known=known)

    def losses(self, transformer: nn.Module, batch: Batch, draws: Draws) -> Tensor:
        assert draws.known is not None
        channels = batch.ego.shape[1]
        mask = draws.known.expand(-1, _mask_channels(transformer, channels), -1, -1, -1)
        state = noised(batch.ego, draws.noise, draws.levels)
        velocity = _velocity(transformer, batch, draws, torch.cat([state, mask, draws.known * batch.ego], dim=1))
        return _squared_error(velocity, batch, draws)

    def _dropped(self, view: Mapping[str, Tensor], generator: Generator) -> Mapping[str, Tensor]:
        no_text, mirror = torch.rand(2, generator=generator).tolist()
        if no_text < self.training.text_dropout:
            view = _without_prompt(view, self.empty_prompt)
        if mirror < self.training.mirror:
            assert self.mirror_signs is not None  # `task_of` has looked
            view = mirrored(view, self.mirror_signs)
        return view


_ONE_VIEW = ("ego", "prompt_embeds", "image_embeds")


def task_of(
    recipe: Recipe,
    transformer: nn.Module,
    example: Mapping[str, Tensor],
    *,
    mirror_signs: Tensor | None = None,
    empty_prompt: Tensor | None = None,
) -> Task:
    """The task of a recipe, for the canvas of an example.

    mirror_signs: [2, channels], what a mirror does to latents (`FixedBasisCodec.mirror_signs`), for recipes that mirror. Raises
    TaskError where they are missing, or where the canvas is not whole tokens.
    """
    training = recipe.training
    if training is None:
        raise TaskError(f"recipe {recipe.name} has no [training]: it is for sampling alone")
    if training.mirror and mirror_signs is None:
        raise TaskError(f"recipe {recipe.name} mirrors examples, and this codec's latents have no mirror image: set mirror = 0")
    shared: dict[str, Any] = {
        "training": training,
        "text_tokens": recipe.model.text_tokens,
        "mirror_signs": mirror_signs,
        "empty_prompt": empty_prompt,
    }
    latents = canvas_of(example)
    if training.task == "inpaint":
        return InpaintTask(latents=replace(latents, exo=0), **shared)
    if not latents.exo:
        raise TaskError("the first example has no exo: EgoX needs both views; make the examples again")
    tokens = _tokens(latents, tuple(_config(transformer).patch_size))
    return EgoXTask(latents=latents, tokens=tokens, rules=recipe.training_conditioning, **shared)


def known_cells(latents: Grid, generator: Generator) -> Tensor:
    """[frames, height, width] float32: 1 on cells that inpainting gives away.

    Nothing, or the first frame (of clips), or up to four rectangles, or all but those; rectangles are the same in all frames,
    a quarter to three quarters of the view high and wide.
    """
    known = torch.zeros(latents.frames, latents.height, latents.ego)
    kind = float(torch.rand((), generator=generator))
    if kind < NOTHING:
        return known
    if latents.frames > 1 and kind < NOTHING + FIRST_FRAME:
        known[0] = 1
        return known
    count = int(torch.randint(1, 5, (), generator=generator))
    for _ in range(count):
        high, wide, down, right = torch.rand(4, generator=generator).tolist()
        rows, columns = _side(latents.height, high), _side(latents.ego, wide)
        top, left = int(down * (latents.height - rows + 1)), int(right * (latents.ego - columns + 1))
        known[:, top : top + rows, left : left + columns] = 1
    return 1 - known if float(torch.rand((), generator=generator)) < 0.5 else known


def mirrored(example: Mapping[str, Tensor], signs: Tensor, tokens: Grid | None = None) -> dict[str, Tensor]:
    """An example of the world in a mirror: left is right in every view.

    signs: [2, channels], of the first and of later latent frames. tokens: canvas of the geometry, where there is one. Rays and
    directions only change places: all that is asked of them is their angles, which a mirror leaves as they are. Prompts and
    embeddings of a picture stay as they were: captions must not name sides.
    """
    made = dict(example)
    for field in ("ego", "exo", "prior", "valid"):
        if field in made:
            made[field] = made[field].flip(-1)
            if field != "valid":
                by_frame = torch.stack([signs[0], *[signs[1]] * (made[field].shape[1] - 1)], dim=1)
                made[field] = made[field] * by_frame[:, :, None, None]
    if tokens is not None:
        for field, width in (("rays", tokens.ego), ("directions", tokens.exo)):
            if field in made:
                at = 1  # [frames, tokens]: tokens lie row by row, columns fastest
                made[field] = made[field].unflatten(at, (-1, width)).flip(at + 1).flatten(at, at + 1)
                valid = f"{field}_valid"
                made[valid] = made[valid].unflatten(at, (-1, width)).flip(at + 1).flatten(at, at + 1)
    return made


def _side(cells: int, share: float) -> int:
    return max(1, round(cells * (0.25 + 0.5 * share)))


def _tokens(latents: Grid, patch: tuple[int, ...]) -> Grid:
    sizes = {"frames": (latents.frames, patch[0]), "height": (latents.height, patch[1])}
    sizes |= {"exo": (latents.exo, patch[2]), "ego": (latents.ego, patch[2])}
    for name, (size, side) in sizes.items():
        if size % side:
            raise TaskError(f"the examples' {name} of {size} latent cells is not a multiple of the transformer's patch of {side}")
    return Grid(**{name: size // side for name, (size, side) in sizes.items()})


def _without_prompt(example: Mapping[str, Tensor], empty: Tensor | None) -> Mapping[str, Tensor]:
    prompt = example["prompt_embeds"]
    return {**example, "prompt_embeds": prompt.new_zeros(0, prompt.shape[-1]) if empty is None else empty.to(prompt)}


def _levels(training: Training, generators: Sequence[Generator], level: float | None) -> Tensor:
    drawn = [draw_level(training.noise, generator) if level is None else level for generator in generators]
    return torch.tensor(drawn, dtype=torch.float32)


def _noise(like: Tensor, generators: Sequence[Generator]) -> Tensor:
    return torch.stack([torch.randn(like.shape[1:], generator=generator) for generator in generators])


def _config(transformer: nn.Module) -> Any:
    return getattr(transformer, "module", transformer).config


def _mask_channels(transformer: nn.Module, latent_channels: int) -> int:
    taken = _config(transformer).in_channels
    if taken <= 2 * latent_channels:
        raise TaskError(
            f"the transformer takes {taken} channels: state and condition of {latent_channels} each leave none for the mask"
        )
    return taken - 2 * latent_channels


def _velocity(transformer: nn.Module, batch: Batch, draws: Draws, channels: Tensor) -> Tensor:
    """What the transformer makes of [batch, in_channels, frames, height, width], with one timestep for the whole canvas."""
    return transformer(
        hidden_states=channels,
        timestep=GRAINS * draws.levels,
        encoder_hidden_states=batch.prompt_embeds,
        encoder_hidden_states_image=batch.image_embeds,
        return_dict=False,
    )[0]


def _squared_error(velocity: Tensor, batch: Batch, draws: Draws) -> Tensor:
    return (velocity.float() - (draws.noise - batch.ego)).square().flatten(1).mean(dim=1)
