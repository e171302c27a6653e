"""Names of methods: hostile ones do no harm, and none passes for a control."""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec
import pytest

from benchmark.errors import UserError
from benchmark.results import read_results
from leaderboard.submission.adding import add
from leaderboard.submission.check import check
from leaderboard.submission.layout import Place, place_at, place_of
from leaderboard.submission.names import check_name, passes_for, printable
from leaderboard.submission.readme import write_readme

from .publishable import MINE, edit_results, place, publishable

FOLDER = "cannot be a folder (no slash, colon, line break or leading dot); score the run again under another name"
SYSTEMS = "cannot be a folder on every system; use letters, digits, '-', '_' and '.'"
HOSTILE = {
    "<script>alert(1)</script>": f"method name '<script>alert(1)</script>' {FOLDER}",
    "<script>": f"method name '<script>' {SYSTEMS}",
    "../x": f"method name '../x' {FOLDER}",
    "/etc/x": f"method name '/etc/x' {FOLDER}",
    "..": f"method name '..' {FOLDER}",
    "": f"method name '' {FOLDER}",
    "a\\b": f"method name 'a\\\\b' {FOLDER}",
    "a\nb": f"method name 'a\\nb' {FOLDER}",
    "\x1b[2Jx": f"method name '\\x1b[2Jx' {FOLDER}",
    "x" * 201: f"method name '{'x' * 60}…' is longer than 200 bytes; score the run again under another name",
    "NUL": f"method name 'NUL' {SYSTEMS}",
    "name.": f"method name 'name.' {SYSTEMS}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_run_with_a_name_that_is_no_folder_is_refused_and_the_others_go_in(tmp_path, name):
    """The benchmark itself never writes such a run: somebody has edited its results."""
    publishable(tmp_path / "runs", "fine")
    bad = publishable(tmp_path / "runs", "bad")
    edit_results(bad / "results.json", method={"id": name})
    before = sorted(path.name for path in tmp_path.iterdir())
    done = add([tmp_path / "runs"], tmp_path / "repository")
    assert done.refused == (f"{bad / 'results.json'}: {HOSTILE[name]}",)
    assert [one.place.method for one in done.put] == ["fine"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "repository"])
    assert sorted(path.name for path in (tmp_path / "repository" / "results" / "unseen" / "mini").iterdir()) == ["fine"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_that_somebody_has_put_in_is_named_and_the_readme_stays_harmless(repository, name):
    file = place(repository, publishable(repository.parent / "runs", "bad"))
    edit_results(file, method={"id": name})
    assert [one.sentence for one in check(repository).problems if one.field] == [
        f"results/unseen/mini/bad/{MINE}.json: method.id: {HOSTILE[name]}"
    ]
    assert write_readme(repository) == []
    text = (repository / "README.md").read_text()
    assert "<script" not in text
    assert "\x1b" not in text
    assert "mine" in text


@pytest.mark.parametrize("name", ["Oracle", "0racle", "oracle-", "оracle", "oracle ", "re_peat_first", "shuffled2"])
def test_a_name_that_is_read_as_a_control_is_seen(name):
    controls = ["oracle", "repeat-first", "shuffled"]
    expected = {"re_peat_first": "repeat-first", "shuffled2": None}.get(name, "oracle")
    assert passes_for(name, controls) == expected


def test_a_method_that_is_read_as_a_control_is_a_problem_and_as_a_method_a_warning(tmp_path):
    for name in ("0racle", "EgoX"):
        place(tmp_path, publishable(tmp_path / "runs", name))
    write_readme(tmp_path)
    assert [(one.level, one.sentence) for one in check(tmp_path).findings] == [
        (
            "problem",
            f"results/unseen/mini/0racle/{MINE}.json: method.id: '0racle' is read as the control 'oracle';"
            " score the run again under another name",
        ),
        (
            "warning",
            f"results/unseen/mini/EgoX/{MINE}.json: method.id: 'EgoX' is easily taken for 'egox', which comes with egox-bench;"
            " rather use another name",
        ),
    ]


def test_a_run_under_the_name_of_a_control_that_hides_what_it_is_is_a_problem(tmp_path):
    place(tmp_path, publishable(tmp_path / "runs", "oracle"))
    place(
        tmp_path,
        publishable(
            tmp_path / "runs",
            "shuffled",
            change=lambda method: msgspec.structs.replace(method, control=True, privileged="other_truth"),
        ),
    )
    write_readme(tmp_path)
    start, end = f"results/unseen/mini/oracle/{MINE}.json: method.", "score the run again with this version"
    assert [one.sentence for one in check(tmp_path).findings] == [
        f"{start}control: is False, but 'oracle' comes with egox-bench and is 'True'; {end}",
        f"{start}privileged: is 'none', but 'oracle' comes with egox-bench and is 'truth'; {end}",
    ]


def test_a_path_that_names_no_run_has_no_place():
    good = Place(split="s", protocol="p", method="m", key=MINE)
    assert place_at(good.results) == good == place_at(good.records)
    for path in ("results/s/p/m/key.json", f"results/s/p/{MINE}.json", f"other/s/p/m/{MINE}.json", f"results/s/p/m/{MINE}.txt"):
        assert place_at(PurePosixPath(path)) is None


def test_a_key_that_is_none_is_refused(tmp_path):
    folder = publishable(tmp_path / "runs", "mine")
    renamed = folder.rename(folder.with_name("final"))
    done = add([tmp_path / "runs"], tmp_path / "repository")
    assert done.refused == (
        f"{renamed / 'results.json'}: 'final' is no run's key (16 hex digits);"
        " keep the name that egox-bench gave the run's folder",
    )


def test_the_folder_of_a_split_has_no_colon(tmp_path):
    results = read_results(publishable(tmp_path, "mine") / "results.json")
    split = msgspec.structs.replace(results.split, name="train:5")
    assert place_of(msgspec.structs.replace(results, split=split), MINE).split == "train-5"
    with pytest.raises(UserError, match="split name"):
        place_of(msgspec.structs.replace(results, split=msgspec.structs.replace(split, name="../..")), MINE)


def test_names_of_common_methods_pass():
    for name in ("egox", "egox-no-gga", "my method", "méthode", "方法", "a.b_c+d (2)"):
        assert check_name("method", name) == name


def test_what_moves_a_cursor_is_not_printed():
    assert printable("a\x1b[2J\nb\u202e") == "a?[2J?b?"
