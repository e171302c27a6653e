"""The template is installed as a stranger's package, offline, and then works like a method of our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).resolve().parents[2] / "examples" / "plugin-template"

PROGRAM = """
import json
from benchmark.box_room import box_room_clip
from benchmark.clip import check_prediction, inputs_for
from benchmark.conformance import check_method
from benchmark.registry import load_registry, options_from

registry = load_registry()
spec = registry["far-field"]
clip = box_room_clip("room", seed=1)
inputs = inputs_for(clip, needs=spec.needs, exo_views=spec.exo_views, privilege=spec.privileged)
method = spec.load(options_from(spec, preset=None, settings={"grey": "7"}))
frames = method.generate(inputs, seed=0)
check_prediction(frames, inputs)
print(json.dumps({
    "methods": sorted(registry.methods), "broken": [b.reason for b in registry.broken], "origin": spec.source_digest(),
    "check": check_method(spec).to_json(), "grey": float((frames == 7).all(-1).mean()),
}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder that pip installed a copy of the template into (building in place would leave files in the tree)."""
    folder = tmp_path_factory.mktemp("plugin")
    copied = shutil.copytree(TEMPLATE, folder / "template")
    target = folder / "site"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(target), str(copied)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def test_the_installed_template_is_listed_passes_the_check_and_answers_a_clip(site):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "far-field" in told["methods"]
    assert "ego-prior" in told["methods"]
    assert told["broken"] == []
    assert [check for check in told["check"]["checks"] if check["verdict"] == "fail"] == []
    assert {"name": "light listing", "verdict": "pass"}.items() <= told["check"]["checks"][1].items()
    assert 0.2 < told["grey"] < 0.8


def test_the_template_is_not_known_without_being_installed():
    from benchmark.registry import load_registry

    assert "far-field" not in load_registry().methods


def test_the_template_is_ready_to_copy(site):
    """What the docs promise: one module, one entry point, and nothing of this repository but its public names."""
    assert sorted(path.name for path in TEMPLATE.iterdir() if path.is_file()) == [
        "README.md", "egox_bench_far_field.py", "pyproject.toml",
    ]  # fmt: skip
    points = (site / "egox_bench_far_field-0.1.0.dist-info" / "entry_points.txt").read_text()
    assert points == "[egox_bench.methods]\nfar-field = egox_bench_far_field:SPEC\n"
