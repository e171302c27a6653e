"""What only the mini size has: a fixed latent codec, a preconditioner, text from bytes, and an untrained transformer."""

from .codec import CodecError, FixedBasisCodec, fit_codec
from .model import MiniComponents, new_mini_components, new_transformer
from .preconditioner import Preconditioner, PreconditionerError
from .text import byte_tokenizer, random_text_encoder

__all__ = [
    "CodecError",
    "FixedBasisCodec",
    "MiniComponents",
    "Preconditioner",
    "PreconditionerError",
    "byte_tokenizer",
    "fit_codec",
    "new_mini_components",
    "new_transformer",
    "random_text_encoder",
]
