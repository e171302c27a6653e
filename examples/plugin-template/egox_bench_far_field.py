"""far-field: the exo video turned as if everything were infinitely far away.

Each ego pixel looks in some direction; this method shows what the exo camera sees in that direction. That is right for a
distant wall and wrong for the hands: a small method that uses both cameras, and a template for yours.

When methods are listed this module is imported, so only light things belong at its top. Import torch and the like inside of
the class, or put the class into a second module and name that one in `target`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.clip import ClipInputs
from benchmark.registry import Input, MethodSpec
from benchmark.video import Frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `--set key=value` takes; every field has a default and a type. grey: shown where the exo camera sees nothing."""

    grey: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.grey <= 255:
            raise ValueError(f"grey is {self.grey}, expected 0 to 255")


SPEC = MethodSpec(
    id="far-field",
    target="egox_bench_far_field:FarField",
    summary="exo video warped as if infinitely far away",
    version="1",
    # What the method may see; all other fields of ClipInputs are empty. A clip that lacks one of these is `undefined`.
    needs=frozenset({Input.EXO_VIDEO, Input.EXO_CAMERA, Input.EGO_CAMERA}),
    options=Options,
    # Modules outside this one whose code decides the output: a change in them makes new predictions.
    sources=("egox.cameras",),
    licence="Apache-2.0",
)


class FarField:
    """Made once with its options, then asked clip by clip."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        """inputs.n_frames pictures of inputs.size (height, width), uint8 RGB. All randomness comes from `seed`."""
        del seed  # nothing is drawn here
        view, ego = inputs.exo[0], inputs.ego_camera
        if view.camera is None or ego is None:
            raise ValueError("far-field needs both cameras")
        rays = ego.lens.unproject(ego.pixel_grid())
        frames = np.full((inputs.n_frames, *inputs.size, 3), self.options.grey, np.uint8)
        for i, picture in enumerate(view.video.stream()):
            # Directions turn with the cameras, positions play no part: that is what "infinitely far" means.
            turn = view.camera.world_from_camera[i, :3, :3].T @ ego.world_from_camera[i, :3, :3]
            directions = rays @ turn.T
            pixel = np.nan_to_num(np.rint(view.camera.lens.project(directions)), nan=-1, posinf=-1, neginf=-1).astype(np.int64)
            u, v = pixel[..., 0], pixel[..., 1]
            seen = ego.visible() & (directions[..., 2] > 0)
            seen &= (u >= 0) & (v >= 0) & (u < view.camera.width) & (v < view.camera.height)
            frames[i][seen] = picture[v[seen], u[seen]]
        return frames
