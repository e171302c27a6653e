"""The simulated devices: a GoPro-like exo camera and an Aria-like head camera, at any picture size.

Numbers of the kind that the recorded devices state: a Kannala-Brandt lens at 3840x2160 and 15 Fisheye624 parameters at
2880x2880. Pictures of other sizes follow by the same resizing chain that a reader of recorded data applies.
"""

from __future__ import annotations

from egox.cameras import Fisheye624, KannalaBrandt

from ..egoexo4d_lenses import GOPRO_K, plain_scaled

EXO_SIZE = (2160, 3840)
"""(height, width) that exo calibration is stated for."""
ARIA_SIDE, ARIA_CROP, ARIA_NATIVE = 2880, 32, 1408
ARIA_PARAMS = (
    1220.592182729911, 1464.618192267255, 1442.370245962395, 0.4143793791836057, -0.4859785980738274, 0.1384912170175902,
    1.146001597558113, -1.66762626342011, 0.6300994877479119, 0.0007903390814906743, -0.0003460749279699183,
    -0.001078250965388323, 7.704910825386041e-05, 0.0005214350246391408, -0.0001066039798202996,
)  # fmt: skip
DEVICE_FROM_RGB_XYZW = (0.33425, 0.03661, 0.04107, 0.94088)
DEVICE_FROM_RGB_M = (-0.00465, -0.01178, -0.00526)
"""T_Device_Camera of the head camera (rotation, metres): its axis is pitched about 39 degrees away from the device's."""


def exo_width(height: int) -> int:
    """Width of the 16:9 exo picture at a height, rounded to even as the published downscaled videos are (448 -> 796)."""
    return 2 * round(height * EXO_SIZE[1] / EXO_SIZE[0] / 2)


def exo_lens(focal_px: float, height: int) -> KannalaBrandt:
    """The exo lens of a raw focal length (pixels at 3840 wide), for the picture downscaled to `height`: the reader's rule."""
    full = KannalaBrandt(fx=focal_px, fy=focal_px, cx=EXO_SIZE[1] / 2, cy=EXO_SIZE[0] / 2, k=GOPRO_K)
    return plain_scaled(full, exo_width(height) / EXO_SIZE[1], height / EXO_SIZE[0])


def ego_lens_raw(side: int) -> Fisheye624:
    """The head camera's lens as the sensor lies: 2880 cut by 32 px a side, halved to 1408, resized to `side`."""
    lens = Fisheye624.from_params(ARIA_PARAMS).cropped(ARIA_CROP, ARIA_CROP).resized(0.5, 0.5)
    return lens.resized(side / ARIA_NATIVE, side / ARIA_NATIVE)


def ego_lens(side: int) -> Fisheye624:
    """The head camera's lens for the upright picture (turned 90 degrees clockwise)."""
    return ego_lens_raw(side).upright(side)
