"""report.json of a prior: what was found on the way and how much of the picture is known. Numbers only; nothing is drawn here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmark.files import atomic_file
from benchmark.metrics.psnr import PEAK, mean_squared_error
from benchmark.video import Frames
from egox.depth import Alignment
from egox.depth.scale import Scale
from egox.prior import EgoPrior

SCHEMA = 1

LITTLE = 0.05
"""Coverage below which something is more likely wrong than hidden."""

CAP_DB = 100.0
"""Of a frame whose known pixels equal the truth's."""


class GaugeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the scale; `why` says why there is none, or why it was left out. spread is of ln(scale)."""

    name: str
    scale: float | None
    spread: float | None
    count: int
    why: str


class ScaleReport(msgspec.Struct, frozen=True, kw_only=True):
    """The factor on the given depth. spread: None where no gauge was read or asked; the factor is 1 then."""

    factor: float
    spread: float | None
    gauges: tuple[GaugeReport, ...]


class AlignmentReport(msgspec.Struct, frozen=True, kw_only=True):
    """Frame by frame: what was applied, whether the frame had a fit of its own, and the relative disagreement left."""

    alpha: tuple[float, ...]
    beta: tuple[float, ...]
    fitted: tuple[bool, ...]
    residual: tuple[float | None, ...]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Share of the pixels inside of the lens circle that are known: over the frames."""

    mean: float
    min: float
    max: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of report.json. alignment: None where no frame could be fitted. moving: share of the exo pixels.

    key: of inputs, options and code; inputs: of the inputs alone. files: bytes of each file beside the report.
    psnr_known_db: mean over frames of the PSNR on known pixels, None with the reason in no_psnr.
    """

    schema: int
    clip: str
    key: str
    inputs: str
    frames: int
    fps: float
    exo_size: tuple[int, int]
    ego_size: tuple[int, int]
    scale: ScaleReport
    alignment: AlignmentReport | None
    moving: float
    coverage: Coverage
    psnr_known_db: float | None
    no_psnr: str | None
    settings: dict[str, Any]
    files: dict[str, int]


def report_of(
    prior: EgoPrior,
    valid: NDArray[np.bool_],
    *,
    clip: str,
    key: str,
    inputs: str,
    fps: float,
    psnr_db: float | None,
    no_psnr: str | None,
    settings: Mapping[str, Any],
) -> Report:
    """valid: [frames, height, width] of the rendered prior. `files` is filled in when they are written."""
    seen = valid.sum((1, 2)) / prior.ego.visible().sum()
    return Report(
        schema=SCHEMA,
        clip=clip,
        key=key,
        inputs=inputs,
        frames=len(prior),
        fps=fps,
        exo_size=(prior.exo.height, prior.exo.width),
        ego_size=(prior.ego.height, prior.ego.width),
        scale=_scale(prior.scale),
        alignment=_alignment(prior.alignment),
        moving=float(prior.moving.mean()),
        coverage=Coverage(mean=float(seen.mean()), min=float(seen.min()), max=float(seen.max())),
        psnr_known_db=psnr_db,
        no_psnr=no_psnr,
        settings=dict(settings),
        files={},
    )


def psnr_known(prediction: Frames, truth: Frames, valid: NDArray[np.bool_]) -> float | None:
    """Mean over frames of 10 log10(255^2 / MSE over the known pixels) in dB, each at most CAP_DB; None where none is known.

    prediction, truth: [frames, height, width, 3] uint8; valid: [frames, height, width]. A frame that knows nothing is left out.
    """
    found = []
    for ours, theirs, known in zip(prediction, truth, valid):
        if known.any():
            error = mean_squared_error(ours[known], theirs[known])
            found.append(min(10 * math.log10(PEAK**2 / error), CAP_DB) if error > 0 else CAP_DB)
    return sum(found) / len(found) if found else None


def as_lines(report: Report, prior: EgoPrior) -> list[str]:
    """The report for a person, a line each."""
    lines, coverage = prior.report(), report.coverage
    lines.append(
        f"coverage: {100 * coverage.mean:.1f} % of what the lens sees is known"
        f" ({100 * coverage.min:.1f} to {100 * coverage.max:.1f} % by frame)"
    )
    if report.psnr_known_db is not None:
        lines.append(f"PSNR where known: {report.psnr_known_db:.2f} dB")
    if coverage.mean < LITTLE:
        lines.append("look closely: next to nothing is known; are the lens, the poses and the depth of this clip?")
    if report.settings["scale"] == "auto" and not any(gauge.scale for gauge in report.scale.gauges):
        lines.append("look closely: nothing told how long a metre is, the depth was taken as it is")
    return lines


def read_report(path: Path) -> Report | None:
    """A report that is there, or None: one that cannot be read as such is made again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError):
        return None


def write_report(path: Path, report: Report) -> None:
    """Atomically, indented. Raises StorageError."""
    data = msgspec.json.format(msgspec.json.encode(report)) + b"\n"
    atomic_file(path, lambda aside: aside.write_bytes(data))


def _scale(scale: Scale) -> ScaleReport:
    gauges = tuple(
        GaugeReport(name=gauge.name, scale=gauge.scale, spread=_finite(gauge.spread), count=gauge.count, why=gauge.why)
        for gauge in scale.gauges
    )
    return ScaleReport(factor=scale.factor, spread=_finite(scale.spread), gauges=gauges)


def _alignment(alignment: Alignment) -> AlignmentReport | None:
    if not alignment.fitted.any():
        return None
    return AlignmentReport(
        alpha=tuple(alignment.alpha.tolist()),
        beta=tuple(alignment.beta.tolist()),
        fitted=tuple(alignment.fitted.tolist()),
        residual=tuple(_finite(value) for value in alignment.residual.tolist()),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
