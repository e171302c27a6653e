"""The simulated devices' numbers: written into every file of the world, so they never move."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.datasets.sim.lens import ARIA_PARAMS, ego_lens, exo_lens, exo_width
from egox.cameras.devices import ARIA_DEFAULT_2880


def test_the_head_cameras_numbers_stay_those_that_the_world_was_made_with():
    assert ARIA_PARAMS[6] == 1.146001597558113
    assert (*ARIA_PARAMS[:6], *ARIA_PARAMS[7:]) == (*ARIA_DEFAULT_2880[:6], *ARIA_DEFAULT_2880[7:])
    assert ego_lens(128).params[:3] == pytest.approx((55.481462851, 63.369534277, 64.641736012), abs=1e-6)


def test_an_exo_picture_has_the_width_and_lens_of_the_published_downscaled_videos():
    assert (exo_width(448), exo_width(128)) == (796, 228)
    lens = exo_lens(1761.275757, 448)
    np.testing.assert_allclose((lens.fx, lens.fy, lens.cx, lens.cy), (365.097787, 365.301638, 398, 224), atol=1e-6)
