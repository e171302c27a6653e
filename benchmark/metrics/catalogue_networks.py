"""Specs of the image criteria that look through a network, and of the networks of FVD."""

from __future__ import annotations

from .metric import ExtractorSpec, MetricSpec, Need

_TRUTH = frozenset({Need.TRUTH})
_PERCEPTUAL = "benchmark.metrics.extractors.perceptual:"


def _distances(name: str, title: str, *, target: str, weights: str) -> tuple[ExtractorSpec, ...]:
    """A network's layer maps, and on them the distance of whole frames and that of regions."""
    maps = f"{name}-maps"
    return (
        ExtractorSpec(
            id=maps,
            version=1,
            summary=f"{title} of every position of every layer, frames at their own size.",
            target=target,
            of="pair",
            weights=(weights,),
            keep=False,
        ),
        ExtractorSpec(
            id=name,
            version=1,
            summary=f"{title} of every frame at its own size.",
            target=_PERCEPTUAL + "FrameDistance",
            of="pair",
            base=maps,
        ),
        ExtractorSpec(
            id=f"{name}-regions",
            version=1,
            summary=f"{title} of every frame where the ego prior covers it and where it does not.",
            target=_PERCEPTUAL + "RegionDistance",
            of="pair",
            base=maps,
            reads=frozenset({Need.COVER}),
        ),
    )


EXTRACTORS = (
    ExtractorSpec(
        id="i3d",
        version=1,
        summary="400 logits of I3D (Kinetics-400) for all frames of a video as one window, at 224x224.",
        target="benchmark.metrics.extractors.i3d:I3DLogits",
        of="video",
        weights=("i3d",),
    ),
    ExtractorSpec(
        id="i3d-16",
        version=1,
        summary="400 logits of I3D (Kinetics-400) for the first 16 frames of a video, at 224x224.",
        target="benchmark.metrics.extractors.i3d:I3DLogits16",
        of="video",
        weights=("i3d",),
    ),
    *_distances(
        "st-lpips-alex",
        "ST-LPIPS (AlexNet)",
        target="benchmark.metrics.extractors.st_lpips:ShiftTolerantMaps",
        weights="st-lpips-alex",
    ),
    *_distances(
        "lpips-alex",
        "LPIPS v0.1 (AlexNet)",
        target="benchmark.metrics.extractors.lpips_alex:AlexNetMaps",
        weights="alexnet",
    ),
    ExtractorSpec(
        id="clip-vit-b32",
        version=1,
        summary="Projected picture embedding of CLIP ViT-B/32 of every frame, unit length, with its own preprocessing.",
        target="benchmark.metrics.extractors.clip_vit_b32:ClipEmbedding",
        of="video",
        weights=("clip-vit-b32",),
    ),
    ExtractorSpec(
        id="efficientnet-lite0",
        version=1,
        summary="1280 pooled features of EfficientNet-lite0 (ImageNet) of every frame, at 224x224.",
        target="benchmark.metrics.extractors.efficientnet_lite0:EfficientNetFeatures",
        of="video",
        weights=("efficientnet-lite0",),
        files=("efficientnet_lite0_mean.safetensors",),
    ),
)

_LAYERS = (
    "Squared difference of unit-length features, weighted by the linear heads, averaged over {where}, summed over five layers; "
    "mean over frames. Frames at their own size, levels in -1..1."
)
_LPIPS = "LPIPS v0.1 of Zhang et al. 2018 on AlexNet (the lpips package's heads and scaling). " + _LAYERS
_ST_LPIPS = "ST-LPIPS of Ghildyal and Liu 2022 on AlexNet: another trunk than LPIPS, values do not compare. " + _LAYERS
_WHOLE = "the frame"
_REGION = (
    "the positions of each layer's grid, each with the share of its pixels that lie in the inscribed circle and that the "
    "reference ego prior (the method ego-prior with its defaults) {covers}"
)
_SEEN = _REGION.format(covers="covers")
_IMAGINED = _REGION.format(covers="leaves open")


def _distance(name: str, title: str, *, extractor: str, definition: str) -> tuple[MetricSpec, ...]:
    """A perceptual distance of whole frames, and of the parts that the ego prior shows and does not show."""
    return (
        MetricSpec(
            id=name,
            title=title,
            unit="",
            direction="down",
            decimals=3,
            version=1,
            summary=f"Learned perceptual distance of frames ({title}).",
            definition=definition.format(where=_WHOLE),
            target="benchmark.metrics.perceptual:distance",
            needs=_TRUTH,
            extractor=extractor,
        ),
        MetricSpec(
            id=f"{name}-seen",
            title=f"{title} seen",
            unit="",
            direction="down",
            decimals=3,
            version=1,
            summary=f"{title} where the ego prior shows what is there.",
            definition=definition.format(where=_SEEN),
            target="benchmark.metrics.perceptual:distance_seen",
            needs=_TRUTH,
            extractor=f"{extractor}-regions",
            group="seen and imagined",
        ),
        MetricSpec(
            id=f"{name}-imagined",
            title=f"{title} imagined",
            unit="",
            direction="down",
            decimals=3,
            version=1,
            summary=f"{title} where the ego prior shows nothing and a method has to invent.",
            definition=definition.format(where=_IMAGINED),
            target="benchmark.metrics.perceptual:distance_imagined",
            needs=_TRUTH,
            extractor=f"{extractor}-regions",
            group="seen and imagined",
        ),
    )


METRICS = (
    *_distance("lpips", "LPIPS", extractor="lpips-alex", definition=_LPIPS),
    MetricSpec(
        id="clip-i",
        title="CLIP-I",
        unit="",
        direction="up",
        decimals=3,
        version=1,
        summary="Likeness of frames to CLIP ViT-B/32, whatever stands where.",
        definition=(
            "Cosine of the projected picture embeddings (512) of CLIP ViT-B/32 of prediction and truth, frame by frame; mean "
            "over frames. The model's own preprocessing: short side to 224 (bicubic, Pillow), centre crop, CLIP's mean and "
            "deviation."
        ),
        target="benchmark.metrics.clip_i:clip_i",
        needs=_TRUTH,
        extractor="clip-vit-b32",
    ),
    *_distance("st-lpips", "ST-LPIPS", extractor="st-lpips-alex", definition=_ST_LPIPS),
    MetricSpec(
        id="eff-i",
        title="Eff-I",
        unit="",
        direction="up",
        decimals=3,
        version=1,
        summary="Likeness of frames to EfficientNet-lite0, whatever stands where; needs no model hub.",
        definition=(
            "Cosine of the 1280 pooled features of EfficientNet-lite0 of prediction and truth, a fixed mean subtracted from both "
            "(of true ego frames of the simulated training split), frame by frame; mean over frames. Whole frames, resized to "
            "224x224 (bilinear, antialias)."
        ),
        target="benchmark.metrics.eff_i:eff_i",
        needs=_TRUTH,
        extractor="efficientnet-lite0",
    ),
)
