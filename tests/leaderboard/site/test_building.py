"""The site as files: what is in it, what is never in it, and what a crash leaves."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import msgspec
import pytest

from benchmark.errors import UserError
from benchmark.results import ClipScore, read_records, read_results, write_records
from benchmark.video import count_frames, decoded_frames
from leaderboard.rows import find_rows, find_rows_and_faults
from leaderboard.site import building
from leaderboard.site.building import MARKER, _without, build_site
from leaderboard.site.facts import facts_of
from leaderboard.site.names import slug_of
from leaderboard.site.pages import _distances
from leaderboard.table import sheet_of

from ..runs import edit, having, make_run
from .conftest import COMMAND, egox_bench

HOSTILE = "<script>alert(1)</script>"


class Links(HTMLParser):
    """Every address that a page names, and the kinds of elements it has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.scripts = 0
        self.ids: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("href", "src", "xlink:href") and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.add(value)


def build(runs: Path, out: Path, **how):
    rows, faults = find_rows_and_faults([runs])
    return build_site([sheet_of(rows)], out, faults=faults, **how)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_runs_give_the_same_bytes(box_runs, box_site, tmp_path):
    egox_bench("publish", box_runs, "--local", "--out", tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(box_site)


def test_every_address_leads_to_a_file_of_the_site(box_site):
    pages = list(box_site.rglob("*.html"))
    assert len(pages) == 2 + 3 + 4  # index and table, clips, metrics
    for page in pages:
        for link in Links(page).links:
            if link.startswith(("data:", "#")):
                continue
            target, fragment = urldefrag(unquote(link))
            assert ":" not in target, f"{page}: {link} leaves the site"
            assert (page.parent / target).is_file(), f"{page}: {link}"
            if fragment and target.endswith(".html"):
                assert fragment in Links(page.parent / target).ids, f"{page}: {link}"


def test_a_page_has_the_exo_view_the_prior_the_methods_and_the_truth_in_this_order(box_site):
    page = (box_site / "all-pixels" / "clip-b1.html").read_text()
    assert re.findall(r'src="media/b1/(\w+\.mp4)"', page)[0] == "exo.mp4"
    assert re.findall(r"<kbd>(\d)</kbd>", page)[:4] == ["1", "2", "3", "4"]
    captions = [re.sub(r"<[^>]+>", "", text).split()[-1] for text in re.findall(r"<figcaption>(.*?)</figcaption>", page)]
    assert captions == ["exo", "ego-prior", "prior-inpaint", "truth"]


def test_videos_have_all_frames_and_a_key_frame_every_few(box_site):
    import av

    videos = sorted((box_site / "all-pixels" / "media").rglob("*.mp4"))
    assert len(videos) == 3 * 4
    for path in videos:
        assert count_frames(path) == 17
        with av.open(str(path)) as container:
            keys = [packet.pts for packet in container.demux(video=0) if packet.is_keyframe]
            assert len(keys) >= 17 // 4
        assert next(decoded_frames(path)).shape[0] == (256 if path.stem == "exo" else 128)


def test_pixels_of_licensed_data_stay_on_the_machine_unless_the_page_is_private(box_runs, tmp_path):
    egox_bench("publish", box_runs, "--out", tmp_path / "public")
    assert not list((tmp_path / "public").rglob("*.mp4"))
    assert "Pictures of licensed data are not shown" in (tmp_path / "public" / "index.html").read_text()
    egox_bench("publish", box_runs, "--out", tmp_path / "named", "--generated", "prior-inpaint")
    shown = {path.name for path in (tmp_path / "named").rglob("*.mp4")}
    assert len(shown) == 1
    assert not shown & {"exo.mp4", "truth.mp4"}


def test_names_from_results_do_no_harm(tmp_path):
    make_run(tmp_path / "runs", "good")
    folder = make_run(tmp_path / "runs", "bad")
    method = read_results(folder / "results.json").method
    edit(folder, method=msgspec.structs.replace(method, id=HOSTILE, remark=HOSTILE, options={HOSTILE: HOSTILE}))
    build(tmp_path / "runs", tmp_path / "site")
    plain = tmp_path / "plain"
    build_site([sheet_of(find_rows([make_run(tmp_path / "two", "good"), make_run(tmp_path / "two", "other")]))], plain)
    for page in (tmp_path / "site").rglob("*.html"):
        assert HOSTILE not in page.read_text()
        assert Links(page).scripts == Links(plain / page.relative_to(tmp_path / "site")).scripts
    assert "&lt;script&gt;alert(1)" in (tmp_path / "site" / "index.html").read_text()


def test_what_cannot_be_read_is_told_and_the_rest_is_published(tmp_path):
    make_run(tmp_path / "runs", "good")
    broken = make_run(tmp_path / "runs", "nan") / "results.json"
    broken.write_text(re.sub(r'"mean": [\d.]+', '"mean": NaN', broken.read_text(), count=1))
    old = make_run(tmp_path / "runs", "old") / "results.json"
    old.write_text(old.read_text().replace('"schema": 2', '"schema": 1'))
    make_run(tmp_path / "runs", "limited", attempted=3)
    done = egox_bench("publish", tmp_path / "runs", "--out", tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text()
    assert "good" in page
    told = done.stderr
    assert "results schema 1, this version reads 2" in told
    assert "NaN is no number" in told
    assert "limited (0123456789abcdef) is partial" in told
    assert page.count("<li>") > told.count("\n") > 2
    assert "results schema 1" in page


def test_without_any_whole_run_nothing_is_written(tmp_path):
    make_run(tmp_path / "runs", "limited", attempted=3)
    done = egox_bench("publish", tmp_path / "runs", "--out", tmp_path / "site", code=2)
    assert "limited (0123456789abcdef) is partial" in done.stderr
    assert not (tmp_path / "site").exists()


def test_a_folder_that_is_no_site_is_left_alone(tmp_path):
    make_run(tmp_path / "runs", "good")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(UserError, match="there is something else here already"):
        build(tmp_path / "runs", tmp_path / "thesis")
    assert files_of(tmp_path / "thesis") == {"chapter.tex": b"years of work"}


def test_a_build_that_breaks_leaves_the_old_site_and_nothing_else(tmp_path, monkeypatch):
    make_run(tmp_path / "runs", "good")
    build(tmp_path / "runs", tmp_path / "site")
    before = files_of(tmp_path / "site")

    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(building, "clip_page", full)
    with pytest.raises(UserError, match="cannot be written"):
        build(tmp_path / "runs", tmp_path / "site")
    assert files_of(tmp_path / "site") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".site.lock", "runs", "site"]


def test_a_new_site_takes_the_place_of_the_old_one(tmp_path):
    make_run(tmp_path / "runs", "good")
    build(tmp_path / "runs", tmp_path / "site")
    (tmp_path / "site" / "stale.html").write_text("of another day")
    build(tmp_path / "runs", tmp_path / "site")
    assert not (tmp_path / "site" / "stale.html").exists()
    assert (tmp_path / "site" / MARKER).is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".site.lock", "runs", "site"]


def test_two_tables_of_the_same_names_have_pages_of_their_own(tmp_path):
    sheets = [sheet_of(find_rows([make_run(tmp_path / digest, "good", split_digest=digest)])) for digest in ("5p1it", "0ther")]
    build_site(sheets, tmp_path / "site")
    assert (tmp_path / "site" / "unseen-pixels.html").is_file()
    assert "0ther" in (tmp_path / "site" / "unseen-pixels-2.html").read_text()


def test_the_buttons_lead_to_the_same_numbers(box_site):
    import pandas as pd

    wide, long = (pd.read_csv(box_site / "all-pixels" / name) for name in ("table.csv", "long.csv"))
    for metric in ("psnr", "ssim"):
        other = long[long.metric == metric].set_index("run").value
        assert wide.set_index("run")[metric].to_dict() == other.to_dict()
    assert r"\toprule" in (box_site / "all-pixels" / "table.tex").read_text()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", HOSTILE, "x" * 300, "ä", "", ".hidden"])
def test_a_slug_is_a_plain_part_of_an_address(name):
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,128}", slug_of(name))


def test_slugs_of_different_names_differ_and_plain_names_are_their_own():
    assert slug_of("sim_unseen_kitchen0000_1_224_272") == "sim_unseen_kitchen0000_1_224_272"
    assert slug_of("a b") != slug_of("a  b") != slug_of("a-b")


def test_as_many_clips_get_videos_as_are_asked_for_and_the_others_say_why_not(box_runs, tmp_path):
    egox_bench("publish", box_runs, "--local", "--videos", "1", "--out", tmp_path / "site")
    inner = tmp_path / "site" / "all-pixels"
    assert {path.parent.name for path in inner.rglob("*.mp4")} == {"b0"}
    assert "1 of 3 clips have some" in (inner / "clip-b2.html").read_text()
    egox_bench("publish", box_runs, "--local", "--videos", "0", "--out", tmp_path / "none")
    assert not list((tmp_path / "none").rglob("*.mp4"))


def clip_page(out: Path, clip: str = "b1") -> str:
    return (out / "all-pixels" / f"clip-{clip}.html").read_text()


def own_copy(runs: Path, tmp_path: Path) -> Path:
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def test_a_video_that_is_not_the_one_that_was_scored_is_left_out_and_told(box_runs, tmp_path):
    runs = own_copy(box_runs, tmp_path)
    (prior,), (inpaint,) = (list(runs.glob(f"{method}/*/*/*/videos/b1.mkv")) for method in ("ego-prior", "prior-inpaint"))
    shutil.copyfile(prior, inpaint)
    prior.write_bytes(prior.read_bytes()[: prior.stat().st_size // 2])
    done = egox_bench("publish", runs, "--local", "--out", tmp_path / "site")
    assert f"{inpaint}: the video is not the one that was scored, and is left out; delete it and run again" in done.stderr
    assert f"{prior}: the video" in done.stderr
    assert re.findall(r'media/b1/(\w+)\.mp4"', clip_page(tmp_path / "site")) == ["exo", "truth"]
    assert len(re.findall(r"media/b0/", clip_page(tmp_path / "site", "b0"))) == 4
    assert "prior-inpaint/all/pixels" in (tmp_path / "site" / "index.html").read_text()


def test_pages_name_no_folder_of_this_machine(box_runs, tmp_path):
    runs = own_copy(box_runs, tmp_path)
    next(runs.glob("ego-prior/*/*/*/results.json")).write_text("{}")
    done = egox_bench("publish", runs, "--out", tmp_path / "site")
    assert str(runs) in done.stderr
    for name, data in files_of(tmp_path / "site").items():
        assert str(tmp_path).encode() not in data, name
    assert "<li>ego-prior/all/pixels/" in (tmp_path / "site" / "index.html").read_text()


@pytest.mark.parametrize("damage", ["scores of a clip", "clip id", "mean"])
def test_a_run_with_a_damaged_file_is_left_out_and_costs_no_other_its_page(box_runs, tmp_path, damage):
    runs = own_copy(box_runs, tmp_path)
    (folder,) = runs.glob("prior-inpaint/*/*/*")
    if damage == "scores of a clip":
        (folder / "scores" / "b1.json").write_bytes((folder / "scores" / "b1.json").read_bytes()[:40])
    elif damage == "clip id":
        text = (folder / "scores.jsonl").read_text()
        (folder / "scores.jsonl").write_text(text.replace('"clip":"b1"', '"clip":"../b1"'))
    else:
        (folder / "scores.jsonl").write_text("\n".join((folder / "scores.jsonl").read_text().splitlines()[:2]) + "\n")
    done = egox_bench("publish", runs, "--out", tmp_path / "site")
    (said,) = [line for line in done.stderr.splitlines() if "prior-inpaint/" in line]
    assert said.startswith(str(folder))
    page = (tmp_path / "site" / "index.html").read_text()
    assert "ego-prior</button>" in page
    assert "prior-inpaint</button>" not in page


def test_a_site_among_runs_is_no_run(box_runs, tmp_path):
    runs = own_copy(box_runs, tmp_path)
    egox_bench("publish", runs, "--out", runs / "site")
    once = files_of(runs / "site")
    assert len(find_rows([runs])) == 4
    egox_bench("publish", runs, "--out", runs / "site")
    assert files_of(runs / "site") == once


def test_a_method_that_no_run_is_of_cannot_be_called_generated(box_runs, tmp_path):
    done = egox_bench("publish", box_runs, "--out", tmp_path / "site", "--generated", "prior-inpant", code=2)
    assert "did you mean 'prior-inpaint'?" in done.stderr


def test_only_the_simulated_world_has_its_name(tmp_path):
    from ...box_folder import write_box_folder

    boxes = write_box_folder(tmp_path / "boxes", clips=1)
    index = boxes / "clips.json"
    index.write_text(index.read_text().replace('"boxes"', '"sim-2"'))
    done = egox_bench("list", "splits", "--data", boxes, code=2)
    assert "name 'sim-2' is that of the simulated world" in done.stderr


def test_runs_that_share_no_table_say_why(tmp_path):
    make_run(tmp_path / "runs", "good")
    make_run(tmp_path / "runs", "other", split_digest="0ther")
    done = egox_bench("publish", tmp_path / "runs", "--out", tmp_path / "site")
    assert "unseen: not in one table: split digest differs (5p1it and 0ther)" in done.stderr


def test_what_a_kill_left_is_cleared_away_and_the_old_site_comes_back(tmp_path, monkeypatch):
    make_run(tmp_path / "runs", "good")
    build(tmp_path / "runs", tmp_path / "site")
    (tmp_path / "site").rename(tmp_path / ".site.old")  # killed between the two renames
    (tmp_path / ".site.new").mkdir()
    monkeypatch.setattr(building, "_copy_static", broken)
    with pytest.raises(UserError, match="damaged"):
        build(tmp_path / "runs", tmp_path / "site")
    assert (tmp_path / "site" / "index.html").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".site.lock", "runs", "site"]


def broken(folder: Path) -> None:
    raise UserError(f"{folder}: damaged")


def test_two_that_publish_to_one_place_at_once_both_succeed(tmp_path):
    make_run(tmp_path / "runs", "good")
    words = [COMMAND, "publish", str(tmp_path / "runs"), "--out", str(tmp_path / "site")]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        _, said = one.communicate(timeout=120)
        assert one.returncode == 0, said
    assert (tmp_path / "site" / MARKER).is_file()


def test_differences_name_who_is_ahead_and_there_are_none_from_an_unknown_truth(tmp_path):
    protocol = having("psnr", "flicker")
    for root, methods in (("without", ()), ("with", (("oracle", 0.95, 30.0),))):
        for method, flicker, level in (("near", 0.94, 20.0), ("frozen", 1.0, 25.0), *methods):
            how = {"privileged": "truth"} if method == "oracle" else {}
            fixed = {"flicker": ClipScore(value=flicker)}
            make_run(tmp_path / root, method, protocol=protocol, fixed=fixed, level=level, **how)
        (table,) = facts_of([sheet_of(find_rows([tmp_path / root]))])
        order = [row.label for row in table.rows]
        a, b = sorted((order.index("near"), order.index("frozen")))
        first = 1 if order[a] == "frozen" else -1
        assert table.deltas["psnr"][a, b][3] == first
        if root == "without":
            assert "flicker" not in table.deltas
        else:  # the frozen one is further from the truth, though higher
            assert table.deltas["flicker"][a, b][3] == -first


def test_columns_that_are_best_near_the_truth_sort_as_they_are_ranked(tmp_path):
    """The mean is the truth's own of a method that is off on every clip, now this way, now that."""
    protocol = having("psnr", "flicker")
    make_run(tmp_path, "steady", protocol=protocol, fixed={"flicker": ClipScore(value=0.93)})
    make_run(tmp_path, "oracle", protocol=protocol, fixed={"flicker": ClipScore(value=0.95)}, privileged="truth")
    folder = make_run(tmp_path, "wild", protocol=protocol, fixed={"flicker": ClipScore(value=0.95)})
    records = [
        msgspec.structs.replace(one, scores=one.scores | {"flicker": ClipScore(value=0.95 + 0.04 * (-1) ** number)})
        for number, one in enumerate(read_records(folder / "scores.jsonl"))
    ]
    write_records(folder / "scores.jsonl", records)
    (table,) = facts_of([sheet_of(find_rows([tmp_path]))])
    column = next(column for column in table.sheet.columns if column.metric == "flicker")
    found = dict(zip((row.label for row in table.rows), _distances(table, column)))
    assert found == pytest.approx({"steady": 0.02, "wild": 0.04, "oracle": 0.0})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/a/runs/egox/x.mkv: the video", "egox/x.mkv: the video"),
        ("/data/other-runs/take1/x.json: no", "x.json: no"),
        (
            "unseen: no truth: /secret/folder/data: no such data folder; name 'sim'",
            "unseen: no truth: data: no such data folder; name 'sim'",
        ),
        ("../data/x and 3/4 of clips", "../data/x and 3/4 of clips"),
    ],
)
def test_of_a_path_only_what_lies_below_the_runs_is_shown(text, shown):
    assert _without([Path("/a/runs")], text) == shown
