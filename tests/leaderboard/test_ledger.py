"""The ledger: each verdict on hand-made runs, and the verb as it is called."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from benchmark.errors import UserError
from benchmark.metrics import METRICS
from benchmark.results import SCHEMA, Aggregate, MethodHeader, ProtocolHeader, Results, SplitHeader, write_results
from leaderboard.attainability import CAVEAT
from leaderboard.ledger import Entry, Ledger, MethodEntries, ledger_of, verdict_on_print, verdict_on_run
from leaderboard.ledger_text import FIELDS, plain_text, records_of, rich_parts, to_csv
from leaderboard.ledger_verb import command
from leaderboard.published import PrintedNumber, printed, shipped
from leaderboard.rows import find_rows

APP = typer.Typer()
APP.command()(command)
PAPER = [column.metric for column in printed()[0].columns]


def call(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def measured(mean: float | None, half: float | None = 0.1, *, n: int = 400, version: int = 1, **more) -> Aggregate:
    """A metric over a split: mean ± half, or without an interval."""
    ends = (None, None) if mean is None or half is None else (mean - half, mean + half)
    return Aggregate(version=version, mean=mean, low=ends[0], high=ends[1], n=n, takes=n, undefined=0, errors=0, **more)


def make(
    root: Path,
    metrics: dict[str, Aggregate],
    *,
    method: str = "egox",
    split: str = "seen",
    dataset: str = "egoexo4d",
    protocol: tuple[str, int] = ("egox-paper", 2),
    n: int = 400,
    partial: bool = False,
    run: str = "0123456789abcdef",
    seed: int = 0,
) -> Path:
    """A results.json as a run leaves it; returns its folder."""
    results = Results(
        schema=SCHEMA,
        method=MethodHeader(
            id=method, version="1", source="s", options={}, privileged="none", control=False, static=False
        ),
        seed=seed,
        split=SplitHeader(name=split, dataset=dataset, digest="5p1it", n=n),
        protocol=ProtocolHeader(name=protocol[0], version=protocol[1], digest="d"),
        partial=partial,
        n_expected=n,
        n_scored=12 if partial else n,
        n_still=0,
        metrics=metrics,
    )  # fmt: skip
    folder = root / method / split / run
    write_results(folder / "results.json", results)
    return folder


def ledger(*runs: Path) -> Ledger:
    return ledger_of(shipped(), find_rows(runs) if runs else ())


def row(found: Ledger, table: str, method: str) -> MethodEntries:
    (one,) = (one for one in found.tables if one.printed.id == table)
    (entries,) = (entries for entries in one.methods if entries.row.method == method)
    return entries


def entry(found: Ledger, metric: str, table: str = "table1-seen", method: str = "egox") -> Entry:
    return row(found, table, method).entries[PAPER.index(metric)]


def ours(root: Path, metric: str, value: Aggregate, **run) -> tuple[str, ...]:
    """The verdicts on one number of a run of egox on seen: against print, and against the third party."""
    (found,) = entry(ledger(make(root, {metric: value}, **run)), metric).ours
    return found.verdict.text, *(verdict.text for verdict in found.beside)


# --- our numbers ---------------------------------------------------------------------------------------------------------


def test_ours_agrees_where_its_interval_reaches_what_is_rounded_to_the_printed_digits(tmp_path):
    """EgoX's PSNR on seen is 16.05 in print and 15.57 at the third party."""
    assert ours(tmp_path, "psnr-y", measured(15.90, 0.2)) == ("agrees", "off by +0.33")
    assert ours(tmp_path, "psnr-y", measured(15.60, 0.05)) == ("off by -0.45", "agrees")


def test_an_interval_that_ends_inside_the_rounding_agrees():
    assert verdict_on_run(measured(15.0, 1.046), PrintedNumber(text="16.05"), metric="psnr-y", reference_n=400).text == "agrees"
    assert (
        verdict_on_run(measured(15.0, 1.04), PrintedNumber(text="16.05"), metric="psnr-y", reference_n=400).text == "off by -1.05"
    )


def test_off_by_is_signed_and_has_the_metrics_decimals(tmp_path):
    assert ours(tmp_path, "ssim-y", measured(0.5, 0.001)) == ("off by -0.056", "off by -0.056")
    assert ours(tmp_path, "location-error", measured(126.0, 0.1)) == ("off by +64.19", "off by +0.73")


def test_without_an_interval_the_mean_alone_must_round_to_the_printed_digits(tmp_path):
    assert ours(tmp_path, "psnr-y", measured(16.054, None, interval="one take"))[0] == "agrees"
    assert ours(tmp_path, "psnr-y", measured(16.06, None, interval="one take"))[0] == "off by +0.01"


def test_a_run_on_the_simulated_world_cannot_be_compared(tmp_path):
    assert ours(tmp_path, "psnr-y", measured(16.05), dataset="sim") == ("cannot be compared: other dataset (sim)",) * 2


def test_a_run_under_another_protocol_cannot_be_compared_and_both_are_named(tmp_path):
    assert ours(tmp_path, "psnr-y", measured(16.05), protocol=("rgb", 1))[0] == (
        "cannot be compared: other protocol (rgb@1, these columns are egox-paper@2)"
    )
    assert "egox-paper@1, these" in ours(tmp_path, "psnr-y", measured(16.05), protocol=("egox-paper", 1))[0]


def test_a_partial_run_cannot_be_compared(tmp_path):
    said = ours(tmp_path, "psnr-y", measured(16.05), partial=True)[0]
    assert said == "cannot be compared: partial run (12 of 400 clips scored)"


def test_all_obstacles_are_told(tmp_path):
    said = ours(tmp_path, "psnr-y", measured(16.05), partial=True, dataset="sim", protocol=("mini", 1))[0]
    assert [part in said for part in ("other dataset (sim)", "other protocol (mini@1", "partial run")] == [True] * 3


def test_distances_of_sets_of_other_sizes_cannot_be_compared(tmp_path):
    """The paper announces 400 clips, the third party measured 388."""
    assert ours(tmp_path, "fvd-16", measured(190.0, 5, n=388), n=388) == (
        "cannot be compared: other number of clips (388, there 400)",
        "off by -7.90",
    )
    assert ours(tmp_path, "fvd-16", measured(190.0, 9)) == (
        "agrees",
        "cannot be compared: other number of clips (400, there 388)",
    )


def test_kvd_is_as_strict_about_the_number_of_clips_as_fvd():
    said = verdict_on_run(measured(3.0, n=99), PrintedNumber(text="3.0"), metric="kvd", reference_n=100).text
    assert said == "cannot be compared: other number of clips (99, there 100)"


def test_a_mean_over_clips_compares_at_another_number_of_clips(tmp_path):
    assert ours(tmp_path, "psnr-y", measured(16.0, 0.1, n=388), n=388)[0] == "agrees"


def test_a_metric_without_a_number_says_why(tmp_path):
    lacking = measured(None, n=0, reason="weights i3d are not here")
    assert ours(tmp_path, "fvd-16", lacking)[0] == "cannot be compared: no number: weights i3d are not here"
    failed = measured(None, n=0, interval="no clip has a number")
    assert ours(tmp_path, "psnr-y", failed)[0] == "cannot be compared: no number: no clip has a number"


def test_a_metric_that_a_run_did_not_measure_says_so(tmp_path):
    (found,) = entry(ledger(make(tmp_path, {"psnr-y": measured(16.0)})), "lpips").ours
    assert found.verdict.text == "cannot be compared: not measured in this run"
    assert (found.value, found.n) == (None, 0)


def test_another_version_of_a_metric_cannot_be_compared(tmp_path):
    now = METRICS["psnr-y"].version
    said = ours(tmp_path, "psnr-y", measured(16.05, version=now + 1))[0]
    assert said == f"cannot be compared: other version of the metric ({now + 1}, this release has {now})"


def test_every_run_of_a_method_has_its_own_numbers(tmp_path):
    a = make(tmp_path, {"psnr-y": measured(16.05)}, run="a", seed=0)
    b = make(tmp_path, {"psnr-y": measured(12.0)}, run="b", seed=1)
    found = ledger(b, a)
    assert [run.label for run in row(found, "table1-seen", "egox").runs] == ["egox seed=0", "egox seed=1"]
    assert [one.verdict.text for one in entry(found, "psnr-y").ours] == ["agrees", "off by -4.05"]


def test_runs_of_other_splits_do_not_lengthen_a_label(tmp_path):
    found = ledger(
        make(tmp_path, {"psnr-y": measured(16.05)}), make(tmp_path, {"psnr-y": measured(14.0)}, split="unseen", dataset="sim")
    )
    assert [row(found, table, "egox").runs[0].label for table in ("table1-seen", "table1-unseen")] == ["egox", "egox"]


def test_a_run_stands_beside_the_row_of_its_method_and_split_only(tmp_path):
    found = ledger(make(tmp_path, {"psnr-y": measured(14.77)}, method="egox-no-gga"))
    assert entry(found, "psnr-y", "table2", "egox-no-gga").ours[0].verdict.text == "agrees"
    assert [method.row.method for table in found.tables for method in table.methods if method.runs] == ["egox-no-gga"]


def test_a_run_that_no_source_prints_is_named_and_stands_nowhere(tmp_path):
    found = ledger(make(tmp_path, {"psnr-y": measured(14.0)}, method="ego-prior", split="val", dataset="sim"))
    assert found.unplaced == ("ego-prior on sim/val",)
    assert all(table.without_run for table in found.tables)


# --- the third party -----------------------------------------------------------------------------------------------------


def against_print(table: str) -> dict[str, str]:
    return {one.column.heading: one.elsewhere[0].verdict.text for one in row(ledger(), table, "egox").entries}


def test_the_third_party_is_held_against_the_paper_without_any_run_of_ours():
    assert against_print("table1-seen") == {
        "PSNR": "off by -0.48",
        "SSIM": "agrees",
        "LPIPS": "off by -0.032",
        "CLIP-I": "off by +0.007",
        "Loc. error": "off by +63.46",
        "IoU": "off by -0.187",
        "Contour": "off by +0.076",
        "FVD": "cannot be compared: other number of clips (388, there 400)",
        "Flicker": "off by +0.008",
        "Smooth": "off by +0.003",
        "Dynamic": "off by +0.016",
    }


def test_on_unseen_both_have_100_clips_so_that_their_fvd_compares():
    assert against_print("table1-unseen")["FVD"] == "off by +14.5"


def test_the_third_party_measured_no_baseline_and_no_ablation():
    found = ledger()
    with_it = {method.row.method for table in found.tables for method in table.methods for e in method.entries if e.elsewhere}
    assert with_it == {"egox"}


@pytest.mark.parametrize(
    ("found", "reference", "said"),
    [
        ("184.5", "184.47", "agrees"),
        ("184.5", "184.40", "off by +0.1"),
        (".989", ".990", "off by -0.001"),
        (".37", ".370", "agrees"),
    ],
)
def test_two_printed_numbers_agree_where_one_number_can_be_rounded_to_both(found, reference, said):
    one, other = PrintedNumber(text=found), PrintedNumber(text=reference)
    assert verdict_on_print(one, other, metric="psnr-y", n=388, reference_n=400).text == said


# --- as text -------------------------------------------------------------------------------------------------------------


def test_the_page_shows_print_third_party_and_ours_side_by_side(tmp_path):
    run = make(tmp_path, {"psnr-y": measured(15.6, 0.05), "ssim-y": measured(0.55, 0.01, n=398)})
    text = plain_text(ledger(run))
    block = text[text.index("EgoX, Table 1 seen · EgoX · egox") :].split("\n\n")
    head, _, psnr, ssim, *_ = block[1].splitlines()
    assert re.split("  +", head) == [
        "metric", "printed", "third party (n 388)", "against print", "ours (n 400)", "against print", "against third party",
    ]  # fmt: skip
    assert re.split("  +", psnr) == [
        "PSNR ↑ dB",
        "16.05",
        "15.57",
        "off by -0.48",
        "15.60 [15.55, 15.65]",
        "off by -0.45",
        "agrees",
    ]
    assert "0.550 [0.540, 0.560] (n 398)" in ssim
    assert "- third party against print, FVD: other number of clips (388, there 400)" in block[2]
    assert (
        "- ours against print, LPIPS, CLIP-I, Loc. error, IoU, Contour, FVD, Flicker, Smooth, Dynamic: not measured" in block[2]
    )


def test_a_run_of_other_things_takes_one_line(tmp_path):
    text = plain_text(ledger(make(tmp_path, {"psnr-y": measured(15.6)}, dataset="sim", split="unseen")))
    assert "EgoX, Table 1 unseen · EgoX, runs of other things\n- egox: cannot be compared: other dataset (sim)\n" in text


def test_methods_without_a_run_come_with_the_command_that_makes_one():
    text = plain_text(ledger())
    assert "EgoX, Table 2 seen: no run of egox, egox-no-gga, egox-no-prior, egox-no-clean-latent yet" in text
    methods = "egox,egox-no-gga,egox-no-prior,egox-no-clean-latent"
    assert f"    egox-bench run --method {methods} --split seen --data DIR --protocol egox-paper\n" in text


def test_every_printed_number_is_on_the_page():
    words = plain_text(ledger()).split()
    for table in printed():
        assert {number.text for one in table.rows for number in one.numbers} <= set(words)


def test_the_page_ends_with_what_the_shares_allow_and_that_it_is_a_hint():
    text = plain_text(ledger())
    assert "342 is the only number of clips up to 400" in " ".join(text.split())
    assert " ".join(text.split()).endswith(CAVEAT)


def test_an_interval_that_is_indicative_is_said_to_be_so(tmp_path):
    run = make(tmp_path, {"psnr-y": measured(16.0, interval="indicative: 5 takes")})
    assert "- interval: indicative: 5 takes" in plain_text(ledger(run))


def test_a_terminal_gets_the_same_words(tmp_path):
    found = ledger(make(tmp_path, {"psnr-y": measured(15.6, 0.05)}))
    console = Console(width=200, file=io.StringIO())
    for part in rich_parts(found, width=200):
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
    assert isinstance(console.file, io.StringIO)
    drawn, plain = (text.replace("─", "").split() for text in (console.file.getvalue(), plain_text(found)))
    assert drawn == plain


def test_records_hold_every_verdict_and_what_lacks_a_run(tmp_path):
    found = ledger(make(tmp_path, {metric: measured(16.05) for metric in PAPER}))
    records = records_of(found)
    third = 11 * 3  # table 1 seen and unseen, table 2: the row EgoX
    egox_on_seen = 11 * 2 * 2  # in both tables, against print and against the third party
    without_run = 11 * (4 + 5 + 3)
    assert len(records) == third + egox_on_seen + without_run
    assert {record["judgement"] for record in records} == {"agrees", "off", "cannot be compared"}
    lacking = [record for record in records if record["method"] == "wan-vace" and record["split"] == "unseen"]
    assert lacking[0]["because"] == (
        "no run of this method on this split; egox-bench run --method wan-vace --split unseen --data DIR --protocol egox-paper"
    )
    assert (lacking[0]["reference"], lacking[0]["value"]) == ("12.17", None)


def test_the_csv_has_one_verdict_a_line(tmp_path):
    found = ledger(make(tmp_path, {"psnr-y": measured(15.6, 0.05)}))
    lines = list(csv.DictReader(to_csv(found).splitlines()))
    assert tuple(lines[0]) == FIELDS
    assert len(lines) == len(records_of(found))
    own = [line for line in lines if line["value"] == "15.6" and line["table"] == "table1-seen"]
    assert [(line["against"], line["reference"], line["judgement"], line["difference"]) for line in own] == [
        ("EgoX", "16.05", "off", "-0.45"),
        ("third party", "15.57", "agrees", "+0.03"),
    ]


def test_the_docs_show_what_it_prints():
    page = plain_text(ledger()).splitlines()
    text = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
    shown = text[text.index("An excerpt") : text.index("So the released weights")].splitlines()
    lines = [line.removeprefix("    ") for line in shown if line.startswith("    ")]
    assert len(lines) > 20
    assert [line for line in lines if line not in page] == []


# --- the verb ------------------------------------------------------------------------------------------------------------


def test_it_needs_no_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call()
    assert done.exit_code == 0
    assert done.stdout.startswith("EgoX, Table 1 seen: in print, 400 clips announced (EgoX, CVPR 2026, main text)\n")
    (tmp_path / "runs").mkdir()
    assert call().stdout == done.stdout


def test_without_arguments_it_looks_into_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "runs", {"psnr-y": measured(16.0)})
    assert "ours (n 400)" in call().stdout
    assert "ours (n 400)" in call("runs").stdout


def test_a_run_that_was_named_and_is_not_there_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="no such run"):
        command([tmp_path / "absent"])


def test_the_same_runs_give_the_same_bytes_in_whatever_order(tmp_path):
    a = make(tmp_path, {"psnr-y": measured(16.0)}, run="a")
    b = make(tmp_path, {"psnr-y": measured(15.0)}, run="b")
    assert call(a, b).stdout == call(b, a).stdout == call(tmp_path).stdout


def test_one_table_can_be_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    both, two = call("--table", "table1").stdout, call("--table", "table2").stdout
    assert re.findall(r"(Table .*): in print", both) == ["Table 1 seen", "Table 1 unseen"]
    assert re.findall(r"(Table .*): in print", two) == ["Table 2 seen"]
    assert "third party, unseen" not in two
    assert "at the 342 of Table 1 seen no share is .802 or .864" in " ".join(two.split())


def test_a_table_that_is_not_there_gets_a_suggestion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"unknown table 'table3'; did you mean 'table\d'"):
        command(table="table3")


def test_help_names_every_table_and_gives_examples():
    said = " ".join(call("--help").stdout.split())
    assert all(table.id in said for table in printed())
    assert "egox-bench ledger --table table2" in said


def test_json_holds_verdicts_notes_and_findings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = json.loads(call("--json").stdout)
    assert set(found["verdicts"][0]) == set(FIELDS)
    assert found["shares"][0]["possible"] == [342]
    assert found["shares"][0]["cannot_occur"] == [".901", ".974"]
    assert found["caveat"] == CAVEAT
    assert found["notes"]["table2"][0] == 'LPIPS is printed "LIPIS"'


def test_csv_is_written_beside_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call("--csv", tmp_path / "out" / "ledger.csv")
    assert done.exit_code == 0
    assert (tmp_path / "out" / "ledger.csv").read_text() == to_csv(ledger())


def test_it_imports_nothing_heavy_even_when_it_is_called(tmp_path):
    code = (
        "import sys\nfrom leaderboard.ledger_verb import command\ncommand()\n"
        "heavy = {'torch', 'numpy', 'av', 'cv2', 'scipy'} & set(sys.modules)\nsys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
