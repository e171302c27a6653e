"""The leaderboard needs no torch: it reads results on any laptop."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import leaderboard

MODULES = sorted(module.name for module in pkgutil.walk_packages(leaderboard.__path__, "leaderboard."))
VERBS = sorted(name for name in MODULES if name.count(".") == 1 and name.endswith("verb"))
HEAVY = ("torch", "diffusers", "transformers", "egox.pipeline")


def imported(*modules: str) -> set[str]:
    """What is loaded once these modules are."""
    code = f"import importlib, sys; [importlib.import_module(name) for name in {modules!r}]; print(*sys.modules, sep='\\n')"
    return set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    )


def test_no_module_of_the_leaderboard_loads_a_network_library():
    assert len(MODULES) > 30
    assert imported(*MODULES).isdisjoint(HEAVY)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_loads_no_array_library_before_it_is_called(verb):
    assert imported(verb).isdisjoint({*HEAVY, "numpy", "pandas", "matplotlib", "jinja2", "av", "PIL"})


def test_publishing_loads_no_network_library(tmp_path):
    from .runs import make_run

    make_run(tmp_path / "runs", "mine")
    code = (
        "import sys; from pathlib import Path; from leaderboard.publish_verb import command;"
        f" command([Path({str(tmp_path / 'runs')!r})], out=Path({str(tmp_path / 'site')!r}));"
        f" print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]"
