"""The hub's formats, read back by the hub's own library, and how to cite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from typer.testing import CliRunner

from benchmark.errors import UserError
from benchmark.results import ClipScore
from leaderboard.export_verb import command
from leaderboard.exports.card import card
from leaderboard.exports.eval_results import eval_results_yaml
from leaderboard.exports.measured import chosen
from leaderboard.exports.model_index import front_matter
from leaderboard.rows import find_rows

from .runs import make_run

APP = typer.Typer()
APP.command()(command)
ROOT = Path(__file__).resolve().parents[2]


def call(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def read_back(text: str) -> Any:
    """The metadata of a model card as the hub's library reads it; it declares no fields."""
    return ModelCard(text).data


def rows_of(root, method="mine", **changes):
    return chosen(find_rows([make_run(root, method, **changes)]), None)


def test_the_front_matter_is_read_back_by_the_hubs_library(tmp_path):
    rows = rows_of(tmp_path, level=20.0)
    data = read_back(front_matter(rows, licence="apache-2.0"))
    assert (data.model_name, data.license, data.pipeline_tag) == ("mine", "apache-2.0", "video-to-video")
    found = {one.metric_type: one for one in data.eval_results}
    assert set(found) == set(rows[0].results.metrics)
    psnr, own = found["psnr"], rows[0].results.metrics["psnr"]
    assert psnr.metric_value == own.mean
    assert (psnr.task_type, psnr.dataset_type, psnr.dataset_split, psnr.dataset_revision) == (
        "video-to-video", "sim", "unseen", "5p1it",
    )  # fmt: skip
    assert (psnr.dataset_name, psnr.metric_name, psnr.metric_config) == (
        "egox-bench sim unseen", "PSNR (dB), pixels@1", "pixels@1",
    )  # fmt: skip
    assert psnr.metric_args == {
        "protocol_digest": rows[0].results.protocol.digest,
        "metric_version": 1,
        "seed": 0,
        "n": 24,
        "n_expected": 24,
        "run": "0123456789abcdef",
        "low_95": own.low,
        "high_95": own.high,
    }


def test_splits_are_results_of_their_own_and_what_a_row_must_say_goes_along(tmp_path):
    for split, digest in (("unseen", "a"), ("seen", "b")):
        make_run(tmp_path, "mine", split=split, split_digest=digest, remark="a toy", privileged="first_frame")
    data = read_back(front_matter(chosen(find_rows([tmp_path]), "mine")))
    assert [one.dataset_split for one in data.eval_results] == ["seen"] * 4 + ["unseen"] * 4
    assert all(one.metric_args["remark"] == "a toy" for one in data.eval_results)
    assert all(one.metric_args["sees_truth"] == "first_frame" for one in data.eval_results)


def test_metrics_without_a_number_are_left_out_and_said_to_be(tmp_path):
    none = ClipScore(value=None, undefined="weights missing")
    folder = make_run(tmp_path, "mine", fixed={"ssim": none})
    done = call(folder)
    assert "ssim" not in {one.metric_type for one in read_back(done.stdout).eval_results}
    assert done.stderr == "mine (0123456789abcdef): no number, left out: ssim\n"
    with pytest.raises(UserError, match="no metric of bare has a number in these runs: there is nothing to export"):
        rows_of(tmp_path, "bare", undefined=24)


def test_eval_results_are_read_back_by_the_hubs_library(tmp_path):
    rows = rows_of(tmp_path)
    text = eval_results_yaml(rows, benchmark="owner/egox-bench", source="https://example.org/results")
    found = {one.task_id: one for one in parse_eval_result_entries(yaml.safe_load(text))}
    own = rows[0].results.metrics["psnr"]
    entry = found["unseen-pixels-psnr"]
    assert (entry.dataset_id, entry.value, entry.dataset_revision) == ("owner/egox-bench", own.mean, None)
    assert (entry.source_url, entry.source_name) == ("https://example.org/results", "egox-bench results")
    assert entry.notes == (
        f"pixels@1 ({rows[0].results.protocol.digest}), sim unseen (5p1it), seed 0, 24/24 clips,"
        f" 95 % interval {own.low:.6g} to {own.high:.6g}"
    )


def test_eval_results_have_only_fields_of_the_format(tmp_path):
    """https://huggingface.co/docs/hub/eval-results: dataset.id, dataset.task_id and value are required."""
    for entry in yaml.safe_load(eval_results_yaml(rows_of(tmp_path), benchmark="owner/name")):
        assert set(entry) == {"dataset", "value", "notes"}
        assert set(entry["dataset"]) == {"id", "task_id"}
        assert isinstance(entry["value"], float)
        assert re.fullmatch(r"[\w.-]+", entry["dataset"]["task_id"])


def test_a_benchmark_that_is_no_dataset_of_the_hub_is_refused(tmp_path):
    with pytest.raises(UserError, match=re.escape("--benchmark 'name' is no dataset of the hub; expected OWNER/NAME")):
        eval_results_yaml(rows_of(tmp_path), benchmark="name")


def test_a_card_has_the_front_matter_the_readme_of_the_weights_and_the_table(tmp_path):
    make_run(tmp_path / "runs", "egox", level=22)
    make_run(tmp_path / "runs", "other")
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "README.md").write_text("---\nlicense: mit\n---\n# My weights\n\nMade with care.\n")
    (weights / "model_index.json").write_text("{}")
    rows = find_rows([tmp_path / "runs"])
    text = card(rows, own=chosen(rows, "egox"), weights=weights)
    made, data = ModelCard(text), read_back(text)
    assert (data.license, data.library_name, data.model_name) == ("apache-2.0", "diffusers", "egox")
    assert "license: mit" not in made.content
    parts = ["# My weights\n\nMade with care.\n", "## Results\n", "### sim unseen, 24 clips (5p1it) · pixels@1", "| other |"]
    places = [made.text.index(part) for part in parts]
    assert places == sorted(places)


def test_the_card_of_the_weights_that_ship_keeps_every_line_of_their_readme(tmp_path):
    shipped = ROOT / "egox" / "weights" / "mini"
    rows = rows_of(tmp_path, "egox")
    text = card(rows, own=rows, weights=shipped)
    assert (shipped / "README.md").read_text().strip() in text
    assert read_back(text).library_name == "diffusers"


def test_hostile_names_stay_text(tmp_path):
    name = "<script>: {a: &b *c} --- # '\""
    rows = rows_of(tmp_path, name)
    assert read_back(front_matter(rows)).model_name == name
    assert parse_eval_result_entries(yaml.safe_load(eval_results_yaml(rows, benchmark="a/b")))
    (tmp_path / "README.md").write_text("# W")
    assert "<script>" not in card(rows, own=rows, weights=tmp_path).split("\n---\n", 1)[1]


def test_the_same_runs_give_the_same_bytes(tmp_path):
    rows = rows_of(tmp_path)
    assert front_matter(rows) == front_matter(rows)
    assert eval_results_yaml(rows, benchmark="a/b") == eval_results_yaml(rows, benchmark="a/b")


@pytest.mark.parametrize(
    ("methods", "arguments", "text"),
    [
        (("a", "b"), (), "a model page is about one method, and these runs are of a, b; say --method ID"),
        (("aaa", "bbb"), ("-m", "aab"), "unknown method among these runs 'aab'; did you mean 'aaa'?"),
        (("a",), ("--format", "eval-results"), "--format eval-results needs --benchmark OWNER/NAME: results belong to a dataset"),
        (("a",), ("--format", "card"), "--format card needs --weights DIR: the folder of the weights, with its README.md"),
        (("a",), ("--weights", "w"), "--weights is for --format card, not for model-index; leave it away"),
        (("a",), ("--format", "card", "--weights", "w"), "w/README.md: cannot be read"),
    ],
)
def test_a_wrong_call_says_how_to_mend_it(tmp_path, methods, arguments, text):
    for method in methods:
        make_run(tmp_path, method)
    done = call(tmp_path, *arguments)
    assert isinstance(done.exception, UserError)
    assert str(done.exception).startswith(text)


def test_controls_and_partial_runs_have_no_page(tmp_path):
    make_run(tmp_path / "a", "shuffled", control=True)
    make_run(tmp_path / "b", "mine", attempted=3)
    for root, method, text in (("a", "shuffled", "is a control: it has no model page"), ("b", "mine", "is partial: finish it")):
        with pytest.raises(UserError, match=text):
            chosen(find_rows([tmp_path / root]), method)


def test_the_verb_writes_a_file(tmp_path):
    make_run(tmp_path / "runs", "mine")
    target = tmp_path / ".eval_results" / "egox-bench.yaml"
    done = call(tmp_path / "runs", "--format", "eval-results", "--benchmark", "a/b", "--to", target)
    assert (done.exit_code, done.stdout) == (0, "")
    assert len(parse_eval_result_entries(yaml.safe_load(target.read_text()))) == 4


def test_the_citation_file_has_what_cff_asks_for():
    """Required keys, types and names of fields of the Citation File Format 1.2.0."""
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    optional = {"abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords", "license", "license-url"}
    optional |= {
        "preferred-citation",
        "references",
        "repository",
        "repository-artifact",
        "repository-code",
        "type",
        "url",
        "version",
    }
    assert found.keys() <= {"cff-version", "message", "title", "authors", *optional}
    assert (found["cff-version"], found["type"], found["license"]) == ("1.2.0", "software", "Apache-2.0")
    persons = {"family-names", "given-names", "name-particle", "name-suffix", "alias", "affiliation", "email", "orcid", "website"}
    for author in found["authors"]:
        assert author
        assert author.keys() <= persons or "name" in author
    assert all(isinstance(word, str) for word in found["keywords"])
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert str(found["version"]) == version[1]
