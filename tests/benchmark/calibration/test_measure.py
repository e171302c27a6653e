from __future__ import annotations

import dataclasses
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import benchmark.metrics
from benchmark.calibration.measure import run_calibration
from benchmark.calibration.plan import TRUTH, Rung, missing
from benchmark.calibration.summary import summarise
from benchmark.clip import Input
from benchmark.errors import Unavailable, UserError
from benchmark.metrics import ClipValue, ExtractorSpec, MetricSpec, Need, SetValue
from benchmark.store import RunFolder
from benchmark.video import Frames

from ..toy import Tinted, ToyDataset, toy_answers
from .subjects import only, toy_calibration

HERE = __name__
BROKEN: dict[str, bool] = {"now": False}


class Mean:
    """The mean colour of a video."""

    def __init__(self, weights: Any, device: str) -> None:
        del weights, device

    def __call__(self, frames: Frames) -> dict[str, Any]:
        return {"feature": frames.mean(axis=(0, 1, 2)).astype(np.float32)}


def of_set(prediction: np.ndarray, truth: np.ndarray, takes: list[str]) -> SetValue:
    return SetValue(value=float(np.abs(prediction.mean(0) - truth.mean(0)).sum()), n=len(takes))


def difference(prediction: Frames, truth: Frames) -> ClipValue:
    if BROKEN["now"] and not np.array_equal(prediction, truth):
        raise UserError("the metric broke")
    return ClipValue(value=float(np.abs(prediction.astype(float) - truth).mean()))


MEAN = ExtractorSpec(id="mean", version=1, summary="", target=f"{HERE}:Mean", of="video")


def metric(name: str, function: str, **changes: Any) -> MetricSpec:
    spec = MetricSpec(
        id=name, title=name, unit="", direction="down", decimals=2, version=1, summary="", definition="",
        target=f"{HERE}:{function}", needs=frozenset({Need.TRUTH}),
    )  # fmt: skip
    return dataclasses.replace(spec, **changes)


PLAIN, SET = metric("plain", "difference"), metric("set", "of_set", of="set", extractor="mean")


@pytest.fixture(autouse=True)
def _prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": MEAN})
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path / "cache"))
    BROKEN["now"] = False


def test_every_metric_has_a_number_at_every_level(tmp_path):
    one = toy_calibration(tmp_path, "noise", "freeze", "swap", "prior", protocol=only(PLAIN, SET))
    assert run_calibration(one, one.manifest.rows) == {}
    found = summarise(one, one.manifest.rows)
    assert set(found.metrics) == {"plain", "set"}
    for measured in found.metrics.values():
        assert measured.truth == 0.0
        for curve in measured.curves.values():
            assert [(level.n, level.undefined) for level in curve.levels] == [(4, 0)] * len(curve.levels)
            assert curve.levels[0].value == 0.0
            assert all(level.value is not None for level in curve.levels)
    assert found.metrics["plain"].curves["noise"].shape == "monotone"


def test_a_second_call_measures_nothing_and_decodes_nothing(tmp_path):
    first = toy_calibration(tmp_path, "turn", "swap", "prior")
    run_calibration(first, first.manifest.rows)
    before, dataset, loads = summarise(first, first.manifest.rows).to_bytes(), ToyDataset(), Tinted.loads
    again = toy_calibration(tmp_path, "turn", "swap", "prior", dataset=dataset)
    assert missing(again, again.manifest.rows) == []
    run_calibration(again, again.manifest.rows)
    assert summarise(again, again.manifest.rows).to_bytes() == before
    assert (dataset.opened, Tinted.loads) == ([], loads)


def test_after_a_kill_only_what_was_not_kept_is_measured(tmp_path, monkeypatch):
    commits: list[tuple[str, str]] = []
    real = RunFolder.commit_scores

    def counted(folder: RunFolder, clip: str, scores: Any) -> None:
        real(folder, clip, scores)
        commits.append((folder.path.name, clip))

    def killed(folder: RunFolder, clip: str, scores: Any) -> None:
        if len(commits) == 7:
            raise KeyboardInterrupt
        counted(folder, clip, scores)

    monkeypatch.setattr(RunFolder, "commit_scores", killed)
    first = toy_calibration(tmp_path, "blur", "delay")
    with pytest.raises(KeyboardInterrupt):
        run_calibration(first, first.manifest.rows)
    kept = list(commits)
    monkeypatch.setattr(RunFolder, "commit_scores", counted)
    again = toy_calibration(tmp_path, "blur", "delay")
    run_calibration(again, again.manifest.rows)
    assert len(kept) == 7
    assert len(commits) == len(set(commits)) == 4 * (1 + 7 + 6)


def test_more_clips_change_no_result_of_those_before(tmp_path):
    one = toy_calibration(tmp_path, "swap", "jitter")
    run_calibration(one, one.manifest.rows[:2])
    units = missing(one, one.manifest.rows)
    assert {unit.row.clip_id for unit in units} == {"c2", "c3"}


def test_a_metric_that_is_added_is_measured_alone(tmp_path, monkeypatch):
    one = toy_calibration(tmp_path, "shift", protocol=only(PLAIN))
    run_calibration(one, one.manifest.rows)
    more = toy_calibration(tmp_path, "shift", protocol=only(PLAIN, SET))
    assert {more.unscored(unit.row, rung) for unit in missing(more, more.manifest.rows) for rung in unit.rungs} == {("set",)}


def test_another_truth_is_measured_anew(tmp_path):
    one = toy_calibration(tmp_path, "shift")
    run_calibration(one, one.manifest.rows)
    dataset = ToyDataset()
    dataset.truths["c2"] = "new"
    changed = toy_calibration(tmp_path, "shift", dataset=dataset)
    assert {unit.row.clip_id for unit in missing(changed, changed.manifest.rows)} == {"c2"}


def test_another_code_of_the_prior_is_measured_anew_and_only_the_prior(tmp_path):
    one = toy_calibration(tmp_path, "blur", "prior")
    run_calibration(one, one.manifest.rows)
    changed = toy_calibration(tmp_path, "blur", "prior", prior=dataclasses.replace(toy_answers(), source="code-2"))
    names = {rung.name for unit in missing(changed, changed.manifest.rows) for rung in unit.rungs}
    assert names == {"prior-1"}


def test_a_metric_that_breaks_costs_itself_only_and_is_tried_again(tmp_path):
    BROKEN["now"] = True
    one = toy_calibration(tmp_path, "delay", protocol=only(PLAIN, SET))
    errors = run_calibration(one, one.manifest.rows[:1])
    assert set(errors) == {f"c0, delay-{level}" for level in (1, 2, 3, 4, 6, 8)}
    assert set(errors.values()) == {"the metric broke"}
    (ladder,) = one.ladders
    assert set(one.scores(one.manifest.rows[0], Rung(ladder, 1))) == {"set"}
    assert "the metric broke" in (one.folder / "errors.log").read_text()
    BROKEN["now"] = False
    assert run_calibration(one, one.manifest.rows[:1]) == {}
    assert set(one.scores(one.manifest.rows[0], Rung(ladder, 1))) == {"plain", "set"}


def test_what_cannot_be_measured_here_is_said_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": dataclasses.replace(MEAN, package="no_such_package")})
    one = toy_calibration(tmp_path, "delay", protocol=only(PLAIN, SET))
    assert run_calibration(one, one.manifest.rows) == {}
    found = summarise(one, one.manifest.rows).metrics
    assert found["set"].unavailable == "package 'no_such_package' is not installed (see 'egox-bench doctor')"
    assert (found["set"].truth, found["plain"].unavailable) == (None, None)
    assert set(one.scores(one.manifest.rows[0], TRUTH)) == {"plain"}


def test_a_package_that_cannot_be_imported_is_an_error_that_is_not_kept(tmp_path, monkeypatch):
    def refuse(self: Any, weights: Any, device: str) -> None:
        raise Unavailable("package 'x' cannot be imported")

    with monkeypatch.context() as broken:
        broken.setattr(Mean, "__init__", refuse)
        one = toy_calibration(tmp_path, "delay", protocol=only(PLAIN, SET))
        errors = run_calibration(one, one.manifest.rows[:1])
        assert set(errors.values()) == {"set: package 'x' cannot be imported"}
        assert set(one.scores(one.manifest.rows[0], TRUTH)) == {"plain"}
    assert run_calibration(one, one.manifest.rows[:1]) == {}
    assert set(one.scores(one.manifest.rows[0], TRUTH)) == {"plain", "set"}


def test_a_clip_without_truth_is_undefined_and_the_others_go_on(tmp_path):
    lacking = MappingProxyType({Input.TRUTH: "ego video is missing"})
    dataset = ToyDataset(changes={"c1": lambda clip: dataclasses.replace(clip, truth=None, missing=lacking)})
    one = toy_calibration(tmp_path, "blur", "swap", dataset=dataset, protocol=only(PLAIN))
    assert run_calibration(one, one.manifest.rows) == {}
    level = summarise(one, one.manifest.rows).metrics["plain"].curves["blur"].levels[1]
    assert (level.n, level.undefined, level.reason) == (3, 1, "ego video is missing")


def test_a_clip_whose_camera_is_unknown_misses_turns_only(tmp_path):
    lacking = MappingProxyType({Input.EGO_CAMERA: "pose missing at frame 3"})
    dataset = ToyDataset(changes={"c0": lambda clip: dataclasses.replace(clip, ego_camera=None, missing=lacking)})
    one = toy_calibration(tmp_path, "noise", "turn", dataset=dataset, protocol=only(PLAIN))
    assert run_calibration(one, one.manifest.rows) == {}
    curves = summarise(one, one.manifest.rows).metrics["plain"].curves
    assert {level.n for level in curves["noise"].levels} == {4}
    assert {(level.n, level.reason) for level in curves["turn"].levels[1:]} == {(3, "pose missing at frame 3")}


def test_a_frame_rate_that_is_not_the_protocols_is_an_error(tmp_path):
    dataset = ToyDataset(changes={"c1": lambda clip: dataclasses.replace(clip, fps=25.0)})
    one = toy_calibration(tmp_path, "delay", dataset=dataset)
    errors = run_calibration(one, one.manifest.rows)
    assert {key.split(",")[0] for key in errors} == {"c1"}
    assert set(errors.values()) == {"c1: its frames are 25 a second, protocol toy measures 10"}
