"""Specs of the distances between whole sets of videos."""

from __future__ import annotations

from .metric import MetricSpec, Need

_TRUTH = frozenset({Need.TRUTH})

_FRECHET = (
    "|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) of the means and covariances of the 400 I3D logits of each clip "
    "({clips}), covariances with divisor {divisor}, the last trace as a nuclear norm, float64. Falls with the number of clips N: "
    "compare equal N only. Undefined below 8 different clips. Interval: jackknife over takes; floor: halves of the real clips, "
    "parted by take."
)

METRICS = (
    MetricSpec(
        id="fvd",
        title="FVD",
        unit="",
        direction="down",
        decimals=2,
        version=1,
        summary="Fréchet distance of I3D features between all predictions and all truths.",
        definition=_FRECHET.format(clips="all frames, one window", divisor="N - 1"),
        target="benchmark.metrics.fvd:fvd",
        needs=_TRUTH,
        of="set",
        group="video",
        extractor="i3d",
    ),
    MetricSpec(
        id="fvd-16",
        title="FVD-16",
        unit="",
        direction="down",
        decimals=2,
        version=1,
        summary="Fréchet distance of I3D features of the first 16 frames, population covariance.",
        definition=_FRECHET.format(clips="the first 16 frames", divisor="N"),
        target="benchmark.metrics.fvd:fvd_population",
        needs=_TRUTH,
        of="set",
        group="video",
        extractor="i3d-16",
    ),
    MetricSpec(
        id="kvd",
        title="KVD",
        unit="",
        direction="down",
        decimals=2,
        version=1,
        summary="Kernel distance of I3D features between all predictions and all truths; holds at small numbers of clips.",
        definition=(
            "Unbiased maximum mean discrepancy of the 400 I3D logits of each clip (all frames, one window) with the kernel "
            "(x.y/400 + 1)^3, float64: the mean of k over pairs of different clips among predictions, plus that among truths, "
            "minus twice the same between predictions and truths (a clip does not meet its own truth: they are no independent "
            "draws). Its expectation does not depend on the number of clips, and it may be negative. Undefined below 8 different "
            "clips. Interval: jackknife over takes; floor: halves of the real clips, parted by take."
        ),
        target="benchmark.metrics.kvd:kvd",
        needs=_TRUTH,
        of="set",
        group="video",
        extractor="i3d",
    ),
)
