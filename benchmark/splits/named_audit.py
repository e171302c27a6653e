"""The whole audit by names: find the manifests, check their rows, and where the data is there, its pictures too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..canvas import MINI
from ..datasets.dataset import Dataset, Progress
from ..errors import UserError
from .audit import HELD_OUT, Audit, audit, with_pictures
from .manifest import Manifest, load_manifest

EMBEDDED = Path(__file__).parent


def audit_named(
    names: Sequence[str], *, data: str | None, held_out: Sequence[str] = HELD_OUT, workers: int = 1, progress: Progress
) -> Audit:
    """Audit manifests named by file, folder, "sim", or, with `data`, by the names of its splits (all of them by default).

    Rule (d) reads each clip's ego video up to its first frame, so it is checked only where `data` is given.
    Raises UserError where a name is nothing, or there is nothing to audit.
    """
    dataset = None
    if data is not None:
        from ..datasets.opening import open_dataset

        dataset = open_dataset(data)
    manifests = find_manifests(names, dataset)
    found = audit(manifests, held_out=held_out)
    if dataset is None:
        return with_pictures(found, (), note="(d): first ego frames; name the data with --data to compare them")
    from .pictures import first_frame_hashes, look_alikes

    hashes, reasons = first_frame_hashes(dataset, manifests, MINI, workers=workers, progress=progress)
    note = f"(d): {len(reasons)} clips without a first ego frame, the first is {reasons[0]}" if reasons else None
    return with_pictures(found, list(look_alikes(hashes)), note=note)


def find_manifests(names: Sequence[str], dataset: Dataset | None = None) -> list[Manifest]:
    """The manifests of these names; without names, all splits of the dataset but "all".

    Raises UserError where a name is none of these, a folder holds no manifest, or there is nothing to audit.
    """
    if not names:
        splits = [split for split in dataset.splits() if split != "all"] if dataset else []
        if dataset is None or not splits:
            raise UserError("nothing to audit: name manifest files, a folder of them, or 'sim'")
        return [dataset.manifest(split) for split in splits]
    found: list[Manifest] = []
    for name in names:
        if dataset is not None and name.partition(":")[0] in dataset.splits():  # "unseen:96" too
            found.append(dataset.manifest(name))
        else:
            found += [load_manifest(path) for path in _files(name)]
    return found


def _files(name: str) -> list[Path]:
    path = Path(name)
    if path.is_file():
        return [path]
    if path.is_dir():
        return _in_folder(path)
    embedded = sorted(folder.name for folder in EMBEDDED.iterdir() if any(folder.glob("*.jsonl")))
    if name in embedded:
        return _in_folder(EMBEDDED / name)
    raise UserError(f"{name}: no such manifest file or folder; by name there are: {', '.join(embedded) or 'none'}")


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise UserError(f"{folder}: holds no .jsonl manifest; make some with 'egox-bench data build'")
    return files
