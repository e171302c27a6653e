"""Weights of models that others have trained: a local folder, or a name on the model hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_WANTED = ("*.json", "*.safetensors")
"""Configurations and weights that are plain tensors: no pickles, no code."""


WEIGHTS, ALSO = "pytorch_lora_weights.safetensors", "also.safetensors"
"""An adapter's files: its LoRA, and the modules that its recipe trains whole."""


class WeightsError(RuntimeError):
    """A model's weights are not at hand or cannot be used; the message names the model and the way out."""


def load_pretrained(name: str | Path, *classes: Any) -> tuple[Any, ...]:
    """One object of each class (of transformers or diffusers: they have `from_pretrained`), from one place.

    name: a folder with configuration and safetensors, or `owner/model` on the hub: taken from its cache if there is no
    network. Raises WeightsError in one sentence.
    """
    folder = weights_folder(name)
    try:
        return tuple(a_class.from_pretrained(folder, local_files_only=True) for a_class in classes)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{folder} does not hold the model {name}: {first_sentence(error)}") from error


def weights_folder(name: str | Path) -> Path:
    """The folder itself, or where the hub's cache has the model. Raises WeightsError with the way out."""
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(str(name), allow_patterns=list(_WANTED)))
    except HFValidationError:
        raise WeightsError(
            f"no weights of {str(name)!r}: it is no folder here, and a name on the model hub is owner/model; check the path"
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"no weights of {str(name)!r}: it is no folder here, not in the cache of the model hub, and the hub does not give it "
            f"({first_sentence(error)}); where there is a network run 'hf download {name} --local-dir DIR', "
            f"then name the folder DIR"
        ) from error


def first_sentence(error: BaseException) -> str:
    """What an error of a library says, in one sentence without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split(". ")[0].rstrip(".")
