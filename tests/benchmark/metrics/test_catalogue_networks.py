"""The catalogue of networks: complete, loadable, and light until something is loaded."""

from __future__ import annotations

import subprocess
import sys

from benchmark.metrics.catalogue_networks import EXTRACTORS, METRICS
from benchmark.metrics.metric import Need
from benchmark.weights import MANIFEST


def test_every_metric_takes_an_extractor_of_the_catalogue_and_both_can_be_loaded():
    extractors = {spec.id: spec for spec in EXTRACTORS}
    for spec in METRICS:
        assert spec.extractor in extractors
        assert callable(spec.load())
    for spec in EXTRACTORS:
        assert callable(spec.load())
        assert set(spec.weights) <= set(MANIFEST)


def test_regions_are_optional_to_networks_that_compare_pairs():
    assert {spec.id for spec in EXTRACTORS if spec.optional == {Need.COVER}} == {"st-lpips-alex", "lpips-alex"}
    assert {spec.of for spec in EXTRACTORS if spec.optional} == {"pair"}


def test_the_catalogue_imports_no_network_library():
    code = (
        "import sys, benchmark.metrics.catalogue_networks;"
        " print([m for m in ('torch', 'numpy', 'transformers', 'lpips', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
