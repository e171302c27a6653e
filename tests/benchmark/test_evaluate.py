"""benchmark.evaluate on arrays and videos, as a notebook would call it."""

from __future__ import annotations

import dataclasses
import doctest
import subprocess
import sys

import numpy as np
import pytest

import benchmark
import benchmark.evaluation
from benchmark.errors import UserError
from benchmark.metrics import METRICS
from benchmark.metrics.extraction import Extraction
from benchmark.metrics.sample import OnlyRate, Sample
from benchmark.protocols import load_protocol
from benchmark.protocols.protocol import Measured
from benchmark.video import Video

from ..pixels import PIXELS
from ..weights_at_hand import need_weights
from .metrics.pictures import constant, noisy, textured


def test_the_example_in_its_documentation_runs():
    found = doctest.testmod(benchmark.evaluation)
    assert found.attempted == 5
    assert found.failed == 0


def test_asking_for_it_is_what_imports_numpy():
    code = "import sys, benchmark; before = 'numpy' in sys.modules; benchmark.evaluate; print(before, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="evalute"):
        benchmark.evalute  # noqa: B018


def test_one_pair_gives_the_protocols_metrics():
    truth = textured()
    prediction = noisy(truth, 12)
    found = benchmark.evaluate(prediction, truth, protocol=PIXELS)
    sample = Sample(prediction=prediction, truth=truth, readings=OnlyRate(fps=10))
    expected = dict(PIXELS.score(sample, Extraction(None)))
    assert found.metrics == {name: value.value for name, value in expected.items()}
    assert found.clips["clip"] == expected


def test_videos_score_like_their_arrays():
    truth = textured()
    prediction = noisy(truth, 12)
    by_array = benchmark.evaluate(prediction, truth)
    by_video = benchmark.evaluate(Video.of_array(prediction, fps=10), Video.of_array(truth, fps=30))
    assert by_video.metrics == by_array.metrics


def test_several_clips_give_the_mean_over_clips_that_have_a_number():
    truth = {"a": textured(seed=1), "b": textured(seed=2), "tiny": constant(50, side=8)}
    pred = {name: np.clip(clip.astype(int) + 16, 0, 255).astype(np.uint8) for name, clip in truth.items()}
    found = benchmark.evaluate(pred, truth)
    assert found.metrics["psnr"] == pytest.approx(24.0484, abs=1e-4)
    numbers = [found.clips[name]["ssim"].value for name in ("a", "b")]
    assert found.metrics["ssim"] == pytest.approx(np.mean(numbers))  # type: ignore[arg-type]
    assert found.clips["tiny"]["ssim"].undefined == "frames of 8x8 are smaller than the 11x11 window"
    assert "(2/3 scored)" in str(found)
    assert "undefined: frames of 8x8" in str(found)


def test_a_metric_that_no_clip_has_is_none():
    clip = constant(50, side=8)
    found = benchmark.evaluate(clip, clip)
    assert found.metrics["ssim"] is None
    assert "undefined  (0/1 scored)" in next(line for line in str(found).splitlines() if line.startswith("  ssim "))


def test_footage_off_the_protocols_canvas_is_said_to_be_so():
    small = textured(frames=17, height=64, width=64)
    right = textured(frames=17, height=128, width=128)
    found = benchmark.evaluate({"small": small, "right": right}, {"small": small, "right": right}, protocol=PIXELS)
    assert found.off_canvas == ("small",)
    assert "1 not on the protocol's canvas (17 frames of 128x128 at 10 fps): not comparable" in str(found)
    assert "canvas" not in str(benchmark.evaluate(right, right, protocol=PIXELS))


def test_a_protocol_can_be_given_by_path_or_as_an_object(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\nversion = 1\ntitle = ""\nsummary = ""\ncanvas = "mini"\n[metrics.psnr]\ncap_db = 50\n')
    clip = textured()
    assert benchmark.evaluate(clip, clip, protocol=str(path)).metrics == {"psnr": 50.0}
    assert benchmark.evaluate(clip, clip, protocol=load_protocol(path)).metrics == {"psnr": 50.0}


def test_a_pair_that_does_not_fit_is_refused_by_clip_and_shapes():
    with pytest.raises(UserError, match=r"b: prediction has shape \(2, 40, 56, 3\), truth \(3, 40, 56, 3\)"):
        benchmark.evaluate({"b": textured(frames=2)}, {"b": textured()})


def test_clips_without_a_partner_are_named_on_either_side():
    clip = textured()
    with pytest.raises(UserError, match="pred lacks 1 clip of the other mapping: b"):
        benchmark.evaluate({"a": clip}, {"a": clip, "b": clip})
    with pytest.raises(UserError, match="truth lacks 2 clips of the other mapping: b, c"):
        benchmark.evaluate({"a": clip, "b": clip, "c": clip}, {"a": clip})
    with pytest.raises(UserError, match="both mappings are empty"):
        benchmark.evaluate({}, {})
    with pytest.raises(UserError, match="give both the same form"):
        benchmark.evaluate({"a": clip}, clip)


def test_the_inputs_are_not_changed():
    truth, prediction = textured(seed=1), textured(seed=2)
    before = truth.copy(), prediction.copy()
    benchmark.evaluate(prediction, truth, protocol=PIXELS)
    assert np.array_equal(before[0], truth)
    assert np.array_equal(before[1], prediction)


def test_a_set_of_clips_of_other_lengths_or_sizes_has_no_distance():
    need_weights("i3d")
    clips = {f"c{i}": textured(frames=9 + i // 4, height=40, width=40, seed=i) for i in range(8)}
    found = benchmark.evaluate(clips, clips, protocol=dataclasses.replace(PIXELS, metrics=(Measured(METRICS["fvd"], {}),)))
    assert found.metrics["fvd"] is None
    assert found.sets["fvd"].undefined == (
        "clips of one set must agree in length and size; these are 9 frames of 40x40, 10 frames of 40x40"
    )
