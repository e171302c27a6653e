"""From pixel to ray and back over the whole picture, corners and half a pixel of rim included, for lenses of every shape.

float64: within 1e-4 px is asked for, 1e-11 of the picture's width is measured. float32: within 1e-2 px; see test_torch.
Fisheye624 is one-to-one far beyond the lens circle (82 degrees for the measured device, whose corners lie at 70), so its
corners come back too, although the recorded picture is black there and `Camera.visible` hides them.
"""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from egox.cameras import Array, Fisheye624, KannalaBrandt, Lens, Pinhole

from .measured import ARIA_448, GOPRO


def about(value: float, share: float) -> st.SearchStrategy[float]:
    """A number within `share` of `value`."""
    return st.floats(-share, share).map(lambda part: value * (1 + part))


@st.composite
def pinholes(draw: st.DrawFn) -> tuple[Lens, int, int]:
    width, height = draw(st.integers(16, 4000)), draw(st.integers(16, 4000))
    focals = (draw(st.floats(0.3, 5)) * width for _ in range(2))
    cx, cy = draw(st.floats(-0.5, 1.5)) * width, draw(st.floats(-0.5, 1.5)) * height
    fx, fy = focals
    return Pinhole(fx=fx, fy=fy, cx=cx, cy=cy), width, height


@st.composite
def exo_lenses(draw: st.DrawFn) -> tuple[Lens, int, int]:
    """GoPro-like: the measured k within 10 %, any focal length of the range, any size by plain scaling."""
    scale, focal = draw(st.floats(0.03, 1)), draw(st.floats(1450, 2500))
    width, height = round(3840 * scale), round(2160 * scale)
    k = tuple(draw(about(number, 0.1)) for number in GOPRO.k)
    cx, cy = draw(about(width / 2, 0.05)), draw(about(height / 2, 0.05))
    return KannalaBrandt(fx=focal * scale, fy=focal * scale * draw(about(1, 0.01)), cx=cx, cy=cy, k=k), width, height


@st.composite
def ego_lenses(draw: st.DrawFn) -> tuple[Lens, int, int]:
    """Aria-like: the measured device with its centre within 2 %, bending within 10 %, p and s up to twice; turned or not.

    k moves as a whole: its terms nearly cancel, and moved one by one they make lenses that turn back inside the picture.
    """
    side = draw(st.integers(64, 1408))
    scaled = ARIA_448.resized(side / 448, side / 448)
    bending = draw(about(1, 0.1))
    k = tuple(bending * number for number in scaled.k)
    p, s = (tuple(draw(about(number, 1)) for number in part) for part in (scaled.p, scaled.s))
    cx, cy = draw(about(scaled.cx, 0.02)), draw(about(scaled.cy, 0.02))
    lens = Fisheye624(f=scaled.f * draw(about(1, 0.02)), cx=cx, cy=cy, k=k, p=p, s=s)
    return (lens.upright(side) if draw(st.booleans()) else lens), side, side


LENSES = st.one_of(pinholes(), exo_lenses(), ego_lenses())


def pixels(width: int, height: int) -> Array:
    return np.stack(np.meshgrid(np.linspace(-0.5, width - 0.5, 17), np.linspace(-0.5, height - 0.5, 17)), -1)


@settings(deadline=None)
@given(LENSES)
def test_every_pixel_of_the_picture_comes_back(drawn):
    lens, width, height = drawn
    asked = pixels(width, height)
    rays = lens.unproject(asked)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=-1), 1, atol=1e-12)
    assert np.abs(lens.project(2.5 * rays) - asked).max() < max(1e-9, 1e-11 * max(width, height))


@settings(deadline=None)
@given(LENSES)
def test_every_pixel_comes_back_in_float32(drawn):
    lens, width, height = drawn
    asked = torch.from_numpy(pixels(width, height)).float()
    back = lens.project(2.5 * lens.unproject(asked))
    assert back.dtype == torch.float32
    assert (back - asked).abs().max() < 1e-2


@settings(deadline=None)
@given(ego_lenses(), st.floats(0, 2 * np.pi), st.floats(0, 80))
def test_a_ray_of_fisheye624_comes_back_far_beyond_the_lens_circle(drawn, turn, angle_deg):
    lens, _, _ = drawn
    angle = np.deg2rad(angle_deg)
    ray = np.array([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)])
    np.testing.assert_allclose(lens.unproject(lens.project(ray)), ray, atol=1e-9)


@settings(deadline=None, max_examples=500)
@given(
    st.lists(st.floats(-0.6, 0.6), min_size=6, max_size=6),
    st.sampled_from(["KannalaBrandt", "Fisheye624"]),
    st.floats(0.01, 1.5),
    st.floats(0, 2 * np.pi),
)
def test_whatever_the_polynomial_a_point_comes_back_or_has_no_pixel(k, model, angle, turn):
    """Polynomials that turn back are cut at the turn, so two points never share a pixel."""
    lens: Lens
    if model == "KannalaBrandt":
        lens = KannalaBrandt(fx=300.0, fy=310.0, cx=320.0, cy=240.0, k=(k[0], k[1], k[2], k[3]))
    else:
        lens = Fisheye624(
            f=300.0, cx=320.0, cy=240.0, k=(k[0], k[1], k[2], k[3], k[4], k[5]), p=(0.0, 0.0), s=(0.0, 0.0, 0.0, 0.0)
        )
    ray = np.array([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)])
    pixel = lens.project(ray)
    if np.isfinite(pixel).all() and (lens.magnification(ray) > 1).all():
        np.testing.assert_allclose(lens.unproject(pixel), ray, atol=1e-6)
