"""What must be run for a table or figure of the paper: methods, splits and clips, and what is left out and why. Runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.running import CONTROLS
from benchmark.errors import unknown
from benchmark.inputs import Input

from .figures import ATTENTION, read_figure
from .figures import names as figure_names
from .figures.commands import run_command
from .views import View, read_view

if TYPE_CHECKING:
    from benchmark.registry import MethodSpec, Registry

TABLES = {"table1": "paper1", "table2": "paper2"}
"""The paper's tables, and the views that they are."""

SIM_LACKS = frozenset({Input.EGO_PRIOR, Input.POINTS})
"""What no clip of the simulated world has."""

NEEDS_SETTINGS = {"command": "stands for programs of your own, which --set cmd=... names"}
"""Methods that cannot run as they are; nothing in a spec tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """methods on splits, one run each; clips: empty for all. controls: whether control rows are run too.

    left_out: sentences for the person who asked.
    """

    target: str
    methods: tuple[str, ...]
    splits: tuple[str, ...]
    clips: tuple[str, ...] = ()
    controls: bool = False
    left_out: tuple[str, ...] = ()

    def commands(self, *, data: str, protocol: str | None, out: Path, workers: int | None, to: Path | None) -> list[str]:
        """The plan as command lines, for a folder `out` that holds no other runs."""
        lines = [
            run_command(
                self.methods, split=split, data=data, protocol=protocol, clips=self.clips, out=out, workers=workers,
                controls=self.controls,
            )
            for split in self.splits
        ]  # fmt: skip
        view = TABLES.get(self.target)
        shown = f"table {view} {out}" if view else f"figure {self.target} {out} --clips {','.join(self.clips)}"
        return [*lines, f"egox-bench {shown}" + (f" --to {to}" if to else "")]


def targets() -> list[str]:
    """All that can be reproduced."""
    return sorted([*TABLES, *figure_names()])


def check_target(name: str) -> None:
    """Raise UserError, with the nearest name, for what is no table or figure of the paper."""
    if name not in targets():
        raise unknown("table or figure", name, targets())


def plan_of(target: str, *, data: str, registry: Registry, clips: Sequence[str] = ()) -> Plan:
    """What to run for a table, or for a figure of runs.

    On the simulated world a view that takes other methods than its own is given all that can run there; on other data its own
    that are installed. Of a figure only the clips that it shows are run: `clips`, or what it would show by itself.
    """
    if target in TABLES:
        view = read_view(TABLES[target])
        methods, left_out = _methods(view, data=data, registry=registry)
        # control rows are run for every table: the truth's own values say what is best where neither end is good
        return Plan(target=target, methods=tuple(methods), splits=view.splits, controls=True, left_out=tuple(left_out))
    from .figures.making import clips_of

    figure = read_figure(target)
    methods, left_out = _methods(figure.view_on(figure.split), data=data, registry=registry)
    prior = [figure.prior.method] if figure.prior.method not in methods else []
    return Plan(
        target=target,
        methods=(*prior, *methods),
        splits=(figure.split,),
        clips=tuple(clips or clips_of(figure, data=data, split=figure.split)),
        left_out=tuple(left_out),
    )


def _methods(view: View, *, data: str, registry: Registry) -> tuple[list[str], list[str]]:
    """Methods to run in the order of the view, those it only takes on this data behind; and why others are left out."""
    simulated = data.split(":")[0] == "sim"
    own = [row.method for row in view.rows if row.method in registry.methods]
    left_out = [f"left out: {row.label} ({row.method}), not installed" for row in view.rows if row.method not in registry.methods]
    left_out += [f"left out: {broken.id} of {broken.package}, broken: {broken.reason}" for broken in registry.broken]
    if not (simulated and "sim" in view.others):
        return own, left_out
    others = []
    for name, spec in sorted(registry.methods.items()):
        reference = spec.control or spec.privileged != "none"
        if name in own or name in CONTROLS or (reference and not view.controls):
            continue
        reason = _why_not(view, name, spec)
        if reason:
            left_out.append(f"left out: {name}, {reason}")
        else:
            others.append(name)
    return [*own, *others], left_out


def _why_not(view: View, name: str, spec: MethodSpec) -> str:
    """Why an installed method has no place in the view on the simulated world; "" where it has."""
    if name in view.not_others:
        return "belongs to another table"
    if name in NEEDS_SETTINGS:
        return NEEDS_SETTINGS[name]
    if spec.fit is not None:
        return f"learns from the split train first (egox-bench run --method {name})"
    options = spec.options()
    missing = sorted(need.replace("_", " ") for need in spec.with_options(options).needs & SIM_LACKS)
    if missing:
        return f"needs {' and '.join(missing)}, which sim has not"
    lacking = options.lacking() if hasattr(options, "lacking") else ""
    return f"not ready: {lacking}" if lacking else ""


__all__ = ["ATTENTION", "TABLES", "Plan", "check_target", "plan_of", "targets"]
