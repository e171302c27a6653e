"""Takes models from the model hub, or from the hub's own cache on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..errors import UserError
from .convert import convert
from .manifest import Hub

CONFIGURATION = ("config.json", "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
"""The first must be there; the others where the model has them. Fixed, so that a model is the same files everywhere."""
TENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"


def snapshot(source: Hub, *, gated: bool, revision: str | None, offline: bool) -> Path:
    """A folder with the wanted files, named after the revision they are of; their owner is the hub's cache.

    revision: the commit, or the newest where that is None. Raises UserError, in one sentence with what to do.
    """
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    name = source.repository
    wanted = [source.file] if source.file else [*CONFIGURATION, TENSORS]
    accept = f"accept its licence on its page of the model hub, run 'hf auth login', then fetch it again ({name})"
    try:
        found = Path(snapshot_download(name, allow_patterns=wanted, revision=revision, local_files_only=offline))
        if source.file is None and not (found / TENSORS).is_file():  # some repositories have pickles only
            patterns = [*CONFIGURATION, PICKLE]
            found = Path(snapshot_download(name, allow_patterns=patterns, revision=revision, local_files_only=offline))
    except GatedRepoError as error:
        raise UserError(f"{name} is given only to those who accepted its licence: {accept}") from error
    except RepositoryNotFoundError as error:
        hint = f"; {accept}" if gated else ""
        raise UserError(f"the model hub does not give {name} (it is not there, or wants a login){hint}") from error
    except LocalEntryNotFoundError as error:
        where = "not in the hub's cache on this machine" if offline else "the model hub cannot be reached, its cache has it not"
        raise UserError(f"{name}: {where}") from error
    except (HfHubHTTPError, httpx.HTTPError) as error:
        raise UserError(f"{name} cannot be taken from the model hub ({type(error).__name__})") from error
    return found


def take_model(folder: Path, into: Path) -> None:
    """Copy a model's configuration and weights (as safetensors) from one folder to another.

    Raises UserError where the configuration or the weights are missing.
    """
    if not (folder / CONFIGURATION[0]).is_file():
        raise UserError(f"{folder}: no {CONFIGURATION[0]}: a model's folder was expected")
    for name in CONFIGURATION:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, into / name)
    if (folder / TENSORS).is_file():
        shutil.copyfile(folder / TENSORS, into / TENSORS)
    elif (folder / PICKLE).is_file():
        convert(folder / PICKLE, into / TENSORS, form="torch", name=f"{folder}/{PICKLE}")
    else:
        raise UserError(f"{folder}: neither {TENSORS} nor {PICKLE}")
