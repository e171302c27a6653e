"""Depth networks of transformers: tiny ones with random weights, saved and loaded as the real ones are."""

from __future__ import annotations

import json

import huggingface_hub
import numpy as np
import pytest
import torch
import transformers

from egox.depth import DepthEstimator, TransformersDepth
from egox.pretrained import WeightsError

HEIGHT, WIDTH = 40, 72


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (5, HEIGHT, WIDTH, 3), dtype=np.uint8)


def backbone(kind: str, **more):
    return {
        "model_type": kind,
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
        **more,
    }


def depth_anything(**config):
    made = transformers.DepthAnythingConfig(
        backbone_config=backbone("dinov2", image_size=56, patch_size=14),
        reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        **config,
    )
    size = {"height": 56, "width": 56}
    processor = transformers.DPTImageProcessor(size=size, ensure_multiple_of=14, keep_aspect_ratio=True)
    return transformers.DepthAnythingForDepthEstimation(made), processor


def metric_depth_anything():
    return depth_anything(depth_estimation_type="metric", max_depth=20)


def zoe_depth():
    made = transformers.ZoeDepthConfig(
        backbone_config=backbone("beit", image_size=64, patch_size=16, intermediate_size=32, use_relative_position_bias=True),
        neck_hidden_sizes=[4, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=4,
        bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 1],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0}],
    )
    return transformers.ZoeDepthForDepthEstimation(made), transformers.ZoeDepthImageProcessor(size={"height": 64, "width": 64})


def glpn():
    made = transformers.GLPNConfig(hidden_sizes=[8, 8, 8, 8], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=8)
    return transformers.GLPNForDepthEstimation(made), transformers.GLPNImageProcessor()


def depth_pro():
    encoder = {
        "model_type": "dinov2",
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
        "use_mask_token": False,
    }
    made = transformers.DepthProConfig(
        patch_size=32,
        fusion_hidden_size=8,
        intermediate_hook_ids=[2, 1],
        intermediate_feature_dims=[8, 8],
        scaled_images_feature_dims=[8, 8, 8],
        merge_padding_value=1,
        image_model_config=encoder,
        patch_model_config=encoder,
        fov_model_config=encoder,
        use_fov_model=True,
        num_fov_head_layers=1,
    )
    size = {"height": 128, "width": 128}
    return transformers.DepthProForDepthEstimation(made), transformers.DepthProImageProcessor(size=size)


def dpt():
    made = transformers.DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=64,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[4, 8, 8, 8],
        fusion_hidden_size=8,
    )
    return transformers.DPTForDepthEstimation(made), transformers.DPTImageProcessor(size={"height": 64, "width": 64})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folder of a tiny model by the function that makes it."""
    folders = {}

    def of(make):
        if make not in folders:
            torch.manual_seed(0)
            folders[make] = tmp_path_factory.mktemp(make.__name__)
            for part in make():
                part.save_pretrained(folders[make])
        return folders[make]

    return of


@pytest.mark.parametrize(("make", "farthest_m"), [(metric_depth_anything, 20), (zoe_depth, 10), (glpn, 10), (depth_pro, 10_000)])
def test_a_metric_network_gives_metres_at_the_frames_size(saved, frames, make, farthest_m):
    estimator: DepthEstimator = TransformersDepth(saved(make))
    estimate = estimator.estimate(frames)
    assert estimate.metric_m.shape == frames.shape[:3]
    assert (estimate.metric_m > 0).mean() > 0.9
    assert estimate.metric_m.max() < 1.2 * farthest_m  # bicubic overshoot
    assert estimate.disparity is None


@pytest.mark.parametrize("make", [depth_anything, dpt])
def test_a_relative_network_gives_the_disparity(saved, frames, make):
    estimate = TransformersDepth(saved(metric_depth_anything), saved(make)).estimate(frames)
    assert estimate.disparity is not None
    assert estimate.disparity.shape == frames.shape[:3]
    assert np.isfinite(estimate.disparity).all()
    assert np.array_equal(estimate.metric_m, TransformersDepth(saved(metric_depth_anything)).estimate(frames).metric_m)


def test_the_output_is_the_networks_own(saved, frames):
    """Against the model called by hand on one frame."""
    model, processor = metric_depth_anything()
    model = type(model).from_pretrained(saved(metric_depth_anything)).eval()
    with torch.no_grad():
        raw = model(processor(images=frames[2], return_tensors="pt").pixel_values).predicted_depth
    expected = torch.nn.functional.interpolate(raw[None], size=(HEIGHT, WIDTH), mode="bicubic")[0, 0]
    found = TransformersDepth(saved(metric_depth_anything)).estimate(frames).metric_m[2]
    assert np.allclose(found, expected.numpy(), rtol=1e-4)


def test_batches_change_nothing(saved, frames):
    one, all_at_once = (TransformersDepth(saved(zoe_depth), batch=batch).estimate(frames) for batch in (1, 8))
    assert np.allclose(one.metric_m, all_at_once.metric_m, rtol=1e-4, atol=1e-5)


def test_half_precision_gives_float32_maps(saved, frames):
    full, half = (
        TransformersDepth(saved(metric_depth_anything), dtype=dtype).estimate(frames) for dtype in ("float32", "bfloat16")
    )
    assert half.metric_m.dtype == np.float32
    assert np.allclose(half.metric_m, full.metric_m, rtol=0.05)


@pytest.mark.parametrize("make", [depth_anything, dpt])
def test_a_relative_network_is_refused_as_metric(saved, make):
    with pytest.raises(
        ValueError, match=r'not known to give metres: name a metric model, or write "depth_estimation_type": "metric"'
    ):
        TransformersDepth(saved(make))


def test_a_metric_network_is_refused_as_relative(saved):
    with pytest.raises(ValueError, match=r"\(glpn\) gives metres, not disparity"):
        TransformersDepth(saved(glpn), saved(glpn))


def test_a_network_can_be_told_to_be_metric_in_its_configuration(saved, frames, tmp_path):
    for part in dpt():
        part.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"depth_estimation_type": "metric"}))
    assert TransformersDepth(tmp_path).estimate(frames).metric_m.shape == frames.shape[:3]


def test_a_model_that_is_nowhere_is_named_with_the_way_out(monkeypatch):
    def offline(*args, **kwargs):
        raise huggingface_hub.errors.LocalEntryNotFoundError("Got: ConnectError: no network\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(WeightsError) as caught:
        TransformersDepth("apple/DepthPro-hf")
    message = str(caught.value)
    assert "no weights of 'apple/DepthPro-hf'" in message
    assert "(Got: ConnectError: no network)" in message
    assert "'hf download apple/DepthPro-hf --local-dir DIR', then name the folder DIR" in message
    assert "\n" not in message


def test_a_path_that_is_not_there_is_not_looked_up(tmp_path):
    with pytest.raises(WeightsError, match=r"no weights of '.*absent': it is no folder here"):
        TransformersDepth(tmp_path / "absent")


def test_a_folder_without_a_model_says_so(tmp_path, saved):
    with pytest.raises(WeightsError, match=f"{tmp_path} does not hold the model"):
        TransformersDepth(tmp_path)
    for part in glpn():
        part.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"does not hold the model.*model.safetensors"):
        TransformersDepth(tmp_path)


def test_frames_are_checked(saved, frames):
    with pytest.raises(ValueError, match=r"frames are float64 of shape \(5, 40, 72, 3\)"):
        TransformersDepth(saved(glpn)).estimate(frames / 255)
    with pytest.raises(ValueError, match="batch is 0"):
        TransformersDepth(saved(glpn), batch=0)
