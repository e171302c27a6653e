"""`data verify`: all problems of a data folder at once, as data and as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from ..errors import UserError
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
    """Check a data folder. limit: only so many takes or clips, for recorded data.

    Raises UserError where nothing can be checked at all (no such folder, unknown layout).
    """
    dataset = open_dataset(where)
    from .egoexo4d import EgoExo4D
    from .folder import Folder
    from .release import EgoXRelease

    if isinstance(dataset, EgoExo4D | EgoXRelease | Folder):
        found = dataset.verify(progress=progress, limit=limit)
    elif limit is None:
        found = dataset.verify(progress=progress)
    else:
        raise UserError(f"--limit is for recorded data; {where} is checked as a whole: leave it out")
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
