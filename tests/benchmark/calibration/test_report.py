from __future__ import annotations

import csv
import io
import json

import pytest

from benchmark.calibration.measure import run_calibration
from benchmark.calibration.plots import write_figures, write_levels
from benchmark.calibration.report import COLUMNS, drawn, to_csv
from benchmark.calibration.summary import Curve, Level, Measured, Summary, summarise

from .subjects import toy_calibration


def measured(name: str, values: list[float | None], *, ladder: str = "blur", **changes) -> Measured:
    levels = tuple(
        Level(level=float(i), value=value, change=value, loss=value, n=3, undefined=0)
        if value is not None
        else Level(level=float(i), value=None, change=None, loss=None, n=0, undefined=3, reason="too few frames")
        for i, value in enumerate(values)
    )
    own = Curve(ladder=ladder, title=ladder, unit="px", levels=levels, rho=0.5, shape=changes.pop("shape", "monotone"), own=True)
    fields = {
        "id": name, "version": 1, "title": name.upper(), "unit": "dB", "group": "image", "direction": "up", "decimals": 2,
        "truth": values[0], "n": 3, "own": ladder, "curves": {ladder: own},
    }  # fmt: skip
    return Measured(**{**fields, **changes})


def summary(*metrics: Measured) -> Summary:
    return Summary(
        schema=1, dataset="toy", split="all", split_digest="5p1it", clips=("a", "b", "c"), protocol="toy", protocol_version=1,
        protocol_digest="d", metrics={one.id: one for one in metrics},
    )  # fmt: skip


def test_the_csv_has_one_line_a_ladder_level_and_metric():
    lines = list(csv.DictReader(io.StringIO(to_csv(summary(measured("psnr", [0.0, 1.5, None]))))))
    assert tuple(lines[0]) == COLUMNS
    assert [(line["metric"], line["level"], line["mean"], line["n"], line["own"]) for line in lines] == [
        ("psnr", "0.0", "0.0", "3", "true"),
        ("psnr", "1.0", "1.5", "3", "true"),
        ("psnr", "2.0", "", "0", "true"),
    ]
    assert lines[2]["reason"] == "too few frames"


def test_the_table_names_what_fails_what_a_frozen_video_gains_and_what_is_not_here():
    text = drawn(
        summary(
            measured("psnr", [0.0, 1.0], frozen=1.25, rewards_frozen=True),
            measured("ssim", [0.0, 2.0, 1.0], shape="not monotone"),
            measured("fvd", [None, None], unavailable="weights missing"),
        ),
        terminal=False,
    )
    assert text.startswith("toy all, 3 clips (5p1it) · toy@1\n")
    assert "1.25 !" in text
    assert "read upwards, a frozen video is better than the truth: psnr" in text
    assert "NOT MONOTONE on its own ladder: ssim on blur, loss 0.000 2.000 1.000" in text
    assert "fvd: undefined: weights missing" in text
    assert "\x1b" not in text


def test_a_prior_beyond_the_last_level_says_so():
    prior = Curve(
        ladder="prior", title="copied prior", unit="", rho=None, shape="monotone", own=False,
        levels=tuple(Level(level=float(i), value=9.0 * i, change=0, loss=9.0 * i, n=3, undefined=0) for i in (0, 1)),
    )  # fmt: skip
    one = measured("psnr", [0.0, 1.0], prior=9.0, prior_as={"blur": None})
    line = drawn(summary(msgspec_with(one, prior)), terminal=False).splitlines()[4]
    assert line.endswith("> 1")


def msgspec_with(one: Measured, prior: Curve) -> Measured:
    import msgspec

    return msgspec.structs.replace(one, curves={**one.curves, "prior": prior})


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        calibration = toy_calibration(tmp_path_factory.mktemp("out"), "blur", "prior")
        run_calibration(calibration, calibration.manifest.rows)
        yield calibration


def test_a_figure_a_group_is_written_and_is_the_same_twice(toy, tmp_path):
    found = summarise(toy, toy.manifest.rows)
    first, second = write_figures(found, tmp_path / "a"), write_figures(found, tmp_path / "b")
    assert [path.name for path in first] == ["image.png"]
    assert first[0].read_bytes() == second[0].read_bytes()
    assert first[0].read_bytes().startswith(b"\x89PNG")


def test_a_group_without_a_number_gets_no_figure(tmp_path):
    assert write_figures(summary(measured("fvd", [None, None])), tmp_path) == []


def test_the_picture_of_the_levels_is_written(toy, tmp_path):
    write_levels(toy, toy.manifest.rows[0], tmp_path / "levels.png")
    assert (tmp_path / "levels.png").stat().st_size > 10_000


def test_the_json_is_the_same_for_the_same_results(toy):
    one, two = (summarise(toy, toy.manifest.rows).to_bytes() for _ in range(2))
    assert one == two
    assert json.loads(one)["metrics"]["psnr"]["truth"] == 100.0
