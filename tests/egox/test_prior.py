"""The splat renderer: where points land, what hides what, and what is never drawn."""

from __future__ import annotations

import numpy as np
import pytest

from egox.cameras import Camera, Fisheye624, KannalaBrandt, Pinhole, rigid
from egox.prior import MAX_RADIUS_PX, PointCloud, lift, splat

EXO_LENS = KannalaBrandt(fx=200.0, fy=200.0, cx=223.5, cy=127.5, k=(0.03, -0.01, 0.004, -0.001))
ARIA_AT_128 = Fisheye624(
    f=54.3, cx=63.2, cy=64.1, k=(0.4, -0.48, 0.15, 0.06, -0.05, 0.01), p=(0.0004, -0.0003), s=(-0.0008, 2e-5, 0.0005, -1e-5)
)
NO_SPACING = 1e-9


def posed(lens, width: int, height: int, *, eye=(0.0, 0.0, 0.0), yaw: float = 0.0) -> Camera:
    """A camera at `eye` turned about its own y axis; world axes are those of the untouched camera."""
    c, s = np.cos(yaw), np.sin(yaw)
    return Camera(lens=lens, width=width, height=height, world_from_camera=rigid([[c, 0, s], [0, 1, 0], [-s, 0, c]], eye)[None])


def dots(points, colours=None, spacing_m: float = NO_SPACING) -> PointCloud:
    points = np.atleast_2d(np.asarray(points, float))
    colours = np.full((len(points), 3), 200, np.uint8) if colours is None else np.asarray(colours, np.uint8)
    return PointCloud(points=points, colours=colours, spacing_m=np.full(len(points), spacing_m))


def plane_seen_by(camera: Camera, wall_z: float):
    """Pictures and z-depth of the plane z = wall_z; its red and green are its x and y, 20 levels a metre around 128."""
    rays = camera.lens.unproject(camera.pixel_grid()) @ camera.world_from_camera[0, :3, :3].T
    reach = (wall_z - camera.centres[0, 2]) / rays[..., 2]
    hit = camera.centres[0] + rays * reach[..., None]
    depth = camera.to_camera(hit, 0)[..., 2]
    seen = (reach > 0) & (depth > 0)
    picture = np.zeros((camera.height, camera.width, 3))
    picture[..., :2] = np.clip(128 + 20 * hit[..., :2], 0, 255)
    return np.where(seen[..., None], np.rint(picture), 0).astype(np.uint8), np.where(seen, depth, 0).astype(np.float32), hit


@pytest.mark.parametrize("ego_lens", [ARIA_AT_128, Pinhole(fx=70, fy=70, cx=63.5, cy=63.5)], ids=["aria", "pinhole"])
def test_a_textured_plane_seen_by_a_kannala_brandt_camera_lands_within_half_a_pixel(ego_lens):
    exo = posed(EXO_LENS, 448, 256, eye=(0.4, 0.1, 0.0), yaw=-0.1)
    ego = posed(ego_lens, 128, 128, eye=(-0.1, -0.05, 1.8), yaw=0.05)
    picture, depth, hit = plane_seen_by(exo, 3.0)
    cloud = lift(picture, depth, exo, 0)
    assert np.abs(cloud.points - hit[depth > 0]).max() < 1e-5

    # the point that each ego pixel shows, projected again, must lie on that pixel: colours carry the point's own position
    index = np.arange(len(cloud))
    colours = np.stack([index % 256, index // 256 % 256, index // 65536], -1).astype(np.uint8)
    drawn = splat(PointCloud(points=cloud.points, colours=colours, spacing_m=cloud.spacing_m), ego, 0)
    shown = drawn.picture[drawn.valid].astype(np.int64) @ [1, 256, 65536]
    off = np.abs(ego.project(cloud.points[shown], 0) - ego.pixel_grid()[drawn.valid]).max(-1)
    assert drawn.valid.sum() > 0.9 * ego.visible().sum()
    assert np.median(off) < 0.5
    assert np.percentile(off, 95) < 1.0


def test_the_picture_of_a_plane_is_not_shifted_by_the_size_of_the_splats():
    exo = posed(EXO_LENS, 448, 256, yaw=-0.35)
    ego = posed(Pinhole(fx=120, fy=120, cx=63.5, cy=63.5), 128, 128, eye=(-0.8, 0.0, 1.0), yaw=0.2)
    picture, depth, _ = plane_seen_by(exo, 3.0)
    drawn = splat(lift(picture, depth, exo, 0), ego, 0)
    wanted, _, hit = plane_seen_by(ego, 3.0)
    middle = drawn.valid & (np.abs(hit[..., :2]) < 3).all(-1)
    error = drawn.picture[middle].astype(float)[:, :2] - wanted[middle].astype(float)[:, :2]
    level_of_a_pixel = 20 * 2.0 / 120
    assert np.abs(error.mean(0)).max() < 0.1 * level_of_a_pixel + 0.05
    assert np.abs(error).mean() < 0.5 * level_of_a_pixel + 0.5


@pytest.mark.parametrize(
    "lens",
    [ARIA_AT_128, Pinhole(fx=70, fy=70, cx=63.5, cy=63.5), KannalaBrandt(fx=40, fy=40, cx=63.5, cy=63.5, k=(0, 0, 0, 0))],
    ids=["aria", "pinhole", "kannala-brandt"],
)
def test_nothing_behind_the_camera_is_drawn(lens):
    ego = posed(lens, 128, 128)
    points = np.random.default_rng(0).uniform(-3, 3, (4000, 3))
    points[:, 2] = -np.abs(points[:, 2])
    assert not splat(dots(points, spacing_m=0.05), ego, 0).valid.any()
    points[:, 2] *= -1
    assert splat(dots(points, spacing_m=0.05), ego, 0).valid.any()


def test_nothing_is_drawn_outside_the_lens_circle_even_by_wide_splats():
    ego = posed(ARIA_AT_128, 128, 128)
    around = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    for degrees in (57, 61, 75, 89):
        theta = np.deg2rad(degrees)
        rim = np.stack([np.sin(theta) * np.cos(around), np.sin(theta) * np.sin(around), np.full_like(around, np.cos(theta))], -1)
        drawn = splat(dots(2 * rim, spacing_m=10.0), ego, 0)
        assert not (drawn.valid & ~ego.visible()).any()
        assert drawn.valid.any() == (degrees < 59)


def test_the_nearer_of_two_points_hides_the_farther_in_either_order():
    ego = posed(Pinhole(fx=100, fy=100, cx=16, cy=16), 33, 33)
    for order in ([0, 1], [1, 0]):
        points = np.array([[0, 0, 1.0], [0, 0, 2.0]])[order]
        colours = np.array([[255, 0, 0], [0, 255, 0]])[order]
        drawn = splat(dots(points, colours), ego, 0)
        assert drawn.picture[16, 16].tolist() == [255, 0, 0]
        assert drawn.depth_m[16, 16] == 1.0


def test_the_rim_of_a_near_splat_hides_a_far_point_but_not_its_own_surface():
    ego = posed(Pinhole(fx=100, fy=100, cx=16, cy=16), 33, 33)
    one_right = 0.01
    far = splat(dots([[0, 0, 1.0], [3 * one_right, 0, 3.0]], [[255, 0, 0], [0, 255, 0]], spacing_m=0.01), ego, 0)
    assert far.picture[16, 17].tolist() == [255, 0, 0]
    same = splat(dots([[0, 0, 1.0], [1.02 * one_right, 0, 1.02]], [[255, 0, 0], [0, 255, 0]], spacing_m=0.01), ego, 0)
    assert same.picture[16, 17].tolist() == [0, 255, 0]


@pytest.mark.parametrize(("width_px", "side"), [(0.5, 3), (2.0, 3), (2.1, 5), (6.0, 7), (100.0, 2 * MAX_RADIUS_PX + 1)])
def test_a_splat_is_as_wide_as_its_exo_pixel_looks_from_here(width_px: float, side: int):
    ego = posed(Pinhole(fx=100, fy=100, cx=32, cy=32), 65, 65)
    drawn = splat(dots([[0, 0, 2.0]], spacing_m=width_px * 2.0 / 100), ego, 0)
    rows, columns = np.nonzero(drawn.valid)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1, drawn.valid.sum()) == (side, side, side * side)
    assert (rows.mean(), columns.mean()) == (32, 32)


def test_a_floor_seen_at_a_grazing_angle_has_no_stripes_but_steps_in_depth_stay_open():
    turn = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # looks along world y, over the floor
    exo = Camera(lens=EXO_LENS, width=448, height=256, world_from_camera=rigid(turn, [0, 0, 0.25])[None])
    rays = EXO_LENS.unproject(exo.pixel_grid()) @ turn.T
    depth = np.where(rays[..., 2] < -0.01, -0.25 / np.minimum(rays[..., 2], -0.01), 0) * (rays @ turn)[..., 2]
    white = np.full((256, 448, 3), 255, np.uint8)
    above = Camera(
        lens=Pinhole(fx=100, fy=100, cx=31.5, cy=31.5),
        width=64,
        height=64,
        world_from_camera=rigid(np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]), [0, 2.0, 1.5])[None],
    )
    cloud = lift(white, depth.astype(np.float32), exo, 0)
    assert splat(cloud, above, 0).valid.mean() > 0.99
    bare = PointCloud(points=cloud.points, colours=cloud.colours, spacing_m=np.zeros(len(cloud)))
    assert splat(bare, above, 0).valid.mean() < 0.8

    two_walls = np.where(exo.pixel_grid()[..., 0] < 224, 2.0, 4.0).astype(np.float32)
    spacing = lift(white, two_walls, exo, 0).spacing_m.reshape(256, 448)
    assert spacing[128, 223] < 0.03
    assert spacing[128, 224] < 0.05


def test_unknown_depth_gives_no_points():
    exo = posed(EXO_LENS, 448, 256)
    depth = np.full((256, 448), 2.0, np.float32)
    depth[0, :3] = [0, np.nan, np.inf]
    assert len(lift(np.zeros((256, 448, 3), np.uint8), depth, exo, 0)) == depth.size - 3


def test_an_empty_cloud_is_a_black_picture():
    drawn = splat(dots(np.empty((0, 3)), np.empty((0, 3))), posed(ARIA_AT_128, 128, 128), 0)
    assert not drawn.valid.any()
    assert not drawn.picture.any()
    assert not drawn.depth_m.any()


def test_each_frame_uses_its_own_pose():
    poses = np.stack([np.eye(4), rigid(np.eye(3), [0.1, 0, 0])])
    ego = Camera(lens=Pinhole(fx=100, fy=100, cx=16, cy=16), width=33, height=33, world_from_camera=poses)
    cloud = dots([[0, 0, 1.0]])
    assert splat(cloud, ego, 0, max_radius_px=0).valid[16, 16]
    assert splat(cloud, ego, 1, max_radius_px=0).valid[16, 6]


def test_sizes_that_do_not_fit_are_refused_with_all_three():
    exo = posed(EXO_LENS, 448, 256)
    with pytest.raises(ValueError, match=r"\(256, 440, 3\).*\(256, 448\).*\(256, 448\)"):
        lift(np.zeros((256, 440, 3), np.uint8), np.ones((256, 448)), exo, 0)
