"""The mini model's parts, put together: a stock transformer that starts as nothing, and the folder that pipelines load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from diffusers.pipelines.wan.pipeline_wan_i2v import WanImageToVideoPipeline
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from transformers import ByT5Tokenizer, UMT5EncoderModel

from ..recipe import Model
from .codec import CHANNELS, FixedBasisCodec
from .preconditioner import MASK
from .text import byte_tokenizer, random_text_encoder

GATES = (2, 5)
"""Rows of a block's `scale_shift_table` that scale what self-attention and feed-forward add."""


def new_transformer(model: Model, *, seed: int = 0) -> WanTransformer3DModel:
    """An untrained WanTransformer3DModel: the production model's layout and patch, the codec's channels, the sizes of a recipe.

    The output layer and the gate rows of all blocks are zero: the network begins as F = 0, and what its blocks add grows from
    nothing ("adaLN-Zero" of Peebles and Xie, Scalable Diffusion Models with Transformers; the stock class starts at random).
    Raises ValueError for a recipe without `model.transformer`.
    """
    if model.transformer is None:
        raise ValueError("model.transformer is missing in the recipe: a transformer that is trained from nothing needs its sizes")
    fixed = {"patch_size": (1, 2, 2), "in_channels": 2 * CHANNELS + MASK, "out_channels": CHANNELS, "cross_attn_norm": True}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = WanTransformer3DModel(**{**fixed, **model.transformer})
    with torch.no_grad():
        transformer.proj_out.weight.zero_()
        transformer.proj_out.bias.zero_()
        for block in transformer.blocks:
            block.scale_shift_table[:, list(GATES)] = 0  # pyright: ignore[reportIndexIssue]
    return transformer


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MiniComponents:
    """Everything that a Wan image-to-video pipeline is made of, but for the image encoder, which the mini size does without."""

    tokenizer: ByT5Tokenizer
    text_encoder: UMT5EncoderModel
    scheduler: UniPCMultistepScheduler
    vae: FixedBasisCodec
    transformer: WanTransformer3DModel

    def save(self, folder: Path) -> None:
        """As a folder in diffusers' layout, `model_index.json` and one folder a component; stock pipelines load it as well."""
        self.pipeline().save_pretrained(folder)

    def pipeline(self) -> WanImageToVideoPipeline:
        """The stock pipeline of these very objects."""
        return WanImageToVideoPipeline(
            tokenizer=self.tokenizer,  # pyright: ignore[reportArgumentType] - the stock class names a narrower one
            text_encoder=self.text_encoder,
            scheduler=self.scheduler,  # pyright: ignore[reportArgumentType]
            vae=self.vae,  # pyright: ignore[reportArgumentType]
            transformer=self.transformer,
        )


def new_mini_components(model: Model, codec: FixedBasisCodec, *, seed: int = 0) -> MiniComponents:
    """What a new base model of a recipe begins with. seed: of the transformer and the text encoder."""
    transformer = new_transformer(model, seed=seed)
    return MiniComponents(
        tokenizer=byte_tokenizer(),
        text_encoder=random_text_encoder(transformer.config["text_dim"], seed=seed),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=1.0
        ),
        vae=codec,
        transformer=transformer,
    )
