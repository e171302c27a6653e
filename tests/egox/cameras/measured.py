"""Lenses as measured on recorded devices, and random poses, for the tests beside this file."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from egox.cameras import Fisheye624, KannalaBrandt, Lens, Pinhole, rigid

ARIA_2880 = (
    1220.592182729911, 1464.618192267255, 1442.370245962395,
    0.4143793791836057, -0.4859785980738274, 0.1384912170175902, 1.146000597558113, -1.66762626342011, 0.6300994877479119,
    0.0007903390814906743, -0.0003460749279699183,
    -0.001078250965388323, 0.00007704910825386041, 0.0005214350246391408, -0.0001066039798202996,
)  # fmt: skip
GOPRO = KannalaBrandt(fx=1761.275757, fy=1761.275757, cx=1920.0, cy=1080.0, k=(0.036902, 0.057131, -0.057154, 0.018458))
ARIA_1408 = Fisheye624.from_params(ARIA_2880).cropped(32, 32).resized(0.5, 0.5)
ARIA_448 = ARIA_1408.resized(448 / 1408, 448 / 1408)
PINHOLE = Pinhole(fx=634.5, fy=631.0, cx=392.0, cy=224.0)

LENSES: list[tuple[str, Lens, int, int]] = [
    ("pinhole", PINHOLE, 784, 448),
    ("kannala-brandt", GOPRO, 3840, 2160),
    ("fisheye624", ARIA_448, 448, 448),
]
"""Name, lens, width, height."""


def poses(frames: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rigid(Rotation.random(frames, rng=rng).as_matrix(), rng.normal(size=(frames, 3)))
