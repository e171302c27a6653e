"""Runs on disk with values of our choice, for comparisons: results.json, scores.jsonl, and the vectors of set metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results import (
    SCHEMA,
    Aggregate,
    ClipRecord,
    ClipScore,
    MethodHeader,
    ProtocolHeader,
    Results,
    SplitHeader,
    write_records,
    write_results,
)
from benchmark.store import RunFolder, Score, Scores

CLIPS = tuple(f"c{i:02d}" for i in range(24))
TAKES = {clip: f"take {i // 2:02d}" for i, clip in enumerate(CLIPS)}
SCENE = {clip: float(value) for clip, value in zip(CLIPS, np.random.default_rng(7).normal(0, 3, len(CLIPS)))}
"""How hard each clip is, whatever the method."""

Values = Mapping[str, float]
Vectors = Mapping[str, tuple[NDArray, NDArray]]


def levels(level: float, *, seed: int = 0, noise: float = 0.2, clips: tuple[str, ...] = CLIPS) -> dict[str, float]:
    """A value for each clip: the method's level, the clip's own, and noise."""
    own = np.random.default_rng(seed).normal(0, noise, len(clips))
    return {clip: float(level + SCENE[clip] + extra) for clip, extra in zip(clips, own)}


def make_run(
    root: Path,
    method: str,
    values: Mapping[str, Values],
    *,
    vectors: Mapping[str, Vectors] | None = None,
    seed: int = 0,
    run: str | None = None,
    versions: Mapping[str, int] | None = None,
    partial: bool = False,
    options: dict[str, Any] | None = None,
    split_digest: str = "5p1it",
    split: str = "unseen",
    protocol_digest: str = "pr0t0",
    privileged: str = "none",
    static: bool = False,
    control: bool = False,
    still: int = 0,
    undefined: Mapping[str, str] | None = None,
) -> Path:
    """Write a run; values and vectors (prediction, truth): metric id to clip id to what it has. Returns its folder.

    still: how many of its videos do not move. undefined: metrics that have no number of the whole split, and why.
    """
    vectors = vectors or {}
    key = run or f"{method}-{seed:04d}"
    folder = root / method / split / "mini" / key
    metrics = [*values, *vectors]
    records = []
    for clip in CLIPS:
        scores = {metric: ClipScore(value=own[clip]) for metric, own in values.items() if clip in own}
        parts = {
            metric: Score(key="k", feature=_bytes(own[clip][0]), truth_feature=_bytes(own[clip][1]))
            for metric, own in vectors.items()
            if clip in own
        }
        if scores or parts:
            records.append(ClipRecord(clip=clip, cluster=TAKES[clip], place="lab", outcome="scored", scores=scores))
        if parts:
            RunFolder(folder).commit_scores(clip, Scores(metrics=parts))
    aggregate = {"mean": 1.0, "low": None, "high": None, "n": len(CLIPS), "takes": 12, "undefined": 0, "errors": 0}
    results = Results(
        schema=SCHEMA,
        method=MethodHeader(
            id=method, version="1", source="s", options=options or {}, privileged=privileged, control=control, static=static
        ),
        seed=seed,
        split=SplitHeader(name=split, dataset="sim", digest=split_digest, n=len(CLIPS)),
        protocol=ProtocolHeader(name="mini", version=1, digest=protocol_digest),
        partial=partial,
        n_expected=len(CLIPS),
        n_scored=len(records),
        n_still=still,
        metrics={
            metric: Aggregate(
                version=(versions or {}).get(metric, 1),
                **aggregate | ({"mean": None, "interval": undefined[metric]} if undefined and metric in undefined else {}),
            )
            for metric in metrics
        },
    )
    write_results(folder / "results.json", results)
    write_records(folder / "scores.jsonl", records)
    return folder


def _bytes(vector: NDArray) -> bytes:
    return vector.astype("<f4").tobytes()


def feature_pairs(*, noise: float, seed: int, shift: float = 0.0, dimensions: int = 10) -> dict[str, tuple[NDArray, NDArray]]:
    """Features of a prediction and of its truth for every clip; the truths are the same for every seed."""
    truth = np.random.default_rng(1).normal(0, 2, (len(CLIPS), dimensions))
    prediction = truth + shift + np.random.default_rng(seed).normal(0, noise, truth.shape)
    return {clip: (prediction[i], truth[i]) for i, clip in enumerate(CLIPS)}
