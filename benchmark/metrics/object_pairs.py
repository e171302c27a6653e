"""What is recorded of every object of a truth against every object of a prediction, before any threshold or matching.

All object metrics read these records, so that another mode or threshold costs nothing: segmenting and tracking, which
take minutes, are not done again.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Undefined
from .contour import Points, boundary_about, boundary_f, boundary_in_frame, tolerance_px
from .mask_overlap import aligned_iou, mask_iou
from .mask_tracks import Tracks
from .metric import Arrays

NO_FEATURE = -2.0
"""In place of a cosine where either object has no feature: below every threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPairs:
    """Truth objects are counted by i, predicted ones by j.

    size: height, width. truth_boxes [frames, i, 4], predicted_boxes [frames, j, 4]: int32 left, top, right, bottom, right
    and bottom exclusive, zeros where absent. truth_centres [frames, i, 2], predicted_centres [frames, j, 2]: float32 x, y of
    the centre of mass. cosine [i, j]: of the objects' features in the first frame. frame_cosine [frames, i, j]: of the
    features of each frame's box; no frames where the extractor makes none.
    mask_iou, aligned_iou, contour, registered_contour: [frames, i, j] float32, 0 where either is absent.
    alternatives: [1], so many of the last predicted ones only part the picture in another way than the first ones do.
    """

    size: NDArray[np.int32]
    truth_boxes: NDArray[np.int32]
    predicted_boxes: NDArray[np.int32]
    truth_centres: NDArray[np.float32]
    predicted_centres: NDArray[np.float32]
    cosine: NDArray[np.float32]
    frame_cosine: NDArray[np.float32]
    mask_iou: NDArray[np.float32]
    aligned_iou: NDArray[np.float32]
    contour: NDArray[np.float32]
    registered_contour: NDArray[np.float32]
    alternatives: NDArray[np.int32]

    @classmethod
    def read(cls, arrays: Arrays) -> ObjectPairs:
        """From what an extractor kept. Raises Undefined where the truth has no object."""
        pairs = cls(**{field.name: arrays[field.name] for field in fields(cls)})
        if not pairs.truth_present.any():
            raise Undefined("no object in the truth")
        return pairs

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `read` reads."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def diagonal(self) -> float:
        """Of the frame, in pixels."""
        return float(np.hypot(*self.size.tolist()))

    @property
    def truth_present(self) -> NDArray[np.bool_]:
        """[frames, i]."""
        return self.truth_boxes[..., 2] > self.truth_boxes[..., 0]

    @property
    def predicted_present(self) -> NDArray[np.bool_]:
        """[frames, j]."""
        return self.predicted_boxes[..., 2] > self.predicted_boxes[..., 0]

    @property
    def both_present(self) -> NDArray[np.bool_]:
        """[frames, i, j]."""
        return self.truth_present[:, :, None] & self.predicted_present[:, None, :]


def record_pairs(truth: Arrays, prediction: Arrays) -> ObjectPairs:
    """All pairs of two videos' objects, from what a video extractor found in each.

    Either holds what `TrackWriter` writes, "feature" [objects, D], and perhaps "frame_feature" [frames, objects, D], all
    vectors of unit length or zero where there is none. Where a truth holds "objects" [1], only so many of the first count as
    its objects; of a prediction all do.
    """
    a, b = Tracks.read(truth), Tracks.read(prediction)
    feature = truth["feature"]
    if "objects" in truth:
        (count,) = truth["objects"].tolist()
        a, feature = a.first(count), feature[:count]
    centres = a.centres(), b.centres()
    frames, shape = len(a.areas), (len(a.areas), a.areas.shape[1], b.areas.shape[1])
    overlap, aligned, contour, registered = (np.zeros(shape, np.float32) for _ in range(4))
    tolerance = tolerance_px(a.height, a.width)
    for t in range(frames):
        both = np.logical_and.outer(a.present[t], b.present[t])
        if not both.any():
            continue
        overlap[t] = mask_iou(a.masks(t), b.masks(t))
        aligned[t] = aligned_iou(a.crops(t), b.crops(t))
        (in_frame_a, about_a), (in_frame_b, about_b) = _boundaries(a, centres[0], t), _boundaries(b, centres[1], t)
        contour[t] = np.where(both, boundary_f(in_frame_a, in_frame_b, tolerance), 0)
        registered[t] = np.where(both, boundary_f(about_a, about_b, tolerance), 0)
    empty = np.zeros((0, *shape[1:]), np.float32)
    by_frame = "frame_feature" in truth
    return ObjectPairs(
        size=truth["size"],
        truth_boxes=a.boxes,
        predicted_boxes=b.boxes,
        truth_centres=centres[0].astype(np.float32),
        predicted_centres=centres[1].astype(np.float32),
        cosine=_cosine(feature, prediction["feature"]),
        frame_cosine=_cosine(truth["frame_feature"], prediction["frame_feature"]) if by_frame else empty,
        mask_iou=overlap,
        aligned_iou=aligned,
        contour=contour,
        registered_contour=registered,
        alternatives=np.array([b.areas.shape[1] - int(prediction["objects"][0]) if "objects" in prediction else 0], np.int32),
    )


def _boundaries(tracks: Tracks, centres: NDArray[np.float64], frame: int) -> tuple[list[Points], list[Points]]:
    """Every object's boundary where it is, and about its own centre."""
    in_frame, about = [], []
    for crop, box, centre in zip(tracks.crops(frame), tracks.boxes[frame].tolist(), centres[frame].tolist()):
        if crop is None:
            in_frame.append(np.zeros((0, 2), np.int64))
            about.append(np.zeros((0, 2), np.int64))
            continue
        in_frame.append(boundary_in_frame(crop, box[0], box[1], height=tracks.height, width=tracks.width))
        about.append(boundary_about(crop, box[0], box[1], centre))
    return in_frame, about


def _cosine(truth: NDArray, prediction: NDArray) -> NDArray[np.float32]:
    # not a matrix product: BLAS sums in an order that depends on its threads
    cosine = np.einsum("...id,...jd->...ij", truth, prediction, dtype=np.float64)
    has_a, has_b = np.any(truth, axis=-1, keepdims=True), np.any(prediction, axis=-1, keepdims=True)
    both = has_a & has_b.swapaxes(-1, -2)
    return np.where(both, cosine, NO_FEATURE).astype(np.float32)
