"""The metric factor of estimated depth, in scenes where the right one is known: head, floor, points, and all together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from egox.cameras import Camera
from egox.depth.scale import FEWEST_POINTS, Gauge, Scale, combined, floor_gauge, head_gauge, points_gauge
from egox.motion import background_depth, motion_masks

from ..traced import UP, Box, ego_camera, exo_camera, trace

COUNT = 10
TABLE = Box((-2.0, 1.2, 0.0), (2.0, 1.9, 0.95))
"""Between the exo camera and the wearer: it hides the legs."""


@dataclass(frozen=True)
class Walk:
    """Exact depth [frames, height, width] of somebody who walks across a room, masks of them, and both cameras."""

    depth_m: np.ndarray
    moving: np.ndarray
    exo: Camera
    ego: Camera

    def floor(self, factor: float = 1.0, **changes) -> Gauge:
        """The floor gauge of depth that is `factor` times too small."""
        depth_m = (self.depth_m / factor).astype(np.float32)
        given = {"moving": motion_masks(depth_m).moving, "up": UP, **changes}
        return floor_gauge(background_depth(depth_m), given["moving"], self.exo, self.ego, given["up"])


@cache
def walk(*, table: bool = False, y: float = 2.4) -> Walk:
    """A head of 24 cm on a body of 40 cm, one to one and a half metres to each side of the exo camera's axis."""
    exo = exo_camera([0.0, -0.9, 1.75], [0.0, 3.0, 0.9], frames=COUNT)
    eyes = np.stack([np.linspace(-1.4, 1.4, COUNT), np.full(COUNT, y), np.full(COUNT, 1.65)], -1)
    ego = ego_camera(eyes, eyes + [0, 1, -0.3])
    views = []
    for frame, eye in enumerate(eyes):
        head, body = Box((-0.09, -0.12, -0.12), (0.09, 0.12, 0.12)), Box((-0.2, -0.12, -1.65), (0.2, 0.12, -0.2))
        views.append(trace(exo, frame, [head.moved(eye), body.moved(eye), *([TABLE] if table else [])]))
    which = np.stack([view.which for view in views])
    return Walk(depth_m=np.stack([view.depth_m for view in views]), moving=which < 2, exo=exo, ego=ego)


def away(camera: Camera, frames: list[int]) -> Camera:
    """The ego camera, in these frames three metres behind the exo camera."""
    poses = camera.world_from_camera.copy()
    poses[frames, 1, 3] = -4.0
    return Camera(lens=camera.lens, width=camera.width, height=camera.height, world_from_camera=poses)


def noisy(depth_m: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    return depth_m * (1 + 0.02 * rng.standard_normal((len(depth_m), 1, 1)) + 0.005 * rng.standard_normal(depth_m.shape))


# The head


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.4, 3.0])
def test_the_head_tells_the_factor_within_five_percent(factor):
    gauge = head_gauge((noisy(walk().depth_m) / factor).astype(np.float32), walk().exo, walk().ego)
    assert gauge.scale == pytest.approx(factor, rel=0.05)
    assert gauge.count == COUNT
    assert 0.02 <= gauge.spread < 0.1


def test_frames_in_which_the_head_is_not_in_the_picture_are_left_to_the_others():
    whole = head_gauge(walk().depth_m, walk().exo, walk().ego)
    partly = head_gauge(walk().depth_m, walk().exo, away(walk().ego, [0, 4, 5]))
    assert partly.count == COUNT - 3
    assert partly.scale == pytest.approx(whole.scale, rel=0.01)


def test_a_head_that_is_never_in_the_picture_gives_no_reading_and_says_why():
    gauge = head_gauge(walk().depth_m, walk().exo, away(walk().ego, list(range(COUNT))))
    assert gauge.scale is None
    assert "outside of the exo picture" in gauge.why
    assert str(gauge).startswith("head: none (the wearer's head is outside")


def test_frames_without_depth_at_the_head_are_left_to_the_others():
    depth_m = walk().depth_m.copy()
    depth_m[:4] = 0
    gauge = head_gauge(depth_m, walk().exo, walk().ego)
    assert gauge.count == COUNT - 4
    assert gauge.scale == pytest.approx(1, rel=0.05)
    assert head_gauge(np.zeros_like(depth_m), walk().exo, walk().ego).scale is None


def test_a_head_that_sometimes_has_the_wall_before_its_window_is_read_by_its_median():
    depth_m = walk().depth_m.copy()
    depth_m[:3][walk().moving[:3]] = 5.0
    assert head_gauge(depth_m, walk().exo, walk().ego).scale == pytest.approx(1, rel=0.06)


# Semi-dense points


def surface_points(count: int, *, seed: int = 0) -> np.ndarray:
    """World points of static surfaces that the exo view sees."""
    behind = background_depth(walk().depth_m)
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 107, count), rng.integers(1, 191, count)
    pixels = np.stack([columns, rows], -1).astype(float)
    return walk().exo.lift(pixels, behind[rows, columns].astype(float), 0)


def test_points_tell_the_factor_though_most_of_them_are_hidden_and_some_are_wrong():
    rng = np.random.default_rng(1)
    seen = surface_points(400)
    hidden = walk().exo.centres[0] + (surface_points(700, seed=2) - walk().exo.centres[0]) * rng.uniform(1.1, 3.0, (700, 1))
    wrong = rng.uniform(-3, 3, (60, 3))
    points = np.concatenate([seen, hidden, wrong, [[np.nan] * 3, [0, -9, 1]]])
    gauge = points_gauge((walk().depth_m / 1.4).astype(np.float32), walk().exo, points)
    assert gauge.scale == pytest.approx(1.4, rel=0.02)
    assert 0.02 <= gauge.spread < 0.05
    assert str(gauge) == f"points: {gauge.scale:.3f} ± {100 * gauge.spread:.0f} % from {gauge.count} points"


def test_frames_without_depth_do_not_halve_what_points_tell():
    depth_m = walk().depth_m.copy()
    depth_m[: COUNT // 2] = 0
    assert points_gauge(depth_m, walk().exo, surface_points(400)).scale == pytest.approx(1, rel=0.02)
    depth_m[: COUNT - 2] = 0
    assert points_gauge(depth_m, walk().exo, surface_points(400)).scale == pytest.approx(1, rel=0.02)


def test_too_few_points_in_the_picture_give_no_reading_and_say_how_many_there_are():
    gauge = points_gauge(walk().depth_m, walk().exo, surface_points(FEWEST_POINTS - 1))
    assert gauge.scale is None
    assert gauge.why.startswith("semi-dense points on 4")
    assert gauge.why.endswith("pixels of the exo picture, 50 are needed")
    behind = points_gauge(walk().depth_m, walk().exo, np.tile([0.0, -5.0, 1.0], (400, 1)))
    assert behind.why.startswith("semi-dense points on 0 pixels")
    one_place = points_gauge(walk().depth_m, walk().exo, np.repeat(surface_points(1), 400, 0))
    assert one_place.why.startswith("semi-dense points on 1 pixels"), "copies of a point are one point"


@pytest.mark.parametrize("points", [None, np.empty((0, 3))])
def test_a_take_without_points_says_so(points):
    assert str(points_gauge(walk().depth_m, walk().exo, points)) == "points: none (the take has no semi-dense points)"


def test_points_where_no_frame_has_depth_give_no_reading():
    assert points_gauge(np.zeros_like(walk().depth_m), walk().exo, surface_points(400)).why.startswith(
        "semi-dense points on 0 pixels"
    )


# The floor


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.5])
def test_feet_on_the_floor_tell_the_factor(factor):
    """Motion finds the shins better than the soles, which are hardly nearer than the floor: so it reads a little low."""
    gauge = walk().floor(factor)
    assert gauge.scale == pytest.approx(factor, rel=0.08)
    assert gauge.count >= COUNT // 2
    assert 0.02 <= gauge.spread < 0.15
    assert walk().floor(factor, moving=walk().moving).scale == pytest.approx(factor, rel=0.03)


def test_gravity_may_point_anywhere_in_the_world():
    turn = np.eye(4)
    turn[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    clip = walk()
    exo, ego = (
        Camera(lens=camera.lens, width=camera.width, height=camera.height, world_from_camera=turn @ camera.world_from_camera)
        for camera in (clip.exo, clip.ego)
    )
    turned = Walk(depth_m=clip.depth_m, moving=clip.moving, exo=exo, ego=ego)
    assert turned.floor(up=turn[:3, :3] @ UP).scale == pytest.approx(clip.floor().scale, rel=1e-6)


def test_without_gravity_the_floor_gives_no_reading():
    assert str(walk().floor(up=None)) == "floor: none (the world has no known direction of gravity)"


def test_a_table_that_hides_the_legs_gives_no_reading():
    """What lies behind the lowest pixel of the wearer is table, not floor."""
    gauge = walk(table=True).floor()
    assert gauge.scale is None
    assert gauge.why == "the wearer's feet are not seen on the floor, apart from the background"


def test_somebody_else_who_walks_about_is_not_the_wearer():
    clip = walk()
    elsewhere = away(clip.ego, list(range(COUNT)))
    assert Walk(depth_m=clip.depth_m, moving=clip.moving, exo=clip.exo, ego=elsewhere).floor().scale is None


def test_feet_of_somebody_beside_the_wearer_are_not_the_wearers():
    """Both in one mask, hand in hand: the lowest pixel is off the vertical below the wearer's head."""
    clip, joined = walk(), walk().moving.copy()
    for mask in joined:
        rows, columns = np.nonzero(mask)
        beside = slice(columns.max(), columns.max() + 30)
        mask[rows.max() - 15 : rows.max() - 13, beside] = True
        mask[rows.max() - 15 : rows.max() + 6, columns.max() + 26 : columns.max() + 30] = True
    assert clip.floor(moving=joined).scale is None


def test_feet_that_are_cut_off_by_the_rim_of_the_picture_give_no_reading():
    clip = walk(y=0.4)
    assert clip.moving[:, -1].any()
    assert clip.floor().scale is None


def test_a_picture_without_a_floor_gives_no_reading_and_says_so():
    wall = Walk(depth_m=np.full_like(walk().depth_m, 3.0), moving=walk().moving, exo=walk().exo, ego=walk().ego)
    assert wall.floor(moving=walk().moving).why == "no level surface below the exo camera fills enough of its picture"
    empty = Walk(depth_m=np.zeros_like(walk().depth_m), moving=walk().moving, exo=walk().exo, ego=walk().ego)
    assert empty.floor(moving=walk().moving).scale is None


def test_depth_in_a_unit_that_no_room_has_is_no_failure():
    """Kilometres: the floor is 1.7 thousandths below the camera."""
    gauge = walk().floor(5000.0, moving=walk().moving)
    assert gauge.scale is None or gauge.scale == pytest.approx(5000, rel=0.1)


# All together


def gauge(name: str, scale: float | None, spread: float = 0.05, why: str = "") -> Gauge:
    return Gauge(name=name, scale=scale, spread=spread, count=7, why=why)


def test_one_reading_alone_is_the_scale():
    scale = combined([gauge("head", 1.3, 0.1), gauge("floor", None, why="no floor")])
    assert (scale.factor, scale.spread) == (pytest.approx(1.3), pytest.approx(0.1))


def test_readings_that_agree_are_averaged_in_logarithms_by_their_spreads():
    scale = combined([gauge("head", 1.0, 0.1), gauge("floor", 1.21, 0.1)])
    assert scale.factor == pytest.approx(1.1)
    assert scale.spread == pytest.approx(0.1 / np.sqrt(2))
    near_the_better = combined([gauge("head", 1.0, 0.05), gauge("floor", 1.21, 0.1)])
    assert np.log(near_the_better.factor) == pytest.approx(np.log(1.21) / 5)
    assert combined([gauge("floor", 1.21, 0.1), gauge("head", 1.0, 0.05)]).factor == pytest.approx(near_the_better.factor)


def test_a_reading_that_disagrees_with_the_best_one_is_left_out_and_says_by_how_much():
    scale = combined([gauge("head", 2.0, 0.1), gauge("floor", 1.0, 0.05), gauge("points", 1.01, 0.02)])
    assert scale.factor == pytest.approx(1.0086, abs=1e-3)
    head = scale.gauges[0]
    assert head.why == "6.7 spreads from points"
    assert head.scale == 2.0, "what it read is kept"
    assert "head: 2.000 ± 10 % from 7 frames, left out (6.7 spreads from points)" in str(scale)


@pytest.mark.parametrize("gauges", [[], [gauge("head", None, why="it is elsewhere"), gauge("floor", None, why="no gravity")]])
def test_without_any_reading_the_factor_is_one_and_nothing_is_known_of_it(gauges):
    scale = combined(gauges)
    assert (scale.factor, scale.spread) == (1.0, np.inf)
    assert scale.gauges == tuple(gauges)


def test_a_scale_reads_as_a_sentence():
    none = Scale(factor=1.0, spread=np.inf, gauges=())
    assert str(none) == "depth x 1.000 (not asked for)"
    scale = combined([gauge("head", 1.2, 0.05), gauge("floor", None, why="no gravity"), gauge("points", 1.2, 0.05)])
    assert str(scale) == (
        "depth x 1.200 ± 4 % (head: 1.200 ± 5 % from 7 frames; floor: none (no gravity); points: 1.200 ± 5 % from 7 points)"
    )


def test_a_factor_that_no_network_is_off_by_is_no_reading():
    gauge = head_gauge(walk().depth_m * np.float32(1e30), walk().exo, walk().ego)
    assert gauge.scale is None
    assert "no depth in metres is off by that much" in gauge.why


def test_one_frame_is_trusted_less_than_many():
    clip = walk()
    one = head_gauge(clip.depth_m[:1], clip.exo.select([0]), clip.ego.select([0]))
    assert one.count == 1
    assert one.spread > 0.1 > head_gauge(clip.depth_m, clip.exo, clip.ego).spread
