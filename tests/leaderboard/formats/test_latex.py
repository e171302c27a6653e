"""LaTeX tables: layout of the paper, escaping, and that a real TeX takes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark.results import ClipScore
from leaderboard.formats.latex import escaped, latex
from leaderboard.rows import find_rows
from leaderboard.table import Sheet, sheet_of

from ..runs import having, make_run

NASTY = r"50% & #1_{best} \input{x} ~ ^ $x$ <a> [b] “ü” λ ≈"
DOCUMENT = "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n%s\\end{document}\n"


def sheets(root: Path) -> list[Sheet]:
    protocol = having("psnr", "ssim", "flicker")
    fixed = {"flicker": ClipScore(value=0.9)}
    for split in ("seen", "unseen"):
        for method, level in (("egox", 22), (NASTY, 20), ("last", 15)):
            make_run(root, method, level=level, split=split, protocol=protocol, fixed=fixed)
        make_run(root, "oracle", cap=True, privileged="truth", control=True, split=split, protocol=protocol, fixed=fixed)
    rows = find_rows([root])
    return [sheet_of([row for row in rows if row.results.split.name == split]) for split in ("seen", "unseen")]


def test_splits_are_blocks_of_one_table_under_groups_of_columns(tmp_path):
    text = latex(sheets(tmp_path), caption="Ours & theirs", label="tab:ours")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert r"\caption{Ours \& theirs}" in text
    assert r"\multicolumn{2}{c}{Image} & \multicolumn{1}{c}{Video} \\" in text
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-4}" in text
    assert text.index(r"\textit{Seen}") < text.index(r"\textit{Unseen}")


def test_best_is_bold_second_underlined_and_the_interval_small(tmp_path):
    lines = latex(sheets(tmp_path), caption="c", label="l").splitlines()
    (best, *_) = [line for line in lines if line.startswith("egox")]
    (second, *_) = [line for line in lines if line.startswith(r"50\%")]
    assert r"\textbf{22" in best
    assert r"{\scriptsize$\pm$" in best
    assert r"\underline{20" in second
    assert not any(r"\textbf" in line for line in lines if line.startswith(("oracle", "last")))


def test_every_row_has_as_many_cells_as_the_table_has_columns(tmp_path):
    text = latex(sheets(tmp_path), caption="c", label="l")
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and r"\multicolumn" not in line]
    assert len(rows) == 1 + 2 * 4
    assert {row.replace(r"\&", "").count("&") for row in rows} == {3}


def test_sheets_of_other_columns_get_a_tabular_of_their_own(tmp_path):
    make_run(tmp_path, "one")
    make_run(tmp_path, "two", protocol=having("psnr"))
    found = [sheet_of([row]) for row in find_rows([tmp_path])]
    assert latex(found, caption="c", label="l").count(r"\begin{tabular}") == 2


def test_rows_of_other_clips_get_a_tabular_of_their_own(tmp_path):
    make_run(tmp_path, "one")
    make_run(tmp_path, "two", split="seen")
    make_run(tmp_path, "three", split_digest="0ther")
    one, two, three = (sheet_of([row]) for row in sorted(find_rows([tmp_path]), key=lambda row: row.results.method.id)[:3])
    named = {sheet.lines[0].label: sheet for sheet in (one, two, three)}
    assert latex([named["one"], named["two"]], caption="c", label="l").count(r"\begin{tabular}") == 1
    text = latex([named["one"], named["three"]], caption="c", label="l")
    assert text.count(r"\begin{tabular}") == 2
    assert "(5p1it)" in text.split("% ±")[0]
    assert "(0ther)" in text.split("% ±")[0]


def test_what_is_special_to_latex_is_escaped():
    assert escaped("a_b & 5% #1") == r"a\_b \& 5\% \#1"
    assert escaped("\\input{x}\n%") == r"\textbackslash{}input\{x\} \%"
    assert escaped("雪") == "?"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX on this machine (Debian: texlive-latex-recommended)")
def test_a_real_tex_sets_the_table(tmp_path):
    (tmp_path / "table.tex").write_text(DOCUMENT % latex(sheets(tmp_path / "runs"), caption=NASTY, label="tab:a"))
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "table.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "table.pdf").stat().st_size > 10_000
