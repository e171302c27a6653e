"""What a run leaves behind: every clip accounted for, the same bytes for the same scores, and readable refusals."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import msgspec
import pytest

from benchmark.errors import UserError
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

from ..pixels import PIXELS

TWO = dataclasses.replace(PIXELS, name="two", metrics=PIXELS.metrics[:2])


def header(n: int, **changes) -> Header:
    method = MethodHeader(
        id="mine", version="1.2", source="abc", options={"strength": 0.5}, privileged="none", control=False, static=False
    )
    return Header(
        method=msgspec.structs.replace(method, **changes),
        seed=3,
        split=SplitHeader(name="unseen", dataset="sim", digest="0123456789abcdef", n=n),
        protocol=ProtocolHeader(name=TWO.name, version=TWO.version, digest=TWO.digest),
    )


def scored(clip: int, psnr: float, *, ssim: float | None = 0.5, notes: tuple[str, ...] = ()) -> ClipRecord:
    similarity = ClipScore(value=ssim) if ssim is not None else ClipScore(value=None, undefined="frames are too small")
    return ClipRecord(
        clip=f"c{clip:02d}",
        cluster=f"take {clip // 2}",
        place="lab",
        outcome="scored",
        prediction="d1",
        scores={"psnr": ClipScore(value=psnr, notes=notes), "ssim": similarity},
    )


def undefined(clip: int) -> ClipRecord:
    return ClipRecord(
        clip=f"c{clip:02d}", cluster=f"take {clip // 2}", place="lab", outcome="undefined", reason="pose missing", scores={}
    )


def summary(records, *, n: int, n_errors: int = 0) -> Results:
    return summarise(records, failed=[f"failed {i}" for i in range(n_errors)], header=header(n), protocol=TWO)


def test_a_metric_is_the_mean_over_clips_with_an_interval_around_it():
    found = summary([scored(i, 10.0 + i) for i in range(24)], n=24).metrics["psnr"]
    assert found.mean == pytest.approx(21.5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 21.5 < found.high
    assert (found.n, found.takes, found.interval) == (24, 12, None)


def test_a_share_of_clips_is_printed_as_some_whole_number_of_them_would_be():
    for n in (1, 3, 7, 29, 60):
        for moving in {0, 1, n // 3, n}:
            found = summary([scored(i, float(i < moving)) for i in range(n)], n=n).metrics["psnr"]
            assert (f"{found.mean:.3f}", found.n) == (f"{moving / n:.3f}", n)


def test_every_clip_is_a_number_undefined_or_an_error_and_none_is_dropped():
    records = [*(scored(i, 20.0) for i in range(5)), undefined(5), scored(6, 22.0, ssim=None)]
    found = summary(records, n=9, n_errors=2)
    psnr, ssim = found.metrics["psnr"], found.metrics["ssim"]
    assert (psnr.n, psnr.undefined, psnr.errors) == (6, 1, 2)
    assert (ssim.n, ssim.undefined, ssim.errors) == (5, 2, 2)
    assert (found.n_scored, found.n_expected, found.partial) == (6, 9, False)


def test_clips_that_were_not_attempted_make_a_run_partial():
    assert summary([scored(0, 20.0), scored(1, 20.0)], n=3).partial
    assert summary([scored(0, 20.0), undefined(1)], n=3, n_errors=1).partial is False


def test_a_metric_that_some_clips_were_never_scored_on_makes_a_run_partial():
    without = ClipRecord(
        clip="c01", cluster="t", place="", outcome="scored", prediction="d", scores={"psnr": ClipScore(value=20.0)}
    )
    found = summary([scored(0, 20.0), without], n=2)
    assert found.partial
    assert (found.metrics["psnr"].n, found.metrics["ssim"].n) == (2, 1)


def test_a_run_without_any_number_has_null_and_a_reason():
    found = summary([undefined(0), undefined(1)], n=2).metrics["psnr"]
    assert (found.mean, found.low, found.high, found.n, found.undefined) == (None, None, None, 0, 2)
    assert found.interval == "no clip has a number"


def test_clips_of_a_single_take_have_a_mean_but_no_interval():
    found = summary([scored(0, 20.0), scored(1, 21.0)], n=2).metrics["psnr"]
    assert (found.mean, found.low, found.takes) == (20.5, None, 1)
    assert found.interval == "one take: no interval over takes"


def test_clips_with_a_note_are_counted():
    found = summary([scored(0, 100.0, notes=("17 of 17 frames at the cap",)), scored(1, 20.0)], n=2)
    assert found.metrics["psnr"].noted == 1
    assert found.metrics["ssim"].noted == 0


def test_more_outcomes_than_clips_is_a_bug():
    with pytest.raises(ValueError, match="2 records and 1 failed clips for a split of 2 clips"):
        summary([scored(0, 1.0), scored(1, 1.0)], n=2, n_errors=1)


def test_the_order_of_records_does_not_change_a_byte():
    records = [scored(i, 10.0 + 0.1 * i) for i in range(20)]
    shuffled = records[:]
    random.Random(0).shuffle(shuffled)
    assert shuffled != records
    assert summary(records, n=20).to_bytes() == summary(shuffled, n=20).to_bytes()


def test_bytes_are_canonical_json_that_python_reads_alike():
    data = summary([scored(i, 10.0 + i / 3) for i in range(6)], n=6).to_bytes()
    raw = json.loads(data)
    assert data == (json.dumps(raw, sort_keys=True, indent=2) + "\n").encode()
    assert raw["schema"] == 2
    assert set(raw) == {
        "schema",
        "method",
        "seed",
        "split",
        "protocol",
        "partial",
        "n_expected",
        "n_scored",
        "n_still",
        "metrics",
    }


def test_results_hold_nothing_of_time_place_or_machine():
    text = summary([scored(i, 20.0) for i in range(4)], n=4).to_bytes().decode()
    for word in ("seconds", "time", "path", "device", "host", "cpu", str(Path.cwd())):
        assert word not in text


def test_results_come_back_as_they_were_written(tmp_path):
    made = summary([*(scored(i, 10.0 + i / 7) for i in range(5)), undefined(5)], n=6)
    write_results(tmp_path / "results.json", made)
    assert read_results(tmp_path / "results.json") == made
    assert (tmp_path / "results.json").read_bytes() == made.to_bytes()


def test_records_come_back_sorted_by_clip(tmp_path):
    records = [scored(2, 20.0, notes=("capped",)), undefined(1), scored(0, 1 / 3, ssim=None)]
    write_records(tmp_path / "scores.jsonl", records)
    assert read_records(tmp_path / "scores.jsonl") == [records[2], records[1], records[0]]
    assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 3


def test_a_score_is_a_finite_number_or_a_reason():
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not finite"):
            ClipScore(value=value)
    with pytest.raises(ValueError, match="either a value or a reason"):
        ClipScore(value=None)
    with pytest.raises(ValueError, match="either a value or a reason"):
        ClipScore(value=1.0, undefined="no truth")


def test_an_undefined_clip_has_a_reason_and_no_scores():
    with pytest.raises(ValueError, match="a reason and no scores"):
        ClipRecord(clip="c", cluster="t", place="", outcome="undefined", scores={})


def test_numbers_that_are_not_finite_are_never_written():
    made = summary([scored(0, 20.0), scored(1, 21.0)], n=2)
    broken = msgspec.structs.replace(made.metrics["psnr"], mean=float("nan"))
    with pytest.raises(ValueError, match="mean of psnr is nan"):
        msgspec.structs.replace(made, metrics={"psnr": broken}).to_bytes()


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (b'"schema": 2', b'"schema": 1', "results schema 1, this version reads 2; score the run again"),
        (b'"takes": 1', b'"takes": "1"', "field metrics.psnr.takes: Expected `int`, got `str`"),
        (b'"errors": 0', b'"erors": 0', "field metrics.psnr: unknown field 'erors'; did you mean 'errors'?"),
        (b'"privileged": "none"', b'"privileged": 3', "field method.privileged: Expected `str`, got `int`"),
        (b'"seed": 3', b'"sed": 3', "unknown field 'sed'; did you mean 'seed'?"),
        (b'"seed": 3,', b"", "missing required field `seed`"),
        (b"}", b"", "not JSON"),
    ],
)
def test_a_damaged_results_file_is_refused_by_file_and_field(tmp_path, before, after, text):
    path = tmp_path / "results.json"
    data = summary([scored(0, 20.0), scored(1, 21.0)], n=2).to_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after, 1))
    with pytest.raises(UserError) as caught:
        read_results(path)
    assert str(path) in str(caught.value)
    assert text in str(caught.value)


def test_other_json_and_a_missing_file_are_refused(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("[1, 2]")
    with pytest.raises(UserError, match="not a results file"):
        read_results(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_results(tmp_path / "absent.json")


def test_a_damaged_line_of_scores_is_refused_by_its_number(tmp_path):
    path = tmp_path / "scores.jsonl"
    write_records(path, [scored(0, 20.0), scored(1, 21.0)])
    path.write_bytes(path.read_bytes().replace(b"21.0", b'"21"'))
    with pytest.raises(UserError, match=r"scores.jsonl, line 2: field scores.*Expected `float \| null`, got `str`"):
        read_records(path)
