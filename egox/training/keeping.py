"""What is left of a finished training: <folder>/model, written aside and renamed.

model/transformer/                               the base in diffusers' layout, where a base was trained
model/pytorch_lora_weights.safetensors, also.safetensors   an adapter, with rank, alpha and recipe in its metadata
model/training.json                              recipe, steps, seconds, losses
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..recipe import Recipe, recipe_key
from .state import TrainingError, fingerprint, flush

MODEL = "model"
ABOUT = "training.json"


def weights_identity(model: Path) -> str:
    """Identity of the weights in a model's folder, an adapter's or else the transformer's: what another training began with."""
    from safetensors import safe_open

    files = sorted(model.glob("*.safetensors")) or sorted((model / "transformer").glob("*.safetensors"))
    tensors = {}
    for path in files:
        with safe_open(path, framework="pt") as file:
            tensors |= {f"{path.name}/{key}": file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return fingerprint(tensors)


def keep(folder: Path, transformer: Any, recipe: Recipe, about: Mapping[str, Any]) -> None:
    """Write the weights that the transformer holds. Raises TrainingError where the disk is full or cannot be written."""
    final, aside = folder / MODEL, folder / f".{MODEL}.part"
    key = hashlib.sha256(recipe_key(recipe)).hexdigest()[:16]
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        if recipe.model.lora is None:
            transformer.save_pretrained(aside / "transformer")
        else:
            from ..adapter import save_adapter

            words = {"recipe": recipe.name, "recipe_key": key, "steps": str(about["steps"])}
            save_adapter(aside, transformer, recipe.model.lora, words)
        (aside / ABOUT).write_text(json.dumps({"recipe": recipe.name, "recipe_key": key, **about}, indent=1) + "\n")
        for path in [*aside.rglob("*"), aside]:
            flush(path)
        aside.rename(final)
        flush(folder)
    except OSError as error:
        raise TrainingError(f"{final}: cannot be written ({error}); free the disk and train again, nothing is lost") from error


def kept(folder: Path) -> dict[str, Any] | None:
    """What training.json says of a finished training; None where it is not finished."""
    path = folder / MODEL / ABOUT
    return json.loads(path.read_text()) if path.exists() else None
