"""Which exo camera the clips of `val`, `seen` and `unseen` are seen from: the one that sees most of what the wearer sees.

EgoX's prior renderer takes, of a take's cameras, the one whose rendered ego prior covers most pixels. Here hands count beside
that: they are a small part of the ego view and what it is about, and the camera that sees most of a room often stands behind the
person. Training clips keep cameras that are drawn.

A choice needs the mesh of a place, some two seconds a take, so choices are made once and kept in camera_choice.toml:

    python -m benchmark.datasets.sim.camera_choice --workers 2
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from egox.cameras import ARIA_CIRCLE_RAD

from ...progress import progress
from ...splits.manifest import Row
from . import catalogue
from .catalogue import TakeId
from .lens import ego_lens, exo_lens, exo_width
from .rig import EXO_CAMERAS, ExoCamera
from .shapes import Array
from .takes import FPS
from .world import World

HANDS = 0.3
"""What a view of all of the arms and hands counts, beside 1 for all of the ego view."""
LOOKS = 3
"""How many instants of a window are looked at, its first and its last among them."""
SIDE, EXO_HEIGHT = 48, 256
"""Of the ego view in rays, and of the exo picture in pixels."""
OFF_SURFACE_M = 0.01
"""A sight line begins this far before the surface and ends this far before the camera: about what an exo pixel of the mini canvas
covers at 3 m, so that a finger that shows its outline counts as seen."""

CLIPS = {"val": 240, "seen": 120, "unseen": 240}
"""For so many clips of each split cameras are chosen."""


def best_camera(world: World, first_s: float, last_s: float) -> str:
    """The camera that sees most of what the wearer sees from first_s to last_s (seconds of the take)."""
    view, hands = seen_shares(world, first_s, last_s)
    return EXO_CAMERAS[int(np.argmax(view + HANDS * hands))]


def seen_shares(world: World, first_s: float, last_s: float) -> tuple[Array, Array]:
    """What each exo camera sees of the ego view and of the wearer's arms and hands in it: two [4] in 0..1, means over time.

    Hands are 0 where none are in view.
    """
    rays = _ego_rays()
    views, hands = [], []
    for t in np.linspace(first_s, last_s, LOOKS):
        world.move_to(float(t))
        points, ids = _met(world, world.ego_pose(float(t)), rays)
        own = ids == world.names.index("arms and hands")
        seen = np.stack([_sees(world, camera, points) for camera in world.exo_cameras])
        views.append(seen.mean(1))
        hands.append(seen[:, own].mean(1) if own.any() else np.zeros(len(seen)))
    return np.mean(views, axis=0), np.mean(hands, axis=0)


@lru_cache(1)
def _ego_rays() -> Array:
    """Unit rays [n, 3] of the head camera, inside its circle."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    rays = ego_lens(SIDE).unproject(np.stack([columns, rows], axis=-1).astype(float)).reshape(-1, 3)
    return rays[rays[:, 2] > np.cos(ARIA_CIRCLE_RAD)]


def _met(world: World, world_from_camera: Array, rays: Array) -> tuple[Array, Array]:
    """World points [n, 3] just before the surfaces that the rays of a camera meet, and the surfaces' instance ids [n]."""
    layers = (world.tracer.static, world.tracer.moving)
    directions = (rays @ world_from_camera[:3, :3].T).astype(np.float32)
    origins = np.broadcast_to(world_from_camera[:3, 3].astype(np.float32), directions.shape).copy()
    hits = [layer.nearest(origins, directions) for layer in layers]
    still, moving = (layer.mesh.instance[np.maximum(hit[0], 0)] for layer, hit in zip(layers, hits, strict=True))
    distance = np.minimum(hits[0][1], hits[1][1]) - OFF_SURFACE_M
    return origins + directions * distance[:, None], np.where(hits[1][1] < hits[0][1], moving, still)


def _sees(world: World, camera: ExoCamera, points: Array) -> Array:
    """Which world points [n, 3] are in a camera's picture and have nothing before them, [n] bool."""
    camera_from_world = np.linalg.inv(camera.world_from_camera)
    pixels = exo_lens(camera.focal_px, EXO_HEIGHT).project(points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3])
    inside = ((pixels > 0) & (pixels < (exo_width(EXO_HEIGHT) - 1, EXO_HEIGHT - 1))).all(-1)  # NaN is not
    toward = camera.world_from_camera[:3, 3] - points
    distance = np.linalg.norm(toward, axis=-1)
    sight = (points.astype(np.float32), (toward / distance[:, None]).astype(np.float32), distance - OFF_SURFACE_M)
    return inside & ~(world.tracer.static.blocked(*sight) | world.tracer.moving.blocked(*sight))


def _digits(asked: tuple[TakeId, tuple[Row, ...]]) -> str:
    """One digit a window of a take, 1 for cam01."""
    take, rows = asked
    world = World(catalogue.plan_of(take), catalogue.script_of(take))
    cameras = [best_camera(world, row.first_frame / FPS, row.last_frame / FPS) for row in rows]
    return "".join(str(EXO_CAMERAS.index(camera) + 1) for camera in cameras)


def windows_digest(windows: Sequence[tuple[TakeId, tuple[Row, ...]]]) -> str:
    """Identity of scenes and windows that cameras are chosen for, 16 hex digits: where it is another, choices are stale."""
    text = [catalogue.scene_digest(take) + "".join(f" {row.first_frame}" for row in rows) for take, rows in windows]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]


def _main() -> None:
    parser = argparse.ArgumentParser(description="Choose the exo cameras of the held-out splits again, and write them down.")
    parser.add_argument("--workers", type=int, default=1)
    lines, workers = [], parser.parse_args().workers
    with ProcessPoolExecutor(workers) as pool:
        for split, count in CLIPS.items():
            windows = catalogue.held_out_windows(split, count)
            with progress(split) as bar:
                found = ""
                for done, digits in enumerate(pool.map(_digits, windows), 1):
                    found += digits
                    bar(done, len(windows), "")
            lines.append(f'{split} = "{found}"\n{split}_windows = "{windows_digest(windows)}"\n')
    about = "# Exo cameras of clips in the order of their places, 1 for cam01: python -m benchmark.datasets.sim.camera_choice\n"
    Path(__file__).with_name(catalogue.CHOICES).write_text(about + "".join(lines))


if __name__ == "__main__":
    _main()
