"""A lag between exo video and ego poses, found by how the head moves in the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.datasets.head_motion import head_motion
from benchmark.video import Frames
from egox.cameras import Array, Camera, Pinhole

from .download import EXO_POSES

FRAMES = 110
EXO = Camera(lens=Pinhole(fx=210, fy=210, cx=159.5, cy=89.5), width=320, height=180, world_from_camera=EXO_POSES["cam01"][None])


def walk() -> Array:
    """A head that wanders, [FRAMES, 3] metres."""
    steps = np.random.default_rng(3).normal(size=(FRAMES, 3)) * (0.03, 0.05, 0.02)
    smooth = np.apply_along_axis(lambda x: np.convolve(x, np.hanning(13) / 6, mode="same"), 0, steps)
    return np.cumsum(smooth, 0) * 1.2


def film(centres: Array) -> list[Frames]:
    """A textured disc at the projected head, before a still textured wall."""
    rng = np.random.default_rng(1)
    wall = cv2.GaussianBlur(rng.integers(0, 256, (180, 320), dtype=np.uint8), (0, 0), 2)
    head = cv2.GaussianBlur(rng.integers(0, 256, (61, 61), dtype=np.uint8), (0, 0), 1.5)
    pictures = []
    for u, v in EXO.project(centres, 0):
        move = np.array([[1, 0, u - 30], [0, 1, v - 30]], np.float64)
        face = cv2.warpAffine(head, move, (320, 180), flags=cv2.INTER_LINEAR)
        disc = np.zeros((180, 320), np.uint8)
        cv2.circle(disc, (round(u), round(v)), 26, 1, -1)
        pictures.append(np.repeat(np.where(disc == 1, face, wall)[..., None], 3, -1))
    return pictures


@pytest.mark.parametrize("lag", [-6, 0, 5])
def test_an_exo_video_that_lags_is_found_with_its_lag(lag: int):
    centres = walk()
    assert ((EXO.project(centres, 0) > 30) & (EXO.project(centres, 0) < (290, 150))).all(1).mean() > 0.9
    known = centres.copy()
    if lag > 0:
        known[:-lag] = centres[lag:]
        known[-lag:] = np.nan
    elif lag < 0:
        known[-lag:] = centres[:lag]
        known[:-lag] = np.nan
    motion = head_motion(film(centres), EXO, known)
    assert motion is not None
    assert motion.lag == lag
    assert motion.agreement > 0.85
    assert motion.suspicious == (lag != 0)


def test_a_head_outside_the_picture_or_a_short_clip_tells_nothing():
    centres = walk()
    pictures = film(centres)
    assert head_motion(pictures, EXO, centres + (0, 0, 50)) is None
    assert head_motion(pictures[:40], EXO, centres) is None


def test_poses_of_another_take_do_not_agree():
    centres = walk()
    motion = head_motion(film(centres), EXO, centres[::-1].copy())
    assert motion is None or motion.agreement < 0.85
