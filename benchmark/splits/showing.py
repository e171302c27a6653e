"""What `data build`, `data import` and `data audit` print: reports as tables on a terminal, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from .audit import Audit, Leak, Listed, SharedWearers, listed, scenario_table, shared_wearers
from .building import Build
from .pool import Pool

SHOWN_LEAKS = 20


class BuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `data build` did. left_out: takes by reason. held_out: groups of takes by split. short_of: clips not found."""

    splits: tuple[Listed, ...]
    scenarios: dict[str, dict[str, int]]
    takes_usable: int
    takes_left_out: dict[str, int]
    groups: int
    grouped_by: tuple[str, ...]
    largest_group_with_wearers: float
    held_out_groups: dict[str, int]
    shared_wearers: tuple[SharedWearers, ...]
    short_of: dict[str, int]
    files: tuple[str, ...]


def build_report(pool: Pool, build: Build, files: Sequence[Path]) -> BuildReport:
    """The report of a build; it holds counts only."""
    manifests = list(build.manifests.values())
    return BuildReport(
        splits=tuple(listed(manifest) for manifest in manifests),
        scenarios=scenario_table(manifests),
        takes_usable=len(pool.takes),
        takes_left_out=dict(pool.left_out),
        groups=len(set(build.grouping.of.values())),
        grouped_by=build.grouping.links,
        largest_group_with_wearers=round(build.grouping.share_with_wearers, 4),
        held_out_groups={split: len(groups) for split, groups in build.held_out.items()},
        shared_wearers=tuple(shared_wearers(one, other) for one, other in combinations(manifests, 2)),
        short_of=dict(build.short_of),
        files=tuple(str(path) for path in files),
    )


def show_build(report: BuildReport, console: Console) -> None:
    """Splits, scenarios, what was left out and why, what is shared."""
    console.print(_splits_table(report.splits))
    console.print(_scenarios_table(report.scenarios))
    if report.takes_left_out:
        table = Table("takes left out", "why", title_justify="left", pad_edge=False)
        for why, count in report.takes_left_out.items():
            table.add_row(str(count), why)
        console.print(table)
    held = ", ".join(f"{count} for {split}" for split, count in report.held_out_groups.items())
    console.print(
        f"{report.takes_usable} takes in {report.groups} groups by {', '.join(report.grouped_by)}; groups held out: {held}",
        soft_wrap=True,
    )
    if "participant" not in report.grouped_by:
        console.print(
            f"Wearers would link {report.largest_group_with_wearers:.0%} of the takes into one group, so groups ignore them.",
            soft_wrap=True,
        )
    _show_wearers(report.shared_wearers, console)
    for split, count in report.short_of.items():
        console.print(f"[yellow]{split} is {count} clips short of what was asked for[/yellow]", soft_wrap=True)
    for path in report.files:
        console.print(path, soft_wrap=True, highlight=False, markup=False)


def show_audit(report: Audit, console: Console) -> None:
    """The verdict last, after everything it rests on."""
    console.print(_splits_table(report.splits))
    console.print(_scenarios_table(report.scenarios))
    _show_wearers(report.shared_wearers, console)
    for note in report.unchecked:
        console.print(f"not checked: {note}", soft_wrap=True, markup=False)
    if report.leaks:
        console.print(_leaks_table(report.leaks[:SHOWN_LEAKS]))
        if len(report.leaks) > SHOWN_LEAKS:
            console.print(f"and {len(report.leaks) - SHOWN_LEAKS} more: --json lists all of them", markup=False)
        console.print(f"[red]{len(report.leaks)} leaks[/red]")
    else:
        console.print("[green]no leak[/green]")


def _splits_table(splits: Sequence[Listed]) -> Table:
    table = Table("split", "clips", "takes", "places", "digest", pad_edge=False)
    for split in splits:
        table.add_row(split.split, str(split.clips), str(split.takes), str(split.places), split.digest)
    return table


def _scenarios_table(scenarios: Mapping[str, Mapping[str, int]]) -> Table:
    splits = list(dict.fromkeys(split for counts in scenarios.values() for split in counts))
    table = Table("scenario", *splits, pad_edge=False)
    for name, counts in scenarios.items():
        table.add_row(name, *(str(counts.get(split, 0)) for split in splits))
    return table


def _leaks_table(leaks: Sequence[Leak]) -> Table:
    table = Table("rule", "clip", "and", "why", pad_edge=False)
    for leak in leaks:
        table.add_row(leak.rule, f"{leak.split}: {leak.clip}", f"{leak.other_split}: {leak.other_clip}", leak.what)
    return table


def _show_wearers(shared: Sequence[SharedWearers], console: Console) -> None:
    for one in shared:
        (split, other), (clips, other_clips) = one.splits, one.clips
        console.print(
            f"wearers that {split} and {other} share: {one.wearers} (in {clips} clips of {split}, {other_clips} of {other})",
            soft_wrap=True,
        )
