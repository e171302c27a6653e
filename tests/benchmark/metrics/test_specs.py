"""The list of metrics: complete, light, and helpful about wrong names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.metrics import METRICS, ClipValue, metric_named

from .pictures import noisy, textured


def test_every_listed_metric_can_be_loaded_and_scores_a_pair():
    truth = textured()
    for spec in METRICS.values():
        found = spec.load()(noisy(truth, 10), truth, **spec.parameters({}))
        assert found.value is not None
        assert found.frames is not None
        assert len(found.frames) == len(truth)


def test_every_metric_says_what_it_is():
    for name, spec in METRICS.items():
        assert name == spec.id
        assert spec.version >= 1
        assert spec.direction in ("up", "down")
        assert len(spec.summary) > 20
        assert "mean" in spec.definition


def test_listing_metrics_and_reading_results_import_no_array_library():
    code = (
        "import sys, benchmark.metrics, benchmark.results, leaderboard.rows, leaderboard.table, leaderboard.long_csv,"
        " leaderboard.verb; print([m for m in ('numpy', 'scipy', 'skimage', 'cv2', 'av', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wrong_name_gets_the_nearest_one():
    with pytest.raises(UserError, match="unknown metric 'pnsr'; did you mean 'psnr'"):
        metric_named("pnsr")


def test_parameters_are_the_defaults_with_the_given_ones_over_them():
    assert METRICS["psnr"].parameters({}) == {"cap_db": 100.0}
    given = METRICS["psnr"].parameters({"cap_db": 60})
    assert given == {"cap_db": 60.0}
    assert isinstance(given["cap_db"], float)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"cap": 60.0}, "unknown parameter of metric psnr 'cap'; did you mean 'cap_db'?"),
        ({"cap_db": "high"}, "parameter 'cap_db' of metric psnr is 'high', expected float"),
        ({"cap_db": True}, "parameter 'cap_db' of metric psnr is True, expected float"),
    ],
)
def test_wrong_parameters_are_named(given, text):
    with pytest.raises(UserError) as caught:
        METRICS["psnr"].parameters(given)
    assert text in str(caught.value)


def test_a_clip_has_a_value_or_a_reason_never_both_or_neither():
    assert ClipValue.not_there("no truth").undefined == "no truth"
    for wrong in ({"value": None}, {"value": 1.0, "undefined": "no truth"}):
        with pytest.raises(ValueError, match="either a value or a reason"):
            ClipValue(**wrong)


def test_the_documentation_has_a_card_for_every_metric_with_its_version():
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for spec in METRICS.values():
        card = text.split(f"\n### {spec.id}\n")[1].split("\n### ")[0]
        assert f"\n| {spec.version} | {'↑' if spec.direction == 'up' else '↓'}" in card
        for name in spec.defaults:
            assert f"`{name}`" in card
