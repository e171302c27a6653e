"""Printed numbers: that those that ship are what is in print, and that a file of one's own is read or refused in one sentence."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from benchmark.errors import UserError
from benchmark.metrics import METRICS
from benchmark.protocols import load_protocol
from leaderboard.published import PrintedNumber, PrintedTable, printed, read_published, shipped

FILE = """
kind = "paper"
title = "Mine"
source = "a paper"
datasets = ["egoexo4d"]
protocol = "egox-paper"
protocol_version = 2
columns = [{ heading = "PSNR", metric = "psnr-y" }, { heading = "Dynamic", metric = "dynamic-degree-canvas", share = true }]

[[tables]]
id = "mine"
label = "Table 4"
page = 6
split = "seen"
n = 10
rows = [{ name = "A", method = "a", values = ["14.50", ".370"] }]
"""


def table(name: str) -> PrintedTable:
    return {one.id: one for one in shipped()}[name]


# Sums of the paper's rows and columns, added up from the tables in print: no single number can change unnoticed.
SUMS = {
    "table1-seen": (
        {"exo2ego-v": "798.736", "trajectory-crafter": "665.083", "wan-fun-control": "725.122", "wan-vace": "636.274",
         "egox": "268.130"},
        ["68.83", "2.191", "2.916", "4.089", "541.40", "0.755", "2.130", "2456.79", "4.854", "4.910", "4.480"],
    ),
    "table1-unseen": (
        {"exo2ego-v": "1515.459", "trajectory-crafter": "1031.038", "wan-fun-control": "1178.883", "wan-vace": "1254.163",
         "egox": "610.371"},
        ["65.08", "1.977", "3.010", "3.953", "939.78", "0.214", "1.721", "4560.08", "4.884", "4.933", "4.282"],
    ),
    "table2": (
        {"egox": "268.129", "egox-no-gga": "338.813", "egox-no-prior": "321.433", "egox-no-clean-latent": "434.194"},
        ["59.56", "2.102", "2.141", "3.518", "286.98", "1.482", "2.054", "993.38", "3.883", "3.952", "3.517"],
    ),
    "calibration-seen": (
        {"egox": "344.431"},
        ["15.57", ".556", ".466", ".903", "125.27", ".176", ".622", "197.9", ".985", ".993", ".990"],
    ),
    "calibration-unseen": (
        {"egox": "620.618"},
        ["13.53", ".437", ".542", ".886", "146.49", ".091", ".572", "455.1", ".986", ".994", ".990"],
    ),
}  # fmt: skip


def test_the_tables_that_ship_are_those_of_the_paper_and_of_the_third_party_in_order():
    assert [one.id for one in shipped()] == list(SUMS)
    assert [(one.id, one.split, one.n) for one in printed()] == [
        ("table1-seen", "seen", 400),
        ("table1-unseen", "unseen", 100),
        ("table2", "seen", 400),
    ]


@pytest.mark.parametrize("name", SUMS)
def test_rows_and_columns_add_up_to_what_they_do_in_print(name):
    rows, columns = SUMS[name]
    found = table(name)
    assert {row.method: sum(number.value for number in row.numbers) for row in found.rows} == {
        method: Decimal(total) for method, total in rows.items()
    }
    assert [sum(row.numbers[place].value for row in found.rows) for place in range(11)] == [Decimal(total) for total in columns]


@pytest.mark.parametrize("name", SUMS)
def test_every_number_has_the_decimals_of_its_column(name):
    fvd = 1 if name.startswith("calibration") else 2
    wanted = [2, 3, 3, 3, 2, 3, 3, fvd, 3, 3, 3]
    assert all([number.decimals for number in row.numbers] == wanted for row in table(name).rows)


@pytest.mark.parametrize("name", SUMS)
def test_the_columns_are_those_of_the_protocol_egox_paper(name):
    protocol, found = load_protocol("egox-paper"), table(name)
    assert [column.metric for column in found.columns] == [spec.id for spec, _ in protocol.metrics]
    assert (found.source.protocol, found.source.protocol_version) == (protocol.name, protocol.version)
    assert [column.metric for column in found.columns if column.share] == ["dynamic-degree-canvas"]


def best(name: str) -> Counter[str]:
    """Method to the number of columns in which its number is the best in print."""
    found = table(name)
    wins: Counter[str] = Counter()
    for place, column in enumerate(found.columns):
        of = {row.method: row.numbers[place].value for row in found.rows}
        wins[(min if METRICS[column.metric].direction == "down" else max)(of, key=lambda method: of[method])] += 1
    return wins


def test_egox_is_best_in_the_eight_columns_of_table_1_that_do_not_reward_standing_still():
    assert best("table1-seen") == {"egox": 8, "wan-vace": 2, "exo2ego-v": 1}
    assert best("table1-unseen") == {"egox": 9, "wan-vace": 2}


def test_the_full_model_is_not_best_in_every_column_of_table_2():
    """CLIP-I .897 without guidance; IoU .417 and smoothness .990 without the ego prior."""
    assert best("table2") == {"egox": 8, "egox-no-prior": 2, "egox-no-gga": 1}


def test_the_two_tables_print_egox_alike_but_for_its_smoothness():
    one, two = table("table1-seen"), table("table2")
    metrics = [column.metric for column in one.columns]
    pairs = [(metric, one.number("egox", metric), two.number("egox", metric)) for metric in metrics]
    assert [(metric, a and a.text, b and b.text) for metric, a, b in pairs if a != b] == [("smoothness-canvas", ".990", ".989")]


def test_oddities_of_the_print_are_told():
    assert all('LPIPS is printed "LIPIS"' in one.notes for one in printed())
    assert any(".439" in note for note in table("table1-unseen").notes)
    for name in ("table1-seen", "table2"):
        assert any(".989" in note and ".990" in note for note in table(name).notes)
        assert any("literature" in note for note in table(name).notes)


def test_no_page_is_made_up():
    assert {one.page for one in shipped()} == {None}


def test_tables_are_asked_for_by_split_by_dataset_and_by_kind():
    assert [one.id for one in printed("seen")] == ["table1-seen", "table2"]
    assert [one.id for one in printed("unseen", kind="calibration")] == ["calibration-unseen"]
    assert printed("seen", dataset="egox-release") == printed("seen", dataset="egoexo4d") == printed("seen")
    assert printed(dataset="sim") == printed("val") == ()


def test_a_number_keeps_its_digits_and_knows_how_it_was_rounded():
    number = PrintedNumber(text=".370")
    assert (number.value, number.decimals, number.half_unit) == (Decimal("0.37"), 3, Decimal("0.0005"))
    assert PrintedNumber(text="1283.50").half_unit == Decimal("0.005")
    assert PrintedNumber(text="12").half_unit == Decimal("0.5")


def test_a_method_or_metric_that_a_table_lacks_has_no_number():
    found = table("table2")
    assert found.number("wan-vace", "psnr-y") is None
    assert found.number("egox", "kvd") is None


def test_a_file_of_ones_own_is_read(tmp_path):
    (tmp_path / "mine.toml").write_text(FILE)
    (one,) = read_published(tmp_path / "mine.toml")
    assert (one.source.id, one.id, one.page, one.n) == ("mine", "mine", 6, 10)
    assert [number.text for number in one.rows[0].numbers] == ["14.50", ".370"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "paper"', "kind = ", "not TOML"),
        ('kind = "paper"', 'kind = "blog"', "field kind: Invalid enum value 'blog'"),
        ('title = "Mine"', "", "Object missing required field `title`"),
        ('title = "Mine"', 'titel = "Mine"', "unknown field 'titel'; did you mean 'title'?"),
        ("page = 6", "sheet = 6", "field tables[0]: Object contains unknown field `sheet`"),
        ("n = 10", 'n = "10"', "field tables[0].n: Expected `int`, got `str`"),
        ("n = 10", "n = 0", "field n of table mine: 0 clips; expected 1 or more"),
        ('metric = "psnr-y"', 'metric = "psnr-x"', "unknown metric 'psnr-x'; did you mean 'psnr"),
        ('"14.50"', "14.5", "field tables[0].rows[0].values[0]: Expected `str`, got `float`"),
        ('"14.50"', '"14,50"', "row 'A' in table mine: PSNR is '14,50'; write the digits as printed, like \".370\""),
        ('".370"', '"37.0"', "row 'A' in table mine: Dynamic is '37.0', and a share lies between 0 and 1"),
        (', ".370"', "", "row 'A' in table mine: 1 numbers for 2 columns; write one a column, in their order"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence_that_names_file_and_field(tmp_path, old, new, said):
    path = tmp_path / "mine.toml"
    assert old in FILE
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        read_published(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_tables_of_one_id_are_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE + FILE[FILE.index("[[tables]]") :])
    with pytest.raises(UserError, match="two tables have the id 'mine'"):
        read_published(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent.toml: cannot be read"):
        read_published(tmp_path / "absent.toml")
