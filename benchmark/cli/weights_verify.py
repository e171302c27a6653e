"""egox-bench weights verify."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from . import options as o
from .weights_options import WeightsDir


def command(
    ids: Annotated[list[str] | None, typer.Argument(help="Which; default: all that are here.", show_default=False)] = None,
    weights_dir: WeightsDir = None,
    as_json: o.AsJson = False,
) -> None:
    """Read every byte of the weights and compare it with what is pinned or was recorded. Exits 1 unless all named are whole.

    Example: egox-bench weights verify i3d
    """
    import msgspec

    from ..weights import Shelf, weights_root
    from ..weights.overview import verified, verify_text

    entries = verified(Shelf(root=weights_dir or weights_root()), ids or ())
    print(json.dumps(msgspec.to_builtins(entries, enc_hook=str), indent=2) if as_json else verify_text(entries))
    raise typer.Exit(0 if all(entry.state == "here" for entry in entries) else 1)
