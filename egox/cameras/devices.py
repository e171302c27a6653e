"""What is known of the recording devices themselves: GoPro exo cameras and Aria's RGB camera."""

from __future__ import annotations

import numpy as np

ARIA_CIRCLE_RAD = float(np.deg2rad(59.0))
"""Half-angle of the visible circle of Aria's RGB camera; the picture is black outside of it."""
