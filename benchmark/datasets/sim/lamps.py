"""What lights a room: rectangular area lamps."""

from __future__ import annotations

from dataclasses import dataclass

from .shapes import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """Centre and half edges in metres, radiance in linear RGB; shines along u x v."""

    centre: Array
    u: Array
    v: Array
    radiance: Array
