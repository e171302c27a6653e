"""egox-bench check: does a method keep the contract?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import options as o
from .json_output import only_json

if TYPE_CHECKING:
    from ..conformance import Report

SIGNS = {"pass": "✓", "fail": "✗", "skip": "–"}


def command(
    method: Annotated[str, typer.Argument(help="A method of 'egox-bench list methods'.")],
    settings: o.Settings = None,
    preset: o.Preset = None,
    as_json: o.AsJson = False,
) -> None:
    """Run the conformance suite on a method: a tiny synthetic clip, on CPU, nothing is stored.

    Exits 1 where a check fails. Example: `egox-bench check ego-prior`
    """
    from ..conformance import check_method
    from ..registry import load_registry, settings_from

    with only_json(as_json) as emit:
        report = check_method(load_registry()[method], preset=preset, settings=settings_from(settings or []))
        if as_json:
            emit(report.to_json())
        else:
            print(described(report))
    if not report.ok:
        raise typer.Exit(1)


def described(report: Report) -> str:
    """The report as lines of text: ✓ passed, ✗ failed, – does not apply. What was not reached is one line."""
    width = max(len(check.name) for check in report.checks)
    indent = "\n" + " " * (width + 4)
    told = [check for check in report.checks if not check.detail.startswith("not reached")]
    lines = [f"{SIGNS[c.verdict]} {c.name:<{width}}  {c.detail.replace(chr(10), indent)}" for c in told]
    if len(told) < len(report.checks):
        lines.append(f"{SIGNS['skip']} {len(report.checks) - len(told)} further checks were not reached")
    counts = {verdict: sum(check.verdict == verdict for check in report.checks) for verdict in SIGNS}
    lines.append(f"{report.method}: {counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped")
    return "\n".join(lines)
