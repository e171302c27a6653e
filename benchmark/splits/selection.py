"""Which clips of a split to work on: what `--clips` and `--limit` mean."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UserError, unknown
from .manifest import Manifest, Row


def select(manifest: Manifest, *, clips: Sequence[str] = (), limit: int | None = None) -> tuple[Row, ...]:
    """The named clips (all where none is named), then the first `limit` of them, in the order of clip ids.

    The first N by id, not N spread over the split: `--limit 8` then contains `--limit 4`, so what was made is used again.
    Raises UserError for a clip that the split does not have (with the nearest id) and for a limit below 1.
    """
    known = {row.clip_id: row for row in manifest.rows}
    for name in clips:
        if name not in known:
            raise unknown(f"clip of split {manifest.split!r}", name, known)
    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit}: give 1 or more")
    wanted = set(clips) or set(known)
    return tuple(row for row in manifest.rows if row.clip_id in wanted)[:limit]
