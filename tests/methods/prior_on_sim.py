"""How a prior from exact depth compares with the ego picture, where both views show the same static point."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from benchmark.clip import Clip
from egox.depth import DepthEstimate
from egox.prior import PriorSettings, ego_prior
from tests.benchmark.datasets.sim.covisible import find_pairs
from tests.benchmark.datasets.sim.light import developed, ego_vignette, exo_vignette, light_of, without_vignette

SATURATED, BLACK = 250, 4
DARKEST_VIGNETTE = 0.3
SAME_SURFACE = 0.03
RESOLVED = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """PSNR in dB. lookup: what reading the exo picture at the exact place gives, the most that any renderer can.

    prior, lookup: against the ego picture, over all static pixels that both views show and the prior covers.
    same_prior, same_lookup: of these, where the prior shows that surface (z within 3 %): `same` of them.
    sharp_prior, sharp_lookup: of those, where the exo picture has 1.2 pixels or more for an ego pixel.
    between: prior against lookup, on the same surface.
    """

    prior: float
    lookup: float
    same: float
    same_prior: float
    same_lookup: float
    sharp_prior: float
    sharp_lookup: float
    between: float


def psnr(first: NDArray, second: NDArray, chosen: NDArray) -> float:
    """Of linear light [n, 3], as levels; one factor of exposure between the two is free."""
    first, second = first[chosen], second[chosen]
    gain = np.median(second / np.maximum(first, 1e-4))
    off = developed(first * gain).astype(float) - developed(second)
    return float(10 * np.log10(255**2 / np.mean(off**2)))


def agreement(clip: Clip, moving: list[int], *, every: int = 4) -> Agreement:
    """Of a clip with exact depth (`SimDataset(depth="true")`); moving: ids of what moves."""
    view, ego = clip.exo[0], clip.ego_camera
    assert view.camera
    assert view.depth
    assert ego
    assert clip.truth
    shade, exo_shade = ego_vignette(ego.height), exo_vignette(view.camera.lens, view.camera.height, view.camera.width)
    frames = np.stack([without_vignette(picture, exo_shade) for picture in view.video.read()])
    estimate = DepthEstimate(metric_m=view.depth.read())
    prior = ego_prior(frames, estimate, view.camera, ego, settings=PriorSettings(scale="none"))
    chosen = range(0, len(frames), every)
    pairs = find_pairs(clip, moving, chosen, exact=True)
    rendered = [frame for number, frame in enumerate(prior.rendered()) if number in chosen]
    columns: list[list[NDArray]] = []
    for frame, place, pixel, drawn in zip(chosen, pairs.exo, pairs.ego, rendered):
        column, row = pixel.astype(int).T
        true = clip.truth.video.read([frame])[0][row, column]
        assert clip.truth.depth
        fits = drawn.valid[row, column] & (true.max(-1) < SATURATED) & (true.min(-1) > BLACK)
        fits &= shade[row, column, 0] > DARKEST_VIGNETTE
        there = [place[:, 1], place[:, 0]]
        light = light_of(frames[frame])
        lookup = np.stack([map_coordinates(light[..., channel], there, order=1) for channel in range(3)], -1)
        apart = np.abs(drawn.depth_m[row, column] / clip.truth.depth.frame(frame)[row, column] - 1)
        values = (
            light_of(drawn.picture[row, column]),
            lookup,
            light_of(true) / shade[row, column],
            apart,
            _exo_pixels_each(place, row, column, ego.height),
        )
        columns.append([value[fits] for value in values])
    ours, lookup, true, apart, density = (np.concatenate(parts) for parts in zip(*columns))
    everywhere, same = np.ones(len(ours), bool), apart < SAME_SURFACE
    sharp = same & (density > RESOLVED)
    return Agreement(
        prior=psnr(ours, true, everywhere),
        lookup=psnr(lookup, true, everywhere),
        same=float(same.mean()),
        same_prior=psnr(ours, true, same),
        same_lookup=psnr(lookup, true, same),
        sharp_prior=psnr(ours, true, sharp),
        sharp_lookup=psnr(lookup, true, sharp),
        between=psnr(ours, lookup, same),
    )


def _exo_pixels_each(place: NDArray, row: NDArray, column: NDArray, side: int) -> NDArray:
    """How far apart in the exo picture the neighbours of each ego pixel lie (the nearer of two); NaN without neighbours."""
    grid = np.full((side + 1, side + 1, 2), np.nan)
    grid[row, column] = place
    steps = [np.linalg.norm(grid[row + down, column + right] - place, axis=-1) for down, right in ((1, 0), (0, 1))]
    return np.minimum(*steps)


class _About(msgspec.Struct):
    moving: list[int]


def moving_ids(names_json: bytes) -> list[int]:
    """Ids of what moves, from the file beside the truth of a rendered window."""
    return msgspec.json.decode(names_json, type=_About).moving
