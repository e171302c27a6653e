"""What a method can ask for, and the ways to see truth. Light: read when methods are listed."""

from __future__ import annotations

from enum import StrEnum


class Input(StrEnum):
    """What a method can ask for. Poses of the ego camera are the question itself: every clip must have them."""

    EXO_VIDEO = "exo_video"
    EXO_CAMERA = "exo_camera"
    EGO_CAMERA = "ego_camera"
    """With it comes the world's up, where it is known."""
    DEPTH = "depth"
    """With it comes the view's disparity, where there is one."""
    MASKS = "masks"
    CAPTION = "caption"
    EGO_PRIOR = "ego_prior"
    BODY_POSE = "body_pose"
    POINTS = "points"
    """Points of the still world that the wearer's device measured over the whole take."""
    TRUTH = "truth"
    """The ego video itself: only privileged methods and `fit` see it."""


class Privilege(StrEnum):
    """The only ways to see truth while generating; a row of such a method is marked."""

    NONE = "none"
    FIRST_FRAME = "first_frame"
    TRUTH = "truth"
    OTHER_TRUTH = "other_truth"
    """The truth of another clip, never its own: for the control row that shows chance."""
