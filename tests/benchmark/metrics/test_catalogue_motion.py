"""The specs of the video dimensions: whole, light, and fitting the functions that they name."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys

import pytest

from benchmark.metrics.catalogue_motion import EXTRACTORS, METRICS
from benchmark.metrics.metric import Need

BY_ID = {spec.id: spec for spec in EXTRACTORS}


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.id)
def test_every_metric_takes_what_its_spec_names(spec):
    parameters = inspect.signature(spec.load()).parameters
    named = {name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}
    assert named == {str(need) for need in spec.needs} | set(spec.defaults)
    assert spec.extractor is None or spec.extractor in BY_ID
    assert Need.TRUTH not in spec.needs


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.id)
def test_no_end_of_a_dimension_is_good_in_itself(spec):
    assert spec.direction == "truth"


@pytest.mark.parametrize("spec", EXTRACTORS, ids=lambda spec: spec.id)
def test_every_extractor_takes_what_its_spec_reads(spec):
    if spec.package is not None and importlib.util.find_spec(spec.package) is None:
        pytest.skip(f"package {spec.package} is not installed")
    parameters = inspect.signature(spec.load().__call__).parameters
    named = {name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}
    assert named == {str(need) for need in spec.reads}


def test_listing_imports_no_array_library():
    code = (
        "import sys, benchmark.metrics.catalogue_motion;"
        " print([m for m in ('numpy', 'cv2', 'torch', 'torchvision', 'vbench') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
