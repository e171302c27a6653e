"""Rigid transforms: mended rotations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from egox.cameras import nearest_rotation


def test_the_nearest_rotation_mends_four_decimals():
    exact = Rotation.from_rotvec([0.3, -1.1, 0.4]).as_matrix()
    mended = nearest_rotation(np.round(exact, 4))
    np.testing.assert_allclose(mended @ mended.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(mended) == pytest.approx(1)
    np.testing.assert_allclose(mended, exact, atol=1e-4)
