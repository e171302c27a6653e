"""egox-bench data plan."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as o


def command(
    split: Annotated[str, typer.Option("--split", help="A manifest file *.jsonl, or a split of DATA.")],
    data: Annotated[
        str | None,
        typer.Argument(help="A download (only takes.json is needed): resolves names to uids.", show_default=False),
    ] = None,
    into: Annotated[str, typer.Option("--into", help="Where the commands download to.")] = "EGOEXO_DIR",
    as_json: o.AsJson = False,
) -> None:
    """Print what to download of Ego-Exo4D for a split: parts, takes, GB, and the exact commands of the official tool.

    Example: egox-bench data plan --split unseen.jsonl /data/egoexo --into /data/egoexo
    """
    from pathlib import Path

    import msgspec

    from ..datasets.download_plan import find_manifest, plan_download, plan_text

    plan = plan_download(find_manifest(split, data), takes_from=Path(data) if data else None, into=into)
    print(msgspec.json.format(msgspec.json.encode(plan)).decode() if as_json else plan_text(plan))
