"""Runs that pass the check: complete, on a split and under a protocol that ship, as the benchmark would have written them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmark.datasets.sim.dataset import embedded_manifest
from benchmark.metrics import EXTRACTORS, weights_of
from benchmark.protocols.protocol import load_protocol
from benchmark.results import (
    ClipRecord,
    ClipScore,
    Header,
    MethodHeader,
    ProtocolHeader,
    Results,
    SplitHeader,
    read_records,
    read_results,
    write_records,
    write_results,
)
from benchmark.summary import summarise

MINE, YOURS = "0123456789abcdef", "fedcba9876543210"
"""Keys of runs."""

MANIFEST, MINI = embedded_manifest("unseen"), load_protocol("mini")
CLIPS = [row.clip_id for row in MANIFEST.rows]


def publishable(
    root: Path,
    method: str,
    *,
    level: float = 20.0,
    key: str = MINE,
    seed: int = 0,
    failed: Sequence[str] = (),
    change: Callable[[MethodHeader], MethodHeader] = lambda method: method,
) -> Path:
    """A run of a folder of runs; returns its folder. Clips in `failed` have no line."""
    results, records = _made(method, level, seed, tuple(failed))
    results = msgspec.structs.replace(results, method=change(results.method))
    folder = root / method / "unseen" / "mini" / key
    write_results(folder / "results.json", results)
    write_records(folder / "scores.jsonl", records)
    return folder


@cache
def _made(method: str, level: float, seed: int, failed: tuple[str, ...]) -> tuple[Results, tuple[ClipRecord, ...]]:
    random = np.random.default_rng([seed, *method.encode()])
    shared = np.random.default_rng(5).normal(0, 3, len(CLIPS))
    records = []
    for row, own in zip(MANIFEST.rows, shared + random.normal(0, 0.2, len(CLIPS))):
        value = ClipScore(value=float(level + own))
        none = ClipScore(value=None, undefined="weights missing")
        scores = {spec.id: none if spec.of == "set" else value for spec, _ in MINI.metrics}
        pixels = f"{method} {seed} {row.clip_id}"
        records.append(
            ClipRecord(clip=row.clip_id, cluster=row.cluster, place=row.place, outcome="scored", prediction=pixels, scores=scores)
        )
    records = [record for record in records if record.clip not in failed]
    header = Header(
        method=MethodHeader(id=method, version="1", source="s", options={}, privileged="none", control=False, static=False),
        seed=seed,
        split=SplitHeader(name="unseen", dataset=MANIFEST.dataset, digest=MANIFEST.digest, n=len(CLIPS)),
        protocol=ProtocolHeader(name="mini", version=MINI.version, digest=MINI.digest),
    )
    weights = {
        spec.id: dict.fromkeys(weights_of(EXTRACTORS[spec.extractor]), "0" * 16)
        for spec, _ in MINI.metrics
        if spec.extractor is not None
    }
    return summarise(records, failed=failed, weights=weights, header=header, protocol=MINI), tuple(records)


def place(root: Path, folder: Path, **parts: str) -> Path:
    """A run of `publishable` put into a results repository by hand, with other names of folders where given.

    Returns the results file.
    """
    results = read_results(folder / "results.json")
    names = {"split": "unseen", "protocol": "mini", "method": results.method.id, "key": folder.name} | parts
    file = root / "results" / names["split"] / names["protocol"] / names["method"] / f"{names['key']}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "results.json", file)
    shutil.copyfile(folder / "scores.jsonl", scores_of(file))
    return file


def scores_of(file: Path) -> Path:
    """The scores by clip beside a results file of a repository."""
    return file.with_suffix(".scores.jsonl")


def edit_results(file: Path, **changes: Any) -> None:
    """Rewrite results with some fields changed; a dict changes fields of the part of that name."""
    results = read_results(file)
    for name, change in changes.items():
        part = getattr(results, name)
        value = msgspec.structs.replace(part, **change) if isinstance(part, msgspec.Struct) else change
        results = msgspec.structs.replace(results, **{name: value})
    write_results(file, results)


def edit_metric(file: Path, metric: str, **changes: Any) -> None:
    """Rewrite results with some fields of one metric changed."""
    metrics = dict(read_results(file).metrics)
    edit_results(file, metrics=metrics | {metric: msgspec.structs.replace(metrics[metric], **changes)})


def edit_record(file: Path, number: int, **changes: Any) -> None:
    """Rewrite scores by clip with some fields of one line changed."""
    records = read_records(scores_of(file))
    records[number] = msgspec.structs.replace(records[number], **changes)
    write_records(scores_of(file), records)
