"""Figures from runs: which runs and clips are shown, how they are laid out, and how a figure that is out of date is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.canvas import MINI
from benchmark.datasets.opening import open_dataset
from benchmark.errors import UserError
from benchmark.results import (
    ClipRecord,
    ClipScore,
    Header,
    MethodHeader,
    ProtocolHeader,
    SplitHeader,
    read_records,
    write_records,
    write_results,
)
from benchmark.splits.manifest import Row
from benchmark.store import Prediction, RunFolder
from benchmark.summary import summarise
from benchmark.video import Frames, pixel_digest
from leaderboard.figure_verb import command, draw_grid
from leaderboard.figures import Figure, names, read_figure
from leaderboard.figures.choosing import spread
from leaderboard.figures.chunk import contents_of, stale
from leaderboard.figures.grid import EDGE, GAP, NOTHING, Block, grid
from leaderboard.figures.making import Asked, make
from leaderboard.rows import find_rows

from ..box_folder import write_box_folder
from ..pixels import PATH, PIXELS
from .runs import edit

ABLATIONS = ("egox", "egox-no-gga", "egox-no-prior", "egox-no-clean-latent")
LEVELS = {"ego-prior": 10, "egox": 60, "egox-no-gga": 110, "egox-no-prior": 160, "egox-no-clean-latent": 210}
"""Grey of a method's videos."""


@dataclass(frozen=True, kw_only=True)
class World:
    """A data folder of painted boxes, and where runs on it lie."""

    data: Path
    runs: Path

    def run(
        self, method: str, *, clips: Sequence[str] = ("b0", "b1", "b2"), seed: int = 0, key: str = "", level: int | None = None
    ) -> Path:
        """One run with real videos, each plain but for a last frame that is lighter; returns its folder."""
        manifest = open_dataset(self.data).manifest("all")
        folder = RunFolder(self.runs / method / "all" / PIXELS.name / (key or f"{method[-8:]}{seed}"))
        records = []
        for clip in clips:
            video = video_of(LEVELS[method] if level is None else level, clip)
            done = Prediction(key="k", clip_digest="c", extra="", outcome="done", pixels=pixel_digest(video))
            folder.commit_prediction(clip, done, video, fps=MINI.fps)
            scores = {spec.id: ClipScore(value=0.5) for spec, _ in PIXELS.metrics}
            records.append(ClipRecord(clip=clip, cluster=clip, place="", outcome="scored", prediction=done.pixels, scores=scores))
        header = Header(
            method=MethodHeader(
                id=method, version="1", source="s", options={}, privileged="none", control=False, static=False, remark=""
            ),
            seed=seed,
            split=SplitHeader(name="all", dataset=open_dataset(self.data).name, digest=manifest.digest, n=len(manifest.rows)),
            protocol=ProtocolHeader(name=PIXELS.name, version=PIXELS.version, digest=PIXELS.digest),
        )
        write_results(folder.path / "results.json", summarise(records, header=header, protocol=PIXELS))
        write_records(folder.path / "scores.jsonl", records)
        return folder.path

    def asked(self, **changes: object) -> Asked:
        return msgspec.convert({"split": "all", "data": str(self.data), "protocol": str(PATH), **changes}, Asked)

    def make(self, name: str = "fig6", **changes: object):
        return make(name, [self.runs], self.asked(**changes))


def video_of(level: int, clip: str) -> Frames:
    video = np.full((MINI.frames, MINI.ego_side, MINI.ego_side, 3), level + int(clip[1:]), np.uint8)
    video[-1] += 20
    video[..., 2] = 0  # no grey: words are
    return video


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_box_folder(tmp_path_factory.mktemp("boxes"))


@pytest.fixture
def world(boxes: Path, tmp_path: Path) -> World:
    """The runs of Fig. 6."""
    made = World(data=boxes, runs=tmp_path / "runs")
    for method in ("ego-prior", *ABLATIONS):
        made.run(method)
    return made


def written(made, tmp_path: Path) -> Path:
    path = tmp_path / "figure.png"
    path.write_bytes(made.png)
    return path


def pictures(*levels: int, height: int = 128) -> tuple[Frames, ...]:
    return tuple(np.full((height, height, 3), (level, level, 0), np.uint8) for level in levels)


def places_of(level: int, picture: Frames) -> NDArray[np.intp]:
    """(row, column) of the pixels that have the colour of a plain picture or video."""
    return np.argwhere((picture == (level, level, 0)).all(-1))


# -- figures as data ---------------------------------------------------------------------------------------------------------


def test_the_figures_of_the_paper_are_there_and_name_their_source():
    assert names() == ["fig5", "fig6", "fig7"]
    assert read_figure("fig5").source == "EgoX, Fig. 5"
    assert [row.method for row in read_figure("fig6").view_on("seen").rows] == list(ABLATIONS)


def test_an_unknown_figure_is_told_with_the_nearest_name():
    with pytest.raises(UserError, match=r"unknown figure 'fgi5'; did you mean 'fig5'\?"):
        read_figure("fgi5")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("colour = 3", "unknown field `colour`"),
        ("shares = [1.5]", "shares are numbers from 0"),
        ("clips = 0", "clips is 0, expected 1 or more"),
        ("view = ''", "has either a view or rows of its own"),
    ],
)
def test_a_figure_file_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path, change: str, reason: str):
    field = change.partition(" ")[0]
    base = {"title": "'t'", "source": "'s'", "split": "'seen'", "clips": "2", "shares": "[0.5]", "view": "'paper2'"}
    base.pop(field, None)
    lines = [change, *(f"{name} = {value}" for name, value in base.items()), "[prior]", "method = 'p'", "label = 'p'"]
    file = tmp_path / "own.toml"
    file.write_text("\n".join(lines))
    with pytest.raises(UserError, match=f"own.toml: no figure.*{reason}"):
        read_figure(str(file))


def test_frames_are_shares_of_the_clip_whatever_its_length():
    figure = msgspec.structs.replace(read_figure("fig5"), shares=(0, 0.5, 1))
    assert figure.frames(17) == (0, 8, 16)
    assert figure.frames(49) == (0, 24, 48)


# -- clips -------------------------------------------------------------------------------------------------------------------


def placed(*places: str) -> list[Row]:
    still = {"take_uid": "", "take_name": "t", "first_frame": 0, "last_frame": 48, "exo_cam": "cam01"}
    return [msgspec.convert({**still, "clip_id": f"c{number}", "place": place}, Row) for number, place in enumerate(places)]


def test_clips_are_spread_over_places_with_the_first_clip_of_each():
    clips = placed("a", "a", "b", "b", "c", "c", "d", "d")
    assert [clip.clip_id for clip in spread(clips, 2)] == ["c0", "c4"]
    assert [clip.clip_id for clip in spread(clips, 4)] == ["c0", "c2", "c4", "c6"]


def test_more_clips_than_places_begin_anew_with_the_first_place():
    clips = placed("a", "a", "b", "b")
    assert [clip.clip_id for clip in spread(clips, 3)] == ["c0", "c1", "c2"]
    assert spread(clips, 9) == clips


def test_clips_without_a_place_count_as_places_of_their_own():
    assert [clip.clip_id for clip in spread(placed("", "", "", ""), 2)] == ["c0", "c2"]


# -- layout ------------------------------------------------------------------------------------------------------------------


def test_small_pictures_are_enlarged_by_a_whole_number_and_keep_their_colours():
    drawn = grid(["a", "b"], [Block(name="c", frames=(0,), rows=(pictures(50, 200),))])
    for level in (50, 200):
        assert (np.ptp(places_of(level, drawn), axis=0) + 1).tolist() == [128 * 3, 128 * 3]


def test_large_pictures_are_brought_down_to_the_width_of_a_page():
    drawn = grid(list("abcdef"), [Block(name="c", frames=(0,), rows=(pictures(1, 2, 3, 4, 5, 6, height=448),))])
    assert 1500 <= drawn.shape[1] <= 1500 + 2 * EDGE + 5 * 6


def test_columns_stand_in_the_order_of_their_headings_and_frames_below_each_other():
    rows = (pictures(30, 60, 90), pictures(130, 160, 190))
    drawn = grid(["a", "b", "c"], [Block(name="c", frames=(3, 9), rows=rows)])
    where = {level: places_of(level, drawn)[0] for level in (30, 60, 90, 130, 160, 190)}
    assert where[30][1] < where[60][1] < where[90][1]
    assert where[30][0] == where[60][0] < where[130][0]
    assert where[30][1] == where[130][1]


def test_a_picture_that_is_not_there_is_grey():
    drawn = grid(["a", "b"], [Block(name="c", frames=(0,), rows=((None, *pictures(50)),))])
    assert (drawn == NOTHING).all(-1).sum() >= (128 * 3) ** 2


def test_a_row_with_another_number_of_pictures_than_headings_is_a_mistake():
    with pytest.raises(ValueError, match="expected rows of 3 pictures"):
        grid(["a", "b", "c"], [Block(name="c", frames=(0,), rows=(pictures(1, 2),))])


def test_an_exo_view_with_more_lines_is_shown_as_high_as_ego_views():
    exo = np.full((256, 448, 3), (9, 9, 0), np.uint8)
    drawn = grid(["exo", "a"], [Block(name="c", frames=(0,), rows=((exo, *pictures(1)),))])
    high, low = (np.ptp(places_of(level, drawn), axis=0) + 1 for level in (9, 1))
    assert low.tolist() == [3 * 128, 3 * 128]
    assert high.tolist() == [3 * 128, 3 * 224]


def test_lines_of_an_exo_view_are_equally_thick_where_it_is_not_enlarged_a_whole_number_of_times():
    exo = np.zeros((256, 448, 3), np.uint8)
    exo[::2] = (9, 200, 0)
    drawn = grid(["exo", "a"], [Block(name="c", frames=(0,), rows=((exo, *pictures(1)),))])
    top, left = places_of(1, drawn).min(axis=0) - (0, 3 * 224 + GAP)
    column = drawn[top : top + 3 * 128, left + 300, 1].astype(int)
    first = column.reshape(-1, 3)[2:-2]  # three pixels show two lines
    assert (first == first[0]).all(), "every pair of lines alike"
    assert len(set(column[6:-6].tolist())) > 2, "and blended, not one line of two doubled"


def test_notes_make_the_picture_taller_and_change_nothing_above_them():
    block = Block(name="c", frames=(0,), rows=(pictures(1, 2),))
    plain, noted = grid(["a", "b"], [block]), grid(["a", "b"], [block], notes=["a note"])
    assert len(noted) > len(plain)
    assert np.array_equal(noted[: len(plain) - EDGE], plain[:-EDGE])


# -- from runs ---------------------------------------------------------------------------------------------------------------


def test_a_figure_shows_exo_prior_methods_in_the_order_of_the_view_and_truth(world: World, tmp_path: Path):
    made = world.make(clips=["b1"], frames=[8])
    picture = np.asarray(Image.open(written(made, tmp_path)))
    lefts = [int(places_of(LEVELS[method] + 1, picture)[:, 1].min()) for method in ("ego-prior", *ABLATIONS)]
    assert lefts == sorted(lefts)
    assert lefts[0] > 2 * EDGE + MINI.exo_size[1] * MINI.ego_side / MINI.exo_size[0]
    assert picture.shape[1] > lefts[-1] + 2 * 128 + 128


def test_the_png_says_which_runs_clips_frames_and_pixels_it_shows(world: World, tmp_path: Path):
    shows = contents_of(written(world.make(clips=["b2", "b0"], frames=[16, 4]), tmp_path))
    assert (shows.figure, shows.clips, shows.frames) == ("fig6", ("b2", "b0"), (4, 16))
    assert (shows.split.name, shows.protocol.name) == ("all", "pixels")
    assert [run.label for run in shows.methods] == ["EgoX", "w/o GGA", "w/o ego prior", "w/o clean latent"]
    assert shows.methods[0].run == "egox0"
    assert shows.methods[0].predictions == {clip: pixel_digest(video_of(60, clip)) for clip in ("b2", "b0")}


def test_equal_runs_give_equal_bytes(world: World):
    assert world.make(clips=["b0", "b1"]).png == world.make(clips=["b0", "b1"]).png


def test_of_several_seeds_the_lowest_is_shown_and_said(world: World):
    world.run("egox", seed=3, level=0)
    made = world.make(clips=["b0"])
    assert made.shows.methods[0].seed == 0
    assert "egox: run egox0 with seed 0, of 2 runs" in made.notes


def test_a_run_that_is_named_by_its_folder_is_shown_before_others(world: World):
    named = world.run("egox", seed=3)
    made = make("fig6", [named, world.runs], world.asked(clips=["b0"]))
    assert made.shows.methods[0].seed == 3


def test_clips_that_are_not_named_are_those_that_every_run_has(world: World):
    world.run("egox-no-gga", clips=["b1"])
    made = world.make()
    assert made.shows.clips == ("b1",)
    assert made.notes[-1] == "clips, spread over places: b1"


def test_a_missing_run_is_told_with_the_command_that_makes_it(boxes: Path, tmp_path: Path):
    world = World(data=boxes, runs=tmp_path / "runs")
    for method in ("ego-prior", "egox", "egox-no-gga"):
        world.run(method)
    with pytest.raises(UserError, match="no run of egox-no-prior, egox-no-clean-latent on boxes all") as told:
        world.make()
    command = "egox-bench run --method egox-no-prior,egox-no-clean-latent --split all --protocol pixels --out"
    assert command in str(told.value)


def test_no_fitting_run_at_all_is_told_with_a_command(world: World):
    with pytest.raises(UserError, match="make some: egox-bench run --method ego-prior,egox,egox-no-gga"):
        make("fig6", [world.runs], Asked())


def test_a_baseline_that_is_not_installed_is_left_out_and_said(world: World):
    made = world.make("fig5", clips=["b0"])
    assert [run.method for run in made.shows.methods] == ["egox"]
    assert "no run of Wan VACE (wan-vace), and no such method is installed: left out" in made.notes


def test_a_clip_that_a_run_lacks_is_told_with_the_command_that_makes_it(world: World):
    world.run("egox-no-gga", clips=["b1"])
    with pytest.raises(UserError, match=r"egox-no-gga \(run x-no-gga0\) has no video of b0; make it: .* --clips b0"):
        world.make(clips=["b0"])


def test_a_video_that_is_not_there_is_told(world: World):
    video = world.runs / "egox" / "all" / "pixels" / "egox0" / "videos" / "b0.mkv"
    video.unlink()
    with pytest.raises(
        UserError, match=r"egox0/videos/b0.mkv: the video is not there; make it again: egox-bench run --method egox"
    ):
        world.make(clips=["b0"])


def test_a_damaged_video_is_told_with_what_to_do(world: World):
    video = world.runs / "egox" / "all" / "pixels" / "egox0" / "videos" / "b0.mkv"
    video.write_bytes(video.read_bytes()[:900])
    with pytest.raises(UserError, match=r"b0.mkv: the video is .*; delete it, then make it again: egox-bench run"):
        world.make(clips=["b0"])


def test_a_video_that_is_not_the_one_that_was_scored_is_refused(world: World):
    folder = world.runs / "egox" / "all" / "pixels" / "egox0"
    (folder / "videos" / "b1.mkv").replace(folder / "videos" / "b0.mkv")
    with pytest.raises(UserError, match=r"b0.mkv: the video is not the one that was scored"):
        world.make(clips=["b0"])


def test_a_frame_behind_the_end_is_told(world: World):
    with pytest.raises(UserError, match="--frames 17: clips of the mini canvas have frames 0 to 16"):
        world.make(frames=[17])


def test_runs_without_a_record_need_the_data_named(world: World):
    with pytest.raises(UserError, match=r"has no run.json that says where its clips are; name the data with --data"):
        world.make(data=None)


def test_a_protocol_of_ones_own_is_asked_for_by_its_file(world: World):
    with pytest.raises(UserError, match=r"unknown protocol 'pixels'; .*; if it is your own, name its file with --protocol"):
        world.make(protocol=None)


def test_runs_under_two_protocols_are_not_mixed(world: World):
    folder = world.run("egox", key="other")
    edit(folder, protocol=ProtocolHeader(name="other", version=1, digest="d"))
    with pytest.raises(UserError, match=r"would mix boxes all .* under .* say which with --data or --protocol"):
        world.make(protocol=None)


# -- out of date -------------------------------------------------------------------------------------------------------------


def test_a_figure_of_these_runs_is_not_stale_even_without_their_videos(world: World, tmp_path: Path):
    png = written(world.make(clips=["b0"]), tmp_path)
    for video in world.runs.rglob("*.mkv"):
        video.unlink()
    assert stale(png, find_rows([world.runs])) == []


def test_a_figure_is_stale_where_a_prediction_has_other_pixels(world: World, tmp_path: Path):
    png = written(world.make(clips=["b0"]), tmp_path)
    world.run("egox-no-gga", level=111)
    (reason,) = stale(png, find_rows([world.runs]))
    assert reason.startswith("w/o GGA: b0 is another video in run x-no-gga0 (")


def test_a_clip_that_is_not_shown_makes_no_figure_stale(world: World, tmp_path: Path):
    png = written(world.make(clips=["b0"]), tmp_path)
    scores = world.runs / "egox" / "all" / "pixels" / "egox0" / "scores.jsonl"
    changed = [
        msgspec.structs.replace(record, prediction="other") if record.clip == "b1" else record for record in read_records(scores)
    ]
    write_records(scores, changed)
    assert stale(png, find_rows([world.runs])) == []


def test_a_key_that_changed_with_equal_pixels_makes_no_figure_stale(world: World, tmp_path: Path):
    png = written(world.make(clips=["b0"]), tmp_path)
    folder = world.runs / "egox" / "all" / "pixels" / "egox0"
    folder.rename(folder.with_name("new"))
    assert stale(png, find_rows([world.runs])) == []


def test_a_figure_is_stale_where_a_run_is_gone(world: World, tmp_path: Path):
    png = written(world.make(clips=["b0"]), tmp_path)
    rows = [row for row in find_rows([world.runs]) if row.results.method.id != "egox"]
    (reason,) = stale(png, rows)
    assert reason.startswith("EgoX: no run of egox on boxes all (")


def test_a_picture_that_is_no_figure_is_told(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(UserError, match=r"plain.png: has no egox-bench chunk"):
        contents_of(tmp_path / "plain.png")
    with pytest.raises(UserError, match=r"gone.png: no such file"):
        contents_of(tmp_path / "gone.png")


# -- the verb ----------------------------------------------------------------------------------------------------------------


def test_pixels_of_licensed_data_are_told_to_be_private(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    target = tmp_path / "f.png"
    draw_grid("fig6", [world.runs], split="all", data=str(world.data), protocol=str(PATH), clips=["b0"], to=target)
    said = capsys.readouterr()
    assert "f.png holds pixels of boxes, whose licence decides who may see them" in said.err
    assert said.out == ""
    assert contents_of(target).clips == ("b0",)


def test_check_ends_with_1_and_says_what_changed(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import typer

    png = written(world.make(clips=["b0"]), tmp_path)
    command("fig6", [world.runs], check=png)
    assert capsys.readouterr().out == f"{png}: shows what the runs hold\n"
    world.run("egox", level=61)
    with pytest.raises(typer.Exit) as ended:
        command("fig6", [world.runs], check=png)
    assert ended.value.exit_code == 1
    assert f"{png}: EgoX: b0 is another video" in capsys.readouterr().out


def test_attention_is_asked_of_its_verb_by_its_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = {}

    def attention(clip: str = "", frame: int = -1, data: str = "sim", out: Path = Path()) -> None:
        asked.update(clip=clip, frame=frame, data=data)
        (out / clip).mkdir(parents=True)
        (out / clip / "side-by-side.png").write_bytes(b"picture")

    monkeypatch.setattr("benchmark.verbs.verb", lambda name: {"attention": attention}[name])
    command("fig7", clips=["c1"], frames=["4"], to=tmp_path / "a.png")
    assert asked == {"clip": "c1", "frame": 4, "data": "sim"}
    assert (tmp_path / "a.png").read_bytes() == b"picture"


def test_attention_takes_one_clip_and_no_runs(tmp_path: Path):
    with pytest.raises(UserError, match="fig7 shows one clip at one frame; --clips names 2"):
        command("fig7", clips=["a,b"])
    with pytest.raises(UserError, match="takes no runs"):
        command("fig7", [tmp_path])


def test_the_verbs_import_nothing_heavy_before_they_are_called():
    code = (
        "import sys, leaderboard.figure_verb, leaderboard.reproduce_verb\n"
        "print([name for name in ('torch', 'numpy', 'PIL', 'cv2', 'msgspec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_figure_may_name_methods_instead_of_a_view():
    figure = Figure(
        title="t", source="s", split="seen", clips=1, shares=(0.0,), prior=read_figure("fig5").prior,
        rows=(read_figure("fig5").prior,),
    )  # fmt: skip
    assert figure.view_on("all").labels == {"ego-prior": "ego prior"}
