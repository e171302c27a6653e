"""Weights of networks that metrics use: what there is, whether it is here, and how it gets here.

Only checked files are loaded: published bytes are compared with pinned sha256s before they are parsed, converted once to
safetensors by readers that run no code, and compared again before every use. Nothing here imports a network library until
weights are fetched. The functions below use the user's own folder and settings; `Shelf` is the same for any folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .manifest import MANIFEST, WeightsSpec
from .obtain import Progress, quiet
from .shelf import Shelf, is_offline, weights_root

__all__ = [
    "MANIFEST", "Shelf", "WeightsSpec", "fetch", "fetch_open", "identity", "is_offline", "located", "missing", "weights_root",
]  # fmt: skip


def located(name: str) -> Path | None:
    """See `Shelf.located`."""
    return Shelf().located(name)


def missing(names: Iterable[str]) -> str | None:
    """See `Shelf.missing`."""
    return Shelf().missing(names)


def identity(name: str) -> str:
    """See `Shelf.identity`."""
    return Shelf().identity(name)


def fetch(name: str, *, progress: Progress = quiet) -> Path:
    """See `Shelf.fetch`."""
    return Shelf().fetch(name, progress=progress)


def fetch_open(names: Iterable[str], *, progress: Progress = quiet) -> tuple[str, ...]:
    """See `Shelf.fetch_open`."""
    return Shelf().fetch_open(names, progress=progress)
