"""A video of one's own as a clip that belongs to no dataset: what a method asks for and it has not is missing with what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.clip import Clip, ClipInputs, Maps, View, inputs_for
from benchmark.errors import Undefined, UserError
from benchmark.inputs import Input, Privilege
from benchmark.registry import MethodSpec
from benchmark.video import Video
from egox.own import Footage

NEVER = "a video of your own has none"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GivenMaps:
    """Maps [frames, height, width] in memory, as a MapSource."""

    key: str
    maps: NDArray

    def frame(self, index: int) -> NDArray:
        return self.maps[index]


def given_twice(depth: Path) -> str:
    """What is said of depth that is given where a network is to estimate it."""
    return f"depth is both given (--depth {depth}) and to be estimated (--set depth_model); choose one"


def no_depth_at(depth: Path) -> str:
    """What is said of depth that is not there."""
    return f"--depth {depth}: is not there; expected a folder of 00000.npy ... or one .npz with 'depth'"


def clip_of(footage: Footage, *, name: str, prompt: str) -> Clip:
    """The clip. prompt: "" where there is none."""
    count, depth = len(footage.frames), footage.depth
    missing = {
        need: f"{need.replace('_', ' ')}: {NEVER}" for need in (Input.MASKS, Input.EGO_PRIOR, Input.BODY_POSE, Input.POINTS)
    }
    if depth is None:
        missing[Input.DEPTH] = (
            "depth: give it by --depth FOLDER|FILE.npz, or name a network where the method has --set depth_model"
        )
    if not prompt:
        missing[Input.CAPTION] = "a text: give it by --prompt TEXT"

    def maps(key: str, values: NDArray[np.float32] | None) -> Maps | None:
        return None if values is None else Maps(source=GivenMaps(key=key, maps=values), indices=tuple(range(count)))

    view = View(
        name="exo",
        video=Video.of_array(footage.frames, fps=footage.fps, label=name),
        camera=footage.exo,
        depth=maps("depth", None if depth is None else depth.metric_m),
        disparity=maps("disparity", None if depth is None else depth.disparity),
    )
    return Clip(
        id=name,
        place="",
        take=name,
        fps=footage.fps,
        frame_indices=tuple(range(count)),
        exo=(view,),
        ego_camera=footage.ego,
        ego_size=(footage.ego.height, footage.ego.width),
        up=footage.up,
        caption=prompt or None,
        missing=missing,
    )


def inputs_of(clip: Clip, spec: MethodSpec) -> ClipInputs:
    """What this method may see of it. Raises UserError where a single video cannot be enough for the method."""
    if spec.fit is not None:
        raise UserError(f"method {spec.id} learns from the clips of a dataset first; it cannot take a video of your own")
    if spec.privileged is not Privilege.NONE:
        raise UserError(f"method {spec.id} looks at the true ego video; a video of your own has none")
    if spec.exo_views > 1:
        raise UserError(f"method {spec.id} takes {spec.exo_views} exo views, a video of your own is one")
    try:
        return inputs_for(clip, needs=spec.needs, optional=spec.optional)
    except Undefined as reason:
        raise UserError(f"method {spec.id} needs {reason}") from None
