"""Truth of the simulated world agrees with its files: what is seen twice is at one place, and every wrong reading shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmark.clip import Clip, View
from benchmark.datasets.sim import truth
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.splits.manifest import Row

from .conventions import WRONG, Rig
from .covisible import Pairs, find_pairs, landing_errors

FRAMES = (0, 5, 10, 16)


@pytest.fixture(scope="module")
def about(cache: Path, row: Row) -> truth.About:
    path = cache / "truth" / row.take_name / f"{row.first_frame:06d}_{row.last_frame:06d}_3" / "about.json"
    return msgspec.json.decode(path.read_bytes(), type=truth.About)


@pytest.fixture(scope="module")
def exact(clip: Clip, about: truth.About) -> Pairs:
    return find_pairs(clip, about.moving, FRAMES, exact=True)


@pytest.fixture(scope="module")
def rig(clip: Clip, cache: Path, row: Row) -> Rig:
    exo, ego = clip.exo[0].camera, clip.ego_camera
    assert exo is not None
    assert ego is not None
    return Rig(
        exo=exo,
        ego=ego,
        pose_file=next((cache / "annotations").rglob(f"{row.take_uid}.json")),
        calibrations=cache / "takes" / row.take_name / "trajectory" / "gopro_calibs.csv",
        exo_name=row.exo_cam,
        frames=clip.frame_indices,
    )


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[dict[str, str]]:
    """Numbers that tests leave here are printed at the end; seen with -s."""
    lines: dict[str, str] = {}
    yield lines
    print("\n\nego pixels at 128x128, median / 95 %:")
    for name, text in lines.items():
        print(f"  {name:55s} {text}")


def summary(errors: np.ndarray) -> tuple[float, float]:
    return float(np.median(errors)), float(np.percentile(errors, 95, method="lower"))


@pytest.mark.parametrize("which", ["exo", "ego"])
def test_the_floor_is_at_zero_from_either_view(clip: Clip, about: truth.About, which: str) -> None:
    view = clip.exo[0] if which == "exo" else clip.truth
    assert isinstance(view, View)
    assert view.camera
    assert view.depth
    assert view.masks
    floor = about.names.index("floor")
    seen = 0
    for frame in FRAMES:
        ids = view.masks.frame(frame)
        points = view.camera.lift(view.camera.pixel_grid(), view.depth.frame(frame), frame)[ids == floor]
        seen += len(points)
        assert np.abs(points[:, 2]).max(initial=0) < 1e-5
    assert seen > 100


def test_static_points_land_where_they_belong(exact: Pairs, rig: Rig, table: dict[str, str]) -> None:
    errors = landing_errors(exact, rig.exo, rig.ego)
    median, most = summary(errors)
    table["right (depth read between exo pixels)"] = f"{median:.4f} / {most:.4f}   ({len(errors)} points)"
    assert len(errors) > 500
    assert median < 0.5
    assert most < 1.5


def test_a_splat_of_whole_exo_pixels_lands_within_their_footprint(
    clip: Clip, about: truth.About, rig: Rig, table: dict[str, str]
) -> None:
    errors = landing_errors(find_pairs(clip, about.moving, FRAMES, exact=False), rig.exo, rig.ego)
    median, most = summary(errors)
    table["right (nearest exo pixel, as a splat)"] = f"{median:.3f} / {most:.3f}"
    assert median < 1.5


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_reading_raises_the_error_clearly(name: str, exact: Pairs, rig: Rig, table: dict[str, str]) -> None:
    right, _ = summary(landing_errors(exact, rig.exo, rig.ego))
    median, most = summary(landing_errors(exact, *WRONG[name](rig)))
    table[name] = f"{median:.3f} / {most:.3f}"
    assert median > max(10 * right, 0.1)


def test_depth_is_along_the_axis_and_not_along_the_ray(exact: Pairs, rig: Rig, table: dict[str, str]) -> None:
    right, _ = summary(landing_errors(exact, rig.exo, rig.ego))
    slanted = tuple(z * rig.exo.lens.unproject(place)[:, 2] for z, place in zip(exact.depth, exact.exo, strict=True))
    median, most = summary(landing_errors(replace(exact, depth=slanted), rig.exo, rig.ego))
    table["z-depth read as ray length"] = f"{median:.3f} / {most:.3f}"
    assert median > max(10 * right, 0.1)


def test_cameras_are_rotations_to_the_last_digits(rig: Rig) -> None:
    for camera in (rig.exo, rig.ego):
        turn = camera.world_from_camera[:, :3, :3]
        assert np.abs(turn @ turn.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12
        assert np.abs(np.linalg.det(turn) - 1).max() < 1e-12


def test_the_wearer_is_where_exo_shows_the_head(clip: Clip, about: truth.About, rig: Rig) -> None:
    masks = clip.exo[0].masks
    assert masks is not None
    head = about.names.index("head")
    for frame in FRAMES:
        v, u = np.nonzero(masks.frame(frame) == head)
        if len(u) > 10:
            where = rig.exo.project(rig.ego.centres[frame], frame)
            assert u.min() - 2 <= where[0] <= u.max() + 2
            assert v.min() - 2 <= where[1] <= v.max() + 2


def test_the_body_pose_is_the_actors(clip: Clip, rig: Rig) -> None:
    assert clip.body_pose is not None
    gap = np.linalg.norm(clip.body_pose["head"] - rig.ego.centres, axis=1)
    assert gap.min() > 0.03
    assert gap.max() < 0.25


def test_the_dataset_reads_what_it_wrote_through_the_reader(sim: SimDataset, clip: Clip) -> None:
    from benchmark.datasets.egoexo4d import EgoExo4D

    read = EgoExo4D(sim.root)
    assert clip.take in {take.uid for take in read.takes.values()}
    assert read.faults == []
