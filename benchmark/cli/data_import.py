"""egox-bench data import: a released list of clips becomes a manifest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from . import options as o


def command(
    file: Annotated[
        Path, typer.Argument(help="A meta file (JSON), or clip names <take>_<first>_<last>, one a line.", show_default=False)
    ],
    split: Annotated[
        str, typer.Option("--split", help="What the split is to be called: seen, unseen, train, ...", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="The manifest file to write (.jsonl).", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Ego-Exo4D download that fills in uids, places and exo cameras.", show_default=False),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part", help="Which list of a JSON file that holds several: its key or how it begins.", show_default=False
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option("--dataset", help="Which data the clips are of: egoexo4d or egox-release.")
    ] = "egoexo4d",
    as_json: o.AsJson = False,
) -> None:
    """Read a published list of clips into a manifest. Clips with null poses are kept; a malformed name refuses the list.

    Example: egox-bench data import meta_seen.json --part val --split seen --data ~/egoexo4d --out ~/egoexo4d/splits/seen.jsonl
    """
    import msgspec

    from ..splits.importing import import_list
    from ..splits.released import read_list

    done = import_list(read_list(file, part=part), split=split, dataset=dataset, data=data)
    done.manifest.save(out)
    report = done.report
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
        return
    print(f"{out}: split {report.split}, {report.clips} clips, digest {report.digest}")
    print(f"takes known: {report.takes_known}; exo cameras found: {report.cameras_found}; null poses: {report.null_poses}")
