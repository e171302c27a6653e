"""What docs/add-a-method.md shows is run here, so that it cannot rot."""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
from pathlib import Path

import msgspec

from benchmark.clip import Input
from benchmark.conformance import check_method
from benchmark.registry import load_registry, settings_from
from methods.command import Options
from methods.command.exchange import BatchEntry, ExoView, Question

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "add-a-method.md").read_text()


def test_the_program_on_the_page_is_a_method_that_passes_the_check(tmp_path):
    (program,) = re.findall(r"<!-- my_method.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "my_method.py"
    path.write_text(program)
    shown = re.findall(r"--set (\S+)", PAGE.split("### Options")[0].partition("$ egox-bench run")[2])
    settings = settings_from([s for s in shown if not s.startswith(("cmd", "source"))])
    settings |= {"cmd": f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {{inputs}} {{output}}", "source": str(path)}
    assert set(settings) == {"name", "cmd", "needs", "output_format", "source"}
    report = check_method(load_registry()["command"], settings=settings)
    assert report.ok, report


def test_every_option_and_every_need_is_on_the_page():
    table = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    assert set(table) >= {field.name for field in dataclasses.fields(Options)}
    assert table["needs"] == f"`{','.join(Options().needs)}`"
    assert [table[name] for name in ("exo_views", "output_format", "timeout_s", "batch")] == ["1", "`mkv`", "600", "`clip`"]
    assert all(f"`{need}`" in PAGE or need in table["needs"] for need in Input if need is not Input.TRUTH)


def test_every_field_of_the_files_is_on_the_page():
    for struct in (Question, ExoView, BatchEntry):
        for field in msgspec.structs.fields(struct):
            assert f"`{field.name}`" in PAGE or f'"{field.name}"' in PAGE, f"{struct.__name__}.{field.name}"


def test_the_entry_point_on_the_page_is_that_of_the_template():
    (shown,) = re.findall(r"```toml\n(\[project.entry-points.*?)```", PAGE, re.DOTALL)
    assert shown in (ROOT / "examples" / "plugin-template" / "pyproject.toml").read_text()
