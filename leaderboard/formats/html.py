"""Tables as one self-contained HTML page, to paste or to open; the site of `publish` is another thing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..legend import SIGNS
from ..table import Cell, Sheet
from .terminal import blocks, header

_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color-scheme:light dark}table{border-collapse:collapse;margin:1rem 0}"
    "th,td{padding:.2rem .7rem;text-align:right}th:first-child,td:first-child{text-align:left}thead{border-block:1px solid}"
    "tbody+tbody{border-top:1px solid}table{border-bottom:1px solid}.best{font-weight:700}.second{text-decoration:underline}"
)


def html(sheets: Sequence[Sheet], *, title: str) -> str:
    """A page of all sheets. Text from results is escaped."""
    body = "\n".join(_section(sheet) for sheet in sheets)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f"<h1>{escape(title)}</h1>\n{body}\n</html>\n"
    )


def _section(sheet: Sheet) -> str:
    cut, columns = blocks(sheet), header(sheet)
    parts = [f"<h2>{escape(sheet.title)}</h2>"]
    for heading, places in cut:
        parts.append(f"<table>\n<caption>{escape(heading) if len(cut) > 1 else ''}</caption>")
        parts.append(f"<thead><tr>{''.join(f'<th>{escape(columns[place])}</th>' for place in places)}</tr></thead>")
        for lines in (sheet.lines[: sheet.competing], sheet.lines[sheet.competing :]):
            rows = []
            for line in lines:
                cells = [f"<td>{escape(line.name)}</td>", *(_cell(cell) for cell in line.cells), f"<td>{line.count}</td>"]
                rows.append(f"<tr>{''.join(cells[place] for place in places)}</tr>")
            parts.append("<tbody>\n" + "\n".join(rows) + "\n</tbody>" if rows else "")
        parts.append("</table>")
    parts.append("<ul>\n" + "\n".join(f"<li>{escape(text)}</li>" for text in sheet.legend) + "\n</ul>")
    return "\n".join(part for part in parts if part)


def _cell(cell: Cell) -> str:
    mark = f' class="{cell.mark}"' if cell.mark in ("best", "second") else ""
    return f"<td{mark}>{escape(cell.text)}{SIGNS[cell.mark] if cell.mark else ''}</td>"
