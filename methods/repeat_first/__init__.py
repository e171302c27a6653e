"""The true first ego frame, held still: strong on pictures, empty on motion."""

from benchmark.registry import MethodSpec, Privilege

SPEC = MethodSpec(
    id="repeat-first",
    target="methods.repeat_first.adapter:RepeatFirst",
    summary="the true first ego frame, held still",
    version="1",
    needs=frozenset(),
    privileged=Privilege.FIRST_FRAME,
    static=True,
    control=True,
    licence="Apache-2.0",
)
