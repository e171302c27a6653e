"""Join the two depth maps of a clip: temporally smooth disparity, brought to the metric maps' scale (paper Eq. 1).

D = 1 / (alpha d + beta), alpha and beta by least squares in each frame, then smoothed over time by momentum as in ViPE.
The metric maps give the scale and flicker; the disparity gives the shape and does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..motion import depth_at_share
from .estimate import DepthEstimate

QUANTILES = (0.1, 0.9)
"""A pixel is fitted if it lies strictly between these quantiles of both maps: the rest is edges, sky and outliers."""

FEWEST_PIXELS = 100
"""A frame with fewer pixels to fit keeps the values of the frame before."""

LEAST_INVERSE_DEPTH = 1e-3
"""1/m: aligned depth ends at 1000 m, also where alpha d + beta is negative."""

MOMENTUM = 0.99
"""ViPE's; alpha and beta of a frame enter with weight 0.01."""


class NoFitError(ValueError):
    """A frame's two maps cannot be aligned; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineFit:
    """inverse_depth = alpha disparity + beta, alpha > 0; pixels: how many were fitted."""

    alpha: float
    beta: float
    pixels: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Alignment:
    """A clip's aligned depth and how it came about.

    depth_m: [frames, height, width] float32 z-depth in metres, 0 where the disparity is unknown, at most 1000.
    alpha, beta: [frames] float64, what was applied (after momentum). fitted: [frames], False where the frame had no fit of
    its own. residual: [frames] float64, median of |(alpha d + beta) D^m - 1| over the static pixels where both maps are
    known: the relative disagreement that is left. NaN where there is no such pixel.
    """

    depth_m: NDArray[np.float32]
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    fitted: NDArray[np.bool_]
    residual: NDArray[np.float64]


def fit_affine(disparity: NDArray, inverse_depth: NDArray, mask: NDArray[np.bool_]) -> AffineFit:
    """Least-squares alpha and beta of one frame, in inverse depth.

    disparity, inverse_depth: [height, width]; inverse_depth in 1/m. mask: the static pixels where both are known; fitted
    are those of them strictly between the 10 % and 90 % quantiles that each map has over the mask.
    Raises NoFitError with the reason: too few pixels, maps without contrast, or alpha not above 0.
    Deviation: ViPE and the release drop the mask once the quantiles are found, so that moving things are fitted too.
    """
    x, y = disparity[mask], inverse_depth[mask]
    if x.size:
        kept = _between_quantiles(x) & _between_quantiles(y)
        x, y = x[kept].astype(np.float64), y[kept].astype(np.float64)
    if x.size < FEWEST_PIXELS:
        raise NoFitError(f"{x.size} pixels to fit, at least {FEWEST_PIXELS} are needed")
    x_mean, y_mean = x.mean(), y.mean()
    x -= x_mean
    y -= y_mean
    variance = x @ x
    alpha = (x @ y) / variance if variance > 0 else np.nan
    if not np.isfinite(alpha):
        raise NoFitError("the disparity has no contrast there")
    if alpha <= 0:
        raise NoFitError(f"alpha is {alpha:.3g}: what the disparity calls near, the metric depth calls far")
    return AffineFit(alpha=float(alpha), beta=float(y_mean - alpha * x_mean), pixels=x.size)


def _between_quantiles(values: NDArray) -> NDArray[np.bool_]:
    low, high = (round(quantile * (values.size - 1)) for quantile in QUANTILES)
    ordered = np.partition(values, (low, high))
    return (values > ordered[low]) & (values < ordered[high])


def align(estimate: DepthEstimate, static: NDArray[np.bool_] | None = None, *, momentum: float | None = None) -> Alignment:
    """Depth from the disparity, at the scale of the metric maps (paper Eq. 1).

    static: [frames, height, width], True where nothing moves (`~moving` of egox.motion); None fits everywhere.
    momentum: in [0, 1]; s_t = momentum s_(t-1) + (1 - momentum) fit_t, for alpha and beta alike. None is MOMENTUM for disparity
    that is smooth over time, and 0, each frame's own fit, for one that is not. A frame without a fit keeps the state.
    Deviation: the state starts at the median of all frames' fits. Upstream starts at the fit of frame 0 and, at 0.99 over 49
    frames, stays at that one frame's error; here the whole clip is at hand.

    Without disparity each metric map is its own disparity 1/D^m, and what is fitted is the flicker of its scale: alpha is the
    median ratio to the clip's depth (the median over time of each pixel), beta 0.
    Raises ValueError where static does not fit the maps, momentum is out of range, or no frame has a fit (with the reason).
    """
    momentum = (MOMENTUM if estimate.smooth else 0.0) if momentum is None else momentum
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}, expected 0 to 1")
    metric_m, disparity = estimate.metric_m, estimate.disparity
    if static is not None and (static.shape != metric_m.shape or static.dtype != np.bool_):
        raise ValueError(f"static is {static.dtype} of shape {static.shape}, expected bool of shape {metric_m.shape}")
    count = len(metric_m)
    if disparity is None:
        return _steadied(metric_m, metric_m > 0 if static is None else (metric_m > 0) & static)
    usable = (metric_m > 0) & np.isfinite(disparity)
    if static is not None:
        usable &= static
    fits, reasons = _fits(metric_m, disparity, usable)
    fitted = np.isfinite(fits[:, 0])
    if not fitted.any():
        raise ValueError(f"no frame of {count} can be aligned; frame 0: {reasons[0]}" if reasons else "no frames to align")
    applied = _smoothed(fits, fitted, momentum)
    depth_m, residual = np.empty_like(metric_m), np.full(count, np.nan)
    for t, (alpha, beta) in enumerate(applied):
        inverse = np.maximum(np.float32(alpha) * disparity[t] + np.float32(beta), np.float32(LEAST_INVERSE_DEPTH))
        known = usable[t]
        if known.any():
            residual[t] = np.median(np.abs(inverse[known] * metric_m[t][known] - 1))
        depth_m[t] = np.nan_to_num(1 / inverse, copy=False)
    return Alignment(depth_m=depth_m, alpha=applied[:, 0].copy(), beta=applied[:, 1].copy(), fitted=fitted, residual=residual)


def _steadied(metric_m: NDArray, usable: NDArray[np.bool_]) -> Alignment:
    """The metric maps without the flicker of their scale; frames with too few pixels stay as they are."""
    clip_m = depth_at_share(metric_m, 0.5)
    alpha, residual = np.ones(len(metric_m)), np.full(len(metric_m), np.nan)
    depth_m = metric_m.copy()
    for t, known in enumerate(usable & (clip_m > 0)):
        if known.sum() >= FEWEST_PIXELS:
            ratio = metric_m[t][known] / clip_m[known]
            alpha[t] = np.median(ratio)
            residual[t] = np.median(np.abs(ratio / alpha[t] - 1))
            depth_m[t] /= np.float32(alpha[t])
    return Alignment(depth_m=depth_m, alpha=alpha, beta=np.zeros(len(metric_m)), fitted=np.isfinite(residual), residual=residual)


def _fits(metric_m: NDArray, disparity: NDArray, usable: NDArray[np.bool_]) -> tuple[NDArray[np.float64], dict[int, str]]:
    """alpha and beta [frames, 2] of each frame alone, NaN where there is no fit, and why there is none."""
    fits, reasons = np.full((len(metric_m), 2), np.nan), {}
    for t, mask in enumerate(usable):
        with np.errstate(divide="ignore"):
            inverse_depth = 1 / metric_m[t]
        try:
            fit = fit_affine(disparity[t], inverse_depth, mask)
        except NoFitError as error:
            reasons[t] = str(error)
            continue
        fits[t] = fit.alpha, fit.beta
    return fits, reasons


def _smoothed(fits: NDArray[np.float64], fitted: NDArray[np.bool_], momentum: float) -> NDArray[np.float64]:
    state = np.median(fits[fitted], axis=0)
    applied = np.empty_like(fits)
    for t, fit in enumerate(fits):
        if fitted[t]:
            state = momentum * state + (1 - momentum) * fit
        applied[t] = state
    return applied
