"""More damage is worse, step by step, with the real weights; and what metrics see of the order of frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

import benchmark
from benchmark.box_room import box_room_clip
from benchmark.protocols import Protocol, load_protocol
from benchmark.video import Frames

from ...weights_at_hand import ROOT, need_weights
from .pictures import blurred, noisy

BY_FRAME = ("psnr", "ssim", "st-lpips", "eff-i", "psnr-lens", "ssim-lens")
LEVELS = np.arange(1, 9)


@pytest.fixture(autouse=True, scope="module")
def _weights_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGOX_BENCH_CACHE", str(folder))
        patch.setenv("EGOX_BENCH_WEIGHTS", str(ROOT))
        yield folder


@pytest.fixture(scope="module")
def by_frame() -> Protocol:
    protocol = load_protocol("mini")
    protocol = dataclasses.replace(protocol, metrics=tuple(one for one in protocol.metrics if one.spec.id in BY_FRAME))
    need_weights(*protocol.weights())
    return protocol


def room(frames: int, *, seed: int = 0) -> Frames:
    clip = box_room_clip("room", seed=seed, frames=frames, ego_side=96)
    assert clip.truth is not None
    return clip.truth.video.read()


def as_jpeg(clip: Frames, quality: int) -> Frames:
    packed = [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for frame in clip]
    return np.stack([np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8) for data in packed])


DAMAGE: dict[str, Callable[[Frames, int], Frames]] = {
    "blur": lambda clip, level: blurred(clip, 0.5 * level),
    "noise": lambda clip, level: noisy(clip, 5.0 * level),
    "jpeg": lambda clip, level: as_jpeg(clip, 80 - 10 * level + 5),
    "shift": lambda clip, level: np.roll(clip, 2 * level, axis=2),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_every_metric_of_pictures_falls_with_every_kind_of_damage(by_frame: Protocol, kind: str) -> None:
    true = room(2)
    damaged = {str(level): DAMAGE[kind](true, int(level)) for level in LEVELS}
    found = benchmark.evaluate(damaged, dict.fromkeys(damaged, true), protocol=by_frame)
    for spec, _ in by_frame.metrics:
        values = [found.clips[str(level)][spec.id].value for level in LEVELS]
        found_rho: Any = spearmanr(LEVELS, values)
        assert found_rho.statistic * (1 if spec.direction == "down" else -1) >= 0.95, (spec.id, values)


def test_frames_in_another_order_in_both_videos_change_no_metric_of_pictures(by_frame: Protocol) -> None:
    true = room(5)
    prediction, order = noisy(true, 12), [3, 0, 4, 2, 1]
    found = benchmark.evaluate(
        {"as it was": prediction, "shuffled": prediction[order]}, {"as it was": true, "shuffled": true[order]}, protocol=by_frame
    )
    for name in BY_FRAME:
        before, after = found.clips["as it was"][name], found.clips["shuffled"][name]
        assert before.frames is not None
        assert after.value == pytest.approx(before.value, rel=1e-6)
        assert after.frames == pytest.approx([before.frames[i] for i in order], rel=1e-5)


def test_a_video_backwards_is_less_like_the_truth_on_every_metric_of_pictures(by_frame: Protocol) -> None:
    true = room(17)[::4]
    found = benchmark.evaluate({"same": true, "backwards": true[::-1]}, {"same": true, "backwards": true}, protocol=by_frame)
    for spec, _ in by_frame.metrics:
        same, backwards = (found.clips[name][spec.id].value for name in ("same", "backwards"))
        assert same is not None
        assert backwards is not None
        assert (backwards > same) is (spec.direction == "down"), spec.id
        assert backwards != same


def test_more_blur_takes_a_video_further_away_in_the_features_of_fvd() -> None:
    from benchmark.metrics.extractors.i3d import I3DLogits

    extract, true = I3DLogits(need_weights("i3d"), "cpu"), room(9)
    truth = extract(true)["feature"].astype(np.float64)
    distances = [float(np.square(extract(blurred(true, sigma))["feature"] - truth).sum()) for sigma in (0.5, 1, 2, 4)]
    assert distances == sorted(distances)
    assert len(set(distances)) == 4
