"""What is installed, what is missing, and what that would enable. Looks only; changes nothing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from .cache import cache_root
from .errors import UserError
from .registry import load_registry

CORE = {
    "av": "reading and writing videos",
    "cv2": "resizing, inpainting, tracking",
    "embreex": "rendering the simulated world",
    "filelock": "sharing a run between processes",
    "msgspec": "typed files",
    "numpy": "arrays",
    "pebble": "worker processes",
    "scipy": "statistics",
    "skimage": "SSIM",
    "pypi_simple": "fetching weights from package archives",
    "torch": "ego priors, and the networks of metrics",
    "transformers": "depth networks and SAM 2, where they are asked for",
}
DISTRIBUTION = {"cv2": "opencv-python-headless", "skimage": "scikit-image", "pypi_simple": "pypi-simple"}

OPTIONAL = {
    "pytorch3d": "used by ego-prior with backend=pytorch3d: its own point renderer",
    "sam2": "used by the metrics location-error-sam2, object-iou-sam2, contour-sam2: the package of the public calibration",
    "vbench": "used by the metrics smoothness and smoothness-canvas: the network AMT-S (its licence is non-commercial)",
    "ray": "meant for runs on a cluster; nothing in this version uses it yet",
}
"""Packages of the extras and what each is for."""

LEAST_DISK_GB = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. needed: the core cannot work without it."""

    what: str
    ok: bool
    needed: bool
    found: str
    todo: str = ""


def examine() -> list[Finding]:
    """All findings, the needed ones first."""
    return [*_python(), *_core(), *_codec(), *_machine(), *_plugins(), *_optional()]


def _python() -> Iterator[Finding]:
    ok = (3, 11) <= sys.version_info[:2] <= (3, 12)
    yield Finding(
        what="python",
        ok=ok,
        needed=True,
        found=platform.python_version(),
        todo="use Python 3.11 or 3.12 (python3.11 -m venv .venv)",
    )


def _version(module: str) -> str | None:
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return version(DISTRIBUTION.get(module, module))
    except PackageNotFoundError:
        return "installed"


def _core() -> Iterator[Finding]:
    for module, use in CORE.items():
        found = _version(module)
        yield Finding(
            what=f"{module} ({use})", ok=found is not None, needed=True, found=found or "missing",
            todo="install the project again: pip install -c constraints.txt -e .",
        )  # fmt: skip


def _codec() -> Iterator[Finding]:
    import av

    for codec, use in (("ffv1", "predictions"), ("libx264", "previews, simulated footage")):
        ok = codec in av.codecs_available
        yield Finding(
            what=f"codec {codec} ({use})", ok=ok, needed=True, found="there" if ok else "missing from PyAV",
            todo="use PyAV's own wheel: pip install --force-reinstall av",
        )  # fmt: skip


def _machine() -> Iterator[Finding]:
    import psutil

    cache = cache_root()
    place = next(parent for parent in (cache, *cache.parents) if parent.exists())
    free = shutil.disk_usage(place).free / 1e9
    writable = os.access(place, os.W_OK)
    yield Finding(
        what=f"cache {cache}", ok=writable and free > LEAST_DISK_GB, needed=True,
        found=f"{free:.1f} GB free" + ("" if writable else ", not writable"),
        todo="set EGOX_BENCH_CACHE to a writable folder with a few GB",
    )  # fmt: skip
    memory = psutil.virtual_memory().total / 1e9
    yield Finding(what="memory", ok=True, needed=False, found=f"{memory:.0f} GB, {os.cpu_count()} cores")


def _plugins() -> Iterator[Finding]:
    try:
        registry = load_registry()
    except UserError as error:
        yield Finding(what="methods", ok=False, needed=True, found="cannot be listed", todo=str(error))
        return
    yield Finding(
        what="methods", ok=bool(registry.methods), needed=True, found=f"{len(registry.methods)} installed",
        todo="install the project again: pip install -c constraints.txt -e .",
    )  # fmt: skip
    for broken in registry.broken:
        yield Finding(
            what=f"method {broken.id} of {broken.package}",
            ok=False,
            needed=False,
            found=broken.reason,
            todo="mend or uninstall the plugin",
        )


def _optional() -> Iterator[Finding]:
    for module, use in OPTIONAL.items():
        found = _version(module)
        yield Finding(
            what=f"{module} (optional)",
            ok=found is not None,
            needed=False,
            found=found or "not installed",
            todo=use,
        )
