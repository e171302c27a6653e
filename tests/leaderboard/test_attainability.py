"""Whether printed shares can be k of N clips; facts of the paper's column "dynamic degree"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.attainability import counts, findings, impossible, totals
from leaderboard.published import PrintedNumber, printed, shipped

DYNAMIC = "dynamic-degree-canvas"


def dynamic(name: str, *, without: str = "") -> list[PrintedNumber]:
    (table,) = (one for one in printed() if one.id == name)
    found = [table.number(row.method, DYNAMIC) for row in table.rows if row.method != without]
    return [number for number in found if number is not None]


def texts(shares) -> list[str]:
    return [share.text for share in shares]


@given(n=st.integers(1, 500), data=st.data(), decimals=st.integers(1, 4))
def test_a_true_share_can_always_occur_at_its_own_number_of_clips(n, data, decimals):
    k = data.draw(st.integers(0, n))
    share = PrintedNumber(text=f"{k / n:.{decimals}f}")
    assert k in counts(share, n)
    assert n in totals([share], up_to=n)


def test_shares_of_100_clips_end_in_the_second_decimal():
    assert list(counts(PrintedNumber(text=".978"), 100)) == []
    assert list(counts(PrintedNumber(text=".980"), 100)) == [98]


def test_a_tie_may_be_rounded_either_way():
    """1 of 8 is .125."""
    assert list(counts(PrintedNumber(text=".12"), 8)) == list(counts(PrintedNumber(text=".13"), 8)) == [1]


def test_a_share_that_is_printed_coarsely_has_several_counts():
    assert list(counts(PrintedNumber(text=".5"), 20)) == [9, 10, 11]
    assert list(counts(PrintedNumber(text="1.0"), 20)) == [19, 20]
    assert list(counts(PrintedNumber(text="0.0"), 20)) == [0, 1]


def test_a_share_of_no_clips_is_refused():
    with pytest.raises(ValueError, match="of one clip at least"):
        counts(PrintedNumber(text=".5"), 0)


def test_with_the_announced_numbers_of_clips_printed_values_cannot_occur():
    assert texts(impossible(dynamic("table1-seen"), 400)) == [".901", ".974"]
    assert texts(impossible(dynamic("table1-unseen"), 100)) == [".978", ".944", ".427", ".989"]


def test_89_is_the_only_number_of_clips_up_to_130_that_gives_table_1_unseen():
    assert totals(dynamic("table1-unseen"), up_to=130) == (89,)


def test_342_is_the_only_number_of_clips_up_to_420_that_gives_table_1_seen():
    assert totals(dynamic("table1-seen"), up_to=420) == (342,)


def test_the_ablations_of_table_2_do_not_fit_342():
    assert texts(impossible(dynamic("table2", without="egox"), 342)) == [".802", ".864"]


def test_no_number_of_clips_up_to_the_announced_one_gives_both_tables_on_seen():
    assert totals([*dynamic("table1-seen"), *dynamic("table2")], up_to=400) == ()


def test_the_third_partys_shares_fit_its_clips():
    own = [one for one in findings(shipped()) if one.source == "third party"]
    assert [(one.announced, one.fits) for one in own] == [(388, True), (100, True)]
    assert own[0].text == "third party, seen: Dynamic fits the 388 clips announced"


def test_findings_are_told_by_table_and_for_tables_on_one_split_together():
    assert [one.text for one in findings(printed())] == [
        "EgoX, Table 1 seen: Dynamic: of 400 clips no share is .901 or .974;"
        " 342 is the only number of clips up to 400 that gives all values",
        "EgoX, Table 1 unseen: Dynamic: of 100 clips no share is .978, .944, .427 or .989;"
        " 89 is the only number of clips up to 100 that gives all values",
        "EgoX, Table 2 seen: Dynamic: of 400 clips no share is .974 or .864; all values occur at 308, 383 or 389 clips",
        "EgoX, Table 1 seen and Table 2 seen: Dynamic: of 400 clips no share is .901, .974 or .864; no number of clips up to 400"
        " gives all values; at the 342 of Table 1 seen no share is .802 or .864",
    ]


def test_columns_that_are_no_shares_have_no_finding():
    assert {one.metric for one in findings(shipped())} == {DYNAMIC}
