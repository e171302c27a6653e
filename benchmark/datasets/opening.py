"""`open_dataset`: the reader for a path, or the built-in simulated world by one of its names."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import UserError, unknown
from .dataset import Dataset

LAYOUTS = "takes/ (Ego-Exo4D download), meta.json (EgoX release) or clips.json (a folder of your own, see docs/data.md)"

SIM_TRUE_DEPTH = "sim:true-depth"
SIM = ("sim", SIM_TRUE_DEPTH)
"""Names of the simulated world: with depth as a network would estimate it, and with exact depth."""

_SIMULATED = re.compile(r"sim-\d+(-true-depth)?")


def is_simulated(dataset: str) -> bool:
    """Whether a dataset's name is that of the simulated world, of whatever version: its pixels may be shown to anyone.

    No folder may have such a name.
    """
    return _SIMULATED.fullmatch(dataset) is not None


def open_dataset(where: str | Path) -> Dataset:
    """ "sim", "sim:true-depth", a folder, or a release list (meta*.json). Raises UserError where no layout is recognised."""
    if str(where).split(":")[0] == "sim":
        from .sim.dataset import SimDataset

        if str(where) not in SIM:
            raise unknown("simulated data", str(where), SIM)
        return SimDataset(depth="true" if str(where) == SIM_TRUE_DEPTH else "estimated")
    path = Path(where).expanduser()
    if path.is_file() and path.suffix == ".json":
        if path.name == "clips.json":
            return open_dataset(path.parent)
        from .release import EgoXRelease

        return EgoXRelease(path.parent, meta=path)
    if not path.exists():
        raise UserError(f"{path}: no such data folder; name one that holds {LAYOUTS}, or 'sim'")
    if not path.is_dir():
        raise UserError(f"{path}: not a data folder; name one that holds {LAYOUTS}, or 'sim'")
    if (path / "clips.json").is_file():
        from .folder import Folder

        return Folder(path)
    if any(path.glob("meta*.json")):
        from .release import EgoXRelease

        return EgoXRelease(path)
    if (path / "takes").is_dir():
        from .egoexo4d import EgoExo4D

        return EgoExo4D(path)
    if not any(path.iterdir()):
        raise UserError(f"{path}: the folder is empty; it needs {LAYOUTS}")
    if path.name == "takes" or (path / "frame_aligned_videos").is_dir():
        raise UserError(f"{path}: lies inside a download; name the download root (the folder that holds takes/)")
    raise UserError(f"{path}: no known layout; it needs {LAYOUTS}")
