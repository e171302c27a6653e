"""`data verify`: all problems of a data folder at once, as data and as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from .dataset import Problem, Progress, Severity
from .opening import open_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `verify_data` found."""

    data: str
    dataset: str
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        return sum(problem.severity is Severity.ERROR for problem in self.problems)


def verify_data(where: str | Path, *, progress: Progress, limit: int | None = None) -> Report:
    """Check a data folder. limit: only so many takes or clips; the simulated world is checked as a whole.

    Raises UserError where nothing can be checked at all (no such folder, unknown layout).
    """
    dataset = open_dataset(where)
    found = dict.fromkeys(dataset.verify(progress=progress, limit=limit))  # one finding is told once
    order = list(Severity)
    problems = sorted(found, key=lambda problem: order.index(problem.severity))
    return Report(data=str(where), dataset=dataset.name, problems=tuple(problems))


def as_text(report: Report) -> str:
    """One block a problem, errors first, a summary last."""
    lines = []
    for problem in report.problems:
        lines += [f"{problem.severity}: {problem.where}", f"    {problem.what}"]
        if problem.severity is not Severity.NOTE:
            lines.append(f"    -> {problem.todo}")
    warnings = sum(problem.severity is Severity.WARNING for problem in report.problems)
    lines.append(f"{report.data} ({report.dataset}): {report.errors} errors, {warnings} warnings")
    return "\n".join(lines)


def to_json(report: Report) -> str:
    """The report for programs."""
    return msgspec.json.format(msgspec.json.encode({**asdict(report), "errors": report.errors})).decode()
