"""SAM 2 and DINOv3 in their real classes, small, with seeded random weights, as folders of transformers' format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    DINOv3ViTConfig,
    DINOv3ViTModel,
    Sam2VideoConfig,
    Sam2VideoMaskDecoderConfig,
    Sam2VideoModel,
)

SAM2_SIDE = 128
DINOV3_SIDE = 48


def save_sam2(folder: Path) -> Path:
    """A video model that sees 128x128 px; the least that the class allows (its memory is 64 wide whatever the config says)."""
    width, grid = 128, SAM2_SIDE // 16
    backbone: dict[str, Any] = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SAM2_SIDE, SAM2_SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
    }
    vision: dict[str, Any] = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[SAM2_SIDE // step] * 2 for step in (4, 8, 16)],
        "fpn_hidden_size": width,
    }
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": width, "image_size": SAM2_SIDE, "mask_input_channels": 4},
        image_size=SAM2_SIDE,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[grid, grid],
        memory_encoder_hidden_size=width,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=32,
        memory_fuser_num_layers=1,
    )
    # set afterwards: given as a dictionary it would become a prompt encoder's
    config.mask_decoder_config = Sam2VideoMaskDecoderConfig(
        hidden_size=width, mlp_dim=32, iou_head_hidden_dim=16, num_attention_heads=2
    )
    torch.manual_seed(0)
    model = Sam2VideoModel(config).eval()
    with torch.no_grad():
        # as large as trained ones: untrained masks are all but flat
        for weight in (*model.mask_decoder.parameters(), *model.vision_encoder.parameters()):
            weight.add_(torch.randn_like(weight) * 0.1)
    model.save_pretrained(folder)
    return folder


def save_dinov3(folder: Path) -> Path:
    """A ViT of two layers that sees 48x48 px in patches of 16, with the four registers of the released ones."""
    config = DINOv3ViTConfig(
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_register_tokens=4,
        image_size=DINOV3_SIDE,
    )
    torch.manual_seed(0)
    model = DINOv3ViTModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    model.save_pretrained(folder)
    return folder
