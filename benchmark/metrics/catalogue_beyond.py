"""Specs of what the paper does not measure: pose faithfulness, the lens circle, what the prior shows and what it leaves."""

from __future__ import annotations

from types import MappingProxyType

from .metric import ExtractorSpec, MetricSpec, Need

_TRUTH = frozenset({Need.TRUTH})
_COVER = frozenset({Need.TRUTH, Need.COVER})
_CAMERA = frozenset({Need.EGO_CAMERA})

_PAIRS = (
    "Frame pairs 0.2 s apart; corners followed by Lucas-Kanade and back again, inside the inscribed circle, seen through the "
    "true lens; relative pose by robust epipolar geometry on unit rays. Pairs with fewer than 20 tracks count as worse than all "
    "others; undefined where they are half or more. "
)
_LENS = "the inscribed circle, which leaves the black corners out"
_SEEN = "the pixels of the inscribed circle that the reference ego prior covers (the method ego-prior with its defaults)"
_IMAGINED = "the pixels of the inscribed circle that the reference ego prior leaves open (the method ego-prior with its defaults)"

_PSNR = (
    "As psnr, over {region}: mean squared error over these pixels and three channels of one frame, peak 255; decibels per frame, "
    "no more than cap_db; mean of the frames that have such pixels, undefined where none has."
)
_SSIM = (
    "As ssim, over {region}: mean of the SSIM map over these positions and three channels, without the outer 5 pixels (a window "
    "reaches 5 pixels beyond the region); mean of the frames that have such positions, undefined where none has."
)


def _psnr(part: str, title: str, region: str, needs: frozenset[Need]) -> MetricSpec:
    return MetricSpec(
        id=f"psnr-{part}",
        group="seen and imagined",
        title=title,
        unit="dB",
        direction="up",
        decimals=2,
        version=1,
        summary=f"Peak signal-to-noise ratio over {region}.",
        definition=_PSNR.format(region=region),
        target=f"benchmark.metrics.psnr:psnr_{part}",
        needs=needs,
        defaults=MappingProxyType({"cap_db": 100.0}),
    )


def _ssim(part: str, title: str, region: str, needs: frozenset[Need]) -> MetricSpec:
    return MetricSpec(
        id=f"ssim-{part}",
        group="seen and imagined",
        title=title,
        unit="",
        direction="up",
        decimals=3,
        version=1,
        summary=f"Structural similarity over {region}.",
        definition=_SSIM.format(region=region),
        target=f"benchmark.metrics.ssim:ssim_{part}",
        needs=needs,
    )


METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        id="pose-rotation",
        group="pose",
        title="Rot. err.",
        unit="deg",
        direction="down",
        decimals=2,
        version=1,
        summary="How far the head turns otherwise than the poses that were asked for, over 0.2 s.",
        definition=_PAIRS + "Angle between recovered and requested relative rotation; median over pairs, mean over clips.",
        target="benchmark.metrics.pose:pose_rotation",
        needs=_CAMERA,
        extractor="ego-motion",
    ),
    MetricSpec(
        id="pose-translation",
        group="pose",
        title="Trans. err.",
        unit="deg",
        direction="down",
        decimals=1,
        version=1,
        summary="How far the head moves in another direction than the poses that were asked for.",
        definition=_PAIRS
        + (
            "Angle between recovered and requested direction of translation in the first camera's axes, over pairs whose "
            "requested baseline is at least 2 cm; a pair with less than 0.2 px of parallax counts 90 degrees; median over pairs, "
            "mean over clips. Undefined where fewer than 3 pairs have such a baseline."
        ),
        target="benchmark.metrics.pose:pose_translation",
        needs=_CAMERA,
        extractor="ego-motion",
    ),
    _psnr("lens", "PSNR lens", _LENS, _TRUTH),
    _psnr("seen", "PSNR seen", _SEEN, _COVER),
    _psnr("imagined", "PSNR imag.", _IMAGINED, _COVER),
    _ssim("lens", "SSIM lens", _LENS, _TRUTH),
    _ssim("seen", "SSIM seen", _SEEN, _COVER),
    _ssim("imagined", "SSIM imag.", _IMAGINED, _COVER),
)

EXTRACTORS: tuple[ExtractorSpec, ...] = (
    ExtractorSpec(
        id="ego-motion",
        version=1,
        summary="Relative rotation and direction of translation of the camera between frames, from tracked points.",
        target="benchmark.metrics.extractors.ego_motion:EgoMotion",
        of="video",
        libraries=("opencv-python-headless",),
        reads=frozenset({Need.FPS, Need.EGO_CAMERA}),
    ),
)
