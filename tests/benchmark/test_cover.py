"""The one source of covers: found by its entry point, told apart from none, two, and a broken one."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from benchmark.cover import GROUP, cover_source
from benchmark.errors import UserError


def installed(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    points = [EntryPoint(name=f"p{i}", value=value, group=GROUP) for i, value in enumerate(values)]
    monkeypatch.setattr("benchmark.cover.entry_points", lambda group: points if group == GROUP else [])


def test_without_an_entry_point_there_is_no_source(monkeypatch: pytest.MonkeyPatch):
    installed(monkeypatch)
    assert cover_source() is None


def test_two_sources_are_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    installed(monkeypatch, "one:Cover", "two:Cover")
    with pytest.raises(UserError, match=r"2 packages say what the ego prior covers \(one:Cover of \?, two:Cover of \?\)"):
        cover_source()


def test_a_source_that_cannot_be_loaded_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch):
    installed(monkeypatch, "no_such_package:Cover")
    with pytest.raises(UserError, match=r"no_such_package:Cover .* cannot be loaded: ModuleNotFoundError"):
        cover_source()
