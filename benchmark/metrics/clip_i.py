"""CLIP-I: how alike prediction and truth are to CLIP, frame by frame."""

from __future__ import annotations

from .likeness import mean_cosine
from .metric import Arrays, ClipValue


def clip_i(prediction: Arrays, truth: Arrays) -> ClipValue:
    """Mean over frames of the cosine of the two "embedding"s [frames, 512]; neither clipped at 0 nor times 100."""
    return mean_cosine(prediction["embedding"], truth["embedding"])
