"""What is true of the repository as a whole: nothing private, nothing huge, no drawer without a label, clean manifests."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from benchmark.splits.audit import audit
from benchmark.splits.manifest import load_manifest

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = 5_000_000
DRAWERS = {"utils", "util", "helpers", "helper", "misc", "common"}

PRIVATE_PATH = re.compile(
    r"(?<![\w.~-])/(?:" + "|".join(["wo" + "rk", "tmp/" + "w", "ro" + "ot", "ho" + "me", "Us" + "ers"]) + r")/[\w.-]+"
)
"""Absolute paths of somebody's machine."""

INDEX_OPTION = re.compile(
    r"(?:--(?:extra-)?index-url|--find-links|--trusted-host|(?:PIP|UV)_\w*INDEX\w*)[ =]|https?://\S+/simple\b|pythonhosted|artifactory"
)
"""Where packages come from is the reader's own setting: no index options, no package hosts."""


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository; of the folder where there is no git (a copy of the tree)."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return tuple(path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file())
    kept = (
        ROOT.glob(pattern)
        for pattern in ("*", "benchmark/**/*", "egox/**/*", "leaderboard/**/*", "methods/**/*", "docs/**/*", "tests/**/*")
    )
    return tuple(sorted({path for found in kept for path in found if path.is_file() and "__pycache__" not in path.parts}))


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path.relative_to(ROOT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def manifest_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".jsonl" and path.is_relative_to(ROOT / "benchmark" / "splits")]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_there_is_something_to_look_at():
    assert len(texts()) > 50


def test_no_file_names_a_path_of_somebodys_machine():
    assert lines_with(PRIVATE_PATH) == []


@pytest.mark.parametrize("path", ["/wo" + "rk/main/x", "see /ro" + "ot/.cache", "='/ho" + "me/me/data'"])
def test_the_pattern_finds_such_paths(path):
    assert PRIVATE_PATH.search(path)


@pytest.mark.parametrize("path", ["runs/wo" + "rk/x", "~/egoexo4d/splits", "https://example.org/ho" + "me/page", "/usr/bin/env"])
def test_the_pattern_lets_other_paths_pass(path):
    assert not PRIVATE_PATH.search(path)


def test_no_file_says_where_packages_come_from():
    here = Path(__file__).relative_to(ROOT).as_posix()
    assert [line for line in lines_with(INDEX_OPTION) if not line.startswith(here)] == []


@pytest.mark.parametrize(
    "line", ["pip install --index-url x", "export UV_DEFAULT_INDEX=x", "url = https://mirror.example/simple/"]
)
def test_the_pattern_finds_package_hosts(line):
    assert INDEX_OPTION.search(line)


def test_pinned_packages_name_versions_and_no_addresses():
    pins = [
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert pins
    assert [line for line in pins if "://" in line or "@" in line or "==" not in line] == []


def test_no_tracked_file_is_over_5_mb():
    assert [f"{path.relative_to(ROOT)}: {path.stat().st_size}" for path in tracked() if path.stat().st_size > MOST_BYTES] == []


def test_no_module_is_a_drawer_without_a_label():
    assert [str(path.relative_to(ROOT)) for path in tracked() if path.suffix == ".py" and path.stem in DRAWERS] == []


def test_every_manifest_in_the_repository_loads_and_is_named_after_its_split():
    manifests = manifest_files()
    assert manifests
    for path in manifests:
        assert load_manifest(path).split == path.stem


@pytest.mark.parametrize("name", sorted({path.parent.name for path in manifest_files()}))
def test_the_embedded_splits_leak_nothing(name):
    files = sorted((ROOT / "benchmark" / "splits" / name).glob("*.jsonl"))
    report = audit([load_manifest(path) for path in files], held_out=["unseen", "val"])
    assert {split.split for split in report.splits} >= {"train", "seen", "unseen", "val"}
    assert report.leaks == ()
    assert report.unchecked == ()
