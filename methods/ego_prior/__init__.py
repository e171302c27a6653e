"""The exo depth as a point cloud, seen from the ego camera: what geometry alone gives, holes left black.

Depth that a dataset ships is used, or a network's where `depth_model` names one. A prior that a dataset ships as a video is
another method: `shipped-prior`.
"""

from dataclasses import dataclass, field
from typing import Literal

from benchmark.registry import Declared, Input, MethodSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the prior is made.

    renderer: "surface", or "pytorch3d" for the published renderer's settings (radius 5 px at 448, 20 points, no surfaces).
    backend: who draws the latter, "torch" or "pytorch3d" (which must be installed).
    fuse: show the static background behind what moves, as other frames saw it. dynamic: draw what moves.
    scale: "auto" finds the metric factor of the depth from the wearer's head, floor and points; "none" takes it as it is.
    masks: what moves is found by "motion" against the background, by "ids" (whole things of the dataset's instance ids that
    motion points at), or by "sam2" (the wearer, followed from the head, and motion besides).
    depth_is: what the metric maps hold, "z" along the axis, or the "range" along the ray.
    depth_model, disparity_model, sam2_model: names or folders of networks of transformers; "" for none.
    device: "cpu" or "cuda".
    """

    renderer: Literal["surface", "pytorch3d"] = "surface"
    backend: Literal["torch", "pytorch3d"] = "torch"
    fuse: bool = True
    dynamic: bool = True
    scale: Literal["auto", "none"] = "auto"
    masks: Literal["motion", "ids", "sam2"] = "motion"
    depth_is: Literal["z", "range"] = "z"
    depth_model: str = ""
    disparity_model: str = ""
    sam2_model: str = ""
    device: str = field(default="cpu", metadata={"decides": False})

    def __post_init__(self) -> None:
        if self.backend == "pytorch3d" and self.renderer != "pytorch3d":
            raise ValueError("backend=pytorch3d draws the settings of renderer=pytorch3d only: set both")
        if (self.masks == "sam2") != bool(self.sam2_model):
            raise ValueError("masks=sam2 and sam2_model=NAME go together, for example facebook/sam2.1-hiera-large")
        if self.disparity_model and not self.depth_model:
            raise ValueError("disparity_model has no scale of its own: name a depth_model that is metric with it")

    def declared(self) -> Declared:
        """Depth is needed from the dataset where no network estimates it, ids where masks are made of them."""
        needs = {Input.EXO_VIDEO, Input.EXO_CAMERA, Input.EGO_CAMERA}
        needs |= set() if self.depth_model else {Input.DEPTH}
        needs |= {Input.MASKS} if self.masks == "ids" else set()
        return Declared(needs=frozenset(needs), optional=frozenset({Input.POINTS}))


SPEC = MethodSpec(
    id="ego-prior",
    target="methods.ego_prior.adapter:EgoPriorMethod",
    summary="exo depth splatted into the ego lens, holes black",
    version="2",
    needs=Options().declared().needs,
    optional=Options().declared().optional,
    options=Options,
    sources=("egox.prior", "egox.depth", "egox.motion", "egox.cameras"),
    licence="Apache-2.0",
    paper="EgoX, Eq. 2",
)
