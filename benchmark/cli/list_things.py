"""egox-bench list: methods, splits, clips, protocols, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import typer

from . import options as o

app = typer.Typer(no_args_is_help=True)


def _show(rows: list[dict[str, Any]], *, as_json: bool, leave_out: tuple[str, ...] = ()) -> None:
    """JSON has every field; the table leaves out those that would crowd a terminal."""
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    names = [name for name in (rows[0] if rows else ()) if name not in leave_out]
    for name in names:
        table.add_column(name, no_wrap=name in ("id", "split", "digest", "version", "unit", "sees truth"))
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
    Console().print(table)


def _words(inputs: Iterable[str]) -> list[str]:
    return sorted(name.replace("_", " ") for name in inputs)


def _status(options: type) -> str:
    """ "ready", or what is missing with the options as they are."""
    missing = options().lacking() if hasattr(options, "lacking") else ""
    return f"not ready: {missing.partition(';')[0]}" if missing else "ready"


@app.command("methods")
def methods(as_json: o.AsJson = False) -> None:
    """Methods that are installed: what they need, what they may see, and whether they can be loaded."""
    from ..registry import load_registry
    from .json_output import only_json

    with only_json(wanted=True):  # a plugin that prints while it is imported must not mix into the list
        registry = load_registry()
    rows = [
        {
            "id": spec.id,
            "version": spec.version,
            "what": spec.summary,
            "needs": ", ".join([*_words(spec.needs), *(f"{name} (optional)" for name in _words(spec.optional))]) or "nothing",
            "sees truth": "" if spec.privileged == "none" else spec.privileged.replace("_", " "),
            "kind": "control" if spec.control else "method",
            "status": _status(spec.options),
        }
        for spec in registry.methods.values()
    ]
    rows += [
        {
            "id": b.id,
            "version": "",
            "needs": "",
            "sees truth": "",
            "kind": "",
            "status": f"broken: {b.reason}",
            "what": f"of {b.package}",
        }
        for b in registry.broken
    ]
    _show(rows, as_json=as_json, leave_out=("version", "kind"))


@app.command("splits")
def splits(data: o.Data = "sim", as_json: o.AsJson = False) -> None:
    """Splits of the data: clips, takes, places, digest."""
    from ..datasets.opening import open_dataset

    dataset = open_dataset(data)
    rows = []
    for name in dataset.splits():
        manifest = dataset.manifest(name)
        rows.append(
            {
                "split": name,
                "clips": len(manifest.rows),
                "takes": len({row.cluster for row in manifest.rows}),
                "places": len({row.place for row in manifest.rows if row.place}),
                "digest": manifest.digest,
            }
        )
    _show(rows, as_json=as_json)


@app.command("clips")
def clips(split: o.Split = "unseen", data: o.Data = "sim", as_json: o.AsJson = False) -> None:
    """Clips of a split, by the ids that --clips takes."""
    from ..datasets.opening import open_dataset
    from ..job import manifest_of

    manifest = manifest_of(open_dataset(data), split)
    _show([{"id": row.clip_id, "place": row.place, "take": row.take_name} for row in manifest.rows], as_json=as_json)


@app.command("protocols")
def protocols(as_json: o.AsJson = False) -> None:
    """Protocols: canvas, metrics, digest."""
    from ..protocols.protocol import load_protocol, protocol_names

    rows = []
    for name in protocol_names():
        protocol = load_protocol(name)
        canvas = protocol.canvas
        rows.append(
            {
                "id": name,
                "version": protocol.version,
                "canvas": f"{canvas.name}: ego {canvas.ego_side}x{canvas.ego_side}, {canvas.frames} frames at {canvas.fps:g} fps",
                "metrics": ", ".join(metric.id for metric, _ in protocol.metrics),
                "digest": protocol.digest,
                "what": protocol.title,
                "summary": protocol.summary,
            }
        )
    _show(rows, as_json=as_json, leave_out=("digest", "summary"))


@app.command("metrics")
def metrics(as_json: o.AsJson = False) -> None:
    """Metrics: what each is about, unit, direction, weights ('egox-bench weights list'), definition."""
    from ..metrics import EXTRACTORS, METRICS, weights_of

    better = {"up": "higher", "down": "lower", "truth": "nearer to the truth's"}
    rows = [
        {
            "id": metric.id,
            "version": metric.version,
            "about": metric.group,
            "unit": metric.unit,
            "better": better[metric.direction],
            "weights": ", ".join(weights_of(EXTRACTORS[metric.extractor])) if metric.extractor else "",
            "what": metric.summary,
            "definition": metric.definition,
        }
        for metric in METRICS.values()
    ]
    _show(rows, as_json=as_json, leave_out=("what", "definition"))
