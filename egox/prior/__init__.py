"""The ego prior (paper Sec. 3.1 and Eq. 2): point clouds of the exo view, rendered where the wearer's eyes were."""

from .background import Background, fuse
from .build import EgoPrior, PriorSettings, ego_prior
from .cloud import Lifter, PointCloud, joined
from .render import PYTORCH3D_PARITY, Rendered, Renderer, RenderSettings

__all__ = [
    "PYTORCH3D_PARITY",
    "Background",
    "EgoPrior",
    "Lifter",
    "PointCloud",
    "PriorSettings",
    "RenderSettings",
    "Rendered",
    "Renderer",
    "ego_prior",
    "fuse",
    "joined",
]
