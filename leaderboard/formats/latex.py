"""Tables as LaTeX in the layout of the paper: booktabs, groups of columns under rules, splits as blocks of one table."""

from __future__ import annotations

from collections.abc import Sequence

from ..legend import in_words
from ..marks import Mark
from ..table import Cell, Column, Line, Sheet
from .terminal import blocks

PREAMBLE = r"% \usepackage{booktabs,graphicx}  \usepackage[utf8]{inputenc} or a newer engine"
_SIGNS = {
    "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "≈": r"$\approx$", "†": r"$\dagger$", "‡": r"$\ddagger$",
    "§": r"\S", "¶": r"\P", "°": r"$^\circ$", "–": "--", "·": r"$\cdot$", "—": "---", "…": r"\ldots{}",
    "−": "$-$", "λ": r"$\lambda$",
}  # fmt: skip
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "[": "{[}", "]": "{]}", '"': "''",
}  # fmt: skip


def latex(sheets: Sequence[Sheet], *, caption: str, label: str) -> str:
    """One `table*` for all sheets: neighbours that differ in nothing but their split are blocks of one tabular, headed by it.

    Best cells are bold, second ones underlined, intervals small. What the legend says stands below the table as comments:
    a paper words its own caption. Text from results is escaped. Raises ValueError for no sheets.
    """
    if not sheets:
        raise ValueError("a table needs at least one sheet")
    runs: list[list[Sheet]] = []
    for sheet in sheets:
        new_split = bool(runs) and sheet.split not in {other.split for other in runs[-1]}
        if new_split and _measured(runs[-1][0]) == _measured(sheet):
            runs[-1].append(sheet)
        else:
            runs.append([sheet])
    parts = [PREAMBLE, r"\begin{table*}[t]", r"\centering", rf"\caption{{{escaped(caption)}}}", rf"\label{{{label}}}"]
    for number, run in enumerate(runs):
        if len(runs) > 1:
            parts.append((r"\par\medskip " if number else "") + rf"\textit{{{escaped(run[0].title)}}}\par")
        parts += [r"\resizebox{\textwidth}{!}{%", *_tabular(run), "}"]
    parts.append(r"\end{table*}")
    said: dict[Mark, str] = {"best": "bold", "second": "underlined", "leading": "°"}
    for sheet in sheets:
        parts += [f"% {' '.join(text.split())}" for text in (sheet.title, *in_words(sheet.legend, said))]
    return "\n".join(parts) + "\n"


def _measured(sheet: Sheet) -> tuple[object, ...]:
    """What blocks of one tabular must share: how rows were measured, but not on which split; and the columns."""
    rows = [line.row for line in sheet.lines]
    terms = {term for row in rows for term in row.terms if not term[0].startswith("split")}
    return (sheet.columns, rows[0].results.split.dataset, frozenset(terms))


def _tabular(sheets: Sequence[Sheet]) -> list[str]:
    columns = sheets[0].columns
    counted = any(line.row.results.n_scored != line.row.results.n_expected for sheet in sheets for line in sheet.lines)
    width = len(columns) + (2 if counted else 1)
    groups, rules = [""], []
    for heading, places in blocks(sheets[0]):
        inner = [place for place in places if 0 < place <= len(columns)]
        groups.append(rf"\multicolumn{{{len(inner)}}}{{c}}{{{escaped(heading.capitalize())}}}")
        rules.append(rf"\cmidrule(lr){{{inner[0] + 1}-{inner[-1] + 1}}}")
    if counted:
        groups.append("")
    heads = ["Method", *(_heading(column) for column in columns), *(["Scored"] if counted else [])]
    parts = [rf"\begin{{tabular}}{{l{'c' * (width - 1)}}}", r"\toprule", _row(groups), "".join(rules), _row(heads), r"\midrule"]
    for number, sheet in enumerate(sheets):
        if len(sheets) > 1:
            parts += [r"\midrule"] if number else []
            parts += [rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escaped(sheet.split.capitalize())}}}}} \\", r"\midrule"]
        for place, line in enumerate(sheet.lines):
            if place == sheet.competing and place > 0:
                parts.append(rf"\cmidrule(lr){{1-{width}}}")
            parts.append(_line(line, counted=counted))
    return [*parts, r"\bottomrule", r"\end{tabular}%"]


def _line(line: Line, *, counted: bool) -> str:
    flags = f"$^{{{''.join(_superscript(flag) for flag in line.flags)}}}$" if line.flags else ""
    cells = [escaped(line.label) + flags, *(_cell(cell) for cell in line.cells), *([line.count] if counted else [])]
    return _row(cells)


def _superscript(flag: str) -> str:
    return {"†": r"\dagger", "‡": r"\ddagger", "§": r"\S", "¶": r"\P", "#": r"\#"}[flag]


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _heading(column: Column) -> str:
    return f"{escaped(column.title)} {_SIGNS.get(column.arrow, '')}".strip()


def _cell(cell: Cell) -> str:
    number, sign, rest = cell.text.partition("±")
    if cell.mark in ("best", "second"):
        number = rf"\{'textbf' if cell.mark == 'best' else 'underline'}{{{escaped(number)}}}"
    else:
        number = escaped(number) + (_SIGNS["°"] if cell.mark == "leading" else "")
    return number + (rf"{{\scriptsize$\pm${escaped(rest)}}}" if sign else "")


def escaped(text: str) -> str:
    """Without meaning to LaTeX, on one line; what no common font has becomes a question mark."""
    drawn = []
    for letter in " ".join(text.split()):
        plain = letter.isascii() or (letter.isalpha() and ord(letter) < 0x250)
        drawn.append(_SPECIAL.get(letter) or _SIGNS.get(letter) or (letter if plain else "?"))
    return "".join(drawn)
