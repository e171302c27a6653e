"""The runner: resume, outcomes, failures, and equal bytes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmark.clip import Clip, ClipInputs, Input, Privilege
from benchmark.datasets.dataset import ClipDigests
from benchmark.errors import LoadError, Undefined, UserError
from benchmark.job import Job, Overwrite, make_job
from benchmark.run_record import read_run_record
from benchmark.runner import RunReport, make_plan, run_job
from benchmark.video import Frames
from benchmark.work import Steps

from .toy import Tinted, ToyDataset, toy_answers, toy_job

BOTH = Steps(generate=True, score=True)


def run(job: Job, n: int | None = None, **changes: object) -> RunReport:
    return run_job(job, job.manifest.rows[:n], steps=changes.pop("steps", BOTH), **changes)  # type: ignore[arg-type]


def derived(job: Job) -> dict[str, bytes]:
    """The bytes that must be equal for equal runs: derived files and videos."""
    files = [job.folder.path / "scores.jsonl", job.folder.path / "results.json", *(job.folder.path / "videos").iterdir()]
    return {file.name: file.read_bytes() for file in files}


def test_a_run_scores_every_clip_and_keeps_its_videos(tmp_path: Path) -> None:
    report = run(toy_job(tmp_path))
    assert (report.results.n_scored, report.results.n_expected, report.results.partial) == (4, 4, False)
    assert set(report.results.metrics) == {"psnr", "ssim", "psnr-y", "ssim-y"}
    folder = toy_job(tmp_path).folder
    assert all(folder.video(f"c{i}").is_file() for i in range(4))
    lines = (folder.path / "scores.jsonl").read_text().splitlines()
    assert [json.loads(line)["clip"] for line in lines] == ["c0", "c1", "c2", "c3"]


def test_a_second_run_loads_no_method_and_reads_no_clip(tmp_path: Path) -> None:
    run(toy_job(tmp_path))
    before, loads = derived(toy_job(tmp_path)), Tinted.loads
    dataset = ToyDataset()
    job = toy_job(tmp_path, dataset=dataset)
    assert make_plan(job, job.manifest.rows, steps=BOTH, overwrite=Overwrite.NEVER).idle
    run(job)
    assert Tinted.loads == loads
    assert dataset.opened == []
    assert derived(job) == before


def test_a_limited_run_is_partial_and_the_full_run_goes_on_from_it(tmp_path: Path) -> None:
    limited = run(toy_job(tmp_path), n=2)
    assert limited.results.partial
    assert (limited.results.n_scored, limited.results.n_expected) == (2, 4)
    dataset = ToyDataset()
    full = run(toy_job(tmp_path, dataset=dataset))
    assert not full.results.partial
    assert set(dataset.opened) == {"c2", "c3"}
    again = run(toy_job(tmp_path), n=1)
    assert not again.results.partial, "a later subset must not degrade complete results"


def test_results_are_the_same_bytes_in_one_go_and_in_pieces(tmp_path: Path) -> None:
    run(toy_job(tmp_path / "whole"))
    for n in (1, 3, None):
        run(toy_job(tmp_path / "pieces"), n=n)
    assert derived(toy_job(tmp_path / "whole")) == derived(toy_job(tmp_path / "pieces"))


def test_seed_code_and_options_make_other_folders(tmp_path: Path) -> None:
    base = toy_job(tmp_path)
    other_code = dataclasses.replace(toy_answers(), source="code-2")
    other_options = dataclasses.replace(toy_answers(), key_options={"strength": 2})
    folders = {
        base.folder.path,
        toy_job(tmp_path, seed=1).folder.path,
        toy_job(tmp_path, answers=other_code).folder.path,
        toy_job(tmp_path, answers=other_options).folder.path,
    }
    assert len(folders) == 4


def test_changed_code_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(toy_job(tmp_path))
    run(toy_job(tmp_path, answers=dataclasses.replace(toy_answers(), source="code-2")))
    assert "the code of toy-method has changed" in capsys.readouterr().err


def no_pose(clip: Clip) -> Clip:
    return dataclasses.replace(clip, ego_camera=None, missing={Input.EGO_CAMERA: "pose missing at frame 1008"})


def test_a_clip_without_pose_is_undefined_for_every_method_and_never_fatal(tmp_path: Path) -> None:
    report = run(toy_job(tmp_path, dataset=ToyDataset(changes={"c1": no_pose})))
    line = json.loads(
        (toy_job(tmp_path).folder.path.parent / report_folder(tmp_path) / "scores.jsonl").read_text().splitlines()[1]
    )
    assert line["outcome"] == "undefined"
    assert line["reason"] == "pose missing at frame 1008"
    assert report.errors == {}
    assert {m.undefined for m in report.results.metrics.values()} == {1}
    assert (report.results.n_scored, report.results.partial) == (3, False)


def report_folder(out: Path) -> str:
    (folder,) = (path.parent for path in out.glob("*/*/*/*/results.json"))
    return folder.name


def test_a_clip_without_truth_has_undefined_metrics(tmp_path: Path) -> None:
    def no_truth(clip: Clip) -> Clip:
        return dataclasses.replace(clip, truth=None, missing={Input.TRUTH: "no ego video"})

    report = run(toy_job(tmp_path, dataset=ToyDataset(changes={f"c{i}": no_truth for i in range(4)})))
    assert {(m.n, m.undefined, m.mean) for m in report.results.metrics.values()} == {(0, 4, None)}


class Fails(Tinted):
    """Crashes on c1, answers 2 frames on c2, is undefined on c3."""

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        if inputs.clip_id == "c1":
            raise RuntimeError("no luck")
        if inputs.clip_id == "c3":
            raise Undefined("too dark")
        frames = super().generate(inputs, seed=seed)
        return frames[:2] if inputs.clip_id == "c2" else frames


def test_one_clips_failure_costs_that_clip_only(tmp_path: Path) -> None:
    report = run(toy_job(tmp_path, answers=toy_answers(Fails)))
    assert report.errors["c1"] == "RuntimeError: no luck"
    assert "(2, 32, 32, 3)" in report.errors["c2"]
    assert "(3, 32, 32, 3)" in report.errors["c2"]
    psnr = report.results.metrics["psnr"]
    assert (psnr.n, psnr.errors, psnr.undefined) == (1, 2, 1)
    assert "no luck" in next(tmp_path.glob("*/*/*/*/errors.log")).read_text()


def test_errors_are_tried_again_and_undefined_only_when_asked(tmp_path: Path) -> None:
    run(toy_job(tmp_path, answers=toy_answers(Fails)))
    second = run(toy_job(tmp_path))
    assert second.errors == {}
    assert second.results.metrics["psnr"].undefined == 1
    third = run(toy_job(tmp_path), overwrite=Overwrite.FAILED)
    assert third.results.metrics["psnr"].n == 4


def test_overwrite_always_makes_everything_again(tmp_path: Path) -> None:
    run(toy_job(tmp_path))
    before, dataset = derived(toy_job(tmp_path)), ToyDataset()
    run(toy_job(tmp_path, dataset=dataset), overwrite=Overwrite.ALWAYS)
    assert set(dataset.opened) == {"c0", "c1", "c2", "c3"}
    assert derived(toy_job(tmp_path)) == before


def test_generate_then_score_equals_run(tmp_path: Path) -> None:
    run(toy_job(tmp_path / "one"))
    first = run(toy_job(tmp_path / "two"), steps=Steps(generate=True, score=False))
    assert first.results.partial
    run(toy_job(tmp_path / "two"), steps=Steps(generate=False, score=True))
    assert derived(toy_job(tmp_path / "one")) == derived(toy_job(tmp_path / "two"))


def test_score_alone_makes_nothing(tmp_path: Path) -> None:
    report = run(toy_job(tmp_path), steps=Steps(generate=False, score=True))
    assert report.results.n_scored == 0
    assert not (toy_job(tmp_path).folder.path / "videos").exists()


def test_a_torn_record_is_named_and_an_absent_video_is_made_again(tmp_path: Path) -> None:
    run(toy_job(tmp_path))
    job = toy_job(tmp_path)
    before = derived(job)
    job.folder.video("c2").unlink()
    run(job)
    assert derived(job) == before
    (job.folder.path / "clips" / "c1.json").write_text('{"key": "abc"')
    with pytest.raises(UserError, match=r"c1\.json: damaged.*delete this file"):
        run(job)


def test_a_changed_video_is_noticed_when_it_is_scored(tmp_path: Path) -> None:
    job = toy_job(tmp_path)
    run(job, steps=Steps(generate=True, score=False))
    job.folder.video("c0").write_bytes(job.folder.video("c1").read_bytes())
    report = run(job)
    assert "not the pixels that were committed" in report.errors["c0"]
    assert run(job).errors == {}, "what is damaged is made anew"


class InBatches:
    """Answers two clips at a time, in the opposite order; forgets c3."""

    batch_size = 2

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        raise AssertionError("the batch is asked")

    def generate_batch(self, batch: Sequence[ClipInputs], *, seeds: Sequence[int]) -> Iterator[tuple[str, Frames | Exception]]:
        for inputs, seed in reversed(list(zip(batch, seeds))):
            if inputs.clip_id == "c1":
                yield inputs.clip_id, Undefined("too dark")
            elif inputs.clip_id != "c3":
                yield inputs.clip_id, np.full((inputs.n_frames, *inputs.size, 3), seed % 256, np.uint8)


def test_a_batch_method_gets_an_outcome_for_every_clip(tmp_path: Path) -> None:
    report = run(toy_job(tmp_path, answers=toy_answers(InBatches)))
    assert report.results.metrics["psnr"].n == 2
    assert report.results.metrics["psnr"].undefined == 1
    assert "no answer for this clip" in report.errors["c3"]


def test_run_json_holds_how_it_was_made_and_results_do_not(tmp_path: Path) -> None:
    job = toy_job(tmp_path)
    run(job)
    record = json.loads((job.folder.path / "run.json").read_text())
    assert record["clips"]["c0"]["seconds"] >= 0
    assert record["clips"]["c0"]["peak_memory_mb"] > 1
    assert record["invocations"][-1]["environment"]["packages"]["numpy"]
    text = (job.folder.path / "results.json").read_text()
    assert "seconds" not in text
    assert str(tmp_path) not in text


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "toy-method").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        run(toy_job(tmp_path))


def test_what_a_method_may_see_is_part_of_its_key(tmp_path: Path) -> None:
    answers = [
        toy_answers(),
        toy_answers(privileged=Privilege.TRUTH),
        toy_answers(needs=frozenset({Input.DEPTH, Input.EXO_VIDEO})),
        toy_answers(needs=frozenset({Input.EXO_VIDEO}), optional=frozenset({Input.DEPTH})),
        toy_answers(exo_views=2),
    ]
    assert len({toy_job(tmp_path, answers=each).folder.path for each in answers}) == 5


class Asked(ToyDataset):
    """Writes down what it is asked to make ready."""

    def prepare(self, rows, canvas, *, needs, workers, progress) -> None:
        self.needs = needs
        super().prepare(rows, canvas, needs=needs, workers=workers, progress=progress)


def test_needs_and_optional_inputs_are_made_ready_together(tmp_path: Path) -> None:
    dataset = Asked()
    answers = toy_answers(needs=frozenset({Input.EXO_VIDEO}), optional=frozenset({Input.CAPTION}))
    run(toy_job(tmp_path, dataset=dataset, answers=answers))
    assert dataset.needs == {Input.EXO_VIDEO, Input.CAPTION, Input.TRUTH}


def test_a_failed_remake_does_not_leave_the_old_video_in_the_mean(tmp_path: Path) -> None:
    run(toy_job(tmp_path))
    report = run(toy_job(tmp_path, answers=toy_answers(Fails)), overwrite=Overwrite.ALWAYS)
    psnr = report.results.metrics["psnr"]
    assert (psnr.n, psnr.errors, psnr.undefined) == (1, 2, 1)
    assert run(toy_job(tmp_path)).results.metrics["psnr"].n == 3, "failed clips are tried again, undefined ones are kept"


def test_results_are_made_of_the_store_and_not_of_the_last_call(tmp_path: Path) -> None:
    first = run(toy_job(tmp_path, answers=toy_answers(Fails)))
    again = run(toy_job(tmp_path, answers=toy_answers(Fails)), n=1)
    assert again.errors == {}
    assert again.results == first.results


def test_truth_that_comes_later_is_scored_without_generating_again(tmp_path: Path) -> None:
    blind = ToyDataset(changes={f"c{i}": lambda clip: dataclasses.replace(clip, truth=None) for i in range(4)})
    sighted = ToyDataset()
    for dataset in (blind, sighted):
        dataset.digests = lambda row, canvas, seen=dataset: ClipDigests(  # type: ignore[method-assign]
            inputs=row.clip_id, truth="there" if seen is sighted else ""
        )
    assert run(toy_job(tmp_path, dataset=blind)).results.metrics["psnr"].undefined == 4
    loads = Tinted.loads
    report = run(toy_job(tmp_path, dataset=sighted), steps=Steps(generate=False, score=True))
    assert report.results.metrics["psnr"].n == 4
    assert Tinted.loads == loads


def test_scoring_what_was_not_generated_is_said(tmp_path: Path) -> None:
    run(toy_job(tmp_path), n=1, steps=Steps(generate=True, score=False))
    report = run(toy_job(tmp_path), steps=Steps(generate=False, score=True))
    assert report.not_generated == ("c1", "c2", "c3")
    assert report.results.n_scored == 1


class Exits(Tinted):
    """Calls sys.exit on c1, as scripts do."""

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        if inputs.clip_id == "c1":
            raise SystemExit("bye")
        return super().generate(inputs, seed=seed)


def test_a_method_that_exits_costs_its_clip_only(tmp_path: Path) -> None:
    report = run(toy_job(tmp_path, answers=toy_answers(Exits)))
    assert report.errors == {"c1": "SystemExit: bye"}
    assert report.results.n_scored == 3


def breaks() -> Tinted:
    raise RuntimeError("no weights")


def test_a_method_that_cannot_be_loaded_ends_its_run_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="method 'toy-method' cannot be loaded: RuntimeError: no weights"):
        run(toy_job(tmp_path, answers=toy_answers(breaks)))


def test_another_protocol_on_the_same_canvas_takes_the_predictions_over(tmp_path: Path) -> None:
    run(toy_job(tmp_path))
    job, loads = toy_job(tmp_path), Tinted.loads
    other = dataclasses.replace(job.protocol, name="other", metrics=job.protocol.metrics[:1])
    second = make_job(job.config, dataset=job.dataset, manifest=job.manifest, protocol=other, answers=job.answers)
    assert second.folder.path != job.folder.path
    assert run(second).results.n_scored == 4
    assert Tinted.loads == loads
    assert second.folder.video("c0").read_bytes() == job.folder.video("c0").read_bytes()


def test_a_run_that_is_killed_is_known_to_the_store(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Stops(Tinted):
        def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
            raise Killed

    job = toy_job(tmp_path, answers=toy_answers(Stops))
    with pytest.raises(Killed):
        run(job)
    record = read_run_record(job.folder)
    assert record is not None
    assert [call.finished for call in record.invocations] == [False]
    run(toy_job(tmp_path))
    record = read_run_record(job.folder)
    assert record is not None
    assert record.invocations[-1].finished


def test_reasons_name_files_within_the_data_however_its_path_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.chdir(tmp_path)
    lines = set()
    for written in ("data", "./data", "data/", str(data)):
        where = Path(written) / "x.npy"

        def gone(clip: Clip, where: Path = where) -> Clip:
            return dataclasses.replace(clip, ego_camera=None, missing={Input.EGO_CAMERA: f"metadata/no pose in {where}"})

        base = toy_job(tmp_path / f"out{len(written)}", dataset=ToyDataset(n=1, changes={"c0": gone}))
        job = dataclasses.replace(base, config=dataclasses.replace(base.config, data=written))
        run(job)
        lines.add((job.folder.path / "scores.jsonl").read_text())
    assert len(lines) == 1
    assert "metadata/no pose in x.npy" in lines.pop()
