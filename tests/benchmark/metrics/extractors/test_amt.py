"""AMT-S out of the installed vbench wheel, with random weights, beside VBench's own motion smoothness."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.errors import Unavailable, Undefined
from benchmark.metrics.extractors.padding import sides_to
from benchmark.metrics.smoothness import smoothness

from ..pictures import textured
from ..vbench_wheel import sliding, vbench_module, written

if importlib.util.find_spec("vbench") is None:
    pytest.skip("the vbench wheel is not installed", allow_module_level=True)

from benchmark.metrics.extractors.amt import AmtErrors, AmtErrorsOnCanvas, network_class


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random weights: the folder with amt-s.safetensors, and amt-s.pth as AMT's authors pack theirs."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("amt")
    state = network_class()().state_dict()
    save_file(state, folder / "amt-s.safetensors")
    torch.save({"state_dict": state}, folder / "amt-s.pth")
    return folder


def extractor(weights: Path) -> AmtErrors:
    return AmtErrors({"amt-s": weights / "amt-s.safetensors"}, "cpu")


@pytest.mark.parametrize(("frames", "height", "width"), [(6, 130, 148), (5, 128, 128)])
def test_smoothness_equals_vbench_with_the_same_weights_to_the_last_digit(weights, tmp_path, frames, height, width):
    theirs = vbench_module("motion_smoothness")
    config = Path(theirs.__file__).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"
    clip = written(tmp_path / "clip.mp4", sliding(frames=frames, height=height, width=width, step=(1.0, 2.0)), fps=8)
    expected = theirs.MotionSmoothness(str(config), str(weights / "amt-s.pth"), "cpu").motion_score(str(tmp_path / "clip.mp4"))
    found = smoothness(extractor(weights)(clip))
    assert found.value == expected
    assert expected < 0.99


def test_the_network_is_the_one_of_vbenchs_configuration():
    omegaconf = pytest.importorskip("omegaconf")
    spec = importlib.util.find_spec("vbench")
    assert spec is not None
    assert spec.origin is not None
    config = omegaconf.OmegaConf.load(Path(spec.origin).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml")
    assert dict(config.network.params) == {"corr_radius": 3, "corr_lvls": 4, "num_flows": 3}
    assert sum(tensor.numel() for tensor in network_class()().parameters()) == 2_990_543


def test_taking_amt_out_of_the_wheel_leaves_nothing_behind():
    code = (
        "import logging, sys\nfrom PIL import ImageFile\nfrom benchmark.metrics.extractors.amt import network_class\n"
        "path = list(sys.path)\nnetwork_class()(corr_radius=3, corr_lvls=4, num_flows=3)\n"
        "print([name for name in sys.modules if name.startswith(('vbench', 'decord', 'networks'))], path == sys.path,"
        " ImageFile.LOAD_TRUNCATED_IMAGES, logging.getLogger().handlers)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True False []"


def test_on_the_canvas_the_exo_view_is_part_of_the_picture(weights):
    exo, ego = textured(frames=3, height=128, width=40), textured(frames=3, height=128, width=96, seed=2)
    found = AmtErrorsOnCanvas({"amt-s": weights / "amt-s.safetensors"}, "cpu")(ego, exo=exo)
    assert np.array_equal(found["error"], extractor(weights)(np.concatenate([exo, ego], axis=2))["error"])


def test_a_video_of_two_frames_has_no_frame_between(weights):
    assert smoothness(extractor(weights)(textured(frames=2, height=128, width=128))).undefined is not None


def test_frames_below_128_pixels_are_undefined(weights):
    with pytest.raises(Undefined, match="frames of 112x128 are smaller than the 128 px that AMT-S needs"):
        extractor(weights)(textured(frames=3, height=128, width=112))


@pytest.mark.parametrize(
    ("multiple", "height", "width", "expected"),
    [(8, 448, 1232, (0, 0, 0, 0)), (8, 131, 129, (3, 4, 2, 3)), (16, 130, 144, (0, 0, 7, 7))],
)
def test_sides_are_padded_on_both_ends_the_odd_pixel_behind(multiple, height, width, expected):
    assert sides_to(multiple, height, width) == expected


def test_a_wheel_whose_modules_cannot_be_imported_is_unavailable_with_the_reason(monkeypatch):
    def refuse(name):
        raise ModuleNotFoundError("No module named 'omegaconf'")

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(Unavailable, match="AMT-S of package 'vbench' cannot be imported: No module named 'omegaconf'"):
        network_class.__wrapped__()
