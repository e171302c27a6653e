"""The ego prior video that a dataset ships (EgoX releases), untouched: the row to hold our own rendering against."""

from benchmark.registry import Input, MethodSpec

SPEC = MethodSpec(
    id="shipped-prior",
    target="methods.shipped_prior.adapter:ShippedPrior",
    summary="the ego prior video that the dataset ships",
    version="1",
    needs=frozenset({Input.EGO_PRIOR}),
    licence="Apache-2.0",
    paper="EgoX, Eq. 2",
)
