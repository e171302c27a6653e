"""From cells to samples: as many as the ego picture asks for, where the surface is, and none that is not seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from egox.cameras import ARIA_CIRCLE_RAD, Camera, KannalaBrandt, Lens, Pinhole
from egox.cameras.devices import default_aria_lens
from egox.prior import PointCloud
from egox.prior.sampling import NEAREST_M, Samples, sample

PINHOLE = Pinhole(fx=100.0, fy=100.0, cx=31.5, cy=31.5)


def camera_of(lens: Lens = PINHOLE, side: int = 64) -> Camera:
    return Camera(lens=lens, width=side, height=side, world_from_camera=np.eye(4)[None])


def cell(corners, colours=None, *, loose=()) -> PointCloud:
    """One cell with corners [4, 3]: top left, top right, bottom left, bottom right."""
    colours = np.zeros((4, 3), np.uint8) if colours is None else np.asarray(colours, np.uint8)
    return PointCloud(
        points=torch.tensor(np.asarray(corners), dtype=torch.float32),
        colours=torch.from_numpy(colours),
        cells=torch.arange(4)[None],
        loose=torch.tensor(loose, dtype=torch.int64),
    )


def square(width_px: float, height_px: float, *, z: float = 2.0) -> np.ndarray:
    """Corners of a square to the front that is so large in PINHOLE, its top left on the axis."""
    w, h = width_px * z / 100, height_px * z / 100
    return np.array([[0, 0, z], [w, 0, z], [0, h, z], [w, h, z]])


def samples_of(cloud: PointCloud, lens: Lens = PINHOLE, *, step_px: float = 1.6, most: int = 6) -> Samples:
    return sample(cloud, camera_of(lens), 0, step_px=step_px, most=most)


@pytest.mark.parametrize(
    ("width_px", "height_px", "count"),
    [(0.4, 0.4, 1), (1.5, 1.5, 1), (1.7, 0.1, 2), (3.1, 4.7, 2 * 3), (9.5, 9.5, 36), (9.7, 1, 0)],
)
def test_a_cell_is_divided_until_samples_lie_a_step_apart_or_left_out_where_that_takes_too_many(width_px, height_px, count):
    assert len(samples_of(cell(square(width_px, height_px))).pixels) == count


def test_samples_start_at_the_top_left_corner_and_leave_the_other_sides_to_the_next_cell():
    found = samples_of(cell(square(4.5, 3.0)))
    wanted = [[31.5 + 1.5 * column, 31.5 + 1.5 * row] for row in range(2) for column in range(3)]
    assert torch.allclose(found.pixels, torch.tensor(wanted), atol=1e-4)


def test_cells_of_different_shapes_beside_each_other_have_the_samples_that_each_has_alone():
    shapes = [(4.5, 3.0), (0.4, 0.4), (9.7, 1), (1.7, 8.1), (3.1, 4.7)]
    clouds = [cell(square(*shape) + [0.1 * place, 0.05 * place, 0], np.full((4, 3), place)) for place, shape in enumerate(shapes)]
    apart = [samples_of(cloud) for cloud in clouds]
    together = samples_of(
        PointCloud(
            points=torch.cat([cloud.points for cloud in clouds]),
            colours=torch.cat([cloud.colours for cloud in clouds]),
            cells=torch.arange(4 * len(clouds)).reshape(-1, 4),
            loose=torch.tensor([], dtype=torch.int64),
        )
    )

    def rows(found: Samples) -> list[list[float]]:
        return sorted(torch.cat([found.pixels, found.depth_m[:, None], found.colours], 1).tolist())

    assert len(together.pixels) > 20
    assert rows(together) == sorted(row for found in apart for row in rows(found))


def test_samples_of_a_tilted_plane_lie_on_it():
    """Depth is interpolated by its inverse, which is linear on the picture."""
    corners = np.array([[0, 0, 1.0], [0.06, 0, 1.3], [0, 0.05, 1.1], [0.06, 0.05, 1.4]])
    found = samples_of(cell(corners))
    rays = (found.pixels - 31.5) / 100
    on_plane = 1.0 / (1 - 5.0 * rays[:, 0] - 2.0 * rays[:, 1])  # z = 1 + 5 x + 2 y
    assert len(found.pixels) > 8
    assert torch.allclose(found.depth_m, on_plane, rtol=3e-3)


def test_colours_are_interpolated_between_the_corners():
    found = samples_of(cell(square(3.0, 3.0), [[0, 0, 9], [100, 0, 9], [0, 200, 9], [100, 200, 9]]))
    assert torch.allclose(found.colours, torch.tensor([[0.0, 0, 9], [50, 0, 9], [0, 100, 9], [50, 100, 9]]), atol=1e-3)


def test_loose_points_are_samples_as_they_are():
    found = samples_of(cell(square(0.5, 0.5), np.arange(12).reshape(4, 3), loose=(1, 3)))
    assert len(found.pixels) == 3
    assert torch.allclose(found.pixels[:2], torch.tensor([[32.0, 31.5], [32.0, 32.0]]), atol=1e-4)
    assert found.colours[:2].tolist() == [[3, 4, 5], [9, 10, 11]]


@pytest.mark.parametrize(
    "lens",
    [PINHOLE, default_aria_lens(64), KannalaBrandt(fx=30.0, fy=30.0, cx=31.5, cy=31.5, k=(0.0, 0.0, 0.0, 0.0))],
    ids=["pinhole", "aria", "kannala-brandt"],
)
def test_points_behind_the_camera_or_too_near_to_it_are_not_there(lens):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3000, 3)) * 0.3
    found = samples_of(PointCloud.of_points(points, np.zeros((3000, 3), np.uint8)), lens)
    away = np.linalg.norm(points, axis=1)
    assert 0 < len(found.pixels) <= ((points[:, 2] > 0) & (away > NEAREST_M)).sum()
    assert (found.depth_m > 0).all()
    assert torch.isfinite(found.pixels).all()
    near = points[(points[:, 2] > 0) & (away < NEAREST_M)]
    assert len(samples_of(PointCloud.of_points(near, np.zeros(near.shape, np.uint8)), lens).pixels) == 0


def test_a_cell_with_one_corner_behind_the_camera_is_not_there():
    corners = square(1, 1)
    corners[3, 2] = -1.0
    assert len(samples_of(cell(corners)).pixels) == 0


def test_points_well_outside_of_the_lens_circle_are_not_there():
    theta = np.deg2rad(np.arange(0, 90, 0.5))
    points = np.stack([np.sin(theta), np.zeros_like(theta), np.cos(theta)], -1)
    found = samples_of(PointCloud.of_points(points, np.zeros(points.shape, np.uint8)), default_aria_lens(64))
    assert torch.acos(found.depth_m).max() < ARIA_CIRCLE_RAD + np.deg2rad(2)
    assert len(found.pixels) >= (theta < ARIA_CIRCLE_RAD).sum()


def test_corners_that_the_lens_does_not_see_make_no_cell_and_no_failure():
    """In front of a fisheye whose polynomial turns back at 34 degrees, not everything in front has a pixel."""
    lens = KannalaBrandt(fx=30.0, fy=30.0, cx=31.5, cy=31.5, k=(-0.95, 0.0, 0.0, 0.0))
    corners = np.array([[0.6, 0, 1.0], [0.8, 0, 1.0], [0.6, 0.1, 1.0], [0.8, 0.1, 1.0]])
    assert np.isnan(lens.project(corners)).any(1).tolist() == [False, True, False, True]
    found = samples_of(cell(corners, loose=(1, 3)), lens)
    assert len(found.pixels) == 0


def test_an_empty_cloud_has_no_samples():
    found = samples_of(PointCloud.of_points(np.empty((0, 3)), np.empty((0, 3), np.uint8)))
    assert [tuple(values.shape) for values in (found.pixels, found.depth_m, found.colours)] == [(0, 2), (0,), (0, 3)]
