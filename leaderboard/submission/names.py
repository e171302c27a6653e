"""Names that people give to methods: which can be published, and which pass themselves off as another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from benchmark.errors import UserError
from benchmark.files import file_name

_NOT_ON_EVERY_SYSTEM = re.compile(r'[<>"|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What Windows takes for a device whatever follows: such a repository could not be checked out there."""

_ALIKE = str.maketrans(
    {"а": "a", "с": "c", "е": "e", "о": "o", "р": "p", "х": "x", "у": "y", "і": "i", "ѕ": "s", "ԁ": "d", "һ": "h", "ӏ": "l"}
    | {"ο": "o", "α": "a", "ρ": "p", "ε": "e", "ι": "i", "κ": "k", "ν": "v", "υ": "u", "ı": "i"}
    | {"0": "o", "1": "l", "3": "e", "5": "s"}
)
"""Letters of other scripts and digits that are read as Latin letters."""


def check_name(kind: str, name: str) -> str:
    """The name itself. Raises UserError where it cannot be a folder on every system: registry's rule, and no <>"|?*."""
    shown = name if len(name) <= 60 else f"{name[:60]}…"
    try:
        file_name(name)
    except UserError:
        too_long = len(name.encode(errors="replace")) > 200
        why = "is longer than 200 bytes" if too_long else "cannot be a folder (no slash, colon, line break or leading dot)"
        raise UserError(f"{kind} name {shown!r} {why}; score the run again under another name") from None
    if _NOT_ON_EVERY_SYSTEM.search(name) or _DEVICES.fullmatch(name) or name != name.strip() or name.endswith("."):
        raise UserError(f"{kind} name {shown!r} cannot be a folder on every system; use letters, digits, '-', '_' and '.'")
    return name


def passes_for(name: str, others: Iterable[str]) -> str | None:
    """Which of other names this one is read as though it is another ("Oracle", "0racle", "oracle_"); None for none."""
    own = _seen(name)
    return next((other for other in others if other != name and _seen(other) == own), None)


def _seen(name: str) -> str:
    """What a quick reader sees: Latin small letters and digits, without marks and separators."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_ALIKE)
    return "".join(c for c in plain if c.isalnum())


def printable(text: str) -> str:
    """The text on one line, with a question mark for what could move a terminal's cursor or hide."""
    return "".join(c if c.isprintable() else "?" for c in text)
