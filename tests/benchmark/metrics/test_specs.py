"""The list of metrics: complete, light, and helpful about wrong names."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.metrics import EXTRACTORS, GROUPS, METRICS, ClipValue, metric_named, weights_of
from benchmark.weights import MANIFEST


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_what_it_is_and_has_its_arithmetic(name):
    spec = METRICS[name]
    assert spec.id == name
    assert spec.version >= 1
    assert spec.group in GROUPS
    assert len(spec.summary) > 20
    assert len(spec.definition) > 60
    assert callable(spec.load())
    assert spec.of == "clip" or EXTRACTORS[spec.extractor or ""].of == "video"
    assert set(spec.defaults) <= set(inspect.signature(spec.load()).parameters)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_every_extractor_has_its_class_its_base_and_weights_of_the_manifest(name):
    spec = EXTRACTORS[name]
    assert spec.id == name
    assert len(spec.summary) > 20
    assert set(weights_of(spec)) <= set(MANIFEST)
    assert spec.base is None or (spec.of == "pair" and spec.base in EXTRACTORS)
    assert all(importlib.metadata.version(distribution) for distribution in spec.libraries)
    assert inspect.isclass(spec.load())


def test_every_extractor_serves_a_metric():
    used = {spec.extractor for spec in METRICS.values()} | {spec.base for spec in EXTRACTORS.values()}
    assert set(EXTRACTORS) <= used


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
        ({"cap_db": float("inf")}, "parameter 'cap_db' of metric psnr is inf, expected a finite number"),
        ({"cap_db": float("nan")}, "parameter 'cap_db' of metric psnr is nan, expected a finite number"),
        ({"cap_db": 10**400}, "of metric psnr is 1000"),
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


@pytest.mark.parametrize("name", METRICS)
def test_the_documentation_lists_every_metric_with_its_version_direction_and_parameters(name):
    spec = METRICS[name]
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
    arrow = {"up": "↑", "down": "↓", "truth": "≈"}[spec.direction]
    assert line.startswith(f"| `{name}` | {spec.version} | {arrow} |")
    for parameter, value in spec.defaults.items():
        assert f"`{parameter}` {value:g}" in line
