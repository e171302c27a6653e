"""SAM 2 masks, with a tiny network of random weights in the real classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from transformers.models.sam2_video.configuration_sam2_video import Sam2VideoMaskDecoderConfig

from egox.motion import PointPrompt, Sam2Masks, first_inside
from egox.pretrained import WeightsError

SIDE, WIDE = 64, 128
"""The network's picture, and its width in channels: the temporal memory's 64 and twice that are fixed in the classes."""


def tiny_model():
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[SIDE // 4] * 2, [SIDE // 8] * 2, [SIDE // 16] * 2],
        "fpn_hidden_size": WIDE,
    }
    config = transformers.Sam2VideoConfig(
        vision_config=vision,
        image_size=SIDE,
        prompt_encoder_config={"hidden_size": WIDE, "image_size": SIDE, "mask_input_channels": 4},
        mask_decoder_config=Sam2VideoMaskDecoderConfig(hidden_size=WIDE, mlp_dim=32, iou_head_hidden_dim=16),
        memory_attention_hidden_size=WIDE,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[SIDE // 16] * 2,
        memory_encoder_hidden_size=WIDE,
        mask_downsampler_embed_dim=WIDE,
        memory_fuser_embed_dim=WIDE,
        memory_fuser_intermediate_dim=32,
        memory_fuser_num_layers=1,
        num_maskmem=3,
    )
    model = transformers.Sam2VideoModel(config)
    with torch.no_grad():  # an untrained network says that nothing is there; this one always sees its thing
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(10)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sam2")
    size = {"height": SIDE, "width": SIDE}
    tiny_model().save_pretrained(path)
    image = transformers.Sam2ImageProcessor(size=size, mask_size={"height": SIDE // 4, "width": SIDE // 4})
    video = transformers.Sam2VideoVideoProcessor(size=size)
    transformers.Sam2VideoProcessor(image, video).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (5, 30, 52, 3), dtype=np.uint8)


def test_a_thing_is_followed_forwards_and_backwards_from_its_prompt(folder, frames):
    found = Sam2Masks(folder).masks(frames, [PointPrompt(frame=2, x_px=20, y_px=10)])
    assert found.shape == frames.shape[:3]
    assert found.dtype == np.bool_
    assert found.any((1, 2)).all()
    assert not found.all()


def test_several_things_are_taken_together_whenever_they_are_prompted(folder, frames):
    sam2 = Sam2Masks(folder)
    prompts = [
        PointPrompt(frame=0, x_px=5, y_px=5),
        PointPrompt(frame=0, x_px=45, y_px=25),
        PointPrompt(frame=3, x_px=20, y_px=10),
    ]
    alone = [sam2.masks(frames, [prompt]) for prompt in prompts]
    assert np.array_equal(sam2.masks(frames, prompts), np.logical_or.reduce(alone))
    assert any(not np.array_equal(alone[0], other) for other in alone[1:])


def test_without_prompts_nothing_is_covered(folder, frames):
    assert not Sam2Masks(folder).masks(frames, []).any()


@pytest.mark.parametrize("prompt", [PointPrompt(frame=5, x_px=1, y_px=1), PointPrompt(frame=0, x_px=52, y_px=1)])
def test_a_prompt_outside_of_the_clip_is_refused(folder, frames, prompt):
    with pytest.raises(ValueError, match=r"PointPrompt\(frame=.* lies outside of the clip: 5 frames of 52x30"):
        Sam2Masks(folder).masks(frames, [prompt])


def test_missing_weights_are_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match=r"no weights of .*absent.*is no folder here.*check the path$"):
        Sam2Masks(tmp_path / "absent")


def test_a_track_gives_its_first_pixel_inside_the_picture():
    track = np.array([[np.nan, np.nan], [-3.0, 5.0], [60.0, 5.0], [12.5, 29.4], [20.0, 10.0]])
    assert first_inside(track, width=52, height=30) == PointPrompt(frame=3, x_px=12.5, y_px=29.4)
    assert first_inside(track[:3], width=52, height=30) is None
