"""EgoX, the reference model: exo video and ego prior side by side through a video diffusion model, guided by geometry.

Four methods of one adapter: the model, and the ablations of the paper's Table 2. See docs/egox.md.
"""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchmark.registry import Declared, Input, MethodSpec
from methods.ego_prior import SPEC as EGO_PRIOR

REMARK = (
    "at mini size, weights of a short training on two CPU cores; with a prior, what it knows is shown from it"
    " (egox/weights/mini/README.md): no result to compare with"
)
"""What tables say of the shipped weights until they are trained out."""

FULL_SIDE, MINI_SIDE = 448, 128
"""Sides of the ego pictures that recipes are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the model is run. Empty words and zeros leave a value to the recipe.

    recipe: of `egox.recipe_names()`, or a TOML file; "" by the size of the pictures: mini/egox at 128, paper at 448, and the
    ablations likewise. checkpoint: base model, a folder or a name on the hub. lora: its adapter, a folder or a file.
    steps: of sampling. guidance_scale: of the text, 1 is without. strength: lambda_g of Eq. 4.
    backend: of the guided attention; "flex" forms the bias in the kernel and needs CUDA.
    depth_model: a depth network (folder or name on the hub) in place of the dataset's depth.
    dtype: of the weights. device: "cpu" or "cuda".
    """

    VARIANT: ClassVar[str] = "egox"

    recipe: str = ""
    checkpoint: str = ""
    lora: str = ""
    steps: int = 0
    guidance_scale: float = 0.0
    strength: float = 0.0
    backend: Literal["sdpa", "flex"] = "sdpa"
    depth_model: str = ""
    dtype: Literal["", "fp32", "bf16"] = ""
    device: str = field(default="cpu", metadata={"decides": False})

    def __post_init__(self) -> None:
        for name in ("steps", "guidance_scale", "strength"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0, or 0 for the recipe's own")
        if self.backend == "flex" and not self.device.startswith("cuda"):
            raise ValueError(f"backend=flex needs CUDA, and device is {self.device}: set device=cuda too, or take backend=sdpa")
        if self.recipe:
            from egox.recipe import load_recipe

            load_recipe(self.recipe)

    def recipe_at(self, side: int) -> str:
        """The recipe's name for ego pictures of side x side pixels. Raises ValueError where none is for that size."""
        if self.recipe:
            return self.recipe
        if side == MINI_SIDE:
            return f"mini/{self.VARIANT}"
        if side == FULL_SIDE:
            return "paper" if self.VARIANT == "egox" else f"egox/{self.VARIANT}"
        raise ValueError(
            f"no recipe is for ego pictures of {side}x{side}, only of {MINI_SIDE} and {FULL_SIDE} px; name one: --set recipe=NAME"
        )

    def declared(self) -> Declared:
        """Depth is needed from the dataset where no network estimates it; recipes and weights on disk decide the output."""
        needs = _needs(depth=not self.depth_model)
        files = tuple(str(path) for path in self._files())
        shipped = Path(str(resources.files("egox"))).resolve() / "weights" / "mini"
        first = any(Path(file).resolve().is_relative_to(shipped) for file in files)
        return Declared(needs=needs, optional=_OPTIONAL, files=files, remark=REMARK if first else "")

    def lacking(self) -> str:
        """Which weights of the mini size, or of the recipe that is named, are not on disk; "" for none and of hub names."""
        from egox.checkpoints import MissingWeights, adapter_of, folder_of
        from egox.recipe import load_recipe

        recipe = load_recipe(self.recipe_at(MINI_SIDE))
        checkpoint = self.checkpoint or recipe.model.checkpoint
        if checkpoint != "mini" and not Path(checkpoint).is_dir():
            return ""
        try:
            adapter_of(recipe, folder_of(checkpoint), self.lora or None)
        except MissingWeights as missing:
            return str(missing)
        return ""

    def _files(self) -> list[Path]:
        """Recipes that may be used and weights that are on disk. Both sizes count: which one it is depends on the clip."""
        from egox.checkpoints import files_of
        from egox.recipe import load_recipe, recipe_files

        names = [self.recipe] if self.recipe else [self.recipe_at(side) for side in (MINI_SIDE, FULL_SIDE)]
        found = [Path(self.depth_model)] if self.depth_model and Path(self.depth_model).is_dir() else []
        for name in names:
            found += [*recipe_files(name), *files_of(load_recipe(name), self.checkpoint, self.lora)]
        return list(dict.fromkeys(found))


def _needs(*, depth: bool) -> frozenset[Input]:
    return EGO_PRIOR.needs | {Input.DEPTH} if depth else EGO_PRIOR.needs - {Input.DEPTH}


_OPTIONAL = EGO_PRIOR.optional | {Input.CAPTION}


class NoGga(Options):
    """The options of `egox`."""

    __slots__ = ()
    VARIANT: ClassVar[str] = "no-gga"


class NoPrior(Options):
    """The options of `egox`."""

    __slots__ = ()
    VARIANT: ClassVar[str] = "no-prior"


class NoCleanLatent(Options):
    """The options of `egox`."""

    __slots__ = ()
    VARIANT: ClassVar[str] = "no-clean-latent"


def _spec(options: type[Options], summary: str, **more: Any) -> MethodSpec:
    name = options.VARIANT
    return MethodSpec(
        id="egox" if name == "egox" else f"egox-{name}",
        target="methods.egox.adapter:EgoX",
        summary=summary,
        version="1",
        needs=_needs(depth=True),
        optional=_OPTIONAL,
        options=options,
        sources=SOURCES,
        licence="Apache-2.0",
        paper="EgoX",
        trained_on=("sim/train",),
        **more,
    )


SOURCES = (
    *(f"egox.{name}" for name in (
        "adapter", "attention", "canvas", "checkpoints", "clip", "conditioning", "encoding", "geometry", "known", "mini",
        "pipeline", "pretrained", "recipe", "released_geometry", "resizing", "sampling", "threads",
    )),
    "methods.ego_prior",
    *EGO_PRIOR.sources,
)  # fmt: skip
"""What decides a video: not the training, whose outcome is the weights."""

SPEC = _spec(
    Options,
    "the reference model: prior and exo video through video diffusion, guided by geometry",
    presets={"released": {"recipe": "released"}},
)
NO_GGA = _spec(NoGga, "EgoX without geometry-guided attention (Table 2)")
NO_PRIOR = _spec(NoPrior, "EgoX without the ego prior (Table 2)")
NO_CLEAN_LATENT = _spec(NoCleanLatent, "EgoX with exo latents at the noise level of the step (Table 2)")
