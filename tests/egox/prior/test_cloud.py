"""Lifting exo pixels to points: which are kept, which neighbours are joined to cells, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from egox.cameras import KannalaBrandt
from egox.prior import Lifter, PointCloud, joined

from ..traced import Box, exo_camera, trace

HEIGHT, WIDTH = 36, 64


def exo(height: int = HEIGHT):
    return exo_camera([0, 0, 1.5], [0, 3, 1.5], height=height)


def lifted(depth_m, camera=None, **settings) -> PointCloud:
    camera = camera or exo()
    picture = np.arange(camera.height * camera.width * 3).reshape(camera.height, camera.width, 3) % 251
    return Lifter(camera).lift(picture.astype(np.uint8), np.asarray(depth_m, np.float32), 0, **settings)


def columns_of(cloud: PointCloud) -> set[int]:
    """Exo columns that the cloud has points of."""
    return set(np.rint(exo().project(cloud.points.double().numpy(), 0)[:, 0]).astype(int).tolist())


def walls(*depths: float, at: tuple[int, ...] = (20,)) -> np.ndarray:
    """Depth by columns: the first value up to column at[0], the next from there on, and so forth."""
    depth = np.full((HEIGHT, WIDTH), depths[0], np.float32)
    for value, start in zip(depths[1:], at):
        depth[:, start:] = value
    return depth


def test_every_known_pixel_of_a_plane_is_a_point_on_it():
    camera = exo(108)
    seen = trace(camera, 0, [Box((-1.5, 2.0, 0.0), (1.5, 2.1, 3.0))], room=None)
    cloud = Lifter(camera).lift(seen.picture, seen.depth_m, 0)
    assert len(cloud) == (seen.which == 0).sum()
    np.testing.assert_allclose(cloud.points.numpy(), seen.hit[seen.which == 0], atol=2e-6)
    np.testing.assert_array_equal(cloud.colours.numpy(), seen.picture[seen.which == 0])


@pytest.mark.parametrize("height", [36, 216])
@pytest.mark.parametrize("degrees", [0, 60, 84])
def test_a_plane_is_one_surface_at_every_picture_size_and_up_to_a_grazing_angle(height, degrees):
    camera = exo(height)
    rays = camera.lens.unproject(camera.pixel_grid())
    normal = np.array([np.sin(np.deg2rad(degrees)), 0, np.cos(np.deg2rad(degrees))])
    range_m = 1.0 / (rays @ normal)
    known = (range_m > 0) & (range_m < 2.0)  # the far end of a tilted plane runs out of pixels
    assert len(lifted(np.where(known, range_m * rays[..., 2], 0), camera)) > 0.95 * known.sum()


def test_unknown_depth_gives_no_points():
    depth = np.full((HEIGHT, WIDTH), 2.0)
    depth[0, :4] = [0, np.nan, np.inf, -1]
    cloud = lifted(depth)
    assert len(cloud) == depth.size - 4
    assert torch.isfinite(cloud.points).all()


def test_depth_that_is_unknown_everywhere_is_an_empty_cloud():
    cloud = lifted(np.full((HEIGHT, WIDTH), np.nan))
    assert (len(cloud), len(cloud.cells), len(cloud.loose)) == (0, 0, 0)


def test_pixels_that_are_not_kept_give_no_points():
    keep = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    keep[:, 30:] = False
    assert columns_of(lifted(walls(2.0), keep=keep)) == set(range(30))


def test_pixels_that_no_ray_reaches_give_no_points():
    """A polynomial that turns back early: the corners of the picture show nothing."""
    lens = KannalaBrandt(fx=29.0, fy=29.0, cx=31.5, cy=17.5, k=(-0.2, 0.0, 0.0, 0.0))
    camera = dataclasses.replace(exo(), lens=lens)
    reached = np.isfinite(lens.unproject(camera.pixel_grid())).all(-1)
    cloud = lifted(np.full((HEIGHT, WIDTH), 2.0), camera)
    assert not reached.all()
    assert 0 < len(cloud) <= reached.sum()
    assert torch.isfinite(cloud.points).all()


def test_rays_that_look_sideways_have_no_range():
    camera = dataclasses.replace(exo(), lens=KannalaBrandt(fx=10.0, fy=10.0, cx=31.5, cy=17.5, k=(0.0, 0.0, 0.0, 0.0)))
    lifter = Lifter(camera)
    range_m = lifter.range_m(torch.ones(HEIGHT, WIDTH))
    assert (range_m[lifter.rays[..., 2] <= 0] == 0).all()
    assert (range_m[lifter.rays[..., 2] > 0.01] > 0).all()
    assert range_m.max() < 1001


def test_cells_never_join_two_surfaces_across_a_depth_step():
    cloud = lifted(walls(2.0, 4.0))
    assert columns_of(cloud) == set(range(WIDTH))
    y = cloud.points[cloud.cells][..., 1]
    assert (y.amax(1) - y.amin(1)).max() < 1e-4
    assert {2.0, 4.0} == {round(value, 3) for value in y.flatten().tolist()}


def test_a_ramp_between_two_surfaces_is_dropped():
    """What depth networks draw along an outline: one column between hand and wall, and another."""
    cloud = lifted(walls(2.0, 2.6, 3.4, 4.4, at=(20, 21, 22)))
    assert columns_of(cloud) == set(range(WIDTH)) - {20, 21}


def test_a_thing_one_pixel_wide_is_dropped_and_one_of_two_pixels_is_kept():
    one, two = walls(4.0), walls(4.0)
    one[:, 20], two[:, 20:22] = 2.0, 2.0
    assert columns_of(lifted(one)) == set(range(WIDTH)) - {20}
    assert columns_of(lifted(two)) == set(range(WIDTH))


def test_the_corners_of_a_cell_are_neighbouring_pixels_in_reading_order():
    cloud = lifted(np.full((HEIGHT, WIDTH), 2.0))
    pixels = torch.from_numpy(exo().project(cloud.points.double().numpy(), 0))[cloud.cells]
    offsets = pixels - pixels[:, :1]
    assert torch.allclose(offsets, torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=torch.float64), atol=1e-3)
    assert len(cloud.cells) == (HEIGHT - 1) * (WIDTH - 1)


def test_each_point_is_the_top_left_of_one_cell_or_loose():
    depth = walls(2.0, 4.0)
    depth[10:14, 40:47] = 0
    cloud = lifted(depth)
    together = torch.cat([cloud.cells[:, 0], cloud.loose])
    assert torch.equal(together.sort().values, torch.arange(len(cloud)))


def test_each_frame_is_lifted_by_its_own_pose():
    camera = exo_camera([0, 0, 1.5], [0, 3, 1.5], frames=2, height=HEIGHT)
    poses = camera.world_from_camera.copy()
    poses[1, :3, 3] += [0.5, 0, 0]
    lifter = Lifter(dataclasses.replace(camera, world_from_camera=poses))
    picture, depth = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH), 2.0, np.float32)
    moved = lifter.lift(picture, depth, 1).points - lifter.lift(picture, depth, 0).points
    assert torch.allclose(moved, torch.tensor([0.5, 0, 0]), atol=1e-6)


def test_arrays_that_are_read_only_or_turned_round_are_lifted_without_a_word(recwarn):
    picture, depth = np.zeros((HEIGHT, WIDTH, 3), np.uint8), walls(2.0)
    picture[..., 2] = 7
    depth.setflags(write=False)
    cloud = Lifter(exo()).lift(picture[..., ::-1], depth, 0)
    assert cloud.colours[0].tolist() == [7, 0, 0]
    assert len(recwarn) == 0


def test_joined_clouds_keep_their_own_cells_and_loose_points():
    one, two = lifted(walls(2.0)), lifted(walls(0.0, 3.0))
    both = joined([one, PointCloud.of_points(np.empty((0, 3)), np.empty((0, 3), np.uint8)), two])
    assert len(both) == len(one) + len(two)
    for values in ("points", "colours"):
        of_both = getattr(both, values)
        assert torch.equal(of_both[both.cells[len(one.cells) :]], getattr(two, values)[two.cells])
        assert torch.equal(of_both[both.loose[: len(one.loose)]], getattr(one, values)[one.loose])


def test_a_cloud_of_points_is_all_loose():
    cloud = PointCloud.of_points([[0, 0, 1], [1, 0, 2]], np.zeros((2, 3), np.uint8))
    assert cloud.points.dtype == torch.float32
    assert cloud.loose.tolist() == [0, 1]
    assert len(cloud.cells) == 0


@pytest.mark.parametrize(
    ("points", "colours"),
    [
        (np.zeros((2, 2)), np.zeros((2, 2), np.uint8)),
        (np.zeros((2, 3)), np.zeros((3, 3), np.uint8)),
        (np.zeros((2, 3)), np.zeros((2, 3), np.float32)),
        (np.zeros(3), np.zeros(3, np.uint8)),
    ],
    ids=["two coordinates", "other counts", "colours in floats", "one point alone"],
)
def test_points_and_colours_that_do_not_fit_are_refused(points, colours):
    with pytest.raises(ValueError, match=r"expected \[n, 3\] metres and \[n, 3\] uint8"):
        PointCloud.of_points(points, colours)


@pytest.mark.parametrize(
    ("picture", "depth"),
    [((HEIGHT, WIDTH - 1, 3), (HEIGHT, WIDTH)), ((HEIGHT, WIDTH, 3), (WIDTH, HEIGHT)), ((HEIGHT, WIDTH, 4), (HEIGHT, WIDTH))],
)
def test_sizes_that_differ_are_refused_with_all_three(picture, depth):
    sizes = r"picture \({}, {}, {}\), depth \({}, {}\) and camera \(36, 64\)".format(*picture, *depth)
    with pytest.raises(ValueError, match=sizes):
        Lifter(exo()).lift(np.zeros(picture, np.uint8), np.ones(depth, np.float32), 0)
