"""From clips to a run: means with intervals, distances between sets, and what became of every clip."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .inputs import Privilege
from .results import (
    SCHEMA,
    Aggregate,
    ClipRecord,
    ClipScore,
    FloorRecord,
    Header,
    MethodHeader,
    ProtocolHeader,
    Results,
    SplitHeader,
)  # fmt: skip

if TYPE_CHECKING:
    from .metrics import MetricSpec, Parameter, SetValue
    from .protocols.protocol import Protocol
    from .registry import MethodSpec
    from .splits.manifest import Manifest
    from .store import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a clip gives to a metric of the whole set: float32 little endian features of its prediction and its truth.

    noted: it carries a note.
    """

    feature: bytes
    truth_feature: bytes
    noted: bool = False


def results_header(*, spec: MethodSpec, identity: Identity, manifest: Manifest, protocol: Protocol, seed: int) -> Header:
    """The header of a run of this method on this split."""
    return Header(
        method=MethodHeader(
            id=identity.method,
            version=identity.version,
            source=identity.source,
            options=identity.options,
            privileged=str(spec.privileged),
            control=spec.control,
            static=spec.static,
            remark=spec.remark,
        ),
        seed=seed,
        split=SplitHeader(name=manifest.split, dataset=manifest.dataset, digest=manifest.digest, n=len(manifest.rows)),
        protocol=ProtocolHeader(name=protocol.name, version=protocol.version, digest=protocol.digest),
    )


def summarise(
    records: Iterable[ClipRecord],
    *,
    failed: Collection[str] = (),
    parts: Mapping[str, Mapping[str, Part]] | None = None,
    weights: Mapping[str, Mapping[str, str]] | None = None,
    header: Header,
    protocol: Protocol,
) -> Results:
    """Aggregate a run. The order of records does not matter.

    failed: clips whose last attempt went wrong; each counts against every metric that it has no score of.
    parts: metric id to clip id to what the clip gives to a metric of the whole set. weights: metric id to the weights of its
    network, id to identity.
    Intervals are seeded by the split's digest and the metric, so that equal scores give equal bytes whatever the method.
    """
    ordered = sorted(records, key=lambda record: record.clip)
    if len({record.clip for record in ordered} | set(failed)) > header.split.n:
        raise ValueError(f"{len(ordered)} records and {len(failed)} failed clips for a split of {header.split.n} clips")
    metrics: dict[str, Aggregate] = {}
    tried: list[int] = []
    for spec, parameters in protocol.metrics:
        own = (parts or {}).get(spec.id, {})
        scored = [(record, record.scores[spec.id]) for record in ordered if spec.id in record.scores]
        counted = {record.clip for record, _ in scored} | own.keys()
        reasons = [_general(record.reason, record) for record in ordered if record.outcome == "undefined"]
        reasons += [_general(score.undefined, record) for record, score in scored if score.value is None]
        counts = {
            "undefined": len(reasons),
            "reason": max(sorted(set(reasons)), key=reasons.count, default=None),
            "weights": dict((weights or {}).get(spec.id, {})),
            "errors": len(set(failed) - counted - {r.clip for r in ordered if r.outcome == "undefined"}),
        }
        if spec.of == "set":
            another = header.method.privileged == Privilege.OTHER_TRUTH
            metrics[spec.id] = _of_set(ordered, own, spec, parameters, truths_in_another_order=another, **counts)
        else:
            metrics[spec.id] = _aggregate(scored, spec.id, spec.version, seed_text=header.split.digest, **counts)
        tried.append(len(own) + sum(score.value is not None for _, score in scored) + counts["undefined"] + counts["errors"])
    return Results(
        schema=SCHEMA,
        method=header.method,
        seed=header.seed,
        split=header.split,
        protocol=header.protocol,
        partial=min(tried, default=0) < header.split.n,
        n_expected=header.split.n,
        n_scored=sum(_has_number(record) for record in ordered),
        n_still=sum(record.still and _has_number(record) for record in ordered),
        metrics=metrics,
    )


def _has_number(record: ClipRecord) -> bool:
    return any(score.value is not None for score in record.scores.values())


def _general(reason: str | None, record: ClipRecord) -> str:
    return (reason or "").replace(record.clip, "<clip>")


def _aggregate(
    scored: Sequence[tuple[ClipRecord, ClipScore]], metric: str, version: int, *, seed_text: str, **missing: Any
) -> Aggregate:
    from .stats import cluster_interval

    having = [(record, score) for record, score in scored if score.value is not None]
    counts: dict[str, Any] = {"n": len(having), **missing}
    if not having:
        return Aggregate(version=version, mean=None, low=None, high=None, takes=0, interval="no clip has a number", **counts)
    seed = int.from_bytes(hashlib.sha256(f"{seed_text} {metric}".encode()).digest()[:8])
    values = [score.value for _, score in having if score.value is not None]
    found = cluster_interval(values, [record.cluster for record, _ in having], seed=seed)
    chances = [score.chance for _, score in having if score.chance is not None]
    return Aggregate(
        version=version,
        mean=found.mean,
        low=found.low,
        high=found.high,
        takes=found.clusters,
        noted=sum(bool(score.notes) for _, score in having),
        interval=found.note,
        chance=math.fsum(chances) / len(chances) if chances else None,
        **counts,
    )


def _of_set(
    records: Sequence[ClipRecord],
    parts: Mapping[str, Part],
    spec: MetricSpec,
    parameters: Mapping[str, Parameter],
    *,
    truths_in_another_order: bool,
    **missing: Any,
) -> Aggregate:
    import numpy as np

    takes = [record.cluster for record in records if record.clip in parts]
    counts: dict[str, Any] = {"n": len(takes), "takes": len(set(takes)), **missing}
    if not takes or truths_in_another_order:
        why = "the videos are the truths themselves, in another order" if takes else "no clip has a number"
        return Aggregate(version=spec.version, mean=None, low=None, high=None, interval=why, **counts)
    own = [parts[record.clip] for record in records if record.clip in parts]
    prediction = np.stack([np.frombuffer(part.feature, "<f4") for part in own]).astype(np.float64)
    truth = np.stack([np.frombuffer(part.truth_feature, "<f4") for part in own]).astype(np.float64)
    found: SetValue = spec.load()(prediction, truth, takes, **parameters)
    floor = found.floor
    return Aggregate(
        version=spec.version,
        mean=found.value,
        low=found.low,
        high=found.high,
        interval=found.undefined or found.interval,
        notes=found.notes,
        noted=sum(part.noted for part in own),
        floor=floor and FloorRecord(real=floor.real, prediction=floor.prediction, n=floor.n, splits=floor.splits),
        **{**counts, "n": found.n},
    )
