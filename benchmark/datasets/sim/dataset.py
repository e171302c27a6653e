"""The simulated world as a dataset: clips are rendered on demand into a cache, and read back by the Ego-Exo4D reader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from egox.cameras import Camera

from ...cache import cache_root
from ...canvas import Canvas
from ...clip import Clip, Input, Maps, View
from ...splits.manifest import Manifest, Row, load_manifest
from ...video import Video
from ..dataset import ClipDigests, Problem, Progress
from ..egoexo4d import EgoExo4D
from . import catalogue, layout, truth
from .catalogue import ARIA, NAME, TakeId, take_of
from .depth_estimator import EstimatedDepth, estimator_digest
from .layout import WindowFiles
from .lens import exo_width
from .render import Order
from .rig import EXO_CAMERAS
from .sources import RenderedMap, RenderedVideo

_EXO_NEEDS = frozenset({Input.EXO_VIDEO, Input.DEPTH, Input.MASKS, Input.CAPTION, Input.EGO_PRIOR})
"""Needs that come out of the exo view (a prior is made from its depth, a caption from what it shows)."""
_EGO_NEEDS = frozenset({Input.TRUTH})


class SimDataset:
    """Clips of the simulated world. cache: folder to render into, by default below `cache_root()`.

    depth: what exo views hand out, "estimated" as recorded clips have it, or "true". The ego truth's is true in either case.
    """

    default_protocol = "mini"

    def __init__(self, cache: Path | None = None, *, depth: Literal["estimated", "true"] = "estimated") -> None:
        self.depth = depth
        self.name = NAME if depth == "estimated" else f"{NAME}-true-depth"
        self.root = (cache or cache_root()) / NAME  # of both: what is rendered is the same
        self._reader: EgoExo4D | None = None
        self._listed: set[TakeId] = set()
        self._reader_knows: set[TakeId] = set()

    def splits(self) -> tuple[str, ...]:
        return (*catalogue.SIZES, "all")

    def manifest(self, split: str) -> Manifest:
        """A split's rows. Beside `splits()`, "train:<n>", "unseen:<n>" and so on have n clips, among them those of the split."""
        if split in catalogue.SIZES:
            made = embedded_manifest(split)
        elif split == "all":
            made = Manifest.of("all", NAME, [row for name in catalogue.SIZES for row in embedded_manifest(name).rows])
        else:
            made = catalogue.make_split(split)
        return msgspec.structs.replace(made, dataset=self.name)

    def digests(self, row: Row, canvas: Canvas) -> ClipDigests:
        digest = catalogue.clip_digest(row, canvas)
        if self.depth == "true":
            return ClipDigests(inputs=digest, truth=digest)
        inputs = hashlib.sha256(f"{digest} estimated depth {estimator_digest()}".encode()).hexdigest()[:16]
        return ClipDigests(inputs=inputs, truth=digest)

    def prepare(self, rows: Sequence[Row], canvas: Canvas, *, needs: frozenset[Input], workers: int, progress: Progress) -> None:
        """Render what these rows lack of what `needs` asks for; views that are there are left alone."""
        from .prepare import render_orders

        orders = []
        for row in rows:
            cameras = ((row.exo_cam,) if needs & _EXO_NEEDS else ()) + ((ARIA,) if needs & _EGO_NEEDS else ())
            order = self._missing(row, canvas, cameras)
            if order is not None:
                orders.append(order)
        if orders:
            self._list([order.take for order in orders])
            self._reader = None
            render_orders(orders, self.root, canvas, workers=workers, progress=progress)

    def clip(self, row: Row, canvas: Canvas) -> Clip:
        """The clip on a canvas. A window of which nothing is rendered yet is rendered now; further views when they are read."""
        take = take_of(row)
        files = WindowFiles.of(self.root, take.name, row.first_frame, canvas)
        self._render(row, canvas, ())
        if not files.holds(row.exo_cam) and not files.holds(ARIA):
            self._render(row, canvas, (row.exo_cam, ARIA))
        read = self._read(take)
        clip = read.clip(row, canvas)
        missing = {key: why for key, why in clip.missing.items() if key in {Input.EGO_CAMERA, Input.EGO_PRIOR}}
        if Input.EGO_PRIOR in missing:
            missing[Input.EGO_PRIOR] = f"no ego prior for {row.clip_id}: {NAME} keeps none; it is rendered from depth"
        missing[Input.POINTS] = f"no points for {row.clip_id}: {NAME} has none"
        caption = None
        if files.caption(row.exo_cam).is_file():
            caption = truth.read_caption(files.caption(row.exo_cam))
        else:
            missing[Input.CAPTION] = (
                f"no caption for {row.clip_id}: its exo view is not rendered yet; prepare it with the need caption"
            )
        names = (row.exo_cam, *(name for name in EXO_CAMERAS if name != row.exo_cam))
        body = truth.read_body(files.body)
        return replace(
            clip,
            exo=tuple(self._exo_view(read, clip, row, canvas, files, name) for name in names),
            truth=self._ego_view(clip, row, canvas, files),
            caption=caption,
            body_pose={joint: track[:: canvas.step] for joint, track in body.items()},
            missing=missing,
        )

    def verify(self, *, progress: Progress, limit: int | None = None) -> Iterator[Problem]:
        """Problems of what is rendered so far, as the Ego-Exo4D reader sees it; `limit` is for recorded data."""
        self._list([])
        for problem in EgoExo4D(self.root).verify(progress=progress):
            if not problem.what.startswith("no video "):  # views that nobody asked for are not rendered
                yield problem

    # -- views ---------------------------------------------------------------------------------------------------------

    def _video(self, row: Row, canvas: Canvas, files: WindowFiles, camera: str, size: tuple[int, int]) -> Video:
        source = RenderedVideo(
            path=files.video(camera),
            identity=_identity(row, canvas, camera),
            size=size,
            ensure=lambda: self._render(row, canvas, (camera,)),
        )
        return Video(source=source, indices=tuple(range(canvas.frames)), fps=canvas.fps)

    def _maps(self, row: Row, canvas: Canvas, files: WindowFiles, camera: str, video: Video) -> tuple[Maps, Maps]:
        identity = _identity(row, canvas, camera)

        def ensure() -> None:
            self._render(row, canvas, (camera,))

        path, indices = files.maps(camera), tuple(range(canvas.frames))
        depth = RenderedMap(path=path, identity=identity, what="depth", ensure=ensure)
        ids = RenderedMap(path=path, identity=identity, what="ids", ensure=ensure)
        return Maps(source=depth, indices=indices, ops=video.ops), Maps(source=ids, indices=indices, ops=video.ops)

    def _exo_view(self, read: EgoExo4D, clip: Clip, row: Row, canvas: Canvas, files: WindowFiles, name: str) -> View:
        """The reader's view where its video is there; else the same view over a video that is rendered when read."""
        view = next((view for view in clip.exo if view.name == name), None)
        if view is None:
            height = canvas.exo_size[0]
            width = exo_width(height)
            calibration = read.cameras(read.takes[row.take_name]).exo[name]
            poses = np.repeat(calibration.world_from_camera[None], canvas.frames, 0)
            camera = Camera(lens=calibration.lens_at(width, height), width=width, height=height, world_from_camera=poses)
            video = self._video(row, canvas, files, name, (height, width))
            view = canvas.fit_exo(View(name=name, video=video, camera=camera))
        depth, masks = self._maps(row, canvas, files, name, view.video)
        if self.depth == "true":
            return replace(view, depth=depth, masks=masks)

        def estimated(what: Literal["depth", "disparity"]) -> Maps:
            seed = _identity(row, canvas, name)
            return replace(depth, source=EstimatedDepth(truth=depth.source, seed=seed, what=what, fps=canvas.fps))

        return replace(view, depth=estimated("depth"), disparity=estimated("disparity"), masks=masks)

    def _ego_view(self, clip: Clip, row: Row, canvas: Canvas, files: WindowFiles) -> View:
        view = clip.truth
        if view is None:
            video = self._video(row, canvas, files, ARIA, (canvas.ego_side, canvas.ego_side))
            view = View(name=ARIA, video=video, camera=clip.ego_camera)
        depth, masks = self._maps(row, canvas, files, ARIA, view.video)
        return replace(view, depth=depth, masks=masks)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _missing(self, row: Row, canvas: Canvas, cameras: Sequence[str]) -> Order | None:
        """What of these cameras is not rendered; an order without cameras where only the take's files are missing."""
        take = take_of(row)
        files = WindowFiles.of(self.root, take.name, row.first_frame, canvas)
        stale = files.digest() not in {None, catalogue.window_digest(take, row.first_frame, canvas)}
        lacking = tuple(camera for camera in cameras if stale or not files.holds(camera))
        if not stale and not lacking and files.body.is_file() and layout.pose_file(self.root, take).is_file():
            return None
        return Order(take=take, first=row.first_frame, cameras=lacking, stale=stale)

    def _render(self, row: Row, canvas: Canvas, cameras: Sequence[str]) -> None:
        """Render what is missing of these cameras here and now."""
        order = self._missing(row, canvas, cameras)
        if order is not None:
            from .render import Studio

            self._list([order.take])
            Studio(self.root, canvas).make(order)
            if order.stale:
                self._reader = None

    def _list(self, takes: Sequence[TakeId]) -> None:
        new = [take for take in takes if take not in self._listed]
        if (new or not self._listed) and layout.write_listing(self.root, new):
            self._reader = None
        self._listed.update(new)

    def _read(self, take: TakeId) -> EgoExo4D:
        """The reader; made anew where it was made before this take was written."""
        self._list([take])
        if self._reader is None or take not in self._reader_knows:
            self._reader = EgoExo4D(self.root)
            self._reader_knows = {t for t in self._listed if layout.pose_file(self.root, t).is_file()}
        return self._reader


def _identity(row: Row, canvas: Canvas, camera: str) -> str:
    """Identity of one view of a window: of the scene, never of pixels."""
    return f"{catalogue.window_digest(take_of(row), row.first_frame, canvas)}/{camera}"


@lru_cache(8)
def embedded_manifest(split: str) -> Manifest:
    """The manifest that comes with the package. Raises UserError where it is not of this version."""
    with resources.as_file(resources.files("benchmark.splits") / "sim" / f"{split}.jsonl") as path:
        return load_manifest(path)
