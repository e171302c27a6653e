"""Depth of the exo clip: estimators, and the alignment of their maps (paper Sec. 3.1, Eq. 1)."""

from .alignment import AffineFit, Alignment, NoFitError, align, fit_affine
from .estimate import DepthEstimate, DepthEstimator, GivenDepth, z_from_range
from .models import TransformersDepth

__all__ = [
    "AffineFit",
    "Alignment",
    "DepthEstimate",
    "DepthEstimator",
    "GivenDepth",
    "NoFitError",
    "TransformersDepth",
    "align",
    "fit_affine",
    "z_from_range",
]
