"""Training examples on disk: what the codec and the encoders made of a clip, so that training itself reads no video.

    <folder>/<name>.safetensors   one an example, its key in the file's metadata
    <folder>/index.jsonl          names and keys of all that is there; the files themselves are what counts
    <folder>/.index.lock          held while the index is replaced; no part of the result

A key stands for everything that decides an example (whoever makes examples computes it): one of another key is stale and is made
again. Files are written aside, flushed and renamed, so a kill leaves the old one or the new one, and processes that make the
same examples at once do not harm each other. A file that was cut short counts as not there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from .files import replace_file

INDEX = "index.jsonl"

LATENTS = ("exo", "ego", "prior", "valid")
"""Kept in half precision: normalised latents are of the size of 1, and shares of 64 pixels are exact in it."""

EMBEDDINGS = ("prompt_embeds", "image_embeds")
"""Kept in bfloat16: what large text encoders give goes beyond the range of half precision."""

_MOST_HEADER_BYTES = 2**20


class ExampleError(ValueError):
    """Examples that are missing, stale, damaged or cannot be written; the message names file and way out."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of the index."""

    name: str
    key: str


class ExampleStore(Sequence[dict[str, Tensor]]):
    """Examples of one folder, in the order asked for.

    wanted: name to key of each; None takes all that the index lists. `store[i]` is a dict of float32 and bool tensors.
    Raises ExampleError where one is missing, of another key, or cut short.
    """

    def __init__(self, folder: Path, wanted: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._entries = [Entry(name=name, key=key) for name, key in (_listed(folder) if wanted is None else wanted).items()]
        for entry in self._entries:
            found = key_of(folder, entry.name)
            if found != entry.key:
                state = "missing or damaged" if found is None else "of other content than asked for"
                raise ExampleError(f"{_path(folder, entry.name)}: {state}; make the examples again (egox-bench train does)")

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> dict[str, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride] - no slices
        entry = self._entries[index]
        path = _path(self.folder, entry.name)
        try:
            tensors = load(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise ExampleError(f"{path}: cannot be read ({_reason(error)}); delete it and make the examples again") from None
        return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self._entries)

    @property
    def keys(self) -> tuple[str, ...]:
        """One an example, in order: two stores of equal names and keys hold equal examples."""
        return tuple(entry.key for entry in self._entries)

    @property
    def digest(self) -> str:
        """Identity of all examples and their order, 16 hex digits."""
        return digest_of_keys({entry.name: entry.key for entry in self._entries})


def digest_of_keys(wanted: Mapping[str, str]) -> str:
    """The digest of a store of these examples (name to key), whether they are there or not."""
    lines = b"\n".join(msgspec.json.encode(Entry(name=name, key=key)) for name, key in wanted.items())
    return hashlib.sha256(lines).hexdigest()[:16]


def key_of(folder: Path, name: str) -> str | None:
    """The key of an example that is there whole; None where it is not, or is cut short or no example at all."""
    path = _path(folder, name)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _MOST_HEADER_BYTES:
                return None
            header = json.loads(file.read(length))
            key = header.pop("__metadata__")["key"]
            end = max(about["data_offsets"][1] for about in header.values())
            return key if os.fstat(file.fileno()).st_size == 8 + length + end else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_example(folder: Path, name: str, *, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Replace one example. Raises ExampleError for values that are not finite, and where the disk cannot be written."""
    for field, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ExampleError(f"example {name}: {field} has values that are not finite; look at the clip it comes from")
    kept = {field: _for_disk(field, tensor) for field, tensor in tensors.items()}
    _replace(_path(folder, name), save(kept, metadata={"key": key}))


def write_index(folder: Path) -> None:
    """List every whole example of the folder. Raises ExampleError where the disk cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".index.lock"):
            names = sorted(path.stem for path in folder.glob("[!.]*.safetensors"))
            entries = [Entry(name=name, key=key) for name in names if (key := key_of(folder, name)) is not None]
            _replace(folder / INDEX, b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
    except OSError as error:
        raise ExampleError(f"{folder}: cannot be written ({_reason(error)}); choose another folder") from error


def stale_or_missing(folder: Path, wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Of wanted names (to keys) those that must be made; to the key that lies there instead, None where nothing whole does."""
    found = {name: key_of(folder, name) for name in wanted}
    return {name: key for name, key in found.items() if key != wanted[name]}


def is_damaged(folder: Path, name: str) -> bool:
    """Whether a file of this name is there but is no whole example."""
    return _path(folder, name).exists() and key_of(folder, name) is None


def _for_disk(field: str, tensor: Tensor) -> Tensor:
    if field in LATENTS:
        tensor = tensor.to(torch.float16)
        if not bool(torch.isfinite(tensor).all()):
            raise ExampleError(f"{field} latents go beyond 65,504: they are not normalised; check the codec's mean and spread")
    elif field in EMBEDDINGS:
        tensor = tensor.to(torch.bfloat16)
    return tensor.detach().cpu().contiguous()


def _path(folder: Path, name: str) -> Path:
    if not name or name.startswith(".") or any(c in "/\\:" or not c.isprintable() for c in name) or len(name.encode()) > 200:
        raise ExampleError(f"{name!r} cannot be a file name: use another (no slash, colon, line break or leading dot)")
    return folder / f"{name}.safetensors"


def _listed(folder: Path) -> dict[str, str]:
    path = folder / INDEX
    try:
        entries = [msgspec.json.decode(line, type=Entry) for line in path.read_bytes().splitlines()]
    except FileNotFoundError:
        raise ExampleError(f"{path}: is not there; make the examples first (egox-bench train RECIPE --only-examples)") from None
    except (OSError, msgspec.DecodeError) as error:
        raise ExampleError(f"{path}: cannot be read ({_reason(error)}); delete it and make the examples again") from None
    return {entry.name: entry.key for entry in entries}


def _replace(path: Path, data: bytes) -> None:
    try:
        replace_file(path, data)
    except OSError as error:
        raise ExampleError(f"{path}: cannot be written ({_reason(error)}); free the disk or choose another folder") from error


def _reason(error: BaseException) -> Any:
    return getattr(error, "strerror", None) or error
