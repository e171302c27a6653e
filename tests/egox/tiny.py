"""Tiny models with random weights in the layout of Wan 2.1 I2V, and a clip for them: what tests of the model share.

Diffusers is imported when a model is made; nothing needs a network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from egox.cameras import Camera, Fisheye624, KannalaBrandt
from egox.canvas import Grid, JointCanvas
from egox.clip import EgoXClip

TEXT_WIDTH, IMAGE_WIDTH = 32, 32
PIXELS = Grid(frames=9, height=32, exo=48, ego=32)
CANVAS = JointCanvas(pixels=PIXELS)
"""Latents 3 x 4 x (6 | 4), tokens 3 x 2 x (3 | 2)."""


def transformer(*, seed: int = 0, image: bool = True, **changes: Any) -> Any:
    """WanTransformer3DModel, 36 channels in and 16 out, 2 blocks of 2 heads x 12; image=False leaves the image branch out."""
    import torch
    from diffusers import WanTransformer3DModel

    branch = {"image_dim": IMAGE_WIDTH, "added_kv_proj_dim": 24} if image else {}
    arguments: dict[str, Any] = {
        "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 36, "out_channels": 16,
        "text_dim": TEXT_WIDTH, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2, "cross_attn_norm": True, "rope_max_seq_len": 32,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WanTransformer3DModel(**{**arguments, **branch, **changes}).eval()


def codec(*, seed: int = 0) -> Any:
    """AutoencoderKLWan with Wan's strides and 16 channels."""
    import torch
    from diffusers import AutoencoderKLWan

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        )
    return made.eval()


def image_encoder(*, seed: int = 0) -> Any:
    """CLIPVisionModel: 257 embeddings of width 32."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=IMAGE_WIDTH, projection_dim=32, num_hidden_layers=2, num_attention_heads=4, image_size=32,
        intermediate_size=37, patch_size=2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CLIPVisionModel(config).eval()


def image_processor() -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(crop_size=32, size=32)


def scheduler(*, shift: float = 3.0) -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift
    )


def text(*, seed: int = 0) -> tuple[Any, Any]:
    """A tokenizer of bytes and a UMT5 encoder with random weights."""
    from egox.mini import byte_tokenizer, random_text_encoder

    return byte_tokenizer(), random_text_encoder(TEXT_WIDTH, seed=seed)


def prompt_embeds(*, seed: int = 0, length: int = 7) -> Any:
    """Trimmed embeddings [length, width], for tests without an encoder."""
    import torch

    return torch.randn(length, TEXT_WIDTH, generator=torch.Generator().manual_seed(seed))


def clip(*, seed: int = 0, pixels: Grid = PIXELS, prompt: str = "") -> EgoXClip:
    """Random pictures, a wall with a step, a still exo camera, and an ego camera that moves and turns a little."""
    random = np.random.default_rng(seed)
    frames, height = pixels.frames, pixels.height
    exo_poses = np.broadcast_to(np.eye(4), (frames, 4, 4))
    ego_poses = np.broadcast_to(np.eye(4), (frames, 4, 4)).copy()
    ego_poses[:, 0, 3] = np.linspace(0.1, 0.3, frames)
    ego_poses[:, 2, 3] = 1.0
    exo_lens = KannalaBrandt(
        fx=0.6 * pixels.exo, fy=0.6 * pixels.exo, cx=pixels.exo / 2, cy=height / 2, k=(0.03, 0.05, -0.05, 0.02)
    )
    ego_lens = Fisheye624.from_params([0.43 * height, height / 2 - 0.5, height / 2 - 0.5, *[0.0] * 12])
    depth_m = np.full((frames, height, pixels.exo), 4.0, np.float32)
    depth_m[:, height // 2 :] = 3.0
    depth_m[:, :2] = 0.0
    ego = Camera(lens=ego_lens, width=pixels.ego, height=height, world_from_camera=ego_poses)
    circle = ego.visible()
    valid = (random.random((frames, height, pixels.ego)) < 0.7) & circle
    prior = np.where(valid[..., None], random.integers(0, 256, (frames, height, pixels.ego, 3)), 0).astype(np.uint8)
    return EgoXClip(
        exo=random.integers(0, 256, (frames, height, pixels.exo, 3), dtype=np.uint8),
        prior=prior,
        prior_valid=valid,
        circle=circle,
        depth_m=depth_m,
        exo_camera=Camera(lens=exo_lens, width=pixels.exo, height=height, world_from_camera=exo_poses),
        ego_camera=ego,
        prompt=prompt,
        fps=30.0,
    )
