"""The simulated devices: a GoPro-like exo camera and an Aria-like head camera, at any picture size.

Pictures of other sizes follow by the same resizing chain that a reader of recorded data applies.
"""

from __future__ import annotations

from egox.cameras import Fisheye624, KannalaBrandt
from egox.cameras.devices import ARIA_DEFAULT_2880, GOPRO_SIZE, aria_lens_1408, gopro_lens, plain_scaled, upright_aria_lens

ARIA_PARAMS = (*ARIA_DEFAULT_2880[:6], 1.146001597558113, *ARIA_DEFAULT_2880[7:])
"""The head camera's 15 numbers at 2880x2880: the default Aria's with k3 larger by 1e-6 (3e-4 px at 448). The world was made
with this number and its files state it, so it stays."""

DEVICE_FROM_RGB_XYZW = (0.33425, 0.03661, 0.04107, 0.94088)
DEVICE_FROM_RGB_M = (-0.00465, -0.01178, -0.00526)
"""T_Device_Camera of the head camera (rotation, metres): its axis is pitched about 39 degrees away from the device's."""


def exo_width(height: int) -> int:
    """Width of the 16:9 exo picture at a height, rounded to even as the published downscaled videos are (448 -> 796)."""
    return 2 * round(height * GOPRO_SIZE[1] / GOPRO_SIZE[0] / 2)


def exo_lens(focal_px: float, height: int) -> KannalaBrandt:
    """The exo lens of a raw focal length (pixels at 3840 wide), for the picture downscaled to `height`: the reader's rule."""
    return plain_scaled(gopro_lens(focal_px), exo_width(height) / GOPRO_SIZE[1], height / GOPRO_SIZE[0])


def ego_lens(side: int) -> Fisheye624:
    """The head camera's lens for the upright picture (turned 90 degrees clockwise)."""
    return upright_aria_lens(aria_lens_1408(ARIA_PARAMS), side)
