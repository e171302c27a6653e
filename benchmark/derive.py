"""What follows from a run's store alone: scores.jsonl and results.json."""

from __future__ import annotations

from typing import Any

from .job import ClipPlan, Job, Overwrite
from .metrics.measure import retry_key
from .results import ClipRecord, ClipScore, Results, write_records, write_results
from .summary import Part, results_header, summarise


def derive(job: Job) -> tuple[Results, list[ClipRecord]]:
    """scores.jsonl and results.json from what is committed for the whole split; equal stores give equal bytes."""
    with job.folder.claim("finish", wait=True):
        plans = [job.plan_clip(row, Overwrite.NEVER) for row in job.manifest.rows]
        records: list[ClipRecord] = []
        parts: dict[str, dict[str, Part]] = {}
        weights: dict[str, dict[str, str]] = {}
        for plan in plans:
            record, own = _record(job, plan, weights)
            records += [record] if record is not None else []
            for metric, part in own.items():
                parts.setdefault(metric, {})[plan.row.clip_id] = part
        failed = [plan.row.clip_id for plan in plans if _failed_before(job, plan)]
        header = results_header(
            spec=job.answers.spec, identity=job.identity, manifest=job.manifest, protocol=job.protocol, seed=job.config.seed
        )
        results = summarise(records, failed=failed, parts=parts, weights=weights, header=header, protocol=job.protocol)
        write_records(job.folder.path / "scores.jsonl", records)
        write_results(job.folder.path / "results.json", results)
    return results, records


def _failed_before(job: Job, plan: ClipPlan) -> bool:
    failure = job.folder.failure(plan.row.clip_id)
    return failure is not None and failure.key == plan.prediction_key


def _record(job: Job, plan: ClipPlan, weights: dict[str, dict[str, str]]) -> tuple[ClipRecord | None, dict[str, Part]]:
    """The clip's line of scores.jsonl and its parts of metrics over the whole set; no line where it was not attempted,
    failed, or was made of other inputs.

    weights: metric id to the weights that its first score was made with, filled here; a score that was made with others
    is no number of the same metric.
    """
    row, prediction = plan.row, plan.cached
    if prediction is None:
        return None, {}
    base: dict[str, Any] = {"clip": row.clip_id, "cluster": row.cluster, "place": row.place}
    if prediction.outcome == "undefined":
        return ClipRecord(**base, outcome="undefined", reason=prediction.reason, prediction=None, scores={}), {}
    scores: dict[str, ClipScore] = {}
    parts: dict[str, Part] = {}
    have, kept = job.folder.scores(row.clip_id).metrics, 0
    keys = job.score_keys(prediction, plan.identity)
    for metric in keys:
        found = have.get(metric)
        score = found and job.score_of(metric, found, prediction, plan.identity)
        if score is None or weights.setdefault(metric, score.weights) != score.weights:
            if metric in job.unavailable:
                scores[metric] = ClipScore(value=None, undefined=job.unavailable[metric])
            elif found is not None and found.key == retry_key(keys[metric]):
                scores[metric] = ClipScore(value=None, undefined=found.undefined)
            continue
        kept += 1
        if score.feature is not None and score.truth_feature is not None:
            parts[metric] = Part(feature=score.feature, truth_feature=score.truth_feature, noted=bool(score.notes))
        else:
            scores[metric] = ClipScore(value=score.value, undefined=score.undefined, notes=score.notes, chance=score.chance)
    if not kept and len(scores) < len(keys):
        return None, {}
    record = ClipRecord(
        **base,
        outcome="scored",
        reason=None,
        prediction=prediction.pixels,
        still=prediction.still,
        notes=prediction.notes,
        scores=scores,
    )
    return record, parts
