"""The specs of the object criteria: whole, light, and fitting the functions that they name."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from benchmark.metrics.catalogue_objects import EXTRACTORS, METRICS

BY_ID = {spec.id: spec for spec in EXTRACTORS}


def test_five_modes_have_three_metrics_each():
    assert [spec.id for spec in METRICS] == [
        f"{name}{mode}"
        for mode in ("", "-sam2", "-egoexo4d", "-strict", "-mini")
        for name in ("location-error", "object-iou", "contour")
    ]
    assert len({spec.title for spec in METRICS}) == len(METRICS)


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.id)
def test_every_metric_takes_its_defaults_and_reads_a_pair_extractor(spec):
    parameters = inspect.signature(spec.load()).parameters
    assert (
        {name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}
        == {"tau"}
        == set(spec.defaults)
    )
    pair = BY_ID[spec.extractor]
    assert pair.of == "pair"
    assert BY_ID[pair.base].of == "video"
    assert spec.group == "objects"
    assert (spec.direction == "down") == spec.id.startswith("location-error")


@pytest.mark.parametrize("spec", EXTRACTORS, ids=lambda spec: spec.id)
def test_every_extractor_can_be_imported(spec):
    assert inspect.isclass(spec.load())


def test_listing_them_imports_no_array_library():
    code = (
        "import sys, benchmark.metrics.catalogue_objects;"
        " print([m for m in ('numpy', 'scipy', 'cv2', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
