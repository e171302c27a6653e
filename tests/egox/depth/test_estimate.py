"""What counts as a depth estimate, and maps that a dataset or a user ships."""

from __future__ import annotations

import numpy as np
import pytest

from egox.cameras import KannalaBrandt, Pinhole
from egox.depth import DepthEstimate, DepthEstimator, GivenDepth, z_from_range


def frames(count: int = 3, height: int = 4, width: int = 6):
    return np.zeros((count, height, width, 3), np.uint8)


def maps(count: int = 3, height: int = 4, width: int = 6):
    return np.arange(1, count * height * width + 1, dtype=np.float32).reshape(count, height, width)


def test_values_that_are_no_depth_are_unknown():
    metric = maps()
    metric[0, 0, :4] = [np.nan, np.inf, -np.inf, -1]
    metric[1] = np.nan
    cleaned = DepthEstimate(metric_m=metric).metric_m
    assert cleaned[0, 0].tolist() == [0, 0, 0, 0, 5, 6]
    assert not cleaned[1].any()
    assert cleaned.dtype == np.float32
    assert np.isnan(metric[1]).all(), "the caller's array was written to"


def test_any_finite_disparity_is_known():
    disparity = maps() - 10
    disparity[0, 0, :3] = [np.nan, np.inf, -np.inf]
    kept = DepthEstimate(metric_m=maps(), disparity=disparity).disparity
    assert kept is not None
    assert np.isnan(kept[0, 0, :3]).all()
    assert np.array_equal(kept[1:], disparity[1:])


def test_half_floats_as_the_release_stores_them_are_taken():
    assert DepthEstimate(metric_m=maps().astype(np.float16)).metric_m.dtype == np.float32


@pytest.mark.parametrize(
    ("metric", "disparity", "message"),
    [
        (maps()[0], None, r"metric_m is float32 of shape \(4, 6\), expected floating point \[frames, height, width\]"),
        (maps().astype(np.uint16), None, "metric_m is uint16.*divide maps in millimetres by 1000"),
        (maps(), maps(count=2), r"disparity \(2, 4, 6\) and metric_m \(3, 4, 6\)"),
        (maps(), maps() > 1, "disparity is bool"),
    ],
)
def test_arrays_that_are_no_maps_are_refused(metric, disparity, message):
    with pytest.raises(ValueError, match=message):
        DepthEstimate(metric_m=metric, disparity=disparity)


def test_given_arrays_are_an_estimator():
    estimator: DepthEstimator = GivenDepth(maps(), maps() + 1)
    estimate = estimator.estimate(frames())
    assert np.array_equal(estimate.metric_m, maps())
    assert estimate.disparity is not None
    assert np.array_equal(estimate.disparity, maps() + 1)


@pytest.mark.parametrize("size", [(2, 4, 6), (3, 4, 5), (3, 5, 6)])
def test_maps_of_another_count_or_size_are_refused_with_both(size):
    count, height, width = size
    with pytest.raises(
        ValueError, match=rf"kitchen: 3 maps of 6x4, but the clip has {count} frames of {width}x{height}; give one"
    ):
        GivenDepth(maps(), name="kitchen").estimate(frames(*size))


def write_folder(folder, values):
    folder.mkdir()
    for index, frame in enumerate(values):
        np.save(folder / f"{index:05d}.npy", frame)
    return folder


def test_a_folder_of_a_map_a_frame_is_read_in_order(tmp_path):
    folder = write_folder(tmp_path / "depth", maps())
    assert np.array_equal(GivenDepth.read(folder).estimate(frames()).metric_m, maps())


def test_maps_as_wide_as_the_releases_lose_six_columns_a_side(tmp_path):
    wide = np.broadcast_to(np.arange(1, 797, dtype=np.float32), (1, 448, 796))
    given = GivenDepth.read(write_folder(tmp_path / "depth", wide))
    cut = given.estimate(np.zeros((1, 448, 784, 3), np.uint8)).metric_m
    assert cut.shape == (1, 448, 784)
    assert (cut[0, 0, 0], cut[0, 0, -1]) == (7, 790)
    assert given.estimate(np.zeros((1, 448, 796, 3), np.uint8)).metric_m.shape == (1, 448, 796)


def test_an_archive_holds_depth_and_perhaps_disparity(tmp_path):
    np.savez(tmp_path / "both.npz", depth=maps(), disparity=maps() - 5)
    np.savez(tmp_path / "one.npz", depth=maps())
    both, one = (GivenDepth.read(tmp_path / name).estimate(frames()) for name in ("both.npz", "one.npz"))
    assert np.array_equal(both.metric_m, one.metric_m)
    assert both.disparity is not None
    assert np.array_equal(both.disparity, maps() - 5)
    assert one.disparity is None


def nothing(folder):
    return folder / "absent"


def empty_folder(folder):
    (folder / "depth").mkdir()
    return folder / "depth"


def gap(folder):
    path = write_folder(folder / "depth", maps())
    (path / "00001.npy").unlink()
    return path


def two_sizes(folder):
    path = write_folder(folder / "depth", maps())
    np.save(path / "00002.npy", maps()[0, :3])
    return path


def one_truncated(folder):
    path = write_folder(folder / "depth", maps())
    whole = (path / "00001.npy").read_bytes()
    (path / "00001.npy").write_bytes(whole[:-9])
    return path


def integers(folder):
    return write_folder(folder / "depth", maps().astype(np.uint16))


def pickled(folder):
    np.save(folder / "depth.npy", np.array([{}], dtype=object), allow_pickle=True)
    return folder / "depth.npy"


def other_names(folder):
    np.savez(folder / "depth.npz", z=maps())
    return folder / "depth.npz"


def one_plane(folder):
    np.savez(folder / "depth.npz", depth=maps()[0])
    return folder / "depth.npz"


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (nothing, FileNotFoundError, "absent is not there; expected a folder of 00000.npy .* or one .npz"),
        (empty_folder, FileNotFoundError, "depth: no 00000.npy in it"),
        (gap, ValueError, "depth: 2 .npy files without 00001.npy among them; number"),
        (two_sizes, ValueError, r"00002.npy: shape \(3, 6\), but 00000.npy has \(4, 6\)"),
        (one_truncated, ValueError, "00001.npy: not a readable array"),
        (integers, ValueError, r"00000.npy: uint16 of shape \(4, 6\), expected floating point"),
        (pickled, ValueError, "depth.npy: not a readable array"),
        (other_names, ValueError, "depth.npz: no array named 'depth' in it; save with"),
        (one_plane, ValueError, r"depth.npz: metric_m is float32 of shape \(4, 6\)"),
    ],
)
def test_files_that_are_no_depth_are_named(tmp_path, made, error, message):
    with pytest.raises(error, match=message):
        GivenDepth.read(made(tmp_path))


def test_depth_along_the_ray_becomes_z():
    lens = KannalaBrandt(fx=20.0, fy=20.0, cx=11.5, cy=7.5, k=(0.03, -0.01, 0.004, -0.001))
    u, v = np.meshgrid(np.arange(24.0), np.arange(16.0))
    rays = lens.unproject(np.stack([u, v], -1))
    wall_at_2_m = 2 / rays[..., 2]
    assert np.allclose(z_from_range(np.stack([wall_at_2_m, 0 * wall_at_2_m]), rays), [[[2.0]], [[0.0]]], rtol=1e-6)


def test_a_ray_that_points_nowhere_or_backwards_has_no_z():
    rays = np.array([[[0, 0, 1.0], [0, 0, -1.0], [np.nan] * 3]])
    assert z_from_range(np.full((1, 3), 2.0), rays).tolist() == [[2, 0, 0]]


def test_rays_are_checked():
    rays = Pinhole(fx=5, fy=5, cx=1, cy=1).unproject(np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match=r"rays \(2, 3, 3\) do not fit depth \(1, 4, 6\); expected \(4, 6, 3\)"):
        z_from_range(maps(count=1), rays)
    with pytest.raises(ValueError, match="not of unit length"):
        z_from_range(np.ones((2, 3)), 2 * rays)
