"""Built splits: the same bytes for any order of takes.json, held-out places, guard gaps, even scenarios."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.splits.audit import audit
from benchmark.splits.building import Sizes, build, save
from benchmark.splits.candidates import quotas
from benchmark.splits.holding_out import HELD_SHARE
from benchmark.splits.manifest import load_manifest
from benchmark.splits.pool import Pool, read_pool

from .crafted import SCENARIOS, crafted_take, crafted_takes, write_takes

SMALL = Sizes(train=300, seen=60, unseen=40, val=20)


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Pool:
    return read_pool(write_takes(tmp_path_factory.mktemp("data"), crafted_takes(400)), need_place=True)


def rows_of(built):
    return {split: {row.clip_id: row for row in manifest.rows} for split, manifest in built.manifests.items()}


def test_a_shuffled_takes_json_gives_the_same_manifest_bytes(tmp_path):
    takes = crafted_takes(200, seed=3)
    shuffled = random.Random(1).sample(takes, len(takes))
    files = []
    for name, order in (("one", takes), ("other", shuffled)):
        built = build(read_pool(write_takes(tmp_path / name, order), need_place=True), SMALL)
        files.append([path.read_bytes() for path in save(built, tmp_path / name / "splits")])
    assert takes != shuffled
    assert len(files[0]) == 4
    assert files[0] == files[1]


def test_one_more_take_leaves_nearly_all_other_rows_as_they_are(tmp_path):
    takes = crafted_takes(300, seed=5)
    before = rows_of(build(read_pool(write_takes(tmp_path / "a", takes), need_place=True), SMALL))
    for number in range(900, 905):
        more = crafted_take(number, scenario="Dance", place=number, capture=f"new {number}", participant=number)
        after = rows_of(build(read_pool(write_takes(tmp_path / f"b{number}", [*takes, more]), need_place=True), SMALL))
        lost = {split: len(set(rows) - set(after[split])) for split, rows in before.items()}
        assert sum(lost.values()) <= 42, lost  # a tenth: at worst the take's place takes over from another held-out one


def test_another_seed_draws_other_clips(pool):
    assert build(pool, SMALL, seed=0).manifests["unseen"].digest != build(pool, SMALL, seed=1).manifests["unseen"].digest


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    takes=st.integers(10, 120),
    places=st.integers(3, 20),
    stay=st.booleans(),
    per_take=st.integers(1, 6),
)
def test_no_build_leaks(tmp_path_factory, seed, takes, places, stay, per_take):
    made = crafted_takes(max(takes, places), seed=seed, places=places, wearers_stay=stay)
    pool = read_pool(write_takes(tmp_path_factory.mktemp("data"), made), need_place=True)
    built = build(pool, Sizes(train=200, seen=50, unseen=10, val=10, per_take=per_take), seed=seed)
    report = audit(list(built.manifests.values()), held_out=["unseen", "val"])
    assert report.clean, report.leaks[:3]
    if "participant" in built.grouping.links:
        assert all(one.wearers == 0 for one in report.shared_wearers if set(one.splits) & {"unseen", "val"})


def test_sizes_are_met_where_there_is_enough(pool):
    built = build(pool, SMALL)
    assert {split: len(manifest.rows) for split, manifest in built.manifests.items()} == {
        "train": 300,
        "seen": 60,
        "unseen": 40,
        "val": 20,
    }
    assert dict(built.short_of) == {}


def test_a_split_that_cannot_be_filled_says_how_short_it_is(pool):
    built = build(pool, replace(SMALL, unseen=4000))
    assert built.short_of["unseen"] == 4000 - len(built.manifests["unseen"].rows) > 0


def test_a_take_gives_no_more_clips_than_asked_for(pool):
    built = build(pool, Sizes(train=5000, seen=5000, unseen=60, val=0, per_take=3, seen_per_take=2, held_per_take=2))
    most = {split: max(Counter(row.take_uid for row in m.rows).values()) for split, m in built.manifests.items()}
    assert most == {"train": 3, "seen": 2, "unseen": 2}


def test_seen_clips_are_of_takes_that_training_has(pool):
    built = build(pool, replace(SMALL, train=40))
    trained = {row.take_uid for row in built.manifests["train"].rows}
    assert {row.take_uid for row in built.manifests["seen"].rows} <= trained


def test_scenarios_are_as_even_as_their_takes_allow(pool):
    built = build(pool, SMALL)
    for split in ("train", "seen", "unseen"):
        counts = Counter(row.scenario for row in built.manifests[split].rows)
        assert set(counts) == set(SCENARIOS)
        assert counts["Basketball"] - counts["Cooking"] <= 2  # both have plenty, though Basketball has twice the takes


def test_half_of_the_places_of_each_scenario_stay_in_training(pool):
    built = build(pool, Sizes(train=5000, seen=0, unseen=5000, val=5000))
    places = {name: {u.take.place for u in pool.takes if u.take.scenario == name} for name in SCENARIOS}
    trained = {row.place for row in built.manifests["train"].rows}
    assert all(len(found & trained) >= len(found) / 2 for found in places.values())
    held = sum(u.take.place not in trained for u in pool.takes)
    assert 0 < held <= HELD_SHARE * len(pool.takes)


def test_held_out_clips_are_spread_over_places(pool):
    built = build(pool, replace(SMALL, held_per_group=4))
    counts = Counter(row.place for row in built.manifests["unseen"].rows)
    assert max(counts.values()) <= 4
    assert len(counts) >= 10


def test_a_size_of_zero_writes_no_manifest(pool, tmp_path):
    paths = save(build(pool, replace(SMALL, val=0)), tmp_path)
    assert [path.name for path in paths] == ["train.jsonl", "seen.jsonl", "unseen.jsonl"]
    assert load_manifest(paths[2]).split == "unseen"


def test_the_best_exo_label_decides_the_camera_where_there_is_one(pool):
    rows = build(pool, SMALL).manifests["train"].rows
    labelled = {u.take.uid: u.take.best_exo for u in pool.takes}
    assert all(row.exo_cam == "cam02" for row in rows if labelled[row.take_uid])
    assert len({row.exo_cam for row in rows if not labelled[row.take_uid]}) > 1


def test_no_raw_participant_number_enters_a_manifest(tmp_path):
    takes = [crafted_take(n, scenario="Dance", place=n, capture=f"c{n}", participant=657001 + n) for n in range(8)]
    built = build(read_pool(write_takes(tmp_path, takes), need_place=True), Sizes(train=20, seen=2, unseen=2, val=0))
    text = b"".join(manifest.to_bytes() for manifest in built.manifests.values())
    assert b"65700" not in text
    assert all(len(row.participant) == 8 for manifest in built.manifests.values() for row in manifest.rows)


def test_no_usable_take_is_an_error_with_the_counted_reasons(tmp_path):
    takes = [crafted_take(n, scenario="Dance", place=n, capture="c", participant=n, is_dropped=True) for n in range(3)]
    with pytest.raises(UserError, match=r"no take can be used \(3 x is_dropped is true\)"):
        build(read_pool(write_takes(tmp_path, takes), need_place=True), SMALL)


@given(st.integers(0, 500), st.dictionaries(st.text(max_size=2), st.integers(0, 100), max_size=6))
def test_quotas_share_all_there_is_and_differ_by_one_among_those_that_are_not_exhausted(total, capacity):
    shares = quotas(total, capacity)
    assert sum(shares.values()) == min(total, sum(capacity.values()))
    assert all(0 <= shares[name] <= capacity[name] for name in capacity)
    free = [shares[name] for name in capacity if shares[name] < capacity[name]]
    assert not free or max(free) - min(free) <= 1
    assert not free or max(shares.values()) <= max(free) + 1
