"""Specs of PSNR and SSIM."""

from __future__ import annotations

from types import MappingProxyType

from .metric import MetricSpec, Need

_TRUTH = frozenset({Need.TRUTH})

_PSNR_POOLING = (
    "Mean squared error over all pixels {of} of one frame, peak 255; decibels per frame, no more than cap_db; "
    "mean of the frames' decibels over the clip. Full frame, black surround included."
)
_SSIM_POOLING = (
    "Wang et al. 2004 with an 11x11 Gaussian window of sigma 1.5, population covariance, K1 0.01, K2 0.03, data range 255; "
    "mean over the map without its outer 5 pixels{of}; mean of frames over the clip (scikit-image's structural_similarity)."
)

METRICS = (
    MetricSpec(
        id="psnr",
        title="PSNR",
        unit="dB",
        direction="up",
        decimals=2,
        version=1,
        summary="Peak signal-to-noise ratio of the RGB values, frame by frame.",
        definition=_PSNR_POOLING.format(of="and three channels"),
        target="benchmark.metrics.psnr:psnr",
        needs=_TRUTH,
        defaults=MappingProxyType({"cap_db": 100.0}),
    ),
    MetricSpec(
        id="ssim",
        title="SSIM",
        unit="",
        direction="up",
        decimals=3,
        version=1,
        summary="Structural similarity of the RGB channels, frame by frame.",
        definition=_SSIM_POOLING.format(of=" and over the three channels"),
        target="benchmark.metrics.ssim:ssim",
        needs=_TRUTH,
    ),
    MetricSpec(
        id="psnr-y",
        title="PSNR-Y",
        unit="dB",
        direction="up",
        decimals=2,
        version=1,
        summary="Peak signal-to-noise ratio of luma, frame by frame.",
        definition="Y = 0.299 R + 0.587 G + 0.114 B in float64, not rounded. " + _PSNR_POOLING.format(of="of luma"),
        target="benchmark.metrics.psnr:psnr_luma",
        needs=_TRUTH,
        defaults=MappingProxyType({"cap_db": 100.0}),
    ),
    MetricSpec(
        id="ssim-y",
        title="SSIM-Y",
        unit="",
        direction="up",
        decimals=3,
        version=1,
        summary="Structural similarity of luma, frame by frame.",
        definition="Y = 0.299 R + 0.587 G + 0.114 B in float64, not rounded. " + _SSIM_POOLING.format(of=""),
        target="benchmark.metrics.ssim:ssim_luma",
        needs=_TRUTH,
    ),
)
