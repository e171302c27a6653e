"""Scoring in the runner: metrics that cannot be measured here, that break, that take a whole set, and shuffled pairing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark.metrics
import benchmark.weights
import benchmark.work
from benchmark.clip import ClipInputs, Privilege
from benchmark.errors import Unavailable, UserError
from benchmark.job import Job, Overwrite, make_job
from benchmark.metrics import Arrays, ClipValue, ExtractorSpec, MetricSpec, Need, SetValue
from benchmark.protocols.protocol import Measured
from benchmark.runner import make_plan, run_job
from benchmark.video import Frames
from benchmark.work import Steps

from .toy import ToyDataset, toy_answers, toy_job, toy_protocol

BOTH = Steps(generate=True, score=True)
HERE = __name__
BROKEN: dict[str, bool] = {"now": False, "package": False}


class Mean:
    """The mean colour of a video."""

    def __init__(self, weights: Any, device: str) -> None:
        del weights, device

    def __call__(self, frames: Frames) -> Arrays:
        return {"feature": frames.mean(axis=(0, 1, 2)).astype(np.float32)}


class NeedsPackage(Mean):
    """As `Mean`, by a package that can be imported or not."""

    def __init__(self, weights: Any, device: str) -> None:
        super().__init__(weights, device)
        if BROKEN["package"]:
            raise Unavailable("package 'x' cannot be imported: no such symbol")


def distance(prediction: Arrays, truth: Arrays) -> ClipValue:
    return ClipValue(value=float(np.abs(prediction["feature"] - truth["feature"]).mean()))


def of_set(prediction: np.ndarray, truth: np.ndarray, takes: list[str]) -> SetValue:
    return SetValue(value=float(np.abs(prediction - truth).mean()), n=len(takes), notes=(f"{len(set(takes))} takes",))


def sometimes(prediction: Frames, truth: Frames) -> ClipValue:
    if BROKEN["now"]:
        raise UserError("the metric broke")
    return ClipValue(value=1.0, chance=0.25)


MEAN = ExtractorSpec(id="mean", version=1, summary="", target=f"{HERE}:Mean", of="video")


def metric(name: str, function: str, **changes: Any) -> MetricSpec:
    spec = MetricSpec(
        id=name, title=name, unit="", direction="down", decimals=2, version=1, summary="", definition="",
        target=f"{HERE}:{function}", needs=frozenset({Need.TRUTH}),
    )  # fmt: skip
    return dataclasses.replace(spec, **changes)


def job(out: Path, *specs: MetricSpec, answers: Any = None) -> Job:
    given = toy_job(out, answers=answers)
    protocol = dataclasses.replace(toy_protocol(), metrics=tuple(Measured(spec, {}) for spec in specs))
    return make_job(given.config, dataset=given.dataset, manifest=given.manifest, protocol=protocol, answers=given.answers)


@pytest.fixture(autouse=True)
def _prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": MEAN})
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path / "cache"))
    BROKEN["now"] = False


def test_a_metric_of_the_whole_set_has_one_value_and_no_line_a_clip(tmp_path: Path) -> None:
    one = job(tmp_path, metric("set", "of_set", of="set", extractor="mean"), metric("clipwise", "sometimes"))
    results = run_job(one, one.manifest.rows, steps=BOTH).results
    found = results.metrics["set"]
    assert found.mean is not None
    assert (found.n, found.takes, found.errors, found.undefined, found.notes) == (4, 2, 0, 0, ("2 takes",))
    assert not results.partial
    lines = [json.loads(line) for line in (one.folder.path / "scores.jsonl").read_text().splitlines()]
    assert [set(line["scores"]) for line in lines] == [{"clipwise"}] * 4
    assert results.metrics["clipwise"].chance == 0.25


def test_a_limited_run_has_a_partial_set(tmp_path: Path) -> None:
    one = job(tmp_path, metric("set", "of_set", of="set", extractor="mean"))
    results = run_job(one, one.manifest.rows[:3], steps=BOTH).results
    assert (results.metrics["set"].n, results.partial) == (3, True)


def test_a_metric_that_breaks_costs_itself_only_and_is_tried_again(tmp_path: Path) -> None:
    BROKEN["now"] = True
    specs = (metric("set", "of_set", of="set", extractor="mean"), metric("fragile", "sometimes"))
    first = run_job(job(tmp_path, *specs), job(tmp_path, *specs).manifest.rows, steps=BOTH)
    assert set(first.errors.values()) == {"the metric broke"}
    assert (first.results.metrics["set"].n, first.results.metrics["set"].errors) == (4, 0)
    assert (first.results.metrics["fragile"].n, first.results.metrics["fragile"].errors) == (0, 4)
    assert not first.results.partial
    BROKEN["now"] = False
    again = job(tmp_path, *specs)
    plan = make_plan(again, again.manifest.rows, steps=BOTH, overwrite=Overwrite.NEVER)
    assert {clip.unscored for clip in plan.to_score} == {("fragile",)}
    second = run_job(again, again.manifest.rows, steps=BOTH)
    assert second.errors == {}
    assert (second.results.metrics["fragile"].n, second.results.metrics["fragile"].errors) == (4, 0)


def test_what_cannot_be_measured_here_is_undefined_never_stored_and_measured_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = (metric("set", "of_set", of="set", extractor="mean"), metric("plain", "sometimes"))
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": dataclasses.replace(MEAN, package="no_such_package")})
    first = job(tmp_path, *specs)
    results = run_job(first, first.manifest.rows, steps=BOTH).results
    assert (results.metrics["set"].mean, results.metrics["set"].undefined, results.partial) == (None, 4, False)
    assert results.metrics["set"].reason == "package 'no_such_package' is not installed (see 'egox-bench doctor')"
    assert set(first.folder.scores("c0").metrics) == {"plain"}
    idle = job(tmp_path, *specs)
    assert make_plan(idle, idle.manifest.rows, steps=BOTH, overwrite=Overwrite.NEVER).idle
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": MEAN})
    now = job(tmp_path, *specs)
    assert run_job(now, now.manifest.rows, steps=BOTH).results.metrics["set"].n == 4


def test_a_package_that_cannot_be_imported_is_told_and_its_metric_measured_once_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = dataclasses.replace(MEAN, target=f"{HERE}:NeedsPackage")
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": needs})
    specs = metric("seeing", "distance", extractor="mean"), metric("plain", "sometimes")
    monkeypatch.setitem(BROKEN, "package", True)
    one = job(tmp_path, *specs)
    found = run_job(one, one.manifest.rows, steps=BOTH).results.metrics
    reason = "package 'x' cannot be imported: no such symbol"
    assert (found["seeing"].n, found["seeing"].undefined, found["seeing"].reason) == (0, 4, reason)
    assert found["plain"].n == 4
    monkeypatch.setitem(BROKEN, "package", False)
    mended = job(tmp_path, *specs)
    plan = make_plan(mended, mended.manifest.rows, steps=BOTH, overwrite=Overwrite.NEVER)
    assert {clip.unscored for clip in plan.to_score} == {("seeing",)}
    found = run_job(mended, mended.manifest.rows, steps=BOTH).results.metrics
    assert (found["seeing"].n, found["seeing"].undefined, found["seeing"].reason) == (4, 0, None)


def test_a_frame_rate_that_is_not_the_protocols_is_refused(tmp_path: Path) -> None:
    dataset = ToyDataset(changes={"c1": lambda clip: dataclasses.replace(clip, fps=25.0)})
    given = toy_job(tmp_path, dataset=dataset)
    report = run_job(given, given.manifest.rows, steps=BOTH)
    assert report.errors == {"c1": "c1: its frames are 25 a second, protocol toy measures 10"}
    assert report.results.n_scored == 3


class SeesAnother:
    """Answers with the truth that it is given."""

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        assert inputs.truth is not None
        return inputs.truth.read()


def test_shuffled_pairing_hands_out_every_truth_once_and_never_a_clips_own(tmp_path: Path) -> None:
    one = toy_job(tmp_path, answers=toy_answers(SeesAnother, privileged=Privilege.OTHER_TRUTH))
    run_job(one, one.manifest.rows, steps=BOTH)
    truths = {}
    for row in one.manifest.rows:
        clip = one.dataset.clip(row, one.canvas)
        assert clip.truth is not None
        truths[row.clip_id] = clip.truth.video.read().tobytes()
    given = {row.clip_id: one.folder.video(row.clip_id) for row in one.manifest.rows}
    from benchmark.video import FileSource, Video

    seen = {name: Video(source=FileSource(path), indices=(0, 1, 2), fps=10).read().tobytes() for name, path in given.items()}
    assert sorted(seen.values()) == sorted(truths.values())
    takes = {row.clip_id: row.cluster for row in one.manifest.rows}
    owner = {value: name for name, value in truths.items()}
    assert all(takes[owner[value]] != takes[name] for name, value in seen.items())


def test_another_truth_of_the_partner_makes_the_shuffled_clip_anew(tmp_path: Path) -> None:
    answers = toy_answers(SeesAnother, privileged=Privilege.OTHER_TRUTH)
    run_job(toy_job(tmp_path, answers=answers), toy_job(tmp_path, answers=answers).manifest.rows, steps=BOTH)
    dataset = ToyDataset()
    dataset.truths["c0"] = "new"
    changed = toy_job(tmp_path, dataset=dataset, answers=answers)
    plan = make_plan(changed, changed.manifest.rows, steps=BOTH, overwrite=Overwrite.NEVER)
    partner_of_c0 = [row.clip_id for row in changed.manifest.rows if (changed.partner(row) or row).clip_id == "c0"]
    assert [clip.row.clip_id for clip in plan.to_generate] == partner_of_c0


class Machine:
    """A machine with weights of its own: what is there, by id, and its identity; nothing is pinned."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here: dict[str, str] = {}
        monkeypatch.setattr(benchmark.weights, "missing", lambda ids: None if set(ids) <= set(self.here) else "weights missing")
        monkeypatch.setattr(benchmark.weights, "located", lambda name: Path(name))
        monkeypatch.setattr(benchmark.weights, "identity", self.identity)
        monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": dataclasses.replace(MEAN, weights=("net",))})

    def identity(self, name: str) -> str:
        if name not in self.here:
            raise UserError(f"{name}: not here")
        return self.here[name]


def scored_with(tmp_path: Path) -> Any:
    one = job(tmp_path, metric("set", "of_set", of="set", extractor="mean"))
    return run_job(one, one.manifest.rows, steps=BOTH).results.metrics["set"]


def test_results_name_the_weights_that_they_were_measured_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch).here = {"net": "0123456789abcdef"}
    assert scored_with(tmp_path).weights == {"net": "0123456789abcdef"}


def test_other_weights_are_another_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    machine.here = {"net": "a" * 16}
    scored_with(tmp_path)
    machine.here = {"net": "b" * 16}
    again = job(tmp_path, metric("set", "of_set", of="set", extractor="mean"))
    assert len(make_plan(again, again.manifest.rows, steps=BOTH, overwrite=Overwrite.NEVER).to_score) == 4
    assert scored_with(tmp_path).weights == {"net": "b" * 16}


def test_what_another_machine_measured_is_not_lost_where_the_weights_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch)
    machine.here = {"net": "a" * 16}
    before = scored_with(tmp_path)
    machine.here = {}
    after = scored_with(tmp_path)
    assert after == before
    assert (after.n, after.weights) == (4, {"net": "a" * 16})


def test_a_set_of_other_clips_truths_has_no_distance(tmp_path: Path) -> None:
    answers = toy_answers(SeesAnother, privileged=Privilege.OTHER_TRUTH)
    one = job(tmp_path, metric("set", "of_set", of="set", extractor="mean"), answers=answers)
    results = run_job(one, one.manifest.rows, steps=BOTH).results
    found = results.metrics["set"]
    assert (found.mean, found.n, results.partial) == (None, 4, False)
    assert found.interval == "the videos are the truths themselves, in another order"
