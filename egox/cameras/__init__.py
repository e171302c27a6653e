"""Lens models and posed cameras: project, unproject, resize, crop and upright turn, all exact.

Points and pixels may be lists, numpy or torch: tensors keep their dtype and device, all else is numpy in float64; torch is
never imported here. Axes are OpenCV's (x right, y down, z forward), distances metres, angles radians; pixel centres sit at
integer coordinates, so a picture of width W spans [-0.5, W - 0.5]. Poses are `world_from_camera` (4x4), one a frame.
Nothing here opens a file or touches pixels; pictures and cameras are changed together by `benchmark.clip.View`.
"""

from .arrays import Array
from .camera import Camera
from .devices import ARIA_CIRCLE_RAD
from .lenses import Fisheye624, KannalaBrandt, Lens, Pinhole
from .poses import UPRIGHT_FROM_RAW, inverse, nearest_rotation, rigid

__all__ = [
    "ARIA_CIRCLE_RAD",
    "UPRIGHT_FROM_RAW",
    "Array",
    "Camera",
    "Fisheye624",
    "KannalaBrandt",
    "Lens",
    "Pinhole",
    "inverse",
    "nearest_rotation",
    "rigid",
]
