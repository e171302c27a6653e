"""Each rule of the audit catches the leak that it is for, and nothing else."""

import msgspec
import numpy as np
import pytest

from benchmark.datasets.sim.dataset import SimDataset
from benchmark.errors import UserError
from benchmark.splits.audit import audit
from benchmark.splits.manifest import Manifest, Row
from benchmark.splits.named_audit import audit_named, find_manifests
from benchmark.splits.pictures import look_alikes, picture_hash


def row(take: str, first: int = 0, **changes) -> Row:
    values = {
        "clip_id": f"{take}_{first}_{first + 48}",
        "take_uid": f"uid-{take}",
        "take_name": take,
        "first_frame": first,
        "last_frame": first + 48,
        "exo_cam": "cam01",
        "capture_uid": f"capture-{take}",
        "place": f"place-{take}",
        "participant": f"wearer-{take}",
        "scenario": "Dance",
        **changes,
    }
    return Row(**values)


def split(name: str, *rows: Row) -> Manifest:
    return Manifest.of(name, "egoexo4d", rows)


CLEAN = [split("train", row("a"), row("b")), split("seen", row("a", 198)), split("unseen", row("c"))]


def rules(*manifests: Manifest, **options) -> list[str]:
    return [leak.rule for leak in audit(manifests, **options).leaks]


def test_clean_splits_are_clean():
    report = audit(CLEAN)
    assert report.clean
    assert report.unchecked == ()


@pytest.mark.parametrize(
    "bond", [{"take_uid": "uid-a"}, {"take_uid": "", "take_name": "a"}, {"capture_uid": "capture-a"}, {"place": "place-a"}]
)
def test_a_held_out_clip_that_shares_take_capture_or_place_is_a_leak(bond):
    unseen = split("unseen", row("c", 9000, **bond))
    leaks = audit([*CLEAN[:2], unseen]).leaks
    assert [(leak.rule, leak.split, leak.other_split) for leak in leaks] == [("a", "unseen", "train"), ("a", "unseen", "seen")]
    assert leaks[0].clip == "c_9000_9048"
    assert leaks[0].other_clip == "a_0_48"


def test_other_splits_may_share_places_unless_they_are_held_out_too():
    val = split("val", row("d", place="place-a"))
    assert rules(*CLEAN, val) == []
    assert rules(*CLEAN, val, held_out=["unseen", "val"]) == ["a", "a"]


@pytest.mark.parametrize(("first", "leaks"), [(198, []), (197, ["b"]), (49, ["b"]), (20, ["b"])])
def test_windows_of_one_take_must_be_150_frames_apart(first, leaks):
    assert rules(split("train", row("a")), split("seen", row("a", first))) == leaks


def test_another_camera_of_the_same_instants_is_a_leak():
    other_view = row("a", clip_id="a_0_48_cam03", exo_cam="cam03")
    assert rules(split("train", row("a")), split("seen", other_view)) == ["b"]


def test_an_imported_list_without_uids_is_compared_by_name():
    bare = row("a", 100, take_uid="", capture_uid="", place="", participant="")
    report = audit([split("train", row("a")), split("seen", bare), split("unseen", row("c"))])
    assert [leak.rule for leak in report.leaks] == ["b"]
    assert "(a): clips of unknown place: 1 of seen" in report.unchecked
    assert "(c): clips of unknown wearer: 1 of seen" in report.unchecked


def test_takes_of_one_name_and_different_uids_are_different_takes():
    assert rules(split("train", row("a")), split("seen", row("a", 60, take_uid="uid-other"))) == []


def test_the_same_clip_id_in_two_splits_is_a_leak_even_on_different_takes():
    twin = row("z", clip_id="a_0_48")
    assert rules(split("train", row("a")), split("seen", twin)) == ["e"]


def test_shared_wearers_are_a_number_and_no_leak():
    report = audit([split("train", row("a"), row("b")), split("unseen", row("c", participant="wearer-a"))])
    assert report.clean
    shared = report.shared_wearers[0]
    assert (shared.splits, shared.wearers, shared.clips) == (("train", "unseen"), 1, (1, 1))


def test_scenarios_are_counted_by_split():
    report = audit([split("train", row("a"), row("b", scenario="")), split("unseen", row("c"))])
    assert report.scenarios == {"Dance": {"train": 1, "unseen": 1}, "unknown": {"train": 1, "unseen": 0}}


def test_a_single_split_says_that_nothing_could_be_compared():
    assert "a single split" in audit(CLEAN[:1]).unchecked[0]


def test_splits_of_different_data_are_refused():
    other = Manifest.of("seen", "sim-1", [row("a")])
    with pytest.raises(UserError, match="'train' is cut from 'egoexo4d', 'seen' from 'sim-1'"):
        audit([CLEAN[0], other])
    with pytest.raises(UserError, match="two manifests are called 'train'"):
        audit([CLEAN[0], CLEAN[0]])


def picture(seed: int) -> np.ndarray:
    """A smooth random picture: coarse noise, enlarged."""
    import cv2

    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    return cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)


def test_picture_hashes_survive_noise_and_brightness_and_tell_pictures_apart():
    hashes = [picture_hash(picture(seed)) for seed in range(12)]
    noise = np.random.default_rng(0).normal(0, 6, (128, 128, 3))
    changed = [picture_hash(np.clip(picture(s) * 0.8 + 20 + noise, 0, 255).astype(np.uint8)) for s in range(12)]
    assert max((a ^ b).bit_count() for a, b in zip(hashes, changed)) <= 4
    assert min((hashes[i] ^ hashes[j]).bit_count() for i in range(12) for j in range(i)) > 10


def test_the_black_corners_of_a_fisheye_picture_do_not_count():
    y, x = np.mgrid[:128, :128] - 63.5
    outside = (np.hypot(x, y) > 64)[..., None]
    assert picture_hash(picture(1)) == picture_hash(np.where(outside, 0, picture(1)).astype(np.uint8))


def test_look_alike_first_frames_of_two_splits_are_a_leak():
    hashes = {"train": {"a": 0b1111, "b": 2**63}, "seen": {"c": 0, "d": 0xFFFF_FFFF}, "unseen": {}}
    leaks = list(look_alikes(hashes))
    assert [(leak.rule, leak.clip, leak.other_clip) for leak in leaks] == [("d", "b", "c")]
    assert leaks[0].what == "first ego frames differ in 1 of 64 hash bits"


class Pictured:
    """A dataset whose clips have a one-frame ego video; `without` has none."""

    name = "egoexo4d"

    def __init__(self, seeds: dict[str, int], without: str = "") -> None:
        self.seeds, self.without, self.prepared = seeds, without, 0

    def splits(self):
        return ("all", "train", "seen", "unseen")

    def manifest(self, name):
        return next(manifest for manifest in CLEAN if manifest.split == name)

    def prepare(self, rows, canvas, *, needs, workers, progress):
        self.prepared += len(rows)

    def clip(self, row, canvas):
        from types import SimpleNamespace

        from benchmark.video import Video

        if row.clip_id == self.without:
            return SimpleNamespace(truth=None)
        frames = picture(self.seeds[row.clip_id])[None]
        return SimpleNamespace(truth=SimpleNamespace(video=Video.of_array(frames, fps=30.0)))


def audit_pictured(monkeypatch, dataset, names=()):
    monkeypatch.setattr("benchmark.datasets.opening.open_dataset", lambda where: dataset)
    return audit_named(names, data="anything", progress=lambda done, total, what: None)


def test_pictures_are_compared_where_the_data_is_named(monkeypatch):
    dataset = Pictured({"a_0_48": 1, "b_0_48": 2, "a_198_246": 1, "c_0_48": 3})
    report = audit_pictured(monkeypatch, dataset)
    assert [(leak.rule, leak.clip, leak.other_clip) for leak in report.leaks] == [("d", "a_0_48", "a_198_246")]
    assert dataset.prepared == 4
    assert report.unchecked == ()


def test_clips_without_ego_video_are_named_as_not_checked(monkeypatch):
    dataset = Pictured({"a_0_48": 1, "b_0_48": 2, "a_198_246": 4, "c_0_48": 3}, without="b_0_48")
    report = audit_pictured(monkeypatch, dataset)
    assert report.clean
    assert report.unchecked == ("(d): 1 clips without a first ego frame, the first is b_0_48: no ego video",)


def test_without_data_pictures_are_said_to_be_unchecked(tmp_path):
    for manifest in CLEAN:
        manifest.save(tmp_path / f"{manifest.split}.jsonl")
    report = audit_named([str(tmp_path)], data=None, progress=lambda done, total, what: None)
    assert report.unchecked == ("(d): first ego frames; name the data with --data to compare them",)
    assert msgspec.json.decode(msgspec.json.encode(report))["leaks"] == []


def test_manifests_are_found_by_file_and_by_folder(tmp_path):
    CLEAN[0].save(tmp_path / "one.jsonl")
    CLEAN[1].save(tmp_path / "more" / "two.jsonl")
    found = find_manifests([str(tmp_path / "one.jsonl"), str(tmp_path / "more")])
    assert [manifest.split for manifest in found] == ["train", "seen"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no \.jsonl manifest"):
        find_manifests([str(tmp_path / "empty")])
    with pytest.raises(UserError, match="nowhere: no such manifest file or folder"):
        find_manifests(["nowhere"])
    with pytest.raises(UserError, match="nothing to audit"):
        find_manifests([])


def test_splits_of_the_simulated_world_with_a_number_of_clips_are_audited_by_name():
    found = find_manifests(["val:26", "unseen:26"], SimDataset())
    assert [len(manifest.rows) for manifest in found] == [26, 26]
    assert rules(*found, held_out=("unseen:26",)) == []
