"""Extractors: run once for the same pixels, kept on disk, told apart by everything that decides what they find."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import benchmark.metrics
import benchmark.weights
from benchmark.errors import Undefined, UserError
from benchmark.metrics import Arrays, ClipValue, ExtractorSpec, MetricSpec, Need
from benchmark.metrics.extraction import Extraction, _release, extractor_identity, unavailable
from benchmark.metrics.measure import ClipPart, measure
from benchmark.metrics.sample import OnlyRate, Sample

from .extractors import random_weights
from .pictures import noisy, textured

HERE = __name__


class Mean:
    """The mean of every frame; counts how often it was made and called."""

    made: ClassVar[list[Any]] = []
    called: ClassVar[list[Any]] = []

    def __init__(self, weights: Any, device: str) -> None:
        Mean.made.append((weights, device))

    def __call__(self, frames: np.ndarray, **read: Any) -> Arrays:
        Mean.called.append(read)
        return {"mean": frames.mean(axis=(1, 2, 3)), "feature": frames[0, 0, 0].astype(np.float32)}


class Difference:
    """The absolute difference of two videos' means, from the arrays of `Mean`."""

    def __init__(self, weights: Any, device: str) -> None:
        del weights, device

    def __call__(self, prediction: Arrays, truth: Arrays) -> Arrays:
        return {"difference": np.abs(prediction["mean"] - truth["mean"])}


class Doubled:
    """Twice what `Difference` found."""

    def __init__(self, weights: Any, device: str) -> None:
        del weights, device

    def __call__(self, arrays: Arrays, **read: Any) -> Arrays:
        return {"difference": 2 * arrays["difference"]}


def by_mean(prediction: Arrays, truth: Arrays) -> ClipValue:
    return ClipValue(value=float(np.abs(prediction["mean"] - truth["mean"]).mean()))


def by_difference(arrays: Arrays) -> ClipValue:
    return ClipValue(value=float(arrays["difference"].mean()))


def not_a_number(prediction: Arrays, truth: Arrays) -> ClipValue:
    return ClipValue(value=float("nan"))


MEAN = ExtractorSpec(id="mean", version=1, summary="", target=f"{HERE}:Mean", of="video")
DIFFERENCE = ExtractorSpec(id="difference", version=1, summary="", target=f"{HERE}:Difference", of="pair", base="mean")


def metric(function: str = "by_mean", *, extractor: str = "mean", **changes: Any) -> MetricSpec:
    spec = MetricSpec(
        id="m", title="M", unit="", direction="down", decimals=2, version=1, summary="", definition="",
        target=f"{HERE}:{function}", needs=frozenset({Need.TRUTH}), extractor=extractor,
    )  # fmt: skip
    return dataclasses.replace(spec, **changes)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": MEAN, "difference": DIFFERENCE})
    Mean.made, Mean.called = [], []


def sample(seed: int = 1, *, fps: float = 10, truth: bool = True) -> Sample:
    true = textured()
    return Sample(prediction=noisy(true, 10, seed=seed), truth=true if truth else None, readings=OnlyRate(fps=fps))


def test_a_videos_arrays_are_made_once_and_read_back_equal(tmp_path: Path) -> None:
    first = Extraction(tmp_path, device="cpu").prediction(MEAN, sample())
    again = Extraction(tmp_path, device="cpu").prediction(MEAN, sample())
    assert len(Mean.called) == 1
    assert {name: values.tolist() for name, values in first.items()} == {name: values.tolist() for name, values in again.items()}


def test_two_clips_with_one_truth_look_at_it_once(tmp_path: Path) -> None:
    extraction = Extraction(tmp_path, device="cpu")
    for seed in (1, 2):
        measure(metric(), {}, sample(seed), extraction)
    assert len(Mean.called) == 3
    assert len(Mean.made) == 1


def test_several_metrics_of_one_clip_share_what_was_found_without_a_cache() -> None:
    extraction, clip = Extraction(None, device="cpu"), sample()
    values = [
        measure(metric(), {}, clip, extraction),
        measure(metric("by_difference", extractor="difference"), {}, clip, extraction),
    ]
    assert len(Mean.called) == 2
    assert values[0] == values[1]


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    Extraction(tmp_path, device="cpu").prediction(MEAN, sample())
    (file,) = tmp_path.rglob("*.npz")
    for content in (b"", b"PK\x03\x04nonsense", file.read_bytes()[:-40]):
        file.write_bytes(content)
        found = Extraction(tmp_path, device="cpu").prediction(MEAN, sample())
        assert found["mean"].shape == (3,)
    assert len(Mean.called) == 4


def test_whatever_decides_the_arrays_decides_the_file(tmp_path: Path) -> None:
    reading = dataclasses.replace(MEAN, reads=frozenset({Need.FPS}))
    for spec, clip in (
        (MEAN, sample(1)),
        (MEAN, sample(2)),
        (dataclasses.replace(MEAN, version=2), sample(1)),
        (reading, sample(1, fps=10)),
        (reading, sample(1, fps=30)),
    ):
        Extraction(tmp_path, device="cpu").prediction(spec, clip)
    assert len(list(tmp_path.rglob("*.npz"))) == 5
    assert Mean.called[-1] == {"fps": 30}


def test_another_release_of_a_library_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dataclasses.replace(MEAN, libraries=("opencv-python-headless", "no-such-distribution"))
    here = extractor_identity(spec)
    assert here != extractor_identity(MEAN)
    _release.cache_clear()
    with monkeypatch.context() as other:
        other.setattr(importlib.metadata, "version", lambda name: "0.0.1")
        assert extractor_identity(spec) != here
    _release.cache_clear()
    assert extractor_identity(spec) == here


def test_a_pair_extractor_whose_base_lacks_its_package_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    wanting = dataclasses.replace(MEAN, package="no_such_package")
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": wanting, "difference": DIFFERENCE})
    assert unavailable(DIFFERENCE) == "package 'no_such_package' is not installed (see 'egox-bench doctor')"


def test_two_extractors_on_a_pairs_arrays_share_them_in_memory_and_never_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = dataclasses.replace(DIFFERENCE, id="maps", keep=False)
    plain = ExtractorSpec(id="plain", version=1, summary="", target=f"{HERE}:Doubled", of="pair", base="maps")
    regions = dataclasses.replace(plain, id="regions", reads=frozenset({Need.COVER}))
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {spec.id: spec for spec in (MEAN, maps, plain, regions)})
    clip, extraction = sample(), Extraction(tmp_path, device="cpu")
    once, again = extraction.pair(plain, clip), extraction.pair(maps, clip)
    assert once["difference"].tolist() == (2 * again["difference"]).tolist()
    assert {path.parent.parent.name for path in tmp_path.rglob("*.npz")} == {"mean-1", "plain-1"}
    found = measure(metric("by_difference", extractor="regions"), {}, clip, extraction)
    assert isinstance(found, ClipValue)
    assert found.undefined == "needs the pixels that the ego prior covers, which only clips of a dataset have"


def test_a_needed_reading_that_is_not_there_makes_the_metric_undefined(tmp_path: Path) -> None:
    spec = metric("by_mean", needs=frozenset({Need.TRUTH, Need.EGO_CAMERA}))
    found = measure(spec, {}, sample(), Extraction(tmp_path, device="cpu"))
    assert isinstance(found, ClipValue)
    assert found.undefined == "needs the ego camera, which only clips of a dataset have"


def test_without_a_truth_a_comparison_is_undefined() -> None:
    found = measure(metric(), {}, sample(truth=False), Extraction(None, device="cpu"))
    assert isinstance(found, ClipValue)
    assert found.undefined == "no ego truth"


def test_a_metric_of_a_set_gets_the_clips_feature_and_its_truths() -> None:
    clip = sample()
    found = measure(metric(of="set"), {}, clip, Extraction(None, device="cpu"))
    assert isinstance(found, ClipPart)
    assert found.feature.tolist() == clip.prediction[0, 0, 0].tolist()
    assert found.truth_feature.tolist() == clip.needed_truth[0, 0, 0].tolist()


def test_a_value_that_is_no_number_is_an_error_and_never_a_score() -> None:
    with pytest.raises(UserError, match="metric m gave nan"):
        measure(metric("not_a_number"), {}, sample(), Extraction(None, device="cpu"))


def test_features_that_are_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mean, "__call__", lambda self, frames: {"feature": np.full(3, np.nan, np.float32)})
    with pytest.raises(UserError, match="features of mean hold NaN"):
        measure(metric(of="set"), {}, sample(), Extraction(None, device="cpu"))


def test_missing_weights_make_a_metric_undefined_with_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    wanting = dataclasses.replace(MEAN, weights=("i3d",))
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": wanting})
    monkeypatch.setattr(benchmark.weights, "missing", lambda ids: "weights missing, run 'egox-bench weights fetch i3d'")
    monkeypatch.setattr(benchmark.weights, "identity", lambda name: "0" * 16)
    found = measure(metric(), {}, sample(), Extraction(None, device="cpu"))
    assert isinstance(found, ClipValue)
    assert found.undefined == "weights missing, run 'egox-bench weights fetch i3d'"
    assert found.unavailable
    assert Mean.made == []


def test_a_missing_package_makes_a_metric_undefined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": dataclasses.replace(MEAN, package="no_such_package")})
    found = measure(metric(), {}, sample(), Extraction(None, device="cpu"))
    assert isinstance(found, ClipValue)
    assert found.undefined is not None
    assert "'no_such_package' is not installed" in found.undefined


def test_an_extractor_is_made_with_its_weights_and_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanting = dataclasses.replace(MEAN, weights=("i3d",))
    monkeypatch.setattr(benchmark.metrics, "EXTRACTORS", {"mean": wanting})
    fake = SimpleNamespace(missing=lambda ids: None, identity=lambda name: "0" * 16, located=lambda name: tmp_path / name)
    for name, value in vars(fake).items():
        monkeypatch.setattr(benchmark.weights, name, value)
    Extraction(None, device="cpu").prediction(wanting, sample())
    assert Mean.made == [({"i3d": tmp_path / "i3d"}, "cpu")]


class Rounding:
    """What torch is set to while an extractor is made and runs."""

    def __init__(self, weights: Any, device: str) -> None:
        self.made = rounding()

    def __call__(self, frames: np.ndarray) -> Arrays:
        assert self.made == rounding()
        return {"now": np.array([str(setting) for setting in rounding()])}


def rounding() -> tuple[Any, ...]:
    backends: Any = torch.backends
    cuda = (backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision, backends.cudnn.benchmark)
    return torch.get_num_threads(), *cuda


def test_torch_rounds_in_one_way_for_extractors_and_is_as_before_afterwards() -> None:
    backends: Any = torch.backends
    threads, *_ = rounding()
    try:
        torch.set_num_threads(2)
        backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = backends.cudnn.benchmark = True
        set_by_program = rounding()
        spec = dataclasses.replace(MEAN, target=f"{HERE}:Rounding")
        found = Extraction(None, device="cpu").prediction(spec, sample())
        assert found["now"].tolist() == ["1", "ieee", "ieee", "False"]
        assert rounding() == set_by_program == (2, "tf32", "tf32", True)
        assert backends.cuda.matmul.allow_tf32
        assert backends.cudnn.allow_tf32
    finally:
        torch.set_num_threads(threads)
        backends.cuda.matmul.allow_tf32 = backends.cudnn.benchmark = False


@pytest.mark.parametrize(
    ("weights", "made", "target", "frames"),
    [
        ("efficientnet-lite0", random_weights.efficientnet_lite0, "efficientnet_lite0:EfficientNetFeatures", 2),
        ("i3d", random_weights.i3d, "i3d:I3DLogits", 9),
    ],
)
def test_features_are_the_same_bytes_whatever_number_of_threads_the_program_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str, made: Any, target: str, frames: int
) -> None:
    path = random_weights.written(made(), tmp_path / "weights.safetensors")
    monkeypatch.setattr(benchmark.weights, "missing", lambda ids: None)
    monkeypatch.setattr(benchmark.weights, "identity", lambda name: "0" * 16)
    monkeypatch.setattr(benchmark.weights, "located", lambda name: path)
    spec = dataclasses.replace(MEAN, target=f"benchmark.metrics.extractors.{target}", weights=(weights,))
    video = textured(frames=frames, height=64, width=64)
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            clip = Sample(prediction=video, truth=None, readings=OnlyRate(fps=10))
            arrays = Extraction(None, device="cpu").prediction(spec, clip)
            found.append({name: values.tobytes() for name, values in arrays.items()})
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_an_undefined_extraction_is_tried_again_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, frames: Any) -> Arrays:
        raise Undefined("too short")

    monkeypatch.setattr(Mean, "__call__", refuse)
    found = measure(metric(), {}, sample(), Extraction(tmp_path, device="cpu"))
    assert isinstance(found, ClipValue)
    assert found.undefined == "too short"
    assert not found.unavailable
    assert list(tmp_path.rglob("*.npz")) == []


def test_a_programs_own_precision_does_not_reach_an_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def product(self: Any, frames: Any) -> Arrays:
        values = torch.from_numpy(frames[0].reshape(-1, 3)) / 255
        return {"feature": (values.T @ values).numpy(), "dtype": np.array(str(torch.get_default_dtype()))}

    monkeypatch.setattr(Mean, "__call__", product)
    plain = Extraction(None, device="cpu").prediction(MEAN, sample())
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            other = Extraction(None, device="cpu").prediction(MEAN, sample())
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert other["feature"].tobytes() == plain["feature"].tobytes()
    assert str(other["dtype"]) == "torch.float32"
