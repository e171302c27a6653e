"""The two CSVs: documented columns, what pandas reads is what the table shows."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from benchmark.metrics import METRICS
from leaderboard import long_csv
from leaderboard.formats.terminal import texts
from leaderboard.formats.wide_csv import METRIC_COLUMNS, ROW_COLUMNS, wide_csv
from leaderboard.legend import SIGNS
from leaderboard.rows import find_rows
from leaderboard.table import Sheet, sheet_of

from ..runs import make_run

DOCS = Path(__file__).parents[3] / "docs" / "tables.md"


def sheet(root: Path) -> Sheet:
    make_run(root, 'strong, "quoted"', level=25)
    make_run(root, "weak", level=20, undefined=2)
    make_run(root, "oracle", cap=True, privileged="truth", control=True)
    return sheet_of(find_rows([root]))


def test_the_wide_csv_has_the_documented_columns_and_one_line_a_row(tmp_path):
    frame = pd.read_csv(io.StringIO(wide_csv([sheet(tmp_path)])))
    assert tuple(frame.columns[: len(ROW_COLUMNS)]) == ROW_COLUMNS
    assert list(frame.columns[len(ROW_COLUMNS) :]) == [
        f"{metric}{end}" for metric in ("psnr", "ssim", "psnr-y", "ssim-y") for end in METRIC_COLUMNS
    ]
    assert list(frame.label) == ['strong, "quoted"', "weak", "oracle"]


def test_the_table_can_be_drawn_again_from_the_wide_csv(tmp_path):
    found = sheet(tmp_path)
    frame = pd.read_csv(io.StringIO(wide_csv([found])), keep_default_na=False, na_values=[""])
    for line, (_, row) in zip(texts(found), frame.iterrows()):
        for column, text in zip(found.columns, line[1:]):
            value, low, high, n = (row[f"{column.metric}{end}"] for end in METRIC_COLUMNS[:4])
            decimals = METRICS[column.metric].decimals
            drawn = f"{value:.{decimals}f}±{(high - low) / 2:.{decimals}f}" + (f" (n {n})" if n != row.n_scored else "")
            signs = {str(mark): sign for mark, sign in SIGNS.items()}
            assert (drawn + signs.get(str(row[f"{column.metric}_mark"]), "")).rstrip() == text.rstrip()
        assert line[-1] == f"{row.n_scored}/{row.n_expected}"


def test_the_long_csv_pivots_to_the_wide_one(tmp_path):
    found = sheet(tmp_path)
    wide = pd.read_csv(io.StringIO(wide_csv([found]))).set_index("method")
    rows = [line.row for line in found.lines]
    long = pd.read_csv(io.StringIO(long_csv.to_text([line for row in rows for line in long_csv.lines_of(row)])))
    assert tuple(long.columns) == long_csv.COLUMNS
    pivoted = long.pivot_table(index="method", columns="metric", values="value")
    for column in found.columns:
        assert pivoted[column.metric].to_dict() == wide[column.metric].to_dict()


def test_the_columns_are_documented():
    told = DOCS.read_text()
    assert all(f"`{name}`" in told for name in (*ROW_COLUMNS, *long_csv.COLUMNS, *(f"ID{end}" for end in METRIC_COLUMNS)))
