"""Looks with guidance and without, and writes pictures and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmark.errors import Undefined, UserError
from benchmark.files import atomic_file, reason_of
from benchmark.progress import progress
from egox.attention import GuidanceError
from egox.attention_maps import AttentionMapError, AttentionMaps, attention_maps, call_at_step, matching_tokens, share_on_matching
from egox.canvas import CanvasError, JointCanvas
from egox.clip import ClipError, EgoXClip
from egox.encoding import EncodingError
from egox.geometry import GeometryError, TokenGeometry, token_geometry
from egox.mini import PreconditionerError
from egox.pipeline import EgoXPipeline
from egox.sampling import SamplingError
from egox.threads import one_thread
from methods.egox import Options
from methods.egox.adapter import EgoX

from .picture import Look, Scene
from .sources import Source

_MISTAKES = (
    AttentionMapError,
    CanvasError,
    ClipError,
    EncodingError,
    GeometryError,
    GuidanceError,
    PreconditionerError,
    SamplingError,
)
"""What the library says of a clip, weights or options that do not fit; any other error is a bug, and shows its traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """frame: of the video; token: row and column of the ego grid; step: of sampling, 1 the first; None is the middle of each.

    blocks: None is all. degrees: how close a matching token lies to the ray.
    """

    frame: int | None
    token: tuple[int, ...] | None
    step: int | None
    blocks: tuple[int, ...] | None
    degrees: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Of the attention on known exo tokens, what is on matching ones. None where nothing matches.

    frame: mean over the ego tokens of the frame where something does. on_exo: of all attention of the token.
    """

    token: float | None
    frame: float | None
    on_exo: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """chance: what even attention would give. counted: ego tokens of the frame that the mean is over, of `tokens` in all."""

    clip: str
    folder: Path
    recipe: str
    frame: int
    latent_frame: int
    token: tuple[int, int]
    step: int
    steps: int
    degrees: float
    guided: Shares
    unguided: Shares
    chance: float | None
    frame_chance: float | None
    counted: int
    tokens: int
    note: str

    def to_json(self) -> dict[str, Any]:
        names = (
            "clip",
            "recipe",
            "frame",
            "latent_frame",
            "step",
            "steps",
            "degrees",
            "chance",
            "frame_chance",
            "counted",
            "tokens",
            "note",
        )
        shares = {
            name: {"token": part.token, "frame": part.frame, "on_exo": part.on_exo}
            for name, part in (("with", self.guided), ("without", self.unguided))
        }
        return {name: getattr(self, name) for name in names} | {"token": list(self.token), "folder": str(self.folder)} | shares

    def as_lines(self) -> str:
        row, column = self.token
        lines = [
            f"{self.clip}: {self.folder}",
            f"  ego token {row},{column} of frame {self.frame} (latent frame {self.latent_frame}), step {self.step} of"
            f" {self.steps}, recipe {self.recipe}",
            f"  attention to the exo view that is on what lies within {self.degrees:g} degrees of the ray:",
            f"  {'':26}{'with':>9}{'without':>9}{'even':>9}",
            f"  {'this token':26}{_percent(self.guided.token)}{_percent(self.unguided.token)}{_percent(self.chance)}",
            f"  {f'mean of {self.counted} ego tokens':26}{_percent(self.guided.frame)}{_percent(self.unguided.frame)}"
            f"{_percent(self.frame_chance)}",
            f"  {'all attention to exo':26}{_percent(self.guided.on_exo)}{_percent(self.unguided.on_exo)}",
        ]
        return "\n".join(lines + ([f"  {self.note}"] if self.note else []))


def look(source: Source, options: Options, asked: Asked, *, out: Path) -> Found:
    """Raises UserError for what is not there: frames, tokens, steps, blocks, weights, depth."""
    method = EgoX(options)
    try:
        with one_thread(), progress("attention") as task:
            task(0, 4, "prior and weights")
            pipeline, clip = method.prepared(source.inputs)
            return _looked(source, pipeline, clip, asked, out, task)
    except Undefined as reason:
        raise UserError(f"{source.name}: {reason}") from None
    except _MISTAKES as error:
        raise UserError(str(error)) from error
    finally:
        method.close()


def _looked(source: Source, pipeline: EgoXPipeline, clip: EgoXClip, asked: Asked, out: Path, task: Any) -> Found:
    rules, recipe = pipeline.recipe.conditioning.guidance, pipeline.recipe
    if not rules.on:
        raise UserError(f"recipe {recipe.name} does not guide attention, so there is nothing to compare; take one that does")
    if clip.depth_m is None:
        raise UserError(f"{source.name}: has no depth, which guidance needs")
    canvas = clip.canvas(pipeline.vae, pipeline.transformer)
    place, layers = _place(canvas, asked), len(pipeline.transformer.blocks)
    if asked.blocks and max(asked.blocks) >= layers:
        raise UserError(f"--blocks {max(asked.blocks)}: the transformer has blocks 0 to {layers - 1}")
    step = max(1, recipe.sampling.steps // 2) if asked.step is None else asked.step
    geometry = token_geometry(canvas, depth_m=clip.depth_m, exo=clip.exo_camera, ego=clip.ego_camera, rules=rules)
    task(1, 4, f"sampling up to step {step}")
    call = call_at_step(pipeline, clip, step=step, seed=asked.seed)
    maps = []
    for number, guidance in enumerate([(rules, geometry), None]):
        task(2 + number, 4, "looking")
        maps.append(
            attention_maps(
                pipeline.transformer, call, canvas.tokens, frame=place.latent_frame, guidance=guidance, blocks=asked.blocks
            )
        )
    found = _found(source.name, recipe.name, maps, geometry, place, asked, step=step, steps=recipe.sampling.steps, out=out)
    _draw(source, clip, canvas, maps, geometry, place, found)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """frame: the video's, which stands for the latent frame. index: of the token in the frame's ego tokens."""

    frame: int
    latent_frame: int
    row: int
    column: int
    index: int


def _place(canvas: JointCanvas, asked: Asked) -> _Place:
    pixels, tokens = canvas.pixels, canvas.tokens
    frame = pixels.frames // 2 if asked.frame is None else asked.frame
    if frame >= pixels.frames:
        raise UserError(f"--frame {frame}: the clip has frames 0 to {pixels.frames - 1}")
    row, column = (tokens.height // 2, tokens.ego // 2) if asked.token is None else asked.token
    if row >= tokens.height or column >= tokens.ego:
        raise UserError(f"--token {row},{column}: the ego view has tokens 0,0 to {tokens.height - 1},{tokens.ego - 1}")
    instants = canvas.token_instants
    latent_frame = next((k for k, instant in enumerate(instants) if frame <= instant), len(instants) - 1)
    return _Place(
        frame=instants[latent_frame], latent_frame=latent_frame, row=row, column=column, index=row * tokens.ego + column
    )


def _found(
    clip: str,
    recipe: str,
    maps: list[AttentionMaps],
    geometry: TokenGeometry,
    place: _Place,
    asked: Asked,
    *,
    step: int,
    steps: int,
    out: Path,
) -> Found:
    matched = [share_on_matching(part, geometry, frame=place.latent_frame, degrees=asked.degrees) for part in maps]
    guided, unguided = (
        Shares(
            token=_number(part.share[place.index]), frame=_number(part.share.nanmean()), on_exo=float(whole.on_exo[place.index])
        )
        for part, whole in zip(matched, maps)
    )
    note = ""
    if not geometry.rays_valid[place.latent_frame, place.index]:
        note = "this token lies outside of the lens circle: it has no ray, and guidance leaves it alone"
    elif guided.token is None:
        note = f"no exo token with a known point lies within {asked.degrees:g} degrees of this token's ray"
    chance = matched[0].chance
    return Found(
        clip=clip, folder=out / clip, recipe=recipe, frame=place.frame, latent_frame=place.latent_frame,
        token=(place.row, place.column), step=step, steps=steps, degrees=asked.degrees, guided=guided, unguided=unguided,
        chance=_number(chance[place.index]), frame_chance=_number(chance.nanmean()), counted=int((~chance.isnan()).sum()),
        tokens=len(chance), note=note,
    )  # fmt: skip


def _draw(
    source: Source,
    clip: EgoXClip,
    canvas: JointCanvas,
    maps: list[AttentionMaps],
    geometry: TokenGeometry,
    place: _Place,
    found: Found,
) -> None:
    tokens = canvas.tokens
    match = matching_tokens(geometry, frame=place.latent_frame, ego=[place.index], degrees=found.degrees)
    guided, unguided = (
        Look(title=title, weights=part.exo[place.index].sum(0).numpy(), share=shares.token, on_exo=shares.on_exo)
        for title, part, shares in (("with guidance", maps[0], found.guided), ("without", maps[1], found.unguided))
    )
    scene = Scene(
        title=f"{source.name}, frame {place.frame}, ego token {place.row},{place.column}, step {found.step} of {found.steps}",
        exo=clip.exo[place.frame],
        ego=(clip.prior if source.truth is None else source.truth)[place.frame],
        ego_title="ego prior" if source.truth is None else "ego, as it was",
        side=canvas.token_side,
        token=(place.row, place.column),
        matching=match.reshape(tokens.frames, tokens.height, tokens.exo)[place.latent_frame].numpy(),
        degrees=found.degrees,
        chance=found.chance,
        looks=(unguided, guided),
    )
    pages = {"with": scene.page(guided), "without": scene.page(unguided), "side-by-side": scene.page(unguided, guided)}
    try:
        found.folder.mkdir(parents=True, exist_ok=True)
        for name, page in pages.items():
            atomic_file(found.folder / f"{name}.png", lambda path, page=page: Image.fromarray(page).save(path, format="PNG"))
    except OSError as error:
        raise UserError(f"{found.folder} cannot be written: {reason_of(error)}; name another folder with --out") from None


def _number(value: torch.Tensor) -> float | None:
    return None if bool(value.isnan()) else float(value)


def _percent(value: float | None) -> str:
    return f"{'none':>9}" if value is None else f"{100 * value:7.1f} %"
