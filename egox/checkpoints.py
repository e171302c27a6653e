"""Where weights lie: the shipped mini model, folders in diffusers' layout, names on the hub; and the adapters beside them."""

from __future__ import annotations

import json
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from .adapter import WEIGHTS
from .pretrained import WeightsError, first_sentence, weights_folder
from .recipe import Recipe

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
                "the mini weights are not in this installation; train them with 'egox-bench train mini/base-frames' and the"
                " stages after it, and name the folder that they end in"
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
    looked = " or ".join(str(place / WEIGHTS) for place in places)
    raise MissingWeights(
        f"recipe {recipe.name} runs with a LoRA, and there is none at {looked}: name its file or folder (lora=), or train it with"
        f" 'egox-bench train {recipe.name}'"
    )


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
    home = folder if adapter is None else adapter.parent if adapter.is_file() else adapter
    found = load_preconditioner(home)
    if found is None:
        raise MissingWeights(
            f"recipe {recipe.name} samples through a preconditioner, and there is no {home / PRECONDITIONER}: training leaves it"
            " beside the weights, and both belong together"
        )
    return found


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
    try:
        loaded = found.from_pretrained(str(folder), local_files_only=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{folder} does not hold a {found.__name__}: {first_sentence(error)}") from error
    return loaded.eval() if hasattr(loaded, "eval") else loaded
