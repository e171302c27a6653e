"""The hub's newer format: `.eval_results/*.yaml` in a model's repository, which a benchmark's dataset page gathers.

Format: https://huggingface.co/docs/hub/eval-results. A dataset that is registered as a benchmark lists its tasks in its own
eval.yaml; ours are called <split>-<protocol>-<metric>. Nobody has registered one for egox-bench: the caller names it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.errors import UserError

from ..rows import Row

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def eval_results_yaml(rows: Sequence[Row], *, benchmark: str, source: str | None = None) -> str:
    """The file's content: one entry a run and metric that has a number.

    benchmark: id of the dataset on the hub. source: address of where the results come from. Raises UserError for an id that
    is none.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if not _ID.fullmatch(benchmark):
        raise UserError(f"--benchmark {benchmark!r} is no dataset of the hub; expected OWNER/NAME")
    entries = [
        EvalResultEntry(
            dataset_id=benchmark,
            task_id=task_id(row, metric),
            value=value.mean,
            source_url=source,
            source_name="egox-bench results" if source else None,
            notes=_notes(row, metric),
        )
        for row in rows
        for metric, value in ((metric, row.results.metrics[metric]) for metric in row.metric_ids)
        if value.mean is not None
    ]
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=120)


def task_id(row: Row, metric: str) -> str:
    """ "unseen-mini-psnr"; a split like "train:5" is "train-5"."""
    return re.sub(r"[^\w.-]", "-", f"{row.results.split.name}-{row.results.protocol.name}-{metric}", flags=re.ASCII)


def _notes(row: Row, metric: str) -> str:
    """What the number must not be read without; the format has no fields for it."""
    results, value = row.results, row.results.metrics[metric]
    parts = [
        f"{results.protocol.name}@{results.protocol.version} ({results.protocol.digest})",
        f"{results.split.dataset} {results.split.name} ({results.split.digest})",
        f"seed {results.seed}",
        f"{value.n}/{results.n_expected} clips",
    ]
    if value.low is not None and value.high is not None:
        parts.append(f"95 % interval {value.low:.6g} to {value.high:.6g}")
    if results.method.privileged != "none":
        parts.append(f"sees truth while it generates ({results.method.privileged})")
    parts += [results.method.remark] if results.method.remark else []
    return ", ".join(parts)
