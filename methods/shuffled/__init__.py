"""The true ego video of another clip: where chance lies on every metric that compares with the truth."""

from benchmark.registry import MethodSpec, Privilege

SPEC = MethodSpec(
    id="shuffled",
    target="methods.shuffled.adapter:Shuffled",
    summary="the true ego video of another clip (level of chance)",
    version="1",
    needs=frozenset(),
    privileged=Privilege.OTHER_TRUTH,
    control=True,
    licence="Apache-2.0",
)
