"""Runs on disk as the benchmark leaves them, made from a seed: the per-clip values are a method's level plus the clip's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from benchmark.metrics import metric_named
from benchmark.protocols import Protocol
from benchmark.protocols.protocol import Measured
from benchmark.results import (
    ClipRecord,
    ClipScore,
    Header,
    MethodHeader,
    ProtocolHeader,
    Results,
    SplitHeader,
    read_results,
    write_records,
    write_results,
)
from benchmark.summary import summarise

from ..pixels import PIXELS

TWO = dataclasses.replace(PIXELS, name="two", metrics=PIXELS.metrics[:2])
"""A protocol that is another one, with half of the metrics."""


def having(*metrics: str) -> Protocol:
    """A protocol of these metrics."""
    return dataclasses.replace(
        PIXELS, name="own", metrics=tuple(Measured(metric_named(name), metric_named(name).defaults) for name in metrics)
    )


def make_run(
    root: Path,
    method: str,
    *,
    level: float = 20.0,
    clips: int = 24,
    attempted: int | None = None,
    takes: int = 12,
    undefined: int = 0,
    errors: int = 0,
    cap: bool = False,
    run: str = "0123456789abcdef",
    split: str = "unseen",
    split_digest: str = "5p1it",
    protocol: Protocol = PIXELS,
    seed: int = 0,
    version: str = "1",
    options: dict | None = None,
    privileged: str = "none",
    remark: str = "",
    control: bool = False,
    static: bool = False,
    frozen: bool = False,
    fixed: Mapping[str, ClipScore] | None = None,
) -> Path:
    """Write one run's results.json and scores.jsonl; returns its folder. The first `undefined` clips have no number.

    frozen: its videos do not move. fixed: metrics that have this score on every clip.
    """
    own = np.random.default_rng([sum(method.encode()), seed]).normal(0, 0.2, clips)
    shared = np.random.default_rng(7).normal(0, 3, clips)
    shared -= shared.mean()
    records = []
    for i in range((clips if attempted is None else attempted) - errors):
        base = {"clip": f"c{i:03d}", "cluster": f"take {i % takes}", "place": "lab"}
        if i < undefined:
            records.append(ClipRecord(**base, outcome="undefined", reason="pose missing", scores={}))
            continue
        value = 100.0 if cap else float(level + shared[i] + own[i])
        notes = ("17 of 17 frames at the cap of 100 dB",) if cap else ()
        scores = {
            spec.id: ClipScore(value=value, notes=notes) if "psnr" in spec.id else ClipScore(value=value / 100)
            for spec, _ in protocol.metrics
        }
        scores.update({metric: score for metric, score in (fixed or {}).items() if metric in scores})
        records.append(ClipRecord(**base, outcome="scored", prediction="d", still=frozen, scores=scores))
    header = Header(
        method=MethodHeader(
            id=method,
            version=version,
            source="s",
            options=options or {},
            privileged=privileged,
            control=control,
            static=static,
            remark=remark,
        ),
        seed=seed,
        split=SplitHeader(name=split, dataset="sim", digest=split_digest, n=clips),
        protocol=ProtocolHeader(name=protocol.name, version=protocol.version, digest=protocol.digest),
    )
    folder = root / method / split / protocol.name / run
    failed = [f"failed {i}" for i in range(errors)]
    write_results(folder / "results.json", summarise(records, failed=failed, header=header, protocol=protocol))
    write_records(folder / "scores.jsonl", records)
    return folder


def edit(folder: Path, **changes) -> Results:
    """Rewrite a run's results.json with some fields changed."""
    results = msgspec.structs.replace(read_results(folder / "results.json"), **changes)
    write_results(folder / "results.json", results)
    return results
