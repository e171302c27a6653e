"""The arrows between the rooms, and that no verb imports heavy packages before it is called.

leaderboard -> benchmark <- methods -> egox          benchmark -> egox.cameras, nothing else of egox
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("benchmark", "egox", "leaderboard", "methods")
ALLOWED = {
    "egox": ("egox",),
    "benchmark": ("benchmark", "egox.cameras"),
    "methods": ("methods", "benchmark", "egox"),
    "leaderboard": ("leaderboard", "benchmark"),
}
HEAVY = ("av", "cv2", "embreex", "matplotlib", "numpy", "pandas", "PIL", "scipy", "skimage", "torch")


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def name_of(path: Path, root: Path = ROOT) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, *, package: str) -> Iterator[tuple[int, str]]:
    """(line, module) for every import anywhere in a source, relative ones resolved against `package`.

    `from a import b` counts as a.b: only that tells egox.cameras from the rest of egox.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")
                base = ".".join([*up[: len(up) - node.level + 1], *([base] if base else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def within(module: str, allowed: str) -> bool:
    return module == allowed or module.startswith(f"{allowed}.")


def forbidden(room: str, path: Path, source: str) -> list[str]:
    name = name_of(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for line, module in imports(source, package=package)
        if module.split(".")[0] in (*ROOMS, "tests") and not any(within(module, allowed) for allowed in ALLOWED[room])
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_its_arrows_allow(room):
    assert modules(room)
    assert [fault for path in modules(room) for fault in forbidden(room, path, path.read_text())] == []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("benchmark/x.py", "import methods.oracle"),
        ("benchmark/x.py", "from egox import pipeline"),
        ("benchmark/x.py", "import egox"),
        ("benchmark/x.py", "def f():\n    from leaderboard.tables import table"),
        ("benchmark/splits/x.py", "from ...egox.depth import estimate"),
        ("benchmark/x.py", "import importlib\nimportlib.import_module('methods.oracle')"),
        ("egox/x.py", "from benchmark.errors import UserError"),
        ("leaderboard/x.py", "from egox.cameras import Pinhole"),
        ("methods/x/adapter.py", "import leaderboard"),
    ],
)
def test_an_import_against_the_arrows_is_found(where, source):
    assert len(forbidden(where.split("/")[0], ROOT / where, source)) == 1


@pytest.mark.parametrize(
    ("where", "source"),
    [
        (
            "benchmark/splits/x.py",
            "from ..errors import UserError\nfrom egox.cameras import Camera\nfrom egox import cameras\nimport numpy",
        ),
        ("methods/x/adapter.py", "from egox.depth import x\nfrom benchmark.clip import Clip\nfrom . import SPEC"),
        ("leaderboard/x.py", "from benchmark.errors import UserError"),
    ],
)
def test_imports_along_the_arrows_pass(where, source):
    assert forbidden(where.split("/")[0], ROOT / where, source) == []


def heavy_after(code: str) -> list[str]:
    """Heavy packages that a fresh interpreter has imported once it has run `code`."""
    report = f"import json, sys; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def verb_modules() -> list[str]:
    return sorted(name_of(path) for path in modules("benchmark/cli"))


@pytest.mark.parametrize("module", verb_modules())
def test_a_verb_imports_nothing_heavy_before_it_is_called(module):
    assert heavy_after(f"import {module}") == []


def test_help_of_the_whole_command_imports_nothing_heavy():
    """With the verbs of every room, those that come by entry points too."""
    asked = "import sys; from benchmark.cli import build; sys.argv = ['egox-bench', '--help']"
    code = f"{asked}\ntry: build()()\nexcept SystemExit: pass"
    assert heavy_after(code) == []


def test_the_check_for_heavy_imports_sees_one():
    assert "numpy" in heavy_after("import egox.cameras")


def test_listing_methods_imports_no_torch_and_no_adapter():
    code = (
        "import json, sys\nfrom benchmark.registry import load_registry\n"
        "assert load_registry().methods\n"
        "print(json.dumps([m for m in sys.modules if m == 'torch' or (m.startswith('methods.') and m.endswith('.adapter'))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert json.loads(done.stdout) == []
