"""The rendered picture: things are where they are, near hides far, surfaces have no holes, nothing is drawn that is not known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from egox.cameras import Camera, KannalaBrandt, Pinhole, inverse
from egox.prior import PYTORCH3D_PARITY, Lifter, PointCloud, Rendered, Renderer, RenderSettings
from egox.prior.compositing import alpha_composite, disc_weights
from egox.prior.rasterize import rasterize
from egox.prior.sampling import NEAREST_M

from ..traced import Box, Seen, ego_camera, exo_camera, pinhole, trace
from .test_rasterize import case

WALL = Box((-9.0, 3.0, -9.0), (9.0, 3.2, 12.0))
"""The plane y = 3, seen from y = 0."""

SURFACE = RenderSettings()

AT_33 = Camera(lens=Pinhole(fx=100, fy=100, cx=16, cy=16), width=33, height=33, world_from_camera=np.eye(4)[None])


def wall_from(camera: Camera) -> Seen:
    """The wall, painted by place: red is 128 + 60 x, green 128 + 60 (z - 1.5), in metres."""
    seen = trace(camera, 0, [WALL], room=None)
    place = np.stack([seen.hit[..., 0], seen.hit[..., 2] - 1.5, np.zeros(seen.which.shape)], -1)
    painted = np.clip(np.rint(128 + 60 * np.nan_to_num(place)), 1, 255).astype(np.uint8)
    return dataclasses.replace(seen, picture=np.where(seen.which[..., None] == 0, painted, 0).astype(np.uint8))


def drawn(exo: Camera, ego: Camera, seen: Seen, settings: RenderSettings = SURFACE) -> Rendered:
    return Renderer(ego, settings).render(Lifter(exo).lift(seen.picture, seen.depth_m, 0), 0)


def points(places, colours=None) -> PointCloud:
    places = np.atleast_2d(np.asarray(places, float))
    colours = np.full(places.shape, 200) if colours is None else np.atleast_2d(colours)
    return PointCloud.of_points(places, colours.astype(np.uint8))


def same(one: Rendered, other: Rendered) -> bool:
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("picture", "valid", "depth_m"))


def misplaced_px(lens, settings: RenderSettings) -> np.ndarray:
    """How far from its pixel each shown place of the wall lies, [n, 2] pixels: the paint tells the place."""
    exo, ego = exo_camera([0.4, 0, 1.6], [0.1, 3, 1.5]), ego_camera([-0.3, 1.2, 1.4], [0.1, 3, 1.5], lens=lens)
    rendered = drawn(exo, ego, wall_from(exo), settings)
    shown = (rendered.picture.astype(float) - 128) / 60
    place = np.stack([shown[..., 0], np.full(rendered.valid.shape, 3.0), shown[..., 1] + 1.5], -1)
    known = rendered.valid & (np.abs(shown[..., :2]) < 1.5).all(-1)
    assert known.sum() > 3000
    return (ego.project(place, 0) - ego.pixel_grid())[known]


@pytest.mark.parametrize("lens", [None, pinhole(96)], ids=["aria", "pinhole"])
def test_a_textured_plane_lands_within_half_a_pixel(lens):
    off = np.linalg.norm(misplaced_px(lens, SURFACE), axis=-1)
    assert np.median(off) < 0.5
    assert np.percentile(off, 95) < 1.0


@pytest.mark.parametrize("lens", [None, pinhole(96)], ids=["aria", "pinhole"])
def test_a_slanted_plane_is_not_shifted_where_no_sample_of_a_pixel_is_cut_off(lens):
    """Slots are filled by depth: with too few of them, the nearer half of a dense slanted surface would stand for it."""
    off = misplaced_px(lens, dataclasses.replace(SURFACE, slots=40))
    assert np.abs(off.mean(0)).max() < 0.06
    assert np.percentile(np.linalg.norm(off, axis=-1), 95) < 0.5


@pytest.mark.parametrize(
    ("eye", "target"),
    [([0, 2.2, 1.5], [0, 3, 1.5]), ([0, 2.4, 1.5], [1.2, 3, 1.5]), ([1, 2.5, 1.8], [0, 3, 1.0])],
    ids=["very near", "very oblique", "both, from above"],
)
def test_a_plane_that_the_exo_view_knows_has_no_holes_up_to_the_edge_of_the_fisheye(eye, target):
    exo, ego = exo_camera([0, 0, 1.5], [0, 3, 1.5]), ego_camera(eye, target)
    rendered, truth = drawn(exo, ego, wall_from(exo)), wall_from(ego)
    at = exo.project(np.nan_to_num(truth.hit), 0)
    outline = (truth.which == 0) & ((at > 1) & (at < [exo.width - 2, exo.height - 2])).all(-1) & ego.visible()
    edge = outline & (ego.lens.unproject(ego.pixel_grid())[..., 2] < np.cos(np.deg2rad(57)))
    assert outline.sum() > 4000
    assert edge.sum() > 100
    assert rendered.valid[outline].all()


def test_a_surface_that_the_exo_view_sees_too_coarsely_is_not_drawn():
    """36 exo lines for the whole wall, seen from 40 cm: cells of 12 pixels and more. `most` says how far they are stretched."""
    exo, ego = exo_camera([0, 0, 1.5], [0, 3, 1.5], height=36), ego_camera([0, 2.6, 1.5], [0, 3, 1.5], lens=pinhole(96))
    seen = wall_from(exo)
    assert not drawn(exo, ego, seen, RenderSettings(most=7)).valid.any()
    assert drawn(exo, ego, seen, RenderSettings(most=12)).valid.all()


def test_nearer_surfaces_hide_farther_ones_that_the_exo_view_sees_behind_them():
    box = Box((-0.4, 1.6, 0.9), (0.4, 2.0, 1.9), (250, 20, 20))
    exo, ego = exo_camera([1.8, 0, 1.6], [0, 2.5, 1.5]), ego_camera([-0.2, 0.2, 1.5], [0, 3, 1.5])
    seen, truth = trace(exo, 0, [box, WALL], room=None), trace(ego, 0, [box, WALL], room=None)
    rendered = drawn(exo, ego, seen)
    known = exo.project(truth.hit, 0)
    visible_to_both = (truth.which == 0) & (truth.hit[..., 1] < 1.601) & (known > 0).all(-1)
    inner = visible_to_both & np.roll(visible_to_both, 2, 1) & np.roll(visible_to_both, -2, 1)
    inner &= np.roll(inner, 2, 0) & np.roll(inner, -2, 0)
    assert inner.sum() > 200
    assert (rendered.picture[inner][:, 0] > 200).all()
    assert np.abs(rendered.depth_m[inner] / truth.depth_m[inner] - 1).max() < 0.02


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearer_of_two_points_hides_the_farther_in_either_order(order):
    places, colours = np.array([[0, 0, 1.0], [0, 0, 2.0]])[order], np.array([[255, 0, 0], [0, 255, 0]])[order]
    rendered = Renderer(AT_33).render(points(places, colours), 0)
    assert rendered.picture[16, 16].tolist() == [255, 0, 0]
    assert rendered.depth_m[16, 16] == pytest.approx(1.0)


def test_samples_of_one_surface_share_a_pixel_and_those_behind_it_do_not():
    def between(z: float) -> list[int]:
        """Of a point on the pixel's left and one on its right, equally far on the picture, at depth 1 and z."""
        pair = points([[-0.005, 0, 1.0], [0.005 * z, 0, z]], [[200, 0, 0], [0, 200, 0]])
        return Renderer(AT_33).render(pair, 0).picture[16, 16].tolist()

    assert between(1.03) == [100, 100, 0]
    assert between(1.07) == [200, 0, 0]


def test_the_depth_of_a_plane_is_its_depth_and_zero_where_nothing_is_known():
    exo, ego = exo_camera([0.4, 0, 1.6], [0.1, 3, 1.5]), ego_camera([0, 1.0, 1.5], [0, 3, 1.5], side=64, lens=pinhole(64))
    rendered = drawn(exo, ego, wall_from(exo))
    assert rendered.depth_m.dtype == np.float32
    assert rendered.valid.mean() > 0.9
    np.testing.assert_allclose(rendered.depth_m[rendered.valid], 2.0, atol=1e-4)
    half = dataclasses.replace(wall_from(exo), depth_m=np.where(exo.pixel_grid()[..., 0] < 96, wall_from(exo).depth_m, 0))
    rendered = drawn(exo, ego, half)
    assert 0.2 < rendered.valid.mean() < 0.8
    assert not rendered.depth_m[~rendered.valid].any()
    assert not rendered.picture[~rendered.valid].any()


@pytest.mark.parametrize(
    "lens",
    [None, pinhole(96), KannalaBrandt(fx=30, fy=30, cx=47.5, cy=47.5, k=(0, 0, 0, 0))],
    ids=["aria", "pinhole", "kannala-brandt"],
)
@pytest.mark.parametrize("settings", [SURFACE, PYTORCH3D_PARITY], ids=["surface", "parity"])
def test_nothing_behind_the_camera_is_drawn(lens, settings):
    ego = ego_camera([0, 0, 0], [0, 1, 0], lens=lens)
    places = np.random.default_rng(0).uniform(-3, 3, (4000, 3))
    places[:, 1] = -np.abs(places[:, 1])
    assert not Renderer(ego, settings).render(points(places), 0).valid.any()
    assert Renderer(ego, settings).render(points(-places), 0).valid.any()


def test_points_nearer_than_the_wearers_glasses_are_not_drawn():
    for reach, seen in ((0.97, False), (1.03, True)):
        assert Renderer(AT_33).render(points([0, 0, reach * NEAREST_M]), 0).valid.any() == seen


@pytest.mark.parametrize("settings", [RenderSettings(radius_px=12), PYTORCH3D_PARITY], ids=["surface", "parity"])
def test_nothing_is_drawn_outside_of_the_lens_circle_even_by_wide_splats(settings):
    ego, around = ego_camera([0, 0, 0], [0, 1, 0]), np.linspace(0, 2 * np.pi, 400)
    for degrees in (40, 57, 60, 75):
        theta = np.deg2rad(degrees)
        ring = np.stack([np.sin(theta) * np.cos(around), np.full(400, np.cos(theta)), np.sin(theta) * np.sin(around)], -1)
        valid = Renderer(ego, settings).render(points(2 * ring), 0).valid
        assert valid.any() == (degrees < 70)
        assert not (valid & ~ego.visible()).any()


@pytest.mark.parametrize("settings", [SURFACE, PYTORCH3D_PARITY], ids=["surface", "parity"])
def test_an_empty_cloud_is_a_black_picture_in_which_nothing_is_known(settings):
    rendered = Renderer(AT_33, settings).render(points(np.empty((0, 3))), 0)
    assert rendered.picture.shape == (33, 33, 3)
    assert (rendered.picture.dtype, rendered.valid.dtype, rendered.depth_m.dtype) == (np.uint8, np.bool_, np.float32)
    assert not rendered.picture.any()
    assert not rendered.valid.any()
    assert not rendered.depth_m.any()


@pytest.mark.parametrize("settings", [SURFACE, PYTORCH3D_PARITY], ids=["surface", "parity"])
def test_a_camera_inside_the_cloud_draws_what_is_before_it(settings):
    """Points all around and upon the camera's very centre: no number is lost, nothing fails."""
    places = np.random.default_rng(0).normal(size=(2000, 3)) * 0.4
    places[0] = 0
    cloud = points(places)
    cloud = dataclasses.replace(cloud, cells=torch.randint(0, 2000, (500, 4), generator=torch.Generator().manual_seed(0)))
    for ego in (AT_33, ego_camera([0, 0, 0], [0, 1, 0])):
        rendered = Renderer(ego, settings).render(cloud, 0)
        assert rendered.valid.any()
        assert (rendered.depth_m[rendered.valid] > 0).all()
        assert (rendered.picture[rendered.valid] <= 200).all()


def test_each_frame_is_drawn_from_its_own_pose():
    poses = np.repeat(np.eye(4)[None], 2, 0)
    poses[1, 0, 3] = 0.1
    renderer = Renderer(dataclasses.replace(AT_33, world_from_camera=poses), RenderSettings(radius_px=0.5))
    assert np.argwhere(renderer.render(points([0, 0, 1]), 0).valid).tolist() == [[16, 16]]
    assert np.argwhere(renderer.render(points([0, 0, 1]), 1).valid).tolist() == [[16, 6]]


def test_points_as_they_are_are_composited_front_to_back():
    """PYTORCH3D_PARITY is the rasteriser with its compositor and nothing else."""
    rng = np.random.default_rng(0)
    cloud = points(rng.uniform([-0.2, -0.2, 0.5], [0.2, 0.2, 3], (400, 3)), rng.integers(0, 256, (400, 3)))
    rendered = Renderer(AT_33, PYTORCH3D_PARITY).render(cloud, 0)
    in_camera = AT_33.to_camera(cloud.points, 0)
    radius = torch.full((400,), 5.0)
    found = rasterize(AT_33.lens.project(in_camera), in_camera[:, 2], radius, size=(33, 33), slots=20)
    wanted = alpha_composite(disc_weights(found, radius), cloud.colours.float()[found.index.clamp_min(0)])
    np.testing.assert_array_equal(rendered.picture, wanted.round().clamp(0, 255).byte().numpy())
    np.testing.assert_array_equal(rendered.valid, found.index[..., 0].numpy() >= 0)


@pytest.mark.parametrize("slots", [1, 8, 20])
def test_points_as_they_are_make_the_picture_that_pytorch3d_recorded(slots):
    recorded = case("a_square")
    k, pose = recorded["intrinsics"].astype(float), np.eye(4)
    pose[:3, :3], pose[:3, 3] = recorded["world_to_camera_R"], recorded["world_to_camera_t"]
    lens = Pinhole(fx=k[0, 0], fy=k[1, 1], cx=k[0, 2] - 0.5, cy=k[1, 2] - 0.5)
    camera = Camera(lens=lens, width=64, height=64, world_from_camera=inverse(pose)[None])
    cloud = dataclasses.replace(points(recorded["points_world"]), colours=torch.from_numpy(255 * recorded["colors"]))
    picture = Renderer(camera, dataclasses.replace(PYTORCH3D_PARITY, slots=slots)).render(cloud, 0).picture
    assert np.abs(picture - 255 * recorded[f"r5_k{slots}_image"]).max() < 0.501


@pytest.mark.parametrize("settings", [SURFACE, PYTORCH3D_PARITY], ids=["surface", "parity"])
def test_the_same_cloud_gives_the_same_bytes_whatever_the_number_of_threads(settings):
    exo, ego = exo_camera([1.8, 0, 1.6], [0, 2.5, 1.5]), ego_camera([-0.2, 0.2, 1.5], [0, 3, 1.5])
    seen, before = trace(exo, 0, [Box((-0.4, 1.6, 0.9), (0.4, 2.0, 1.9))]), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one, again = drawn(exo, ego, seen, settings), drawn(exo, ego, seen, settings)
        torch.set_num_threads(2)
        two = drawn(exo, ego, seen, settings)
    finally:
        torch.set_num_threads(before)
    assert one.valid.any()
    assert same(one, again)
    assert same(one, two)


@pytest.mark.parametrize("settings", [SURFACE, PYTORCH3D_PARITY], ids=["surface", "parity"])
def test_a_gpu_draws_the_same_picture(settings):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    exo, ego = exo_camera([1.8, 0, 1.6], [0, 2.5, 1.5]), ego_camera([-0.2, 0.2, 1.5], [0, 3, 1.5])
    seen = trace(exo, 0, [Box((-0.4, 1.6, 0.9), (0.4, 2.0, 1.9))])
    here = drawn(exo, ego, seen, settings)
    there = Renderer(ego, settings).render(Lifter(exo, device="cuda").lift(seen.picture, seen.depth_m, 0), 0)
    assert (here.valid != there.valid).mean() < 1e-3
    both = here.valid & there.valid
    assert np.abs(here.picture[both].astype(int) - there.picture[both]).mean() < 0.1
    assert np.median(np.abs(here.depth_m[both] - there.depth_m[both])) < 1e-5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"radius_px": 0.0}, "radius_px is 0.0, expected more than 0 and at most 64"),
        ({"radius_px": float("nan")}, "radius_px is nan"),
        ({"step_px": 65}, "step_px is 65, expected more than 0 and at most 64"),
        ({"slots": 0}, "slots is 0, expected 1 to 150"),
        ({"most": 151}, "most is 151, expected 1 to 150"),
        ({"backend": "opengl"}, "backend is 'opengl', expected 'torch' or 'pytorch3d'"),
        ({"backend": "pytorch3d"}, "set surface=False with it"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name_with_what_is_expected(wrong, said):
    with pytest.raises(ValueError, match=said):
        RenderSettings(**wrong)
