"""What a build may demand of the disk; light, as it is also a flag's type."""

from __future__ import annotations

from enum import StrEnum


class Require(StrEnum):
    """What must be on disk for a take to be used."""

    POSES = "poses"
    VIDEOS = "videos"
