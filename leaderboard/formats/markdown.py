"""Tables as GitHub-flavoured Markdown, one table a group of columns; best cells bold, second ones underlined."""

from __future__ import annotations

import re

from ..legend import in_words
from ..table import Cell, Sheet
from .terminal import blocks, header


def markdown(sheet: Sheet) -> str:
    """The sheet with its title as a heading and its legend as a list; ends in a newline. Names from results are escaped."""
    cut, columns = blocks(sheet), [escaped(text) for text in header(sheet)]
    parts = [f"### {escaped(sheet.title)}"]
    for heading, places in cut:
        if len(cut) > 1:
            parts.append(f"#### {escaped(heading)}")
        rows = [[escaped(line.name), *(_cell(cell) for cell in line.cells), line.count] for line in sheet.lines]
        aligned = [":--" if place == 0 else "--:" for place in places]
        drawn = [[columns[place] for place in places], aligned, *([row[place] for place in places] for row in rows)]
        parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in drawn))
    said = in_words(sheet.legend, {"best": "bold", "second": "underlined", "leading": "°"})
    parts.append("\n".join(f"- {escaped(text)}" for text in said))
    return "\n\n".join(part for part in parts if part) + "\n"


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    if cell.mark == "best":
        return f"**{text}**"
    if cell.mark == "second":
        return f"<u>{text}</u>"
    return f"{text}°" if cell.mark == "leading" else text


def escaped(text: str) -> str:
    """Without meaning as Markdown or HTML, on one line."""
    text = " ".join(text.split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|!~])", r"\\\1", text)
