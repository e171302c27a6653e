"""The rasteriser against PyTorch3D's recorded output (golden/), against a plain loop, and what it promises besides."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from egox.cameras import Camera, Fisheye624, Pinhole, inverse
from egox.prior.compositing import alpha_composite, disc_weights, mean_composite
from egox.prior.pytorch3d_backend import ndc_from_pixels, pixels_from_ndc
from egox.prior.pytorch3d_backend import rasterize as rasterize_by_pytorch3d
from egox.prior.rasterize import Fragments, rasterize

GOLDEN = Path(__file__).parent / "golden"
RENDERED = [
    ("a_square", 5),
    ("a_square", 2),
    ("b_ties", 5),
    ("b_ties", 2),
    ("c_landscape", 5),
    ("c_landscape", 2),
    ("c_portrait", 5),
]
"""Case and radius in pixels."""


@cache
def case(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"case_{name}.npz") as file:
        return dict(file)


def size_of(name: str) -> tuple[int, int]:
    height, width = case(name)["image_size"].tolist()
    return height, width


def inputs(name: str, radius_px: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pixels and radii in float64 from the recorded NDC, and depth."""
    recorded, size = case(name), size_of(name)
    ndc = torch.from_numpy(recorded["points_ndc"])
    radius = np.float32(recorded[f"r{radius_px}_radius"]).astype(np.float64) * min(size) / 2
    return pixels_from_ndc(ndc[:, :2].double(), size), ndc[:, 2], torch.full((len(ndc),), float(radius), dtype=torch.float64)


@cache
def fragments(name: str, radius_px: int, slots: int) -> Fragments:
    pixels, depth, radius = inputs(name, radius_px)
    return rasterize(pixels, depth, radius, size=size_of(name), slots=slots)


def slots_of(name: str, radius_px: int) -> list[int]:
    return [k for k in (1, 8, 20) if f"r{radius_px}_k{k}_image" in case(name)]


def weights_and_colours(name: str, radius_px: int, slots: int) -> tuple[torch.Tensor, torch.Tensor]:
    found = fragments(name, radius_px, slots)
    weights = disc_weights(found, inputs(name, radius_px)[2])
    return weights, torch.from_numpy(case(name)["colors"])[found.index.clamp_min(0)]


def squared_ndc(found: Fragments, size: tuple[int, int]) -> np.ndarray:
    return torch.where(found.index < 0, -1, found.distance2 * (2 / min(size)) ** 2).numpy()


def furthest(ours: torch.Tensor, recorded: np.ndarray) -> float:
    return float(np.abs(ours.numpy() - recorded).max())


@pytest.mark.parametrize(("name", "radius_px"), RENDERED)
def test_points_and_depths_of_each_pixel_are_exactly_those_of_pytorch3d(name, radius_px):
    recorded = case(name)
    for slots in slots_of(name, radius_px):
        found = fragments(name, radius_px, slots)
        np.testing.assert_array_equal(found.index.numpy(), recorded[f"r{radius_px}_idx"][..., :slots])
        np.testing.assert_array_equal(found.depth.numpy(), recorded[f"r{radius_px}_zbuf"][..., :slots])


@pytest.mark.parametrize(("name", "radius_px"), RENDERED)
def test_squared_distances_are_those_of_pytorch3d_to_its_rounding(name, radius_px):
    slots = slots_of(name, radius_px)[-1]
    ours = squared_ndc(fragments(name, radius_px, slots), size_of(name))
    np.testing.assert_allclose(ours, case(name)[f"r{radius_px}_dists"], rtol=0, atol=5e-7)


@pytest.mark.parametrize(("name", "radius_px"), RENDERED)
def test_pictures_are_those_of_the_alpha_compositor_for_every_number_of_slots(name, radius_px):
    tolerance = 2e-5 if name.startswith("c_") else 2e-6
    for slots in slots_of(name, radius_px):
        picture = alpha_composite(*weights_and_colours(name, radius_px, slots))
        assert furthest(picture, case(name)[f"r{radius_px}_k{slots}_image"]) < tolerance, slots


@pytest.mark.parametrize(("name", "radius_px"), RENDERED)
def test_means_are_those_of_the_norm_weighted_compositor(name, radius_px):
    picture = mean_composite(*weights_and_colours(name, radius_px, 8))
    assert furthest(picture, case(name)[f"r{radius_px}_k8_image_norm"]) < (2e-5 if name.startswith("c_") else 2e-6)


@pytest.mark.parametrize(("name", "radius_px"), RENDERED)
def test_a_background_replaces_pixels_without_a_point_and_is_blended_with_no_other(name, radius_px):
    recorded = case(name)
    empty = fragments(name, radius_px, 8).index[..., :1] < 0
    picture = alpha_composite(*weights_and_colours(name, radius_px, 8))
    with_background = torch.where(empty, torch.from_numpy(recorded["background"]), picture)
    assert furthest(with_background, recorded[f"r{radius_px}_k8_image_bg"]) < 2e-5
    assert not picture[empty[..., 0]].any()


def test_every_point_may_have_a_radius_of_its_own_and_depth_zero_is_drawn():
    recorded, size = case("b_ties"), (64, 64)
    ndc, radius = torch.from_numpy(recorded["direct_points_ndc"]), torch.from_numpy(recorded["direct_radius"]).double() * 32
    found = rasterize(pixels_from_ndc(ndc[:, :2].double(), size), ndc[:, 2], radius, size=size, slots=20)
    np.testing.assert_array_equal(found.index.numpy(), recorded["direct_idx"])
    np.testing.assert_array_equal(found.depth.numpy(), recorded["direct_zbuf"])
    np.testing.assert_allclose(squared_ndc(found, size), recorded["direct_dists"], rtol=0, atol=5e-7)


@pytest.mark.parametrize(("name", "radius_px"), [(name, px) for name, px in RENDERED if name != "b_ties"])
def test_world_points_through_our_camera_reach_the_same_pixels(name, radius_px):
    """The recorded principal point counts from the corner of the first pixel, ours from its centre. Ties cannot survive this."""
    recorded, (height, width) = case(name), size_of(name)
    k, pose = recorded["intrinsics"].astype(float), np.eye(4)
    pose[:3, :3], pose[:3, 3] = recorded["world_to_camera_R"], recorded["world_to_camera_t"]
    lens = Pinhole(fx=k[0, 0], fy=k[1, 1], cx=k[0, 2] - 0.5, cy=k[1, 2] - 0.5)
    camera = Camera(lens=lens, width=width, height=height, world_from_camera=inverse(pose)[None])
    in_camera = camera.to_camera(torch.from_numpy(recorded["points_world"]).double(), 0)
    _, _, radius = inputs(name, radius_px)
    slots = slots_of(name, radius_px)[-1]
    found = rasterize(lens.project(in_camera), in_camera[:, 2], radius, size=(height, width), slots=slots)
    np.testing.assert_array_equal(found.index.numpy(), recorded[f"r{radius_px}_idx"])
    np.testing.assert_allclose(found.depth.numpy(), recorded[f"r{radius_px}_zbuf"], rtol=0, atol=2e-6)


@pytest.mark.samples
def test_a_recorded_frame_is_drawn_as_by_the_published_renderer(samples: Path):
    """60,000 points of a recorded exo frame through the Aria lens: radius 5 px, 20 points a pixel, alpha compositing."""
    path = samples.parent / "reference" / "pytorch3d" / "case_e_release.npz"
    if not path.is_file():
        pytest.skip("the recorded output of PyTorch3D is not beside the samples: reference/pytorch3d/case_e_release.npz")
    with np.load(path) as file:
        recorded = dict(file)
    points = torch.from_numpy(recorded["points_world_q"] * recorded["points_world_scale"])
    pose = inverse(recorded["world_to_camera"])
    camera = Camera(lens=Fisheye624.from_params(recorded["fisheye"]), width=448, height=448, world_from_camera=pose[None])
    in_camera = camera.to_camera(points, 0)
    radius = torch.full((len(points),), 5.0, dtype=torch.float64)
    found = rasterize(camera.lens.project(in_camera), in_camera[:, 2], radius, size=(448, 448), slots=20)
    colours = torch.from_numpy(recorded["colors_u8"]).float() / 255
    picture = alpha_composite(disc_weights(found, radius), colours[found.index.clamp_min(0)])
    row, column = recorded["crop_origin"].tolist()
    assert furthest(picture[row : row + 112, column : column + 112], recorded["crop_image"]) < 5e-5
    assert furthest(picture.view(56, 8, 56, 8, 3).mean((1, 3)), recorded["image_mean8"]) < 5e-5
    assert float((found.index[..., 0] >= 0).double().mean()) == pytest.approx(float(recorded["coverage"]), abs=1e-5)


def test_pixels_and_normalised_device_coordinates_are_each_others_inverse_with_x_to_the_left_and_y_upwards():
    size = (48, 80)
    corners = torch.tensor([[-0.5, -0.5], [79.5, 47.5], [39.5, 23.5]], dtype=torch.float64)
    ndc = ndc_from_pixels(corners, size)
    assert torch.allclose(ndc, torch.tensor([[80 / 48, 1], [-80 / 48, -1], [0, 0]], dtype=torch.float64))
    assert torch.allclose(pixels_from_ndc(ndc, size), corners)


def drawn_by_a_loop(pixels, depth, radius, size, slots, slack):
    """Every pixel against every point, one by one."""
    index = np.full((*size, slots), -1)
    for row in range(size[0]):
        for column in range(size[1]):
            d2 = (column - pixels[:, 0]) ** 2 + (row - pixels[:, 1]) ** 2
            over = [p for p in range(len(pixels)) if d2[p] < radius[p] ** 2 and depth[p] >= 0]
            over.sort(key=lambda p: (depth[p], p))
            if slack is not None:
                over = [p for p in over if depth[p] <= depth[over[0]] * np.float32(1 + slack)]
            index[row, column, : len(over[:slots])] = over[:slots]
    return index


@pytest.mark.parametrize(("slots", "slack"), [(1, None), (3, None), (12, None), (12, 0.0), (12, 0.3), (2, 0.3)])
def test_a_loop_over_pixels_and_points_finds_the_same(slots, slack):
    rng, size = np.random.default_rng(slots), (17, 23)
    pixels = (rng.uniform(-3, 26, (150, 2)) * 4).round().astype(np.float32) / 4  # quarters: rims are hit exactly
    depth = rng.integers(-1, 8, 150).astype(np.float32) / 4
    radius = rng.integers(1, 20, 150).astype(np.float32) / 4
    pixels[::17], depth[5] = np.nan, np.nan
    found = rasterize(*map(torch.from_numpy, (pixels, depth, radius)), size=size, slots=slots, slack=slack)
    np.testing.assert_array_equal(found.index.numpy(), drawn_by_a_loop(pixels, depth, radius, size, slots, slack))


def test_the_order_in_which_points_come_decides_ties_only():
    rng = np.random.default_rng(0)
    pixels, depth = torch.from_numpy(rng.uniform(0, 20, (300, 2))).float(), torch.from_numpy(rng.uniform(1, 2, 300)).float()
    radius, order = torch.full((300,), 2.3), torch.from_numpy(rng.permutation(300))
    one = rasterize(pixels, depth, radius, size=(20, 20), slots=6)
    two = rasterize(pixels[order], depth[order], radius, size=(20, 20), slots=6)
    assert torch.equal(one.depth, two.depth)
    assert torch.equal(one.distance2, two.distance2)
    assert torch.equal(one.index, torch.where(two.index < 0, -1, order[two.index.clamp_min(0)]))


def test_zero_and_minus_zero_are_one_depth():
    for depth in ([0.0, -0.0], [-0.0, 0.0]):
        found = rasterize(torch.ones(2, 2), torch.tensor(depth), torch.ones(2), size=(3, 3), slots=2)
        assert found.index[1, 1].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("u", "v", "z", "radius"),
    [
        (0.5, 0.5, 1.0, 0.3),
        (np.nan, 1, 1, 2),
        (np.inf, 1, 1, 2),
        (1, 1, np.nan, 2),
        (1, 1, -1e-30, 2),
        (1, 1, 1, 0),
        (90, 1, 1, 2),
    ],
    ids=["between the centres", "NaN", "infinite", "NaN depth", "behind", "no radius", "outside"],
)
def test_a_point_that_covers_no_centre_leaves_every_slot_empty(u, v, z, radius):
    found = rasterize(torch.tensor([[u, v]]), torch.tensor([z]), torch.tensor([float(radius)]), size=(4, 6), slots=3)
    assert found.index.shape == (4, 6, 3)
    for values in (found.index, found.depth, found.distance2):
        assert (values == -1).all()


def test_no_points_at_all_leave_every_slot_empty():
    found = rasterize(torch.empty(0, 2), torch.empty(0), torch.empty(0), size=(4, 6), slots=3, slack=0.05)
    assert (found.index == -1).all()
    assert not disc_weights(found, torch.empty(0)).any()


def test_without_pytorch3d_its_backend_says_what_is_missing_and_what_to_do(monkeypatch):
    for module in ("pytorch3d", "pytorch3d.renderer.points.rasterize_points", "pytorch3d.structures"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"'pytorch3d' needs PyTorch3D \(.*\); build it from source .* or use 'torch'"):
        rasterize_by_pytorch3d(torch.ones(1, 2), torch.ones(1), torch.ones(1), size=(4, 4), slots=1)


@pytest.mark.parametrize(("name", "radius_px"), RENDERED)
def test_the_backend_of_pytorch3d_draws_the_same(name, radius_px):
    pytest.importorskip("pytorch3d", reason="PyTorch3D is not installed")
    slots = slots_of(name, radius_px)[-1]
    pixels, depth, radius = (values.float() for values in inputs(name, radius_px))
    theirs = rasterize_by_pytorch3d(pixels, depth, radius, size=size_of(name), slots=slots)
    ours = fragments(name, radius_px, slots)
    assert torch.equal(ours.depth, theirs.depth)
    assert torch.equal(ours.index, theirs.index)
    assert torch.allclose(ours.distance2.float(), theirs.distance2, atol=1e-3)


def test_a_gpu_finds_the_same_points():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for name, radius_px in RENDERED:
        slots = slots_of(name, radius_px)[-1]
        there = rasterize(*(values.cuda() for values in inputs(name, radius_px)), size=size_of(name), slots=slots)
        assert torch.equal(there.index.cpu(), fragments(name, radius_px, slots).index)
