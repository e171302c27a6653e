"""Windows of takes to files: pictures as H.264, truth beside them. One `Studio` a process keeps what can be shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from ...canvas import Canvas
from ...files import atomic_file
from ...video import write_h264
from . import catalogue, layout, truth
from .captions import caption
from .catalogue import ARIA, TakeId
from .layout import WindowFiles
from .lens import ego_lens, exo_lens, exo_width
from .rig import EXO_CAMERAS
from .sensor import develop, exposure
from .shapes import Array
from .takes import FPS
from .views import View
from .world import World

CRF = 11
"""H.264 quality of the cut windows: about 45 dB; footage, not a codec test."""
NOISE = {"exo": 0.05, "ego": 0.09}
_WORLDS_KEPT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make of one window: which cameras. stale: what is there was rendered from another scene and goes."""

    take: TakeId
    first: int
    cameras: tuple[str, ...]
    stale: bool = False


@dataclass(slots=True)
class _Reel:
    """One view being filmed."""

    view: View
    gain: float | None
    pictures: list[Array]
    depth: list[Array]
    ids: list[Array]


class Studio:
    """Renders orders under one cache folder, on one canvas. Worlds and lenses are kept between orders of a take."""

    def __init__(self, root: Path, canvas: Canvas) -> None:
        self.root, self.canvas = root, canvas
        self._worlds: dict[TakeId, World] = {}
        self._ego_view: View | None = None
        self._exo_views: dict[tuple[TakeId, str], View] = {}

    def world(self, take: TakeId) -> World:
        """The built world of a take; the last one is kept."""
        if take not in self._worlds:
            while len(self._worlds) >= _WORLDS_KEPT:
                del self._worlds[next(iter(self._worlds))]
            self._exo_views.clear()
            self._worlds[take] = World(catalogue.plan_of(take), catalogue.script_of(take))
        return self._worlds[take]

    def make_take(self, take: TakeId, *, afresh: bool = False) -> None:
        """Write a take's calibration and poses where they are not there yet."""
        if layout.pose_file(self.root, take).is_file() and not afresh:
            return
        world = self.world(take)
        poses = np.stack([world.ego_pose(i / FPS) for i in range(catalogue.TAKE_FRAMES)])
        layout.write_take(self.root, take, world.exo_cameras, poses)

    def make(self, order: Order) -> None:
        """Render and write the ordered views of one window; views that are there already are made again with equal bytes."""
        files = WindowFiles.of(self.root, order.take.name, order.first, self.canvas)
        if order.stale:
            files.clear()
        self.make_take(order.take, afresh=order.stale)
        world = self.world(order.take)
        self._write_about(files, order, world)
        reels = self._film(world, order)
        for camera, reel in reels.items():
            depth, ids = np.stack(reel.depth), np.stack(reel.ids)
            begin, end = order.first / FPS, (order.first + catalogue.WINDOW_FRAMES) / FPS
            if camera != ARIA:
                truth.write_json(files.caption(camera), truth.Said(caption=caption(world, begin, end, ids)))
            truth.write_maps(files.maps(camera), depth, ids)
            pictures = reel.pictures
            atomic_file(files.video(camera), lambda aside, p=pictures: write_h264(aside, p, fps=self.canvas.fps, crf=CRF))

    def _write_about(self, files: WindowFiles, order: Order, world: World) -> None:
        canvas = self.canvas
        window = {
            "digest": catalogue.window_digest(order.take, order.first, canvas),
            "first": files.first,
            "last": files.last,
            "step": files.step,
            "fps": canvas.fps,
        }
        for path in files.abouts:
            atomic_file(path, lambda aside: aside.write_bytes(msgspec.json.encode(window) + b"\n"))
        truth.write_json(files.names, truth.About(names=tuple(world.names), moving=world.moving_ids))
        frames = [world.joints((order.first + i) / FPS) for i in range(catalogue.WINDOW_FRAMES)]
        truth.write_body(files.body, {name: np.stack([joints[name] for joints in frames]) for name in frames[0]})

    def _film(self, world: World, order: Order) -> dict[str, _Reel]:
        reels = {camera: _Reel(self._view(order.take, camera), None, [], [], []) for camera in order.cameras}
        for frame in self.canvas.window(order.first):
            world.move_to(frame / FPS)
            for camera, reel in reels.items():
                self._shoot(world, order, camera, reel, frame)
        return reels

    def _shoot(self, world: World, order: Order, camera: str, reel: _Reel, frame: int) -> None:
        ego = camera == ARIA
        number = len(EXO_CAMERAS) if ego else EXO_CAMERAS.index(camera)
        pose = world.ego_pose(frame / FPS) if ego else world.exo_cameras[number].world_from_camera
        shot = reel.view.render(world.tracer, pose, static_camera=not ego)
        if reel.gain is None:
            reel.gain = exposure(shot.light)  # one exposure a window: it would flicker otherwise
        noise, seed = NOISE["ego" if ego else "exo"], (order.take.seed, frame, number)
        reel.pictures.append(develop(shot.light, reel.gain, reel.view.falloff, noise=noise, seed=seed))
        reel.depth.append(truth.rounded_depth(shot.depth))
        reel.ids.append(shot.ids)

    def _view(self, take: TakeId, camera: str) -> View:
        side = self.canvas.ego_side
        if camera == ARIA:
            if self._ego_view is None:
                self._ego_view = View(ego_lens(side), side, side, circle=True)
            self._ego_view.forget()
            return self._ego_view
        key = (take, camera)
        if key not in self._exo_views:
            focal = self.world(take).exo_cameras[EXO_CAMERAS.index(camera)].focal_px
            height = self.canvas.exo_size[0]
            self._exo_views[key] = View(exo_lens(focal, height), height, exo_width(height), circle=False)
        return self._exo_views[key]


def orders_of_takes(orders: Sequence[Order]) -> list[list[Order]]:
    """Orders by take, so that one process builds each world once."""
    by_take: dict[TakeId, list[Order]] = {}
    for order in orders:
        by_take.setdefault(order.take, []).append(order)
    return [by_take[take] for take in sorted(by_take, key=lambda take: (take.group, take.number))]
