"""What is drawn lies where it should, and text keeps off text."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.showing import drawing as d
from benchmark.showing.pictures import ego_picture, exo_picture, fitted, to_shown
from benchmark.showing.scene import Cloud, Scene
from benchmark.showing.space import projected, render, splat
from benchmark.showing.viewpoint import above, around, stand_of
from egox.cameras import Camera, Fisheye624

from .test_figures import CLIP, scene

GREY = 90


def exo_camera() -> Camera:
    camera = CLIP.exo[0].camera
    assert camera is not None
    return camera


def ego_camera() -> Camera:
    assert CLIP.ego_camera is not None
    return CLIP.ego_camera


@pytest.mark.parametrize(("width", "height"), [(910, 520), (900, 900), (224, 128)])
def test_the_head_track_is_drawn_at_the_projected_pixels(width: int, height: int):
    camera, ego, here = exo_camera(), ego_camera(), scene(frame=2)
    shown = exo_picture(np.full((256, 448, 3), GREY, np.uint8), camera, here, width=width, height=height)
    scale = min(width / 448, height / 256)
    corner = ((width - round(448 * scale)) / 2, (height - round(256 * scale)) / 2)
    expected = (camera.project(ego.centres[2], 2) + 0.5) * scale - 0.5 + np.floor(corner)
    u, v = np.rint(expected).astype(int)
    assert shown[v, u].tolist() == list(d.time_colour(2, 5))


def test_a_head_outside_of_the_picture_is_told():
    poses = ego_camera().world_from_camera.copy()
    poses[:, :3, 3] = [-4, -4, 1]
    here = replace(scene(frame=2), ego=replace(ego_camera(), world_from_camera=poses))
    shown = exo_picture(np.full((256, 448, 3), GREY, np.uint8), exo_camera(), here, width=448, height=256)
    assert (shown[-60:] == d.WARN).all(-1).any()
    assert (shown[:100] == GREY).all()


def test_the_lens_circle_is_where_the_ego_lens_ends():
    ego = ego_camera()
    shown = ego_picture(np.full((128, 128, 3), GREY, np.uint8), ego, scene(), side=512)
    fine = ego.resized(512, 512)
    assert isinstance(fine.lens, Fisheye624)
    inside = fine.visible()
    row = inside[256]
    edge = int(np.flatnonzero(row)[0])
    drawn = np.flatnonzero((shown[256] != GREY).any(-1))
    assert abs(int(drawn[0]) - edge) <= 3
    assert (shown[200:300, 200:300] == GREY).mean() > 0.9


def test_an_exo_camera_that_the_wearer_sees_is_marked_at_its_pixel():
    ego, exo = ego_camera(), exo_camera()
    eye = ego.centres[2]
    forward = (exo.centres[2] - eye) / np.linalg.norm(exo.centres[2] - eye)
    right = np.cross(forward, [0, 0, 1]) / np.linalg.norm(np.cross(forward, [0, 0, 1]))
    poses = ego.world_from_camera.copy()
    poses[2, :3, :3] = np.stack([right, np.cross(forward, right), forward], -1)
    here = replace(scene(frame=2), ego=replace(ego, world_from_camera=poses))
    shown = ego_picture(np.full((128, 128, 3), GREY, np.uint8), here.ego, here, side=512)
    rows, columns = np.nonzero((shown == d.EXO).all(-1))
    u, v = (ego.resized(512, 512).lens.cx, ego.resized(512, 512).lens.cy)
    assert min(np.hypot(columns - u, rows - v)) == pytest.approx(7, abs=2), "a ring around the middle"


def test_pixel_centres_stay_pixel_centres_when_a_picture_is_fitted():
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[2, 3] = 255
    shown, scale, corner = fitted(picture, 60, 60)
    at = to_shown(np.array([3.0, 2.0]), scale, corner)
    bright = np.argwhere(shown[..., 0] > 200)
    np.testing.assert_allclose(bright.mean(0)[::-1], at, atol=0.6)


def views(here: Scene) -> list[Camera]:
    stand = stand_of(here)
    orbit = [around(stand, azimuth_deg=a, elevation_deg=24, width=320, height=240) for a in range(0, 360, 45)]
    return [*orbit, above(stand, width=240, height=320)]


def test_head_track_and_exo_camera_are_inside_of_every_view():
    here = scene()
    for camera in views(here):
        pixels = projected(camera, here.places())
        assert (pixels >= 0).all()
        assert (pixels <= np.array([camera.width, camera.height]) - 1).all()


def test_the_exo_camera_is_at_the_lower_edge_of_the_plan():
    here = scene()
    camera = above(stand_of(here), width=240, height=320)
    assert here.ego is not None
    exo, head = projected(camera, exo_camera().centres[0]), projected(camera, here.ego.centres[2])
    assert exo[1] > head[1] + 50
    assert exo[0] == pytest.approx(head[0], abs=25)


def test_in_space_the_head_is_drawn_at_its_pixel():
    here = scene(frame=2)
    for camera in views(here):
        picture = render(here, stand_of(here), camera)
        u, v = np.rint(projected(camera, ego_camera().centres[2])).astype(int)
        assert picture[v, u].tolist() == list(d.time_colour(2, 5))


def test_a_wall_is_seen_through_from_behind():
    here = scene()
    stand = stand_of(here)
    across, upward = np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 60))
    points = stand.middle - 3.0 * stand.toward + across[..., None] * stand.right + upward[..., None] * stand.up
    wall = Cloud(
        points=points.reshape(-1, 3),
        normals=np.broadcast_to(stand.toward, (3600, 3)),
        colours=np.full((3600, 3), 200, np.uint8),
        spacing_m=np.full(3600, 0.034),
    )
    changed = {}
    for azimuth in (0, 180):
        camera = around(stand, azimuth_deg=azimuth, elevation_deg=0, width=320, height=240)
        bare, full = (render(replace(here, cloud=cloud), stand, camera) for cloud in (None, wall))
        changed[azimuth] = (full != bare).any(-1).mean()
    assert changed[0] > 0.03
    assert changed[180] == 0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 60))
def test_the_nearest_point_wins_every_pixel(seed: int, count: int):
    rng = np.random.default_rng(seed)
    pixels, depth = rng.uniform(-6, 22, (count, 2)), 1.0 + np.array(rng.permutation(count), np.float64)
    colours, sizes = rng.integers(1, 256, (count, 3)).astype(np.uint8), rng.integers(1, 6, count)
    pixels[rng.random(count) < 0.1] = np.nan
    picture = np.zeros((16, 18, 3), np.uint8)
    splat(picture, pixels, depth, colours, sizes)
    expected = np.zeros_like(picture)
    for i in sorted(np.flatnonzero(np.isfinite(pixels).all(1)), key=lambda i: -depth[i]):
        left, top = np.rint(pixels[i]).astype(int) - (sizes[i] - 1) // 2
        expected[max(top, 0) : max(top + sizes[i], 0), max(left, 0) : max(left + sizes[i], 0)] = colours[i]
    np.testing.assert_array_equal(picture, expected)


@settings(max_examples=40, deadline=None)
@given(points=st.lists(st.tuples(st.floats(0, 399), st.floats(0, 299)), min_size=1, max_size=6))
def test_labels_do_not_lie_on_each_other_and_stay_inside(points: list[tuple[float, float]]):
    labels = [d.Label(text=f"camera {i}", at=point) for i, point in enumerate(points)]
    boxes = d.write_labels(np.zeros((300, 400, 3), np.uint8), labels)
    for a, b in itertools.combinations(boxes, 2):
        assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])
    for left, top, right, bottom in boxes:
        assert left >= 0
        assert top >= 0
        assert right <= 400
        assert bottom <= 300


@given(text=st.text(alphabet="abc /é", max_size=80), width=st.integers(40, 300))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int):
    lines = d.wrapped(text, width, 16)
    assert all(d.text_width(line, 16) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(text.split())


def test_lines_far_outside_or_unknown_do_no_harm():
    picture = np.zeros((20, 20, 3), np.uint8)
    d.lines(picture, [[[np.nan, 1], [5, 5]], [[-1e9, 3], [1e9, 3]]], [d.TEXT] * 2, width=1)
    d.dot(picture, [np.inf, 2], d.TEXT, radius=3)
    assert not picture.any()
    d.lines(picture, [[[-50_000, 10], [50_000, 10]]], [d.TEXT], width=1, rim=False)
    assert (picture[10, 1:-1] > 200).all()
