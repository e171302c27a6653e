"""What to fetch of Ego-Exo4D for a manifest, with the official `egoexo` downloader: parts, takes, size, commands.

Sizes are the release's part sizes, shared out by hours of the takes where takes.json is at hand, else by their number.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..errors import UserError
from ..splits.manifest import Manifest, load_manifest
from .egoexo4d_layout import Take, read_takes
from .opening import open_dataset

RELEASE_TAKES = 5035
PART_GB = {"metadata": 0.046, "annotations": 10.5, "captures": 43.6, "downscaled_takes/448": 438.6, "take_trajectory": 509.5}
"""Size of each needed part for the whole release (v2 documentation)."""

WHOLE_PARTS = ("metadata", "annotations")
"""Parts that are not split by take."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part and how much of it."""

    name: str
    gb: float
    whole: bool


class DownloadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What `data plan` prints. unresolved: takes whose uid is not known; by: what the sizes were shared out by."""

    split: str
    clips: int
    takes: tuple[str, ...]
    capture_uids: tuple[str, ...]
    unresolved: tuple[str, ...]
    parts: tuple[Part, ...]
    total_gb: float
    by: str
    commands: tuple[str, ...]


def find_manifest(split: str, data: str | None) -> Manifest:
    """A manifest file, or a split of a data folder. Raises UserError where it is neither."""
    if Path(split).suffix == ".jsonl" or Path(split).is_file():
        return load_manifest(Path(split))
    if data is None:
        raise UserError(f"split {split!r} is not a manifest file; name a *.jsonl, or the data folder that knows this split")
    return open_dataset(data).manifest(split)


def plan_download(manifest: Manifest, *, takes_from: Path | None = None, into: str = "EGOEXO_DIR") -> DownloadPlan:
    """The plan for a manifest. takes_from: a folder with takes.json, for uids that the manifest lacks and for hours.

    Raises UserError where the manifest is of the simulated world: there is nothing to download.
    """
    if manifest.dataset.startswith("sim"):
        raise UserError(f"split {manifest.split!r} is of the simulated world, which is rendered when needed: nothing to download")
    known: dict[str, Take] = {}
    if takes_from is not None and (takes_from / "takes.json").is_file():
        known, _ = read_takes(takes_from)
    uids: dict[str, str] = {}
    captures: set[str] = set()
    for row in manifest.rows:
        take = known.get(row.take_name)
        uids[row.take_name] = row.take_uid or (take.uid if take else "")
        capture = row.capture_uid or (take.capture_uid if take else "")
        if capture:
            captures.add(capture)
    chosen = [name for name, uid in sorted(uids.items()) if uid]
    share, by = _share(len(uids), list(uids), known)
    # The clock of a capture is only needed where poses come from its trajectory.
    names = [name for name in PART_GB if name != "captures" or any("camera_pose" not in row.pose_source for row in manifest.rows)]
    parts = tuple(
        Part(name=name, gb=round(PART_GB[name] * (1 if name in WHOLE_PARTS else share), 3), whole=name in WHOLE_PARTS)
        for name in names
    )
    by_take = [name for name in names if name not in WHOLE_PARTS]
    return DownloadPlan(
        split=manifest.split,
        clips=len(manifest.rows),
        takes=tuple(uids[name] for name in chosen),
        capture_uids=tuple(sorted(captures)),
        unresolved=tuple(name for name, uid in sorted(uids.items()) if not uid),
        parts=parts,
        total_gb=round(sum(part.gb for part in parts), 3),
        by=by,
        commands=_commands(into, by_take, sorted({*(uids[name] for name in chosen), *captures})),
    )


def _share(count: int, names: Sequence[str], known: dict[str, Take]) -> tuple[float, str]:
    """Share of the release that the takes are, by frames where all are known, else by number."""
    lengths = [known[name].declared_frames or 0 for name in names if name in known]
    total = sum(take.declared_frames or 0 for take in known.values())
    if len(known) > RELEASE_TAKES // 2 and len(lengths) == count and all(lengths):
        return sum(lengths) / total * (len(known) / RELEASE_TAKES), "hours"
    return count / RELEASE_TAKES, "number of takes"


def _commands(into: str, by_take: Sequence[str], uids: Sequence[str]) -> tuple[str, ...]:
    """Whole parts first; then the takes. Written as the `egoexo` tool of the package `ego4d` takes them."""
    target = shlex.quote(into)
    first = f"egoexo -o {target} --release v2 --parts {' '.join(WHOLE_PARTS)} -y"
    if not uids:
        return ("pip install 'ego4d>=1.7.1'", first)
    second = f"egoexo -o {target} --release v2 --parts {' '.join(by_take)} --uids {' '.join(uids)} --num_workers 15 -y"
    return ("pip install 'ego4d>=1.7.1'", first, second)


def plan_text(plan: DownloadPlan) -> str:
    """The plan for people."""
    lines = [f"split {plan.split}: {plan.clips} clips of {len(plan.takes) + len(plan.unresolved)} takes"]
    lines += [f"  {part.name:22s} {part.gb:9.3f} GB{'  (whole part)' if part.whole else ''}" for part in plan.parts]
    lines.append(f"  {'in all':22s} {plan.total_gb:9.3f} GB  (by-take parts shared out by {plan.by})")
    if plan.unresolved:
        shown = ", ".join(plan.unresolved[:5]) + (", ..." if len(plan.unresolved) > 5 else "")
        lines.append(
            f"{len(plan.unresolved)} takes have no uid in the manifest ({shown}): fetch the part metadata (first command),"
            " then plan again with that folder as DATA"
        )
    lines += ["commands:", *(f"  {command}" for command in plan.commands)]
    return "\n".join(lines)
