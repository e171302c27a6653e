"""The truth itself: the ceiling of every metric, and a check of the whole way from clip to table."""

from benchmark.registry import MethodSpec, Privilege

SPEC = MethodSpec(
    id="oracle",
    target="methods.oracle.adapter:Oracle",
    summary="the true ego video (upper bound)",
    version="1",
    needs=frozenset(),
    privileged=Privilege.TRUTH,
    control=True,
    licence="Apache-2.0",
)
