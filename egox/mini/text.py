"""Text for the mini size: bytes as tokens, and an encoder that was never trained.

The encoder is a random projection with attention: fixed features in which different words differ, from which the transformer's
own text layers can learn what the few words of the captions mean. It knows nothing of language, and synonyms are as far apart for
it as any two words. It stands where Wan's UMT5-XXL stands, so that the stock path from a prompt to embeddings works offline.
"""

from __future__ import annotations

import torch
from transformers import ByT5Tokenizer, UMT5Config, UMT5EncoderModel


def byte_tokenizer() -> ByT5Tokenizer:
    """UTF-8 bytes and three special tokens; needs no vocabulary file."""
    return ByT5Tokenizer(extra_ids=0)


def random_text_encoder(width: int, *, seed: int = 0) -> UMT5EncoderModel:
    """Two layers of UMT5 with random weights from a seed, frozen; embeddings are [batch, length, width] float32."""
    config = UMT5Config(
        vocab_size=len(byte_tokenizer()),
        d_model=width,
        d_kv=16,
        d_ff=2 * width,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = UMT5EncoderModel(config)
    return encoder.eval().requires_grad_(False)
