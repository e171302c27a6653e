"""A model card for trained weights: front matter for the hub, the README that lies with the weights, and the tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UserError

from ..rows import Row, grouped
from .model_index import front_matter

README = "README.md"
INDEX = "model_index.json"
"""What diffusers reads first in a folder of weights."""

_FRONT = re.compile(r"\A---\n.*?\n---\n\s*", re.DOTALL)
_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "BSD-3-Clause": "bsd-3-clause", "CC-BY-4.0": "cc-by-4.0"}
"""The hub's names of licences that a method may declare; another is left to its owner to write in."""


def card(rows: Sequence[Row], *, own: Sequence[Row], weights: Path) -> str:
    """The card. rows: all runs of the tables; own: those of the method whose weights these are; weights: their folder.

    The README of the weights stays as it is; a front matter of its own is replaced. Raises UserError where there is none.
    """
    from ..formats.markdown import markdown
    from ..table import sheet_of

    file = weights / README
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read ({error}); name the folder of the weights with --weights") from None
    tables = [markdown(sheet_of(group)) for group in grouped(row for row in rows if not row.results.partial)]
    library = "diffusers" if (weights / INDEX).is_file() else ""
    parts = [
        front_matter(own, licence=licence_of(own[0].results.method.id), library=library),
        _FRONT.sub("", text).strip() + "\n",
        "## Results\n",
        "Measured with egox-bench; a number has a meaning only with its protocol, which stands above each table.\n",
        *tables,
    ]
    return "\n".join(parts)


def licence_of(method: str) -> str:
    """The hub's id of an installed method's licence; "" where it is not installed or the licence is another."""
    from benchmark.registry import load_registry

    spec = load_registry().methods.get(method)
    return _LICENCES.get(spec.licence, "") if spec is not None else ""
