"""What moves in the exo view: bool [frames, height, width], True = moving, from known ids, from depth, or from SAM 2.

The paper masks dynamic things out of both the alignment and the ego prior (Sec. 3.1). The camera stands still. Whoever needs
masks takes the array, however it was made. `motion_masks` does not look for people: whoever covers the same place for the whole
clip is background to it. `Sam2Masks` follows a person from one point, moving or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .pretrained import load_pretrained

NEARER = 0.09
"""A pixel moves where its inverse depth exceeds the background's by this fraction: ten times the flicker of depth networks
(0.2-0.8 % on static pixels), and 15 cm at 2 m."""

NEARER_AND_RECOLOURED = 0.025
"""Less is enough where the colour has changed too: hands on a table. Colour alone would take shadows."""

RECOLOURED_LEVELS = 25
"""A colour has changed where a channel is off by more than this, of 255; compression noise stays below 10."""

OPENING, CLOSING, DILATION = 1 / 448, 2 / 448, 3 / 448
"""Radii as fractions of the picture's height: remove specks, fill holes, then take in the mixed pixels of the outline."""

_ROWS = 32
"""Rows sorted over time at once: 5 MB of full-size depth, so the memory of a clip is that of its inputs and masks."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Motion:
    """moving: [frames, height, width], True = moving; background_m: [height, width] float32 z in metres, 0 where unknown."""

    moving: NDArray[np.bool_]
    background_m: NDArray[np.float32]


def given_masks(ids: NDArray[np.integer], dynamic_ids: Iterable[int]) -> NDArray[np.bool_]:
    """Masks from an instance id a pixel: True where it is one of dynamic_ids. ids: [frames, height, width] integers."""
    if ids.ndim != 3 or ids.dtype.kind not in "iu":
        raise ValueError(f"ids are {ids.dtype} of shape {ids.shape}, expected integers [frames, height, width]")
    return np.isin(ids, list(dynamic_ids))


def moving_things(ids: NDArray[np.integer], moving: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Masks of whole things: those of which some frame's motion mask holds half or more.

    ids: [frames, height, width] instance ids, 0 for nothing; moving: masks of that shape, by `motion_masks` for instance.
    Motion finds the hand that moves, ids say what else belongs to it.
    """
    if ids.shape != moving.shape or ids.dtype.kind not in "iu":
        raise ValueError(f"ids are {ids.dtype} of shape {ids.shape}, expected integers of shape {moving.shape}")
    found: set[int] = set()
    for frame, mask in zip(ids, moving):
        shifted = frame.ravel().astype(np.int64) - int(ids.min())
        size, inside = np.bincount(shifted), np.bincount(shifted, weights=mask.ravel())
        found |= {int(number) + int(ids.min()) for number in np.flatnonzero(inside * 2 >= np.maximum(size, 1))}
    return given_masks(ids, found - {0})


def background_depth(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """The depth behind whatever moves, [height, width] metres: at each pixel the greatest that a quarter of its frames reach.

    A quarter, since people hide the background for most of a clip; not the farthest frame, since that is the estimator's worst.
    Shapes and unknowns as in `depth_at_share`.
    """
    return depth_at_share(depth_m, 0.75)


def depth_at_share(depth_m: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """At each pixel the depth that this share of its frames do not exceed, [height, width] metres; 0.5 is the median.

    depth_m: [frames, height, width], 0 or not finite where unknown. 0 where no frame knows the pixel.
    """
    found = np.zeros(depth_m.shape[1:], np.float32)
    for top in range(0, depth_m.shape[1], _ROWS):
        rows = np.ascontiguousarray(np.moveaxis(depth_m[:, top : top + _ROWS], 0, -1), np.float32)
        known = _known(rows)
        count = known.sum(-1)
        ordered = np.sort(np.where(known, rows, np.inf), -1)  # last axis contiguous: twenty times faster than along axis 0
        place = (share * count).astype(np.int64).clip(max=rows.shape[-1] - 1)
        found[top : top + _ROWS] = np.where(count > 0, np.take_along_axis(ordered, place[..., None], -1)[..., 0], 0)
    return found


def motion_masks(depth_m: NDArray[np.float32], frames: NDArray[np.uint8] | None = None, *, nearer: float = NEARER) -> Motion:
    """What stands in front of the static background of a still camera.

    depth_m: [frames, height, width] z in metres, smooth over time (aligned), 0 or not finite where unknown.
    frames: [frames, height, width, 3] RGB of the same size: finds motion close to a surface too, see NEARER_AND_RECOLOURED.
    nearer: fraction by which inverse depth must exceed the background's; has to be above the estimator's flicker.
    Masks are opened, closed and dilated by radii that grow with the picture (OPENING ...). Unknown depth is not moving.
    What is farther than the background is background that was seldom seen: not moving.
    Raises ValueError where shapes differ or nearer is not positive.
    """
    if depth_m.ndim != 3:
        raise ValueError(f"depth has shape {depth_m.shape}, expected [frames, height, width]")
    if frames is not None and (frames.shape != (*depth_m.shape, 3) or frames.dtype != np.uint8):
        raise ValueError(f"frames are {frames.dtype} of shape {frames.shape}, expected uint8 of shape {(*depth_m.shape, 3)}")
    if not nearer > 0:
        raise ValueError(f"nearer is {nearer}, expected more than 0")
    background = background_depth(depth_m)
    colour = None if frames is None else _median_colour(frames)
    moving = np.empty(depth_m.shape, np.bool_)
    for t, depth in enumerate(depth_m):
        known = _known(depth)
        mask = known & _in_front(depth, background, nearer)
        if frames is not None and colour is not None:
            recoloured = np.maximum(frames[t], colour) - np.minimum(frames[t], colour) > RECOLOURED_LEVELS
            mask |= known & _in_front(depth, background, NEARER_AND_RECOLOURED) & recoloured.any(-1)
        moving[t] = _cleaned(mask) & known
    return Motion(moving=moving, background_m=background)


def _known(depth_m: NDArray) -> NDArray[np.bool_]:
    return (depth_m > 0) & (depth_m < np.inf)


def _in_front(depth_m: NDArray, background_m: NDArray, fraction: float) -> NDArray[np.bool_]:
    return depth_m * np.float32(1 + fraction) < background_m


def _median_colour(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[height, width, 3]: each channel's median over time, the lower one of an even count."""
    colour = np.empty(frames.shape[1:], np.uint8)
    middle = (len(frames) - 1) // 2
    for top in range(0, frames.shape[1], _ROWS):
        rows = np.ascontiguousarray(np.moveaxis(frames[:, top : top + _ROWS], 0, -1))
        rows.partition(middle, -1)
        colour[top : top + _ROWS] = rows[..., middle]
    return colour


def _cleaned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    import cv2

    picture = mask.astype(np.uint8)
    steps = ((cv2.MORPH_OPEN, OPENING), (cv2.MORPH_CLOSE, CLOSING), (cv2.MORPH_DILATE, DILATION))
    for operation, fraction in steps:
        side = 2 * round(fraction * mask.shape[0]) + 1
        picture = cv2.morphologyEx(picture, operation, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return picture.astype(np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPrompt:
    """A pixel that lies on a thing in one frame; pixel centres are at integer coordinates."""

    frame: int
    x_px: float
    y_px: float


def first_inside(track_px: NDArray, *, width: int, height: int) -> PointPrompt | None:
    """Where a track is inside the picture for the first time: the wearer's head, projected into the exo view, for instance.

    track_px: [frames, 2] pixels, NaN where there is none. None where the track stays outside.
    """
    inside = ((track_px >= -0.5) & (track_px < np.array([width, height]) - 0.5)).all(-1)
    if not inside.any():
        return None
    frame = int(np.argmax(inside))
    return PointPrompt(frame=frame, x_px=float(track_px[frame, 0]), y_px=float(track_px[frame, 1]))


class Sam2Masks:
    """SAM 2 as it is in transformers: each prompted thing is followed forwards and backwards through the clip."""

    def __init__(self, model: str | Path, *, device: str = "cpu") -> None:
        """model: a local folder or hub name, "facebook/sam2.1-hiera-large" for instance. Raises WeightsError without weights."""
        from transformers import Sam2VideoModel, Sam2VideoProcessor

        self._processor, loaded = load_pretrained(model, Sam2VideoProcessor, Sam2VideoModel)
        self._model = loaded.to(device).float().eval()
        self._device = device

    def masks(self, frames: NDArray[np.uint8], prompts: Sequence[PointPrompt]) -> NDArray[np.bool_]:
        """What the prompted things cover together, [frames, height, width]; each prompt is a thing of its own.

        frames: [frames, height, width, 3] RGB. No prompts, nothing covered. The frames are held at the network's size,
        1.4 GiB at most for 49. Raises ValueError where a prompt lies outside of the clip.
        """
        count, height, width = frames.shape[:3]
        for prompt in prompts:
            inside = -0.5 <= prompt.x_px < width - 0.5 and -0.5 <= prompt.y_px < height - 0.5
            if not (inside and 0 <= prompt.frame < count):
                raise ValueError(f"{prompt} lies outside of the clip: {count} frames of {width}x{height}")
        covered = np.zeros(frames.shape[:3], np.bool_)
        # a session for each frame with prompts: the network takes a thing without a prompt so far for one that is there
        for start in sorted({prompt.frame for prompt in prompts}):
            self._follow(frames, [prompt for prompt in prompts if prompt.frame == start], covered)
        return covered

    def _follow(self, frames: NDArray[np.uint8], prompts: Sequence[PointPrompt], covered: NDArray[np.bool_]) -> None:
        """Add what these prompts, all of one frame, cover."""
        start = prompts[0].frame
        session = self._processor.init_video_session(
            video=frames, inference_device=self._device, processing_device="cpu", video_storage_device="cpu"
        )
        self._processor.add_inputs_to_inference_session(
            session,
            frame_idx=start,
            obj_ids=list(range(len(prompts))),
            input_points=[[[[prompt.x_px, prompt.y_px]] for prompt in prompts]],
            input_labels=[[[1] for _ in prompts]],
        )
        for reverse in (False, True):
            for output in self._model.propagate_in_video_iterator(session, start_frame_idx=start, reverse=reverse):
                found = self._processor.post_process_masks([output.pred_masks], original_sizes=[frames.shape[1:3]])[0]
                covered[output.frame_idx] |= found.any(0)[0].cpu().numpy()
