"""Specs of VBench's three video dimensions, with its networks and with classical flow in their place."""

from __future__ import annotations

from types import MappingProxyType

from .metric import ExtractorSpec, MetricSpec, Need

_AMT = "benchmark.metrics.extractors.amt:"
_RAFT = "benchmark.metrics.extractors.raft:"
_DIS = "benchmark.metrics.extractors.dis:"

EXTRACTORS: tuple[ExtractorSpec, ...] = (
    ExtractorSpec(
        id="amt-s",
        version=1,
        summary="Error of every second frame, interpolated from its neighbours by AMT-S.",
        target=_AMT + "AmtErrors",
        of="video",
        weights=("amt-s",),
        package="vbench",
    ),
    ExtractorSpec(
        id="amt-s-canvas",
        version=1,
        summary="Error of every second frame of exo and ego view side by side, interpolated from its neighbours by AMT-S.",
        target=_AMT + "AmtErrorsOnCanvas",
        of="video",
        weights=("amt-s",),
        package="vbench",
        reads=frozenset({Need.EXO}),
    ),
    ExtractorSpec(
        id="smooth-dis",
        version=1,
        summary="Error of every second frame, interpolated from its neighbours along DIS optical flow.",
        target=_DIS + "DisErrors",
        of="video",
        libraries=("opencv-python-headless",),
    ),
    ExtractorSpec(
        id="smooth-lin",
        version=1,
        summary="Error of every second frame against the plain mean of its neighbours.",
        target="benchmark.metrics.extractors.plain_mean:PlainMeanErrors",
        of="video",
    ),
    ExtractorSpec(
        id="raft-things",
        version=1,
        summary="Motion of the fastest twentieth of the pixels by RAFT, a pair of frames at about 8 a second.",
        target=_RAFT + "RaftMotion",
        of="video",
        weights=("raft-things",),
        reads=frozenset({Need.FPS}),
    ),
    ExtractorSpec(
        id="raft-things-canvas",
        version=1,
        summary="Motion of the fastest twentieth of the pixels of exo and ego view side by side by RAFT, a pair of frames each.",
        target=_RAFT + "RaftMotionOnCanvas",
        of="video",
        weights=("raft-things",),
        reads=frozenset({Need.EXO, Need.FPS}),
    ),
    ExtractorSpec(
        id="dis-flow",
        version=1,
        summary="Motion of the fastest twentieth of the pixels by DIS optical flow, a pair of frames at about 8 a second.",
        target=_DIS + "DisMotion",
        of="video",
        libraries=("opencv-python-headless",),
        reads=frozenset({Need.FPS}),
    ),
)

_SIDE_BY_SIDE = " Of the exo view on the protocol's canvas and the ego view to its right, as one picture."

_FLICKERING = (
    "Mean absolute difference of neighbouring frames over all pixels and channels; 1 - mean over the pairs / 255. "
    "VBench 0.1.5's temporal flickering, in its precision, on the frames that every metric sees."
)
_SMOOTHNESS = (
    "Frames 0, 2, 4, ... are kept; each frame between two kept ones is interpolated by {by}, cut (not rounded) to 8 bits and "
    "compared with the one that was there; 1 - mean absolute difference / 255, mean over these frames."
)
_DYNAMIC = (
    "Every k-th frame is kept, k = the canvas's frames a second / 8 rounded half to even, at least 1. {by} between kept frames "
    "that follow each other; r = mean length of the longest 5 % of its vectors, in px. 1 where at least a quarter of the number "
    "of kept frames, rounded half to even, of the pairs have r over {threshold}, else 0; the mean over clips is a share."
)
_SCALED = "px_at_256 x shorter side / 256"
_RAFT_FLOW = "RAFT's flow (20 updates; sides padded to multiples of 8 and not cut again)"
_DIS_FLOW = "DIS optical flow (OpenCV, preset MEDIUM, grey pictures)"

METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        id="flicker",
        title="Flickering",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="How alike neighbouring frames are; a still video has 1, camera motion lowers it as flicker does.",
        definition=_FLICKERING,
        target="benchmark.metrics.flickering:flickering",
        needs=frozenset(),
    ),
    MetricSpec(
        id="flicker-canvas",
        title="Flickering (exo+ego)",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="How alike neighbouring frames of exo and ego view side by side are; half of it and more is the given exo view.",
        definition=_FLICKERING + _SIDE_BY_SIDE,
        target="benchmark.metrics.flickering:flickering_canvas",
        needs=frozenset({Need.EXO}),
    ),
    MetricSpec(
        id="smoothness",
        title="Smoothness",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="How well AMT-S tells each second frame from its neighbours; a still video has 1.",
        definition=_SMOOTHNESS.format(by="AMT-S") + " VBench 0.1.5's motion smoothness without its shrinking on small cards.",
        target="benchmark.metrics.smoothness:smoothness",
        needs=frozenset(),
        extractor="amt-s",
    ),
    MetricSpec(
        id="smoothness-canvas",
        title="Smoothness (exo+ego)",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="How well AMT-S tells each second frame of exo and ego view side by side from its neighbours.",
        definition=_SMOOTHNESS.format(by="AMT-S") + _SIDE_BY_SIDE,
        target="benchmark.metrics.smoothness:smoothness",
        needs=frozenset(),
        extractor="amt-s-canvas",
    ),
    MetricSpec(
        id="smoothness-dis",
        title="Smoothness (DIS)",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="How well optical flow tells each second frame from its neighbours; a still video has 1. Not VBench's numbers.",
        definition=_SMOOTHNESS.format(
            by=f"the mean of both, each moved by half the other's flow to it, {_DIS_FLOW}, linear, edges repeated"
        ),
        target="benchmark.metrics.smoothness:smoothness",
        needs=frozenset(),
        extractor="smooth-dis",
    ),
    MetricSpec(
        id="smoothness-lin",
        title="Smoothness (mean)",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="How near each second frame is to the plain mean of its neighbours; what smoothness is without any flow.",
        definition=_SMOOTHNESS.format(by="their plain mean"),
        target="benchmark.metrics.smoothness:smoothness",
        needs=frozenset(),
        extractor="smooth-lin",
    ),
    MetricSpec(
        id="dynamic-degree",
        title="Dynamic degree",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="Whether the picture moves enough by RAFT, 0 or 1 a clip; says nothing of how well.",
        definition=_DYNAMIC.format(by=_RAFT_FLOW, threshold=_SCALED) + " VBench 0.1.5's dynamic degree from 5 kept frames on.",
        target="benchmark.metrics.dynamic_degree:dynamic_degree",
        needs=frozenset(),
        extractor="raft-things",
        defaults=MappingProxyType({"px_at_256": 6.0}),
    ),
    MetricSpec(
        id="dynamic-degree-canvas",
        title="Dynamic degree (exo+ego)",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="Whether exo and ego view side by side move enough by RAFT, with one threshold for every size; 0 or 1 a clip.",
        definition=_DYNAMIC.format(by=_RAFT_FLOW, threshold="threshold_px") + _SIDE_BY_SIDE,
        target="benchmark.metrics.dynamic_degree:dynamic_degree_fixed",
        needs=frozenset(),
        extractor="raft-things-canvas",
        defaults=MappingProxyType({"threshold_px": 2.0}),
    ),
    MetricSpec(
        id="dynamic-degree-dis",
        title="Dynamic degree (DIS)",
        group="video",
        unit="",
        direction="truth",
        decimals=3,
        version=1,
        summary="Whether the picture moves enough by DIS optical flow, 0 or 1 a clip. Not VBench's numbers.",
        definition=_DYNAMIC.format(by=_DIS_FLOW, threshold=_SCALED),
        target="benchmark.metrics.dynamic_degree:dynamic_degree",
        needs=frozenset(),
        extractor="dis-flow",
        defaults=MappingProxyType({"px_at_256": 6.0}),
    ),
    MetricSpec(
        id="motion",
        title="Motion",
        group="video",
        unit="sides",
        direction="truth",
        decimals=3,
        version=1,
        summary="How far the fastest twentieth of the pixels goes in about an eighth of a second, in shorter sides, by DIS flow.",
        definition=(
            "Kept frames and r as for dynamic-degree-dis (r = mean length of the longest 5 % of the flow's vectors); median over "
            "the pairs of r / shorter side of the frame. Where dynamic degree is 1 for everything, this still tells clips apart."
        ),
        target="benchmark.metrics.dynamic_degree:motion",
        needs=frozenset(),
        extractor="dis-flow",
    ),
)
