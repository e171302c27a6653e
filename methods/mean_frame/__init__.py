"""The mean picture of the training split: what a metric gives for knowing the dataset and nothing of the clip."""

from benchmark.registry import Fit, Input, MethodSpec

SPEC = MethodSpec(
    id="mean-frame",
    target="methods.mean_frame.adapter:MeanFrame",
    summary="mean ego picture of the training split, still",
    version="1",
    needs=frozenset(),
    fit=Fit(needs=frozenset({Input.TRUTH}), clips=24),
    static=True,
    control=True,
    licence="Apache-2.0",
)
