"""Splits of the simulated world: fixed bytes, places and actors that never meet, gaps on the take's clock."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from benchmark.canvas import FULL, MINI
from benchmark.datasets.sim import catalogue
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.errors import UserError
from benchmark.splits.manifest import Row

EMBEDDED = Path(catalogue.__file__).parents[2] / "splits" / "sim"


def rows(split: str) -> tuple[Row, ...]:
    return SimDataset().manifest(split).rows


@pytest.mark.parametrize("split", ["train", "val", "seen", "unseen"])
def test_embedded_manifests_are_what_the_generator_makes(split: str) -> None:
    assert (EMBEDDED / f"{split}.jsonl").read_bytes() == catalogue.make_split(split).to_bytes()


def test_splits_have_the_promised_sizes() -> None:
    assert {split: len(rows(split)) for split in SimDataset().splits()} == {
        "train": 480, "val": 24, "seen": 24, "unseen": 24, "all": 552,
    }  # fmt: skip
    assert len({row.place for row in rows("train")}) >= 24
    assert len({row.place for row in rows("unseen")}) >= 8
    assert len({row.scenario for row in rows("unseen")}) == 5


def test_held_out_places_and_actors_are_in_no_other_split() -> None:
    for one in ("val", "unseen"):
        for other in ("train", "seen", "val", "unseen"):
            if one != other:
                for field in ("place", "take_uid", "capture_uid", "participant"):
                    assert not {getattr(r, field) for r in rows(one)} & {getattr(r, field) for r in rows(other)}, (
                        one,
                        other,
                        field,
                    )


def test_seen_windows_keep_150_frames_from_every_training_window_of_their_take() -> None:
    # even from those of a training split that is extended: further windows lie in further takes
    train = catalogue.make_split("train:2000").rows
    for seen in rows("seen"):
        near = [row for row in train if row.take_uid == seen.take_uid]
        assert near
        assert min(seen.first_frame - row.last_frame for row in near) > 150


def test_windows_of_a_take_do_not_overlap() -> None:
    by_take: dict[str, list[Row]] = {}
    for row in rows("all"):
        by_take.setdefault(row.take_uid, []).append(row)
    for windows in by_take.values():
        ordered = sorted(windows, key=lambda row: row.first_frame)
        assert all(a.last_frame < b.first_frame for a, b in pairwise(ordered))
        assert ordered[-1].last_frame < catalogue.TAKE_FRAMES
        assert all(row.last_frame - row.first_frame == 48 for row in ordered)


@pytest.mark.parametrize("base", ["val", "seen", "unseen"])
def test_more_clips_of_a_split_have_those_of_the_split_among_them(base: str) -> None:
    few, split, more = ({row.clip_id for row in catalogue.make_split(name).rows} for name in (f"{base}:3", base, f"{base}:97"))
    assert few < split < more
    assert (len(few), len(split), len(more)) == (3, 24, 97)
    assert len({row.place for row in catalogue.make_split(f"{base}:97").rows}) == (97 if base == "seen" else 49)


def test_more_held_out_clips_are_of_places_and_actors_that_no_other_split_has() -> None:
    for one, other in pairwise(["val:97", "unseen:97", "train", "val:97"]):
        ours, theirs = (catalogue.make_split(split).rows for split in (one, other))
        assert not {(row.place, row.participant) for row in ours} & {(row.place, row.participant) for row in theirs}
        assert not {row.participant for row in ours} & {row.participant for row in theirs}


def test_more_seen_clips_keep_away_from_training_windows_too() -> None:
    train = catalogue.make_split("train:1000").rows
    for seen in catalogue.make_split("seen:120").rows:
        assert min(seen.first_frame - row.last_frame for row in train if row.take_uid == seen.take_uid) > 150


def test_training_grows_without_changing_what_was_there() -> None:
    assert {row.clip_id for row in rows("train")} < {row.clip_id for row in catalogue.make_split("train:2000").rows}
    assert len(catalogue.make_split("train:2000").rows) == 2000


def test_every_exo_camera_is_trained_on_and_the_best_most_often() -> None:
    counts = [sum(row.exo_cam == name for row in rows("train")) for name in ("cam01", "cam02", "cam03", "cam04")]
    assert min(counts) > 40
    assert counts == sorted(counts, reverse=True)


def test_a_digest_tells_windows_cameras_and_canvases_apart() -> None:
    sim, (a, b) = SimDataset(), rows("val")[:2]
    other_camera = Row(
        **{**{f: getattr(a, f) for f in a.__struct_fields__}, "exo_cam": "cam04" if a.exo_cam != "cam04" else "cam03"}
    )
    digests = {sim.digests(a, MINI), sim.digests(a, FULL), sim.digests(b, MINI), sim.digests(other_camera, MINI)}
    assert len(digests) == 4


def test_digests_do_not_depend_on_the_hash_seed() -> None:
    script = (
        "from benchmark.canvas import MINI; from benchmark.datasets.sim.dataset import SimDataset; s = SimDataset();"
        "print([s.digests(r, MINI) for r in s.manifest('unseen').rows[:4]])"
    )
    seen = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        seen.add(subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout)
    assert len(seen) == 1


@pytest.mark.parametrize(("split", "most"), [("val", 240), ("seen", 120), ("unseen", 240)])
def test_more_clips_than_cameras_are_chosen_for_are_refused_with_what_there_is(split: str, most: int) -> None:
    with pytest.raises(UserError, match=f"'{split}' has {most} clips at most"):
        SimDataset().manifest(f"{split}:{most + 1}")


@pytest.mark.parametrize("split", ["train:0", "train:many", "unseen:", "unseen:-1", "all:5", "nonsense"])
def test_an_unknown_split_is_refused(split: str) -> None:
    with pytest.raises(UserError):
        SimDataset().manifest(split)


def test_an_unknown_split_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'train'"):
        SimDataset().manifest("trian")


def test_a_row_of_another_version_is_refused() -> None:
    row = rows("val")[0]
    fields = {f: getattr(row, f) for f in row.__struct_fields__}
    with pytest.raises(UserError, match="has no take 'sim_val_office0000_1'"):
        catalogue.take_of(Row(**{**fields, "take_name": "sim_val_office0000_1"}))
    with pytest.raises(UserError, match=r"frames 700\.\.748"):
        catalogue.take_of(Row(**{**fields, "first_frame": 700, "last_frame": 748}))
