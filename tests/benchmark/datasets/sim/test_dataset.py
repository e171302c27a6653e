"""Rendering on demand: only what is asked, the same bytes by any worker count, nothing half-written taken for whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.canvas import MINI
from benchmark.clip import Clip, Input, inputs_for
from benchmark.datasets.dataset import Severity
from benchmark.datasets.sim import truth
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.datasets.sim.layout import WindowFiles
from benchmark.errors import UserError
from benchmark.splits.manifest import Row

from .conftest import no_progress


def files_of(root: Path, take: str) -> dict[str, bytes]:
    """Bytes of everything written for a take, by relative path."""
    found = [*(root / "takes" / take).rglob("*"), *(root / "truth" / take).rglob("*"), *(root / "annotations").rglob("*.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.is_file()}


def test_a_clip_has_every_input_and_the_sizes_of_its_canvas(clip: Clip) -> None:
    exo = clip.exo[0]
    assert exo.video.size == (256, 448)
    assert exo.depth is not None
    assert exo.masks is not None
    assert exo.depth.frame(3).shape == exo.masks.frame(3).shape == (256, 448)
    assert clip.truth is not None
    assert clip.truth.video.read([0, 16]).shape == (2, 128, 128, 3)
    assert len(clip.truth.video) == len(clip.frame_indices) == 17
    assert (clip.frame_indices[0] - clip.frame_indices[-1]) == -48
    assert set(clip.missing) == {Input.EGO_PRIOR, Input.POINTS}
    assert clip.caption
    assert clip.caption.startswith("In a workshop, a person ")
    assert all(track.shape == (17, 3) for track in (clip.body_pose or {}).values())
    assert clip.undefined_for(frozenset(Input) - {Input.EGO_PRIOR, Input.POINTS}) is None


def test_the_lens_circle_is_black_and_all_inside_is_lit_and_measured(clip: Clip) -> None:
    assert clip.truth is not None
    assert clip.truth.depth is not None
    assert clip.ego_camera is not None
    inside = clip.ego_camera.visible()
    picture, depth = clip.truth.video.read([8])[0], clip.truth.depth.frame(8)
    assert picture[~inside].mean() < 4
    assert picture[inside].mean() > 40
    assert (depth[~inside] == 0).all()
    assert (depth[inside] > 0).mean() > 0.999


def test_the_head_camera_moves_and_so_does_the_picture(clip: Clip) -> None:
    assert clip.truth is not None
    assert clip.ego_camera is not None
    first, last = clip.truth.video.read([0, 16]).astype(float)
    assert np.abs(first - last).mean() > 4
    assert np.linalg.norm(np.ptp(clip.ego_camera.centres, axis=0)) > 0.02


def test_two_workers_and_one_write_the_same_bytes(sim: SimDataset, row: Row, tmp_path: Path) -> None:
    other = next(r for r in sim.manifest("train").rows if r.take_name != row.take_name)
    again = SimDataset(tmp_path)
    seen: list[tuple[int, int]] = []
    again.prepare([row], MINI, needs=frozenset(Input), workers=2, progress=no_progress)
    again.prepare([other, row], MINI, needs=frozenset({Input.TRUTH}), workers=2, progress=lambda d, n, _: seen.append((d, n)))
    assert seen == [(1, 1)]  # row is there already
    both = SimDataset(tmp_path / "two")
    both.prepare([row, other], MINI, needs=frozenset({Input.TRUTH}), workers=2, progress=lambda d, n, _: seen.append((d, n)))
    assert seen[1:] == [(1, 2), (2, 2)]
    by_one, by_two = files_of(sim.root, row.take_name), files_of(again.root, row.take_name)
    assert {name: data for name, data in by_two.items() if name in by_one} == by_one
    assert files_of(both.root, other.take_name) == files_of(again.root, other.take_name)


def test_needs_decide_what_is_rendered_and_the_rest_comes_when_it_is_read(row: Row, tmp_path: Path) -> None:
    dataset = SimDataset(tmp_path)
    dataset.prepare([row], MINI, needs=frozenset({Input.TRUTH}), workers=1, progress=no_progress)
    assert [path.stem for path in dataset.root.rglob("*.mp4")] == ["aria01_214-1"]
    clip = dataset.clip(row, MINI)
    assert "not rendered yet" in clip.missing[Input.CAPTION]
    assert [path.stem for path in dataset.root.rglob("*.mp4")] == ["aria01_214-1"]
    views = {view.name for view in clip.exo}
    assert views == {"cam01", "cam02", "cam03", "cam04"}
    assert clip.exo[0].name == row.exo_cam
    assert clip.exo[0].video.read([0]).shape == (1, 256, 448, 3)
    assert (dataset.root.rglob(f"{row.exo_cam}.mp4")).__next__().is_file()
    assert dataset.clip(row, MINI).caption is not None


def test_keys_of_a_clip_do_not_depend_on_what_is_rendered(clip: Clip, row: Row, sim: SimDataset) -> None:
    lazy = sim.clip(row, MINI)
    assert [view.video.key for view in lazy.exo] == [view.video.key for view in clip.exo]
    read, later = (view for view in clip.exo if view.name in (row.exo_cam, "cam04" if row.exo_cam != "cam04" else "cam03"))
    assert read.video.key != later.video.key


def test_a_window_that_lost_a_file_is_made_again_with_the_same_bytes(row: Row, sim: SimDataset) -> None:
    video = next(sim.root.rglob("aria01_214-1.mp4"))
    before = video.read_bytes()
    video.unlink()
    part = video.with_name(f".{video.name}.1.part")
    part.write_bytes(before[:100])  # what a kill leaves behind
    assert sim.clip(row, MINI).truth is not None
    sim.prepare([row], MINI, needs=frozenset({Input.TRUTH}), workers=1, progress=no_progress)
    assert video.read_bytes() == before
    part.unlink()


@pytest.mark.parametrize("spoilt", [(0,), (1,), (0, 1)], ids=["ego", "exo", "both"])
def test_a_window_of_another_scene_is_rendered_again(row: Row, sim: SimDataset, spoilt: tuple[int, ...]) -> None:
    video, exo = (next(sim.root.rglob(f"{name}.mp4")) for name in ("aria01_214-1", row.exo_cam))
    abouts = [path.with_name("window.json") for path in (video, exo)]
    assert sorted(abouts) == sorted(sim.root.rglob("window.json")), "exo and ego views lie by their heights"
    right, before = [about.read_bytes() for about in abouts], [video.read_bytes(), exo.read_bytes()]
    for about in (abouts[place] for place in spoilt):
        about.write_bytes(about.read_bytes().replace(b'"digest":"', b'"digest":"x'))
    for path in (video, exo):
        path.write_bytes(b"pixels of an older version")
    clip = sim.clip(row, MINI)
    assert clip.truth is not None
    assert clip.truth.video.read([0]).shape == (1, 128, 128, 3)
    assert [about.read_bytes() for about in abouts] == right
    assert [video.read_bytes(), exo.read_bytes()] == before


def test_a_window_of_which_only_one_height_says_what_it_is_is_no_window_of_another_scene(tmp_path: Path) -> None:
    files = WindowFiles.of(tmp_path, "take", 0, MINI)
    assert files.digest() is None
    for digests, found in ((("a",), "a"), (("a", "a"), "a"), (("a", "b"), "")):
        for about, digest in zip(files.abouts, digests):  # another process may be between the two
            about.parent.mkdir(parents=True, exist_ok=True)
            about.write_text(f'{{"digest": "{digest}"}}')
        assert files.digest() == found


def test_a_method_gets_depth_masks_and_body_pose_by_its_needs(clip: Clip) -> None:
    needs = frozenset({Input.EXO_VIDEO, Input.DEPTH, Input.BODY_POSE, Input.EGO_CAMERA})
    inputs = inputs_for(clip, needs=needs, exo_views=4)
    assert len(inputs.exo) == 4
    assert inputs.exo[0].depth is not None
    assert inputs.exo[0].masks is None
    assert inputs.body_pose


def test_verify_finds_nothing_wrong(sim: SimDataset) -> None:
    problems = [problem for problem in sim.verify(progress=no_progress) if problem.severity is Severity.ERROR]
    assert problems == []


def test_a_broken_truth_file_is_named(sim: SimDataset, row: Row, tmp_path: Path) -> None:
    broken = tmp_path / "cam01.npz"
    broken.write_bytes(b"PK not really")
    with pytest.raises(UserError, match=r"cam01\.npz: cannot be read"):
        truth.read_maps(broken)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_maps_are_stored_without_loss(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(np.cumsum(rng.normal(0, 0.01, (5, 20, 30)), 1), 2)
    depth = truth.rounded_depth(np.abs(smooth).astype(np.float32) * (rng.random((5, 20, 30)) > 0.1))
    depth[3] = depth[2]
    ids = rng.integers(0, 400, (5, 20, 30)).astype(np.int16)
    truth.write_maps(tmp_path / "a.npz", depth, ids)
    read_depth, read_ids = truth.read_maps(tmp_path / "a.npz")
    assert read_depth.dtype == np.float32
    assert (read_depth == depth).all()
    assert read_ids.dtype == np.int16
    assert (read_ids == ids).all()


def test_stored_depth_is_within_two_micrometres() -> None:
    depth = np.random.default_rng(0).uniform(0.1, 8.0, (1, 50, 50)).astype(np.float32)
    assert np.abs(truth.rounded_depth(depth).astype(float) - depth).max() <= truth.DEPTH_STEP_M / 2 + 1e-9
