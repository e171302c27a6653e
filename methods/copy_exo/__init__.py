"""The exo video as if it were the ego video: what a metric gives for the right room from the wrong place."""

from benchmark.registry import Input, MethodSpec

SPEC = MethodSpec(
    id="copy-exo",
    target="methods.copy_exo.adapter:CopyExo",
    summary="centre square of the exo video, resized",
    version="1",
    needs=frozenset({Input.EXO_VIDEO}),
    control=True,
    licence="Apache-2.0",
)
