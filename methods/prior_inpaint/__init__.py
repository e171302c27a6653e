"""The ego prior with its holes filled by classical inpainting: the cheapest complete picture that geometry allows."""

from dataclasses import dataclass

from benchmark.registry import MethodSpec
from methods.ego_prior import SPEC as EGO_PRIOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """radius_px: how far around a missing pixel OpenCV's Telea method looks; `inpaint_radius` of cv2.inpaint."""

    radius_px: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.radius_px <= 64:
            raise ValueError(f"radius_px is {self.radius_px}, expected more than 0 and at most 64")


SPEC = MethodSpec(
    id="prior-inpaint",
    target="methods.prior_inpaint.adapter:PriorInpaint",
    summary="ego prior, holes filled by OpenCV inpainting",
    version="2",
    needs=EGO_PRIOR.needs,
    optional=EGO_PRIOR.optional,
    options=Options,
    sources=("methods.ego_prior", *EGO_PRIOR.sources),
    licence="Apache-2.0",
)
