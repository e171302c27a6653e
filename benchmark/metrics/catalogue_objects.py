"""Specs of the object criteria: three modes on SAM 2 and DINOv3, the first also with SAM 2 by its authors' package, and the
strict one on segments that need no model hub.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Literal

from .metric import ExtractorSpec, MetricSpec, Need

_TRUTH = frozenset({Need.TRUTH})

EXTRACTORS = (
    ExtractorSpec(
        id="objects-sam2-dinov3",
        version=1,
        summary="Objects of the first frame by SAM 2's automatic masks, tracked by SAM 2, with DINOv3 ViT-L/16 features.",
        target="benchmark.metrics.extractors.objects_sam2:Sam2Objects",
        of="video",
        weights=("sam2-hiera-large", "dinov3-vitl16"),
    ),
    ExtractorSpec(
        id="objects-sam2-package-dinov3",
        version=1,
        summary="Objects of the first frame found and tracked by the sam2 package, with DINOv3 ViT-L/16 features.",
        target="benchmark.metrics.extractors.sam2_package:Sam2PackageObjects",
        of="video",
        weights=("sam2-hiera-large-package", "dinov3-vitl16"),
        package="sam2",
    ),
    ExtractorSpec(
        id="objects-mini",
        version=1,
        summary="Clear segments of the first frame, carried along by DIS flow, with EfficientNet-lite0 features.",
        target="benchmark.metrics.extractors.objects_mini:MiniObjects",
        of="video",
        weights=("efficientnet-lite0",),
        libraries=("opencv-python-headless", "scikit-image"),
    ),
    ExtractorSpec(
        id="object-pairs-sam2-dinov3",
        version=1,
        summary="All objects of the truth against all of the prediction, before any matching.",
        target="benchmark.metrics.extractors.object_pairs:AllPairs",
        of="pair",
        base="objects-sam2-dinov3",
    ),
    ExtractorSpec(
        id="object-pairs-sam2-package-dinov3",
        version=1,
        summary="All objects of the truth against all of the prediction, as the sam2 package finds them, before any matching.",
        target="benchmark.metrics.extractors.object_pairs:AllPairs",
        of="pair",
        base="objects-sam2-package-dinov3",
    ),
    ExtractorSpec(
        id="object-pairs-mini",
        version=1,
        summary="The truth's segments against all of the prediction's and their alternatives, before any matching.",
        target="benchmark.metrics.extractors.object_pairs:AllPairs",
        of="pair",
        base="objects-mini",
    ),
)

MINI_TAU = 0.85
"""Cosine at which 3.6 % of objects find a partner in a clip of another place (tests/bench/object_threshold.py)."""

_PAPER = (
    "SAM 2 automatic masks of either first frame, tracked through all frames; in every frame all pairs of a true and a "
    "predicted object whose box crops have a DINOv3 cosine of at least tau, one object in several pairs included. {} "
    "Mean over all pairs of a clip; a clip without a pair is undefined, and what is not found does not count."
)
_PAPER_VALUES = (
    "Distance of the box centres in pixels.",
    "IoU of the boxes, not of the masks.",
    "IoU of the masks, each cut to its box, the predicted cut resized (nearest) to the true one.",
)
_PAPER_PACKAGE = (
    f"{_PAPER} Masks and tracks are those of the package sam2 1.1.0, which differ from transformers' in how frames are resized, "
    "in what is kept of the first frame, and in that small holes of tracked masks are filled."
)
_EGOEXO4D = (
    "Masks as for location-error. Each true object takes the predicted one with the greatest cosine of masked DINOv3 "
    "features of the first frame, if at least tau. {} Mean over all true objects and all frames that they are in."
)
_STRICT = (
    "Masks as for location-error. One-to-one matching (Hungarian) by the cosine of masked DINOv3 features of the first frame, "
    "at least tau. {} Mean over the frames that a true object is in, then over all true objects, found or not."
)
_MINI = (
    "At most 12 segments of the truth's first frame (1 to 40 % of the picture) that hardly overlap, those first that live "
    "longest in a tree of regions merged by colour and by the gradient between them and that are found again at four "
    "smoothings; of the prediction's first frame the same and alternatives to them, 24 in all; carried along by DIS flow. "
    "One-to-one matching (Hungarian) by the cosine of EfficientNet-lite0 features of the masked crop in the first frame, "
    "smoothed by 1.5 px at 128 px, at least tau. {} Mean over the frames that a true object is in, then over all true objects, "
    "found or not."
)
_STRICT_VALUES = (
    "Distance of the centres of mass in pixels, at most half the diagonal, which is also what a lost object has.",
    "IoU of the masks; a lost object has 0.",
    "Boundary F of the masks with their centres laid on each other, tolerance 0.8 % of the diagonal rounded up; a lost object "
    "has 0.",
)


def _three(
    mode: str, *, label: str, target: str, extractor: str, tau: float, definition: str, values: tuple[str, str, str], unit: str
) -> tuple[MetricSpec, ...]:
    """Location error, IoU and contour accuracy of one mode."""
    location, iou, contour = values

    def spec(
        name: str, title: str, function: str, value: str, direction: Literal["up", "down"], summary: str, **rest: Any
    ) -> MetricSpec:
        return MetricSpec(
            id=f"{name}{mode}",
            title=f"{title}{label}",
            direction=direction,
            version=1,
            summary=summary,
            definition=definition.format(value),
            target=f"benchmark.metrics.{target}:{function}",
            needs=_TRUTH,
            group="objects",
            extractor=extractor,
            defaults=MappingProxyType({"tau": tau}),
            **rest,
        )

    return (
        spec(
            "location-error",
            "Loc. error",
            "location_error",
            location,
            "down",
            "How far objects are from where they should be.",
            unit=unit,
            decimals=2 if unit == "px" else 3,
        ),
        spec("object-iou", "Object IoU", "iou", iou, "up", "Overlap of objects with the true ones.", unit="", decimals=3),
        spec("contour", "Contour", "contour", contour, "up", "Likeness of outlines to the true ones.", unit="", decimals=3),
    )


METRICS = (
    *_three(
        "",
        label="",
        target="objects_paper",
        extractor="object-pairs-sam2-dinov3",
        tau=0.9,
        definition=_PAPER,
        values=_PAPER_VALUES,
        unit="px",
    ),
    *_three(
        "-sam2",
        label=" (sam2)",
        target="objects_paper",
        extractor="object-pairs-sam2-package-dinov3",
        tau=0.9,
        definition=_PAPER_PACKAGE,
        values=_PAPER_VALUES,
        unit="px",
    ),
    *_three(
        "-egoexo4d",
        label=" (Ego-Exo4D)",
        target="objects_egoexo4d",
        extractor="object-pairs-sam2-dinov3",
        tau=0.5,
        definition=_EGOEXO4D,
        values=(
            "Distance of the boxes' midpoints, rounded down, in diagonals of the frame; a lost object lies in its middle.",
            "IoU of the masks; a lost object has 0.",
            "Boundary F of the masks where they are, tolerance 0.8 % of the diagonal rounded up; a lost object has 0.",
        ),
        unit="diag",
    ),
    *_three(
        "-strict",
        label=" (strict)",
        target="objects_strict",
        extractor="object-pairs-sam2-dinov3",
        tau=0.5,
        definition=_STRICT,
        values=_STRICT_VALUES,
        unit="px",
    ),
    *_three(
        "-mini",
        label=" (mini)",
        target="objects_strict",
        extractor="object-pairs-mini",
        tau=MINI_TAU,
        definition=_MINI,
        values=_STRICT_VALUES,
        unit="px",
    ),
)
