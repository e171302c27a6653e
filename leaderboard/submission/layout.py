"""Where a run lies in a results repository, and back. The path is the run's identity; nothing from a file becomes one unchecked.

    <repository>/
        README.md                                              written by `submission.readme`
        results/<split>/<protocol>/<method>/<key>.json         a run's results.json, byte for byte
        results/<split>/<protocol>/<method>/<key>.scores.jsonl its scores.jsonl, byte for byte

Videos, features and run.json (times, paths, devices) stay where the run was made.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from benchmark.contenders import RECORDS, RESULTS
from benchmark.errors import UserError
from benchmark.results import Results

from ..rows import REPOSITORY
from .names import check_name

README = "README.md"
PARTS = 5
"""Of a path inside the repository: results, split, protocol, method, file."""

_KEY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """A run's place: names of three folders, and the key of the run's own folder."""

    split: str
    protocol: str
    method: str
    key: str

    @property
    def folder(self) -> PurePosixPath:
        """results/<split>/<protocol>/<method>"""
        return PurePosixPath(REPOSITORY, self.split, self.protocol, self.method)

    @property
    def results(self) -> PurePosixPath:
        """The results file, inside the repository."""
        return self.folder / f"{self.key}.json"

    @property
    def records(self) -> PurePosixPath:
        """The scores by clip, inside the repository."""
        return self.folder / f"{self.key}.{RECORDS}"


def place_of(results: Results, key: str) -> Place:
    """Where a run belongs. Raises UserError where its key or a name in it cannot be part of a path anywhere."""
    if not _KEY.fullmatch(key):
        raise UserError(f"{key!r} is no run's key (16 hex digits); keep the name that egox-bench gave the run's folder")
    return Place(
        split=check_name("split", folder_of_split(results.split.name)),
        protocol=check_name("protocol", results.protocol.name),
        method=check_name("method", results.method.id),
        key=key,
    )


def folder_of_split(name: str) -> str:
    """ "train:5" lies in "train-5", as in a folder of runs."""
    return name.replace(":", "-")


def place_at(path: PurePosixPath) -> Place | None:
    """The place that a path inside the repository names, of results or of scores by clip; None where it names none."""
    if len(path.parts) != PARTS or path.parts[0] != REPOSITORY:
        return None
    name = path.name
    ending = next((one for one in (f".{RECORDS}", ".json") if name.endswith(one)), None)
    if ending is None or not _KEY.fullmatch(name.removesuffix(ending)):
        return None
    return Place(split=path.parts[1], protocol=path.parts[2], method=path.parts[3], key=name.removesuffix(ending))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files below results/. places: to which of results.json and scores.jsonl are there, sorted.

    others: paths inside the repository that are neither, and why: links are never followed, parts were left by a killed write.
    """

    places: Mapping[Place, frozenset[str]]
    others: Sequence[tuple[PurePosixPath, Literal["link", "part", "stray"]]]


def listing(folder: Path) -> Listing:
    """All that lies in a repository's results/. Raises UserError where there is no such folder."""
    root = folder / REPOSITORY
    if not root.is_dir() or root.is_symlink():
        raise UserError(
            f"{folder}: no results repository (it has no folder {REPOSITORY}/); make one: egox-bench submit RUN --into {folder}"
        )
    places: dict[Place, set[str]] = defaultdict(set)
    others: list[tuple[PurePosixPath, Literal["link", "part", "stray"]]] = []
    for above, folders, names in os.walk(root):
        for name in [*names, *(name for name in folders if Path(above, name).is_symlink())]:
            path = Path(above, name)
            inside = PurePosixPath(path.relative_to(folder).as_posix())
            place = place_at(inside)
            if path.is_symlink():
                others.append((inside, "link"))
            elif name.startswith(".") and name.endswith(".part"):
                others.append((inside, "part"))
            elif place is None or not path.is_file():
                others.append((inside, "stray"))
            else:
                places[place].add(RECORDS if name.endswith(f".{RECORDS}") else RESULTS)
    return Listing(places={place: frozenset(places[place]) for place in sorted(places)}, others=sorted(others))
