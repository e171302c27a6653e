"""egox-bench weights list."""

from __future__ import annotations

import json

from . import options as o
from .weights_options import WeightsDir


def command(weights_dir: WeightsDir = None, as_json: o.AsJson = False) -> None:
    """Which weights metrics use, whether they are here, how big they are and what their licence allows. Reads none of them.

    Example: egox-bench weights list
    """
    import msgspec

    from ..weights import Shelf, weights_root
    from ..weights.overview import list_text, listed

    shelf = Shelf(root=weights_dir or weights_root())
    entries = listed(shelf)
    print(json.dumps(msgspec.to_builtins(entries, enc_hook=str), indent=2) if as_json else list_text(entries, shelf.root))
