"""Runs that are to be compared: found, read, checked to be comparable, and gathered where they differ in seed only.

Reading needs no array library.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError
from .results import ClipRecord, Results, read_records, read_results

RESULTS, RECORDS = "results.json", "scores.jsonl"
TRUTH_METHOD = "oracle"
"""The method whose videos are the truth: its values are the truth's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: its folder, its results and its clips' scores."""

    folder: Path
    results: Results
    records: tuple[ClipRecord, ...]

    def values(self, metric: str) -> dict[str, float]:
        """The metric's value of every clip that has one."""
        scores = ((record.clip, record.scores.get(metric)) for record in self.records)
        return {clip: score.value for clip, score in scores if score is not None and score.value is not None}

    @property
    def takes(self) -> dict[str, str]:
        """The take of every clip."""
        return {record.clip: record.cluster for record in self.records}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One method with its options. runs: its repeats, which differ in seed only; one at least."""

    label: str
    runs: tuple[Run, ...]

    @property
    def outside(self) -> tuple[str, ...]:
        """Why it is no fair competitor and never shown as a winner; empty for one that is."""
        method = self.runs[0].results.method
        reasons = (
            (method.privileged != "none", f"sees truth while it generates ({method.privileged})"),
            (method.control, "control"),
            (method.static, "always a still video"),
            (not method.static and any(is_still(run.results) for run in self.runs), "most of its videos do not move"),
        )
        return tuple(reason for holds, reason in reasons if holds)


def is_still(results: Results) -> bool:
    """Whether a run's videos do not move: by its method's own word, or because no pixel of most of them changes."""
    return results.method.static or 2 * results.n_still > results.n_scored


def read_run(folder: Path) -> Run:
    """The run in a folder. Raises UserError naming the file where one is missing or damaged."""
    return Run(folder=folder, results=read_results(folder / RESULTS), records=tuple(read_records(folder / RECORDS)))


def find_runs(paths: Iterable[Path]) -> list[Run]:
    """The runs of these folders: a run's own folder, or one that is searched for runs.

    A run that is named twice is there twice; a search adds only what is not there yet. Raises UserError where a path is no
    folder or holds no run.
    """
    folders: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path}: no such folder; give a run's folder, or one that holds runs")
        if (path / RESULTS).is_file():
            folders.append(path.resolve())
            continue
        found = [file.parent.resolve() for file in sorted(path.rglob(RESULTS))]
        if not found:
            raise UserError(f"{path}: holds no {RESULTS}; score something first ('egox-bench run --method ego-prior')")
        folders += [folder for folder in found if folder not in folders]
    return [read_run(folder) for folder in folders]


def check_comparable(runs: Sequence[Run]) -> None:
    """Raise UserError unless all runs are complete and measured on the same clips in the same way; says which differ how."""
    for run in runs:
        if run.results.partial:
            raise UserError(
                f"{_name(run)} is partial: not every clip of the split was attempted, and a comparison of different clips"
                " says nothing; finish it without --limit and --clips"
            )
    for earlier, run in itertools.combinations(runs, 2):  # a run without weights fits runs that do not fit each other
        ours, theirs = _terms(earlier), _terms(run)
        differ = [
            f"{term} differs ({ours.get(term, 'none')} and {theirs.get(term, 'none')})"
            for term in {**ours, **theirs}
            if ours.get(term) != theirs.get(term) and not (term.startswith(WEIGHTS) and not (term in ours and term in theirs))
        ]
        if differ:
            raise UserError(
                f"{_name(earlier)} and {_name(run)} do not compare: {', '.join(differ)};"
                " score both on one split under one protocol with this version"
            )


WEIGHTS = "weights "
"""What terms of weights begin with: a run without a score on a metric has none, and compares on the others."""


def _terms(run: Run) -> dict[str, str]:
    split, protocol = run.results.split, run.results.protocol
    return {
        "split": f"{split.dataset}/{split.name}",
        "split digest": split.digest,
        "number of clips": str(split.n),
        "protocol": f"{protocol.name}@{protocol.version}",
        "protocol digest": protocol.digest,
        **{f"version of metric {name}": str(metric.version) for name, metric in run.results.metrics.items()},
        **{
            f"{WEIGHTS}{weights} of metric {name}": digits
            for name, metric in run.results.metrics.items()
            for weights, digits in sorted(metric.weights.items())
        },
    }


def gathered(runs: Sequence[Run]) -> list[Contender]:
    """Contenders in order of first appearance: runs of equal method, version, code and options with different seeds are one.

    A run whose seed a contender has already is a contender of its own, so that a run can be compared with itself.
    """
    groups: list[list[Run]] = []
    for run in runs:
        for group in groups:
            if run.results.method == group[0].results.method and run.results.seed not in {r.results.seed for r in group}:
                group.append(run)
                break
        else:
            groups.append([run])
    names = labels([group[0].results for group in groups], [group[0].folder.name for group in groups])
    return [Contender(label=label, runs=tuple(group)) for label, group in zip(names, groups)]


def truth_run(runs: Sequence[Run]) -> Run | None:
    """A complete run of the truth itself on the same clips under the same protocol: among the runs, or beside them on disk.

    Beside means <out>/oracle/<split>/<protocol>/<key>, where a run is in <out>/<method>/<split>/<protocol>/<key>.
    """
    if not runs:
        return None
    for run in runs:
        if run.results.method.id == TRUTH_METHOD and not run.results.partial:
            return run
    wanted = (runs[0].results.split.digest, runs[0].results.protocol.digest)
    for run in runs:
        protocol = run.folder.resolve().parent
        beside = protocol.parents[2] / TRUTH_METHOD / protocol.parent.name / protocol.name if len(protocol.parents) > 2 else None
        for file in sorted(beside.glob(f"*/{RESULTS}")) if beside is not None else ():
            results = read_results(file)
            same = (results.split.digest, results.protocol.digest) == wanted and all(
                _same_weights(results, other.results) for other in runs
            )
            if same and not results.partial and (file.parent / RECORDS).is_file():
                return read_run(file.parent)
    return None


def _same_weights(a: Results, b: Results) -> bool:
    """Whether no metric that both have scored was measured with other weights."""
    shared = a.metrics.keys() & b.metrics.keys()
    return all(
        a.metrics[name].weights == b.metrics[name].weights
        for name in shared
        if a.metrics[name].weights and b.metrics[name].weights
    )


def labels(results: Sequence[Results], keys: Sequence[str], *, seeds: bool = False) -> list[str]:
    """A name for each: the method's id, and whatever tells it from others of the same method.

    keys: the name of each one's folder, whose beginning is told where nothing else differs. seeds: whether a seed that
    differs is told.
    """
    names = []
    for own in results:
        same = [other for other in results if other.method.id == own.method.id]
        parts = [own.method.id]
        if len({other.method.version for other in same}) > 1:
            parts.append(own.method.version)
        for option, value in sorted(own.method.options.items()):
            if any(other.method.options.get(option) != value for other in same):
                parts.append(f"{option}={value}")
        if seeds and len({other.seed for other in same}) > 1:
            parts.append(f"seed={own.seed}")
        names.append(" ".join(parts))
    names = [f"{name} [{key[:8]}]" if names.count(name) > 1 else name for name, key in zip(names, keys)]
    return [f"{name} #{names[:i].count(name) + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _name(run: Run) -> str:
    return f"{run.results.method.id} ({run.folder.name})"
