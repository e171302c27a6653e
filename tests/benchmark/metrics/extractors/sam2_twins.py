"""The same SAM 2 twice, small and with the same random weights: in transformers' class and in the sam2 package's."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor
from transformers import Sam2VideoConfig, Sam2VideoModel

CONFIG = "configs/sam2/sam2_hiera_t.yaml"

_PLACES = (
    (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
    (r"^vision_encoder\.neck\.convs\.(\d)\.", r"image_encoder.neck.convs.\1.conv."),
    (r"^mask_decoder\.upscale_conv1\.", "sam_mask_decoder.output_upscaling.0."),
    (r"^mask_decoder\.upscale_layer_norm\.", "sam_mask_decoder.output_upscaling.1."),
    (r"^mask_decoder\.upscale_conv2\.", "sam_mask_decoder.output_upscaling.3."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"^prompt_encoder\.mask_embed\.conv1\.", "sam_prompt_encoder.mask_downscaling.0."),
    (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "sam_prompt_encoder.mask_downscaling.1."),
    (r"^prompt_encoder\.mask_embed\.conv2\.", "sam_prompt_encoder.mask_downscaling.3."),
    (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "sam_prompt_encoder.mask_downscaling.4."),
    (r"^prompt_encoder\.mask_embed\.conv3\.", "sam_prompt_encoder.mask_downscaling.6."),
    (
        r"^prompt_encoder\.shared_embedding\.positional_embedding$",
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    (r"^prompt_encoder\.", "sam_prompt_encoder."),
    (r"^memory_encoder\.mask_downsampler\.final_conv\.", "memory_encoder.mask_downsampler.encoder.12."),
    (r"^memory_encoder\.feature_projection\.", "memory_encoder.pix_feat_proj."),
    (r"^memory_encoder\.memory_fuser\.", "memory_encoder.fuser."),
    (r"^memory_encoder\.projection\.", "memory_encoder.out_proj."),
    (r"^object_pointer_proj\.", "obj_ptr_proj."),
    (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"^no_memory_embedding$", "no_mem_embed"),
    (r"^no_memory_positional_encoding$", "no_mem_pos_enc"),
    (r"^no_object_pointer$", "no_obj_ptr"),
    (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
    (r"\.patch_embed\.projection\.", ".patch_embed.proj."),
    (r"\.o_proj\.", ".out_proj."),
    (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
    (r"^(memory_attention|memory_encoder\.fuser.*)\.layer_norm\.", r"\1.norm."),
    (r"\.layer_norm(\d)\.", r".norm\1."),
    (r"\.scale$", ".gamma"),
    (r"\.depthwise_conv\.", ".dwconv."),
    (r"\.pointwise_conv(\d)\.", r".pwconv\1."),
)
_PERCEPTRON_OF_3 = re.compile(
    r"^(obj_ptr_proj|sam_mask_decoder\.(output_hypernetworks_mlps\.\d|iou_prediction_head|pred_obj_score_head))\."
)
_DOWNSAMPLER = re.compile(r"^memory_encoder\.mask_downsampler\.layers\.(\d)\.(conv|layer_norm)\.")


def package_name(name: str) -> str:
    """The sam2 package's name of a tensor of transformers' `Sam2VideoModel`."""
    for pattern, place in _PLACES:
        name = re.sub(pattern, place, name)
    if found := _DOWNSAMPLER.match(name):
        step = 3 * int(found[1]) + (found[2] == "layer_norm")
        return _DOWNSAMPLER.sub(f"memory_encoder.mask_downsampler.encoder.{step}.", name)
    if _PERCEPTRON_OF_3.match(name):
        name = re.sub(r"\.layers\.0\.", ".layers.1.", name)
        return name.replace(".proj_in.", ".layers.0.").replace(".proj_out.", ".layers.2.")
    return name.replace(".mlp.proj_in.", ".mlp.layers.0.").replace(".mlp.proj_out.", ".mlp.layers.1.")


def as_package(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of a `Sam2VideoModel` as the sam2 package's model takes it."""
    theirs = {}
    for name, tensor in tensors.items():
        if name == "shared_image_embedding.positional_embedding":
            continue  # the package has it once
        if name == "prompt_encoder.point_embed.weight":
            for i, row in enumerate(tensor):
                theirs[f"sam_prompt_encoder.point_embeddings.{i}.weight"] = row[None]
            continue
        theirs[package_name(name)] = tensor
    return theirs


def _matters(name: str) -> bool:
    return name.startswith(("memory_", "object_pointer_proj", "mask_decoder."))


def twins(side: int) -> tuple[Sam2VideoModel, Any]:
    """transformers' model and the package's, of SAM 2 (not 2.1), for pictures of `side` px: the least that both can be.

    The package fixes the decoder's sizes, so only the image encoder and the numbers of layers are small.
    """
    grid = side // 16
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [side, side],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
    }
    config = Sam2VideoConfig(
        vision_config={
            "backbone_config": backbone,
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[side // step] * 2 for step in (4, 8, 16)],
        },
        prompt_encoder_config={"image_size": side},
        image_size=side,
        memory_attention_num_layers=1,
        memory_attention_rope_feat_sizes=[grid, grid],
        memory_fuser_num_layers=1,
        enable_occlusion_spatial_embedding=False,
        enable_temporal_pos_encoding_for_object_pointers=False,
    )
    torch.manual_seed(0)
    ours = Sam2VideoModel(config).eval().requires_grad_(False)
    for name, weight in ours.named_parameters():
        # as large as trained ones: untrained masks are all but flat, and untrained memories change nothing
        weight.add_(torch.randn_like(weight) * (0.1 if _matters(name) else 0.05))
    # otherwise every object is taken to be out of sight
    ours.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(10)
    shared = ours.prompt_encoder.shared_embedding.positional_embedding
    ours.shared_image_embedding.positional_embedding.copy_(shared)
    from sam2.build_sam import build_sam2_video_predictor

    layer = "model.memory_attention.layer"
    theirs = build_sam2_video_predictor(
        CONFIG,
        device="cpu",
        hydra_overrides_extra=[
            f"model.image_size={side}",
            "model.image_encoder.trunk.embed_dim=8",
            "model.image_encoder.trunk.stages=[1,1,2,1]",
            "model.image_encoder.trunk.global_att_blocks=[3]",
            "+model.image_encoder.trunk.window_spec=[8,4,4,4]",
            "model.image_encoder.neck.backbone_channel_list=[64,32,16,8]",
            "model.memory_attention.num_layers=1",
            f"{layer}.self_attention.feat_sizes=[{grid},{grid}]",
            f"{layer}.cross_attention.feat_sizes=[{grid},{grid}]",
            "model.memory_encoder.fuser.num_layers=1",
        ],
    )
    theirs.load_state_dict(as_package(ours.state_dict()))
    return ours, theirs.requires_grad_(False)
