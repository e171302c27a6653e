"""Names from results as parts of files' names and of addresses."""

from __future__ import annotations

import hashlib
import re

LONGEST = 120


def slug_of(name: str) -> str:
    """The name where letters, digits, points, dashes and underscores make it up; else what is left of it and a digest of it."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) and len(name) <= LONGEST:
        return name
    left = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[: LONGEST - 9]
    return f"{left}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
