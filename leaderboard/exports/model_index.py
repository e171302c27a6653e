"""The hub's `model-index`: evaluation results in the front matter of a model card.

Format: https://github.com/huggingface/hub-docs/blob/main/modelcard.md; written by huggingface_hub's own classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.metrics import METRICS

from ..rows import Row
from .measured import TASK, TASK_NAME, circumstances

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


def eval_results(rows: Sequence[Row]) -> list[EvalResult]:
    """One result a run and metric that has a number; the split's digest is the data's revision."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=TASK,
            task_name=TASK_NAME,
            dataset_type=row.results.split.dataset,
            dataset_name=f"egox-bench {row.results.split.dataset} {row.results.split.name}",
            dataset_split=row.results.split.name,
            dataset_revision=row.results.split.digest,
            metric_type=metric,
            metric_name=_title(metric, row),
            metric_value=row.results.metrics[metric].mean,
            metric_config=f"{row.results.protocol.name}@{row.results.protocol.version}",
            metric_args=circumstances(row, metric),
        )
        for row in rows
        for metric in row.metric_ids
        if row.results.metrics[metric].mean is not None
    ]


def front_matter(rows: Sequence[Row], *, licence: str = "", library: str = "") -> str:
    """YAML between two lines of dashes, as a README.md on the hub begins with; ends in a newline.

    rows: of one method, whose id becomes the model's name. licence, library: ids of the hub ("apache-2.0",
    "diffusers"), "" for none.
    """
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        model_name=rows[0].results.method.id,
        eval_results=eval_results(rows),
        license=licence or None,
        library_name=library or None,
        pipeline_tag=TASK,
        tags=["egox-bench", "exocentric-to-egocentric", "video-generation"],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _title(metric: str, row: Row) -> str:
    title = METRICS[metric].title if metric in METRICS else metric
    unit = METRICS[metric].unit if metric in METRICS else ""
    return f"{title}{f' ({unit})' if unit else ''}, {row.results.protocol.name}@{row.results.protocol.version}"
