"""Lenses and cameras on tensors: the same values as in numpy, in the tensor's dtype, and no torch where none was given."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from egox.cameras import Camera

from .measured import ARIA_448, LENSES, PINHOLE, poses

AXIS = [[0.0, 0.0, 2.0], [1e-20, 0.0, 1.0], [0.0, -3e-9, 1.0], [1e-5, 1e-5, 1.0]]


def grid(width: int, height: int, n: int = 61) -> np.ndarray:
    """Pixels [n, n, 2] over the whole picture, corners and rims included."""
    return np.stack(np.meshgrid(np.linspace(-0.5, width - 0.5, n), np.linspace(-0.5, height - 0.5, n)), -1)


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_numpy_and_torch_agree_in_float64(name, lens, width, height):
    pixels = grid(width, height)
    rays = lens.unproject(pixels)
    np.testing.assert_allclose(lens.unproject(torch.from_numpy(pixels)).numpy(), rays, atol=1e-13)
    points = np.random.default_rng(0).normal(size=(7, 300, 3))
    np.testing.assert_allclose(lens.project(torch.from_numpy(points)).numpy(), lens.project(points), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_float32_tensors_stay_float32_and_come_back_within_a_hundredth_of_a_pixel(name, lens, width, height):
    """Measured: 8e-4 px at 3840x2160, 3e-4 px at 448x448 (Fisheye624), 1.3e-4 px at 784x448 (pinhole)."""
    pixels = torch.from_numpy(grid(width, height)).float()
    rays = lens.unproject(pixels)
    back = lens.project(rays * 3)
    assert (rays.dtype, back.dtype) == (torch.float32, torch.float32)
    assert (back - pixels).abs().max() < 1e-2
    assert (rays.norm(dim=-1) - 1).abs().max() < 1e-6


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_float32_projects_to_the_pixels_of_float64(name, lens, width, height):
    rays = lens.unproject(grid(width, height)) * 2.5
    off = lens.project(torch.from_numpy(rays).float()).double().numpy() - lens.project(rays.astype(np.float32))
    assert np.abs(off).max() < 1e-2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_the_optical_axis_and_what_is_near_it_have_pixels_and_rays_in_every_dtype(name, lens, width, height, dtype):
    pixels = lens.project(torch.tensor(AXIS, dtype=dtype))
    centre = torch.tensor([lens.cx, lens.cy], dtype=torch.float64)
    room = 8 * torch.finfo(dtype).eps * centre.max() + 0.1
    assert pixels.dtype == dtype
    assert ((pixels.double() - centre).abs() < room).all()
    rays = lens.unproject(torch.tensor([[lens.cx, lens.cy], [lens.cx + 1e-3, lens.cy]], dtype=dtype))
    assert rays.dtype == dtype
    assert (rays[:, 2].double() > 0.99).all()


@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_float32_is_finite_up_to_the_rim(name, lens, width, height):
    angle = torch.deg2rad(torch.linspace(0, 89.9, 400))
    turn = torch.linspace(0, 6.28, 7)[:, None]
    points = torch.stack([angle.sin() * turn.cos(), angle.sin() * turn.sin(), angle.cos().expand(7, -1)], -1)
    assert torch.isfinite(lens.project(points)).all()


@pytest.mark.parametrize("lens", [PINHOLE, ARIA_448])
def test_tensor_points_behind_the_camera_have_no_pixel(lens):
    assert torch.isnan(lens.project(torch.tensor([[0.1, 0.2, -1.0], [0.1, 0.2, 0.0]]))).all()


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64])
def test_a_tensor_that_is_not_of_floats_is_refused(dtype):
    with pytest.raises(TypeError, match=f"floating tensor, got {dtype}"):
        PINHOLE.project(torch.ones(4, 3, dtype=dtype))


@pytest.mark.parametrize("kind", [np.zeros, torch.zeros])
@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_a_wrong_last_dimension_is_named_with_the_shape(name, lens, width, height, kind):
    with pytest.raises(ValueError, match=r"expected an array \[\.\.\., 3\], got shape \(5, 2\)"):
        lens.project(kind((5, 2)))
    with pytest.raises(ValueError, match=r"expected an array \[\.\.\., 2\], got shape \(4, 3\)"):
        lens.unproject(kind((4, 3)))
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        lens.project(kind(()))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3, 4)])
@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_any_leading_dimensions_pass(name, lens, width, height, shape):
    for points in (np.ones((*shape, 3)), torch.ones(*shape, 3)):
        pixels = lens.project(points)
        assert tuple(pixels.shape) == (*shape, 2)
        assert tuple(lens.unproject(pixels).shape) == (*shape, 3)


def test_lists_and_integers_of_numpy_become_float64():
    assert PINHOLE.project([[1, 2, 3]]).dtype == np.float64
    assert PINHOLE.project(np.ones((2, 3), np.float32)).dtype == np.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "lens", "width", "height"), LENSES)
def test_a_camera_takes_tensors_and_gives_the_values_of_numpy(name, lens, width, height, dtype):
    camera = Camera(lens=lens, width=width, height=height, world_from_camera=poses(2, seed=3))
    pixels = grid(width, height, 9)
    depth = np.linspace(0.5, 4, 81).reshape(9, 9)
    world = camera.lift(pixels, depth, 1)
    room = 1e-11 if dtype == torch.float64 else 1e-4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lifted = camera.lift(torch.tensor(pixels, dtype=dtype), torch.tensor(depth), 1)
        seen, inside = camera.project(lifted, 1), camera.to_camera(lifted, 1)
        back = camera.to_world(inside, 1)
    assert {tensor.dtype for tensor in (lifted, seen, inside, back)} == {dtype}
    np.testing.assert_allclose(lifted.numpy(), world, atol=room)
    np.testing.assert_allclose(inside.numpy(), camera.to_camera(world, 1), atol=room)
    np.testing.assert_allclose(back.numpy(), world, atol=room)
    np.testing.assert_allclose(seen.numpy(), pixels, atol=1e-8 if dtype == torch.float64 else 2e-2)


def test_depth_follows_the_pixels_kind():
    camera = Camera(lens=PINHOLE, width=784, height=448, world_from_camera=poses())
    assert isinstance(camera.lift(torch.ones(5, 2), np.ones(5), 0), torch.Tensor)
    assert isinstance(camera.lift(np.ones((5, 2)), torch.ones(5), 0), np.ndarray)
    assert camera.lift(torch.ones(5, 2), 2.0, 0).dtype == torch.float32


def test_using_the_cameras_imports_no_torch():
    code = (
        "import sys, numpy as np\nfrom egox.cameras import Camera, Pinhole\n"
        "camera = Camera(lens=Pinhole(fx=1.0, fy=1.0, cx=0.0, cy=0.0), width=2, height=2, world_from_camera=np.eye(4)[None])\n"
        "camera.lift(camera.pixel_grid(), 1.0, 0)\n"
        "assert 'torch' not in sys.modules and 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_gpu_keeps_its_tensors():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for lens in (PINHOLE, ARIA_448):
        pixels = torch.from_numpy(grid(448, 448)).float().cuda()
        assert lens.project(lens.unproject(pixels)).device == pixels.device
