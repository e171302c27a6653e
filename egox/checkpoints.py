"""Where weights lie: the shipped mini model, folders in diffusers' layout, names on the hub; and the adapters beside them."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from .pretrained import ALSO, WEIGHTS, WeightsError, first_sentence, weights_folder
from .recipe import Recipe, recipe_names

MINI = "mini"
INDEX = "model_index.json"
PRECONDITIONER = "preconditioner"

_LIBRARIES = ("diffusers", "transformers", "egox.mini")
"""Where component classes may come from: a file names them, and a file must not choose what is imported."""


class MissingWeights(WeightsError):
    """Weights that are not there; the message says where they were looked for and how to get them."""


def folder_of(checkpoint: str | Path) -> Path:
    """The folder of a checkpoint: "mini" for the shipped one, a folder, or a name on the hub.

    Raises MissingWeights where it is not there, WeightsError where the hub does not give it.
    """
    if str(checkpoint) == MINI:
        folder = Path(str(resources.files("egox"))) / "weights" / "mini"
        if not (folder / INDEX).is_file():
            raise MissingWeights(
                "the mini weights are not in this installation; train them, let 'python -m egox.training.shipping training"
                " --into DIR' gather them, and name DIR in their place (--set checkpoint=DIR)"
            )
        return folder
    folder = weights_folder(checkpoint)
    if not (folder / INDEX).is_file():
        raise MissingWeights(f"{folder} is no model in diffusers' layout: it has no {INDEX}")
    return folder


def short_name(recipe: Recipe) -> str:
    """The last part of a recipe's name, which its adapter's folder is called by."""
    return Path(recipe.name).name or "adapter"


def adapter_of(recipe: Recipe, folder: Path, lora: str | Path | None = None) -> Path | None:
    """Where a recipe's adapter is: a folder or a file; None for a recipe without LoRA.

    folder: of the checkpoint, which may have it under lora/<name>. lora: a file, a folder (the adapter's own, or one that has it
    under lora/<name>), or a name on the hub; it goes before the checkpoint's.
    Raises MissingWeights where there is none, or where `lora` is given to a recipe without LoRA.
    """
    if recipe.model.lora is None:
        if lora is not None:
            raise MissingWeights(
                f"recipe {recipe.name} has no LoRA, and {lora} was given as one: take a recipe that has model.lora"
            )
        return None
    if lora is not None and Path(lora).is_file():
        return Path(lora)
    home = folder if lora is None else weights_folder(lora)
    places = [home / "lora" / short_name(recipe)] if lora is None else [home, home / "lora" / short_name(recipe)]
    for place in places:
        if (place / WEIGHTS).is_file():
            return place
    shipped = recipe.name in recipe_names()
    looked = " or ".join(str(place / WEIGHTS) for place in places)
    raise MissingWeights(
        f"recipe {recipe.name} runs with a LoRA, and there is none at {looked}: name its file or folder (lora=), or train it with"
        f" 'egox-bench train {recipe.name}{'' if shipped else '.toml'}'"
    )


def files_of(recipe: Recipe, checkpoint: str | Path = "", lora: str | Path = "") -> tuple[Path, ...]:
    """Every file and folder that a recipe's pipeline is loaded from, of those that are on disk; nothing is fetched.

    checkpoint, lora: as for `EgoXPipeline.from_pretrained`, "" for the recipe's own. A name on the hub has no files here.
    """
    checkpoint = checkpoint or recipe.model.checkpoint
    found: list[Path] = []
    folder = adapter = None
    with suppress(WeightsError):  # what is missing or broken is told when it is loaded
        if str(checkpoint) == MINI or Path(checkpoint).is_dir():
            folder = folder_of(checkpoint)
            named = sorted(name for name, entry in _index(folder).items() if isinstance(entry, list) and entry[0] is not None)
            found += [folder / INDEX, *(folder / name for name in named if name != PRECONDITIONER)]
    with suppress(WeightsError):
        if Path(lora).exists() if lora else folder is not None:
            adapter = adapter_of(recipe, folder or Path(), lora or None)
    if adapter is not None:
        file = adapter if adapter.is_file() else adapter / WEIGHTS
        found += [file, *([file.parent / ALSO] if recipe.model.lora is not None and recipe.model.lora.also else [])]
    home = folder if recipe.model.lora is None else adapter
    if home is not None and recipe.model.preconditioner != "none":
        found.append(_preconditioner_home(home, adapter))
    return tuple(path for path in found if path.exists())


def load_component(folder: Path, name: str, *, dtype: Any = None) -> Any:
    """One component of a checkpoint, such as "vae"; None where the checkpoint says that it has none.

    dtype: of a model's weights, but for what the class keeps in float32; None takes the file's.
    Raises WeightsError, in one sentence, where it cannot be loaded.
    """
    entry = _index(folder).get(name)
    if not entry or entry[0] is None:
        return None
    library, class_name = entry
    found = _class(folder, name, library, class_name)
    options = {} if dtype is None else {"dtype" if library == "transformers" else "torch_dtype": dtype}
    return _loaded(found, folder / name, options)


def load_preconditioner(folder: Path) -> Any:
    """What a training kept in <folder>/preconditioner; None where there is none. Raises WeightsError where it is broken."""
    home = folder / PRECONDITIONER
    if not (home / "config.json").is_file():
        return None
    from .mini import Preconditioner

    return _loaded(Preconditioner, home, {})


def preconditioner_of(recipe: Recipe, folder: Path, adapter: Path | None) -> Any:
    """The preconditioner that a recipe's weights were trained with; None for a recipe without one.

    folder: of the checkpoint, whose own it is where there is no adapter; an adapter has its own beside it.
    Raises MissingWeights where it is not there: without it the transformer's output is no velocity.
    """
    if recipe.model.preconditioner == "none":
        return None
    home = _preconditioner_home(folder, adapter)
    found = load_preconditioner(home.parent)
    if found is None:
        raise MissingWeights(
            f"recipe {recipe.name} samples through a preconditioner, and there is no {home}: training leaves it"
            " beside the weights, and both belong together"
        )
    return found


def _preconditioner_home(folder: Path, adapter: Path | None) -> Path:
    home = folder if adapter is None else adapter.parent if adapter.is_file() else adapter
    return home / PRECONDITIONER


def _index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingWeights(f"{folder / INDEX} cannot be read: {first_sentence(error)}") from None
    if not isinstance(index, dict):
        raise WeightsError(f"{folder / INDEX} is no table of components")
    return index


def _class(folder: Path, name: str, library: str, class_name: str) -> Any:
    known = [root for root in _LIBRARIES if library == root or library.startswith(f"{root}.")]
    found = getattr(import_module(known[0]), class_name, None) if known else None
    if not hasattr(found, "from_pretrained"):
        raise WeightsError(
            f"{folder / INDEX} names {library}.{class_name} as {name}; expected a model of {', '.join(_LIBRARIES)}"
        )
    return found


def _loaded(found: Any, folder: Path, options: dict[str, Any]) -> Any:
    from safetensors import SafetensorError

    if not folder.is_dir():
        raise MissingWeights(f"no folder {folder}: this checkpoint is not complete")
    ours = found.__module__.startswith(__package__ or "egox")
    try:
        loaded = found.from_pretrained(
            str(folder), local_files_only=True, **options, **({"output_loading_info": True} if ours else {})
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        hint = "; if it is of another version of this code, train it again, or take the weights of this version" if ours else ""
        raise WeightsError(f"{folder} does not hold a {found.__name__}: {first_sentence(error)}{hint}") from error
    if ours:  # what a file lacks would stay as it is before any fit, with a warning alone
        loaded, about = loaded
        odd = sorted({*about["missing_keys"], *about["unexpected_keys"]})
        if odd:
            raise WeightsError(
                f"{folder} holds the {found.__name__} of another version of this code ({', '.join(odd)}): train it again, or take"
                " the weights of this version"
            )
    return loaded.eval() if hasattr(loaded, "eval") else loaded
