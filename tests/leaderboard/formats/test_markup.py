"""Tables as Markdown and as HTML: marks, and names that mean nothing to either."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import msgspec

from leaderboard.formats.html import html
from leaderboard.formats.markdown import markdown
from leaderboard.rows import find_rows
from leaderboard.table import Sheet, sheet_of

from ..runs import edit, make_run

HOSTILE = "<img src=x onerror=alert(1)> | **bold** `code`"


def sheet(root: Path) -> Sheet:
    make_run(root, "strong", level=25)
    folder = make_run(root, "weak", level=20, remark=HOSTILE)
    results = edit(folder)
    edit(folder, method=msgspec.structs.replace(results.method, id=HOSTILE))
    return sheet_of(find_rows([root]))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


def test_markdown_marks_the_best_bold_and_the_second_underlined(tmp_path):
    text = markdown(sheet(tmp_path))
    lines = text.splitlines()
    assert lines[0] == r"### sim unseen, 24 clips (5p1it) · pixels@1"
    strong = next(line for line in lines if line.startswith("| strong"))
    assert "| **24.96±" in strong
    assert any("| <u>20" in line for line in lines)


def test_a_row_of_markdown_has_as_many_cells_as_its_heading_whatever_the_name(tmp_path):
    table = [line for line in markdown(sheet(tmp_path)).splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in table} == {7}
    assert not any("<img" in line for line in table)


def test_html_shows_hostile_names_as_words(tmp_path):
    found = Tags(html([sheet(tmp_path)], title=HOSTILE))
    assert "img" not in found.seen
    assert any(HOSTILE in cell for cell in found.cells)


def test_html_classes_follow_the_marks(tmp_path):
    text = html([sheet(tmp_path)], title="t")
    assert text.count('<td class="best">') == 4
    assert text.count('<td class="second">') == 4
