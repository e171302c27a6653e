"""The command line: one verb a file, each with a `command` function whose annotations are its flags.

Verb modules import nothing heavy at the top (no numpy, no video or image library): `--help` must answer at once. Verbs of
other packages (the leaderboard's tables) are entry points in the group `egox_bench.verbs`.

Exit codes: 0 all went well; 1 done, but some clips failed or problems were found; 2 a mistake to mend (nothing was lost);
130 interrupted (run the same command again to go on).
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.metadata import entry_points

import typer

from ..errors import UserError
from . import (
    calibrate,
    check,
    compare,
    data_audit,
    data_build,
    data_import,
    data_plan,
    data_show,
    data_verify,
    doctor,
    generate,
    list_things,
    run,
    score,
    store_gc,
    store_size,
    store_why,
    weights_fetch,
    weights_list,
    weights_verify,
)

VERBS = "egox_bench.verbs"

EPILOG = (
    "Exit codes: 0 all went well; 1 done, but clips failed or problems were found; 2 a mistake to mend; 130 interrupted. "
    "First steps: egox-bench run --method ego-prior --split unseen"
)


def build() -> typer.Typer:
    """The application with all its verbs."""
    app = typer.Typer(
        name="egox-bench", no_args_is_help=True, add_completion=False, rich_markup_mode="markdown",
        help="Benchmark for exocentric-to-egocentric video generation: data, methods, scores, tables.",
        epilog=EPILOG, pretty_exceptions_enable=False,
    )  # fmt: skip
    app.command("run")(run.command)
    app.command("generate")(generate.command)
    app.command("score")(score.command)
    app.command("compare")(compare.command)
    app.command("calibrate")(calibrate.command)
    app.command("check")(check.command)
    app.add_typer(list_things.app, name="list", help="Methods, splits, clips, protocols and metrics that are there.")
    data = typer.Typer(no_args_is_help=True)
    for name, module in (
        ("verify", data_verify), ("show", data_show), ("plan", data_plan), ("build", data_build), ("import", data_import),
        ("audit", data_audit),
    ):  # fmt: skip
        data.command(name)(module.command)
    app.add_typer(data, name="data", help="Check and look at data, plan a download, make and audit splits.")
    store = typer.Typer(no_args_is_help=True)
    for name, module in (("size", store_size), ("gc", store_gc), ("why", store_why)):
        store.command(name)(module.command)
    app.add_typer(store, name="store", help="What runs and caches hold, what can go, and what a key is made of.")
    weights = typer.Typer(no_args_is_help=True)
    for name, module in (("list", weights_list), ("fetch", weights_fetch), ("verify", weights_verify)):
        weights.command(name)(module.command)
    app.add_typer(weights, name="weights", help="Weights of networks that metrics use: what is here, get it, check it.")
    app.command("doctor")(doctor.command)
    for point in sorted(entry_points(group=VERBS), key=lambda p: p.name):
        app.command(point.name)(point.load())
    return app


def _end(number: int, frame: object) -> None:
    """SIGTERM (a scheduler's time limit) unwinds like Ctrl-C, so that programs that methods started are ended too."""
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of `egox-bench`."""
    # Products with 3x3 matrices get slower, not faster, on many BLAS threads; must be set before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _end)
    try:
        build()()
    except UserError as error:
        print(f"egox-bench: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("egox-bench: interrupted; what was finished is kept, run the same command again to go on", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader (head, less) has gone; keep Python from complaining while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
