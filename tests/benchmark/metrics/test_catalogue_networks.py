"""The catalogue of networks: complete, loadable, and light until something is loaded."""

from __future__ import annotations

import subprocess
import sys

from benchmark.metrics.catalogue_networks import EXTRACTORS, METRICS
from benchmark.metrics.extraction import all_reads
from benchmark.metrics.metric import Need
from benchmark.protocols import load_protocol
from benchmark.weights import MANIFEST


def test_every_metric_takes_an_extractor_of_the_catalogue_and_both_can_be_loaded():
    extractors = {spec.id: spec for spec in EXTRACTORS}
    for spec in METRICS:
        assert spec.extractor in extractors
        assert callable(spec.load())
    for spec in EXTRACTORS:
        assert callable(spec.load())
        assert set(spec.weights) <= set(MANIFEST)


def test_only_distances_of_regions_read_the_cover_and_need_what_makes_it():
    extractors = {spec.id: spec for spec in EXTRACTORS}
    reading = {spec.id for spec in METRICS if Need.COVER in all_reads(extractors[spec.extractor or ""])}
    assert reading == {"st-lpips-seen", "st-lpips-imagined", "lpips-seen", "lpips-imagined"}
    assert Need.COVER not in load_protocol("egox-paper").reads
    assert Need.COVER in load_protocol("rgb").reads


def test_the_catalogue_imports_no_network_library():
    code = (
        "import sys, benchmark.metrics.catalogue_networks;"
        " print([m for m in ('torch', 'numpy', 'transformers', 'lpips', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
