"""The protocol `mini` on the truth itself: perfect on every metric that compares, with the real weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.box_room import box_room_clip
from benchmark.canvas import MINI
from benchmark.cover import cover_source
from benchmark.metrics import METRICS, ClipValue, Need
from benchmark.metrics.extraction import Extraction
from benchmark.metrics.measure import ClipPart
from benchmark.metrics.sample import Sample
from benchmark.protocols import ClipIdentity, Protocol, load_protocol
from benchmark.readings import ClipReadings

from ...weights_at_hand import need_weights

CLIPS = 8
PERFECT = {"up": 1.0, "down": 0.0}


@pytest.fixture(scope="module")
def mini() -> Protocol:
    protocol = load_protocol("mini")
    need_weights(*protocol.weights())
    return protocol


@pytest.fixture(scope="module")
def found(mini: Protocol, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[ClipValue | ClipPart]]:
    """Every metric of the truth against itself, on rooms of boxes with other colours and motion each."""
    values: dict[str, list[ClipValue | ClipPart]] = {}
    extraction = Extraction(None, device="cpu")
    for number in range(CLIPS):
        clip = box_room_clip(f"room{number}", seed=number, frames=MINI.frames, ego_side=MINI.ego_side)
        assert clip.truth is not None
        frames = clip.truth.video.read()
        identity = ClipIdentity(truth="", inputs=str(number), cover="")
        readings = ClipReadings(clip, MINI, identity, cover=cover_source(), folder=tmp_path_factory.mktemp("covers"))
        sample = Sample(prediction=frames, truth=frames, readings=readings)
        # networks over eight clips take a while: the whole set only where a metric needs one
        only = [spec.id for spec, _ in mini.metrics if number == 0 or spec.of == "set"]
        for metric, value in mini.score(sample, extraction, only=only):
            values.setdefault(metric, []).append(value)
    return values


COMPARING = [spec.id for spec, _ in load_protocol("mini").metrics if Need.TRUTH in spec.needs and spec.of == "clip"]


@pytest.mark.parametrize("metric", COMPARING)
def test_the_truth_against_itself_is_perfect(found, metric):
    value = found[metric][0]
    assert isinstance(value, ClipValue)
    assert value.undefined is None
    spec = METRICS[metric]
    assert value.value == pytest.approx(100.0 if spec.unit == "dB" else PERFECT[spec.direction], abs=1e-6)


@pytest.mark.parametrize("metric", ["fvd", "kvd"])
def test_a_set_is_at_no_distance_from_itself(found, metric):
    parts = [part for part in found[metric] if isinstance(part, ClipPart)]
    assert len(parts) == CLIPS
    ours = np.stack([part.feature for part in parts]).astype(np.float64)
    value = METRICS[metric].load()(ours, ours, [str(n) for n in range(CLIPS)])
    assert value.value == pytest.approx(0.0, abs=1e-6)


def test_every_metric_of_mini_has_a_number_for_a_clip_of_a_dataset(found, mini):
    undefined = {
        metric: values[0].undefined
        for metric, values in found.items()
        if isinstance(values[0], ClipValue) and values[0].undefined is not None
    }
    assert undefined == {}
    assert set(found) == {spec.id for spec, _ in mini.metrics}


def test_without_weights_a_run_of_mini_measures_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("EGOX_BENCH_WEIGHTS", str(tmp_path))
    protocol = load_protocol("mini")
    missing = protocol.unavailable()
    assert {"fvd", "kvd", "st-lpips", "eff-i", "object-iou-mini"} <= set(missing)
    assert all("weights missing, run 'egox-bench weights fetch" in reason for reason in missing.values())
    assert {"psnr", "ssim", "flicker", "motion", "pose-rotation", "psnr-seen"} <= {
        spec.id for spec, _ in protocol.metrics if spec.id not in missing
    }
