"""Vectors derived from recorded takes: pixels of known points, and the wearer's head in four exo views."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from egox.cameras import UPRIGHT_FROM_RAW, Fisheye624, KannalaBrandt, Pinhole

from .measured import GOPRO


@pytest.mark.samples
def test_the_recorded_vectors_are_met(samples: Path):
    expected = json.loads((samples / "ego-exo4d" / "derived" / "expected.json").read_text())
    raw = Fisheye624.from_params(expected["aria_rgb_params_2880"])
    at_1408 = raw.cropped(32, 32).resized(0.5, 0.5)
    at_448 = at_1408.resized(448 / 1408, 448 / 1408)
    np.testing.assert_allclose(at_1408.params, expected["aria_rgb_params_1408"], rtol=1e-12)
    np.testing.assert_allclose(at_448.params, expected["aria_rgb_params_448"], rtol=1e-12)
    for vector in expected["fisheye624_points"]:
        point = np.array(vector["X_cam"])
        np.testing.assert_allclose(at_1408.project(point), vector["uv_raw_1408"], atol=1e-9)
        np.testing.assert_allclose(at_448.project(point), vector["uv_raw_448"], atol=1e-9)
        np.testing.assert_allclose(at_448.upright(448).project(UPRIGHT_FROM_RAW @ point), vector["uv_upright_448"], atol=1e-9)


@pytest.mark.samples
def test_the_ego_centre_lands_where_recorded_in_four_views_with_both_models(samples: Path):
    expected = json.loads((samples / "ego-exo4d" / "derived" / "expected.json").read_text())["ego_centre_in_exo"]
    assert {entry["cam"] for entry in expected} == {"cam01", "cam02", "cam03", "cam04"}
    for entry in expected:
        f, point = entry["f_raw"], entry["X_cam"]
        lens = KannalaBrandt(fx=f, fy=f, cx=1920, cy=1080, k=GOPRO.k)
        pixel = lens.project(point)
        np.testing.assert_allclose(pixel, entry["uv_raw_3840x2160"], atol=1e-6)
        np.testing.assert_allclose(pixel * (796 / 3840, 448 / 2160), entry["uv_raw_796x448"], atol=1e-6)
        wrong = np.array(entry["uv_wrong_pinhole_796x448"])
        x, _, z = point
        published = (wrong[0] - 398) * z / x * 3840 / 796
        pinhole = Pinhole(fx=published, fy=published, cx=1920, cy=1080)
        np.testing.assert_allclose(pinhole.project(point) * (796 / 3840, 448 / 2160), wrong, atol=1e-6)
        assert np.linalg.norm(wrong - entry["uv_raw_796x448"]) > 10
