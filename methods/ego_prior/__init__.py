"""The exo depth as a point cloud, seen from the ego camera: what geometry alone gives, holes left black.

Depth that a dataset ships is used as it is. A prior that a dataset ships as a video is another method: `shipped-prior`.
"""

from benchmark.registry import Input, MethodSpec

SPEC = MethodSpec(
    id="ego-prior",
    target="methods.ego_prior.adapter:EgoPrior",
    summary="exo depth splatted into the ego lens, holes black",
    version="1",
    needs=frozenset({Input.EXO_VIDEO, Input.EXO_CAMERA, Input.EGO_CAMERA, Input.DEPTH}),
    sources=("egox.prior", "egox.cameras"),
    licence="Apache-2.0",
    paper="EgoX, Eq. 2",
)
