"""Whether columns that stand on classical vision may be shown: what the control rows of the same table say about them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.contenders import TRUTH_METHOD

from .rows import Row

MINI_OBJECTS = ("location-error-mini", "object-iou-mini", "contour-mini")
IOU = "object-iou-mini"
LEAST_TRUE_IOU = 0.9
"""Truth against truth: below it, objects are lost on the way, not by the method."""
MOST_ABOVE_CHANCE = 0.05
"""Shuffled clips: matched things may overlap no more than this beyond things that nothing matched."""


def withheld(rows: Sequence[Row]) -> dict[str, str]:
    """Metric id to the reason why its column is not to be read; empty where the control rows bear it out.

    The columns are shown only where both control rows are there to bear them out.
    """
    if not rows or IOU not in rows[0].results.metrics:
        return {}
    scored = [row for row in rows if row.results.metrics[IOU].mean is not None]
    if not scored:  # there is nothing to withhold, and the column says why itself
        return {}
    truth = any(row.results.method.id == TRUTH_METHOD for row in scored)
    shuffled = any(row.results.method.privileged == "other_truth" for row in scored)
    if not (truth and shuffled):
        return dict.fromkeys(MINI_OBJECTS, "the rows oracle and shuffled, which would bear it out, have no number in this table")
    for row in scored:
        found = row.results.metrics[IOU]
        assert found.mean is not None
        if row.results.method.id == TRUTH_METHOD and found.mean < LEAST_TRUE_IOU:
            return dict.fromkeys(MINI_OBJECTS, f"truth against truth reaches an IoU of {found.mean:.2f} only")
        chance = found.chance if row.results.method.privileged == "other_truth" else None
        if chance is not None and found.mean - chance > MOST_ABOVE_CHANCE:
            return dict.fromkeys(MINI_OBJECTS, f"shuffled clips reach an IoU of {found.mean:.2f} where chance is {chance:.2f}")
    return {}
