"""`data show`: open a clip, gather what can be drawn of it, write the still and the turntable."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from numpy.typing import NDArray

from ..canvas import Canvas
from ..clip import Clip, Input, View
from ..datasets.dataset import Dataset, Progress
from ..errors import UserError
from ..files import atomic_file
from ..job import manifest_of
from ..protocols.protocol import load_protocol
from ..splits.manifest import Manifest, Row
from ..video import Frames, Video, write_h264
from .figures import Figures, depth_ratio, exo_figures, head_figures, hints_of
from .scene import Cloud, lift_cloud, scene_of
from .sheet import TURN_FPS, TURN_S, Material, sheet, turntable

NEEDS = frozenset({Input.EXO_VIDEO, Input.EXO_CAMERA, Input.EGO_CAMERA, Input.DEPTH, Input.TRUTH})
WANTED = (Input.EGO_CAMERA, Input.EXO_CAMERA, Input.EXO_VIDEO)
"""Without one of these the picture is not what it is meant to be; depth and truth are a bonus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was found and written. complete: poses, exo camera and exo video were all there."""

    figures: Figures
    files: tuple[Path, ...]
    complete: bool


def show_clip(
    data: str, clip_id: str, *, split: str, protocol: str | None, frame: int | None, out: Path, turn: bool, progress: Progress
) -> Shown:
    """Draw one clip into `out`: <clip>.png and, if asked, <clip>_turn.mp4.

    Raises UserError for an unknown clip, a frame that it does not have, and a clip of which nothing is there.
    """
    from ..datasets.opening import open_dataset

    dataset = open_dataset(data)
    canvas = load_protocol(protocol or dataset.default_protocol).canvas
    row = _row(manifest_of(dataset, split), clip_id)
    if frame is not None and not 0 <= frame < canvas.frames:
        raise UserError(f"--frame {frame}: clip {clip_id!r} has frames 0..{canvas.frames - 1} on the {canvas.name} canvas")
    material = gather(_clip(dataset, row, canvas, progress), canvas=canvas, frame=canvas.frames // 2 if frame is None else frame)
    still, turned = out / f"{clip_id}.png", out / f"{clip_id}_turn.mp4"
    atomic_file(still, lambda aside: _write_png(aside, sheet(material)))
    files = [still]
    if turn and not material.scene.empty:
        count = round(TURN_S * TURN_FPS)

        def frames() -> Iterator[Frames]:
            for number, picture in enumerate(turntable(material), start=1):
                yield picture
                progress(number, count, "turntable")

        atomic_file(turned, lambda aside: write_h264(aside, frames(), fps=TURN_FPS))
        files.append(turned)
    figures = material.figures
    return Shown(figures=figures, files=tuple(files), complete=not any(need in figures.missing for need in WANTED))


def _row(manifest: Manifest, clip_id: str) -> Row:
    """The clip's row. Raises UserError with the nearest ids, or the first ones, where the split has no such clip."""
    known = {row.clip_id: row for row in manifest.rows}
    if clip_id not in known:
        close = difflib.get_close_matches(clip_id, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"it has {', '.join(map(repr, list(known)[:3]))}"
        raise UserError(
            f"unknown clip {clip_id!r}; {hint}{'' if close or len(known) < 4 else ', ...'} (split {manifest.split!r})"
        )
    if PurePath(clip_id).name != clip_id:
        raise UserError(f"clip id {clip_id!r} is not a plain file name; mend it in the manifest")
    return known[clip_id]


def _clip(dataset: Dataset, row: Row, canvas: Canvas, progress: Progress) -> Clip:
    dataset.prepare([row], canvas, needs=NEEDS, workers=1, progress=progress)
    return dataset.clip(row, canvas)


def gather(clip: Clip, *, canvas: Canvas, frame: int) -> Material:
    """Read the pictures and the depth of one frame; what cannot be read is a reason in `figures.missing`.

    Raises UserError where there is neither a camera nor a picture.
    """
    missing = {str(need): why for need, why in clip.missing.items() if need in NEEDS}
    main = clip.exo[0] if clip.exo else None
    exo = None if main is None else _picture(main.video, frame, Input.EXO_VIDEO, missing)
    depth = None if main is None else _depth(main, frame, missing)
    cloud = _cloud(exo, depth, main, frame)
    ego_video, ego_title = _ego(clip)
    ego = None if ego_video is None else _picture(ego_video, frame, Input.TRUTH, missing)
    scene = scene_of(clip, frame=frame, cloud=cloud)
    if scene.empty and exo is None and ego is None:
        raise UserError(f"clip {clip.id!r}: nothing to draw: {'; '.join(missing.values()) or 'no camera and no picture'}")
    ratio = None
    if depth is not None and main is not None and main.camera is not None and scene.ego is not None:
        ratio = depth_ratio(depth, main.camera, scene.ego, frame)
    head, exos = head_figures(scene, depth_ratio=ratio), exo_figures(scene)
    figures = Figures(
        clip=clip.id,
        canvas=canvas.name,
        frames=scene.frames,
        frame=frame,
        fps=clip.fps,
        up=tuple(float(value) for value in scene.up),
        up_source=scene.up_source,
        head=head,
        exo=exos,
        hints=hints_of(scene, head, exos),
        missing=missing,
    )
    return Material(
        scene=scene,
        figures=figures,
        exo=exo,
        exo_name=main.name if main is not None else "?",
        exo_camera=None if main is None else main.camera,
        ego=ego,
        ego_title=ego_title,
        ego_camera=clip.ego_camera,
    )


def _ego(clip: Clip) -> tuple[Video | None, str]:
    if clip.truth is not None:
        return clip.truth.video, "ego picture, lens circle, exo cameras in view"
    if clip.ego_prior is not None:
        return clip.ego_prior, "no ego video; this is the prior that comes with the clip"
    return None, "ego picture"


def _picture(video: Video, frame: int, need: Input, missing: dict[str, str]) -> Frames | None:
    try:
        return video.read([frame])[0]
    except UserError as error:
        missing[str(need)] = str(error)
        return None


def _depth(view: View, frame: int, missing: dict[str, str]) -> NDArray | None:
    try:
        return None if view.depth is None else view.depth.frame(frame)
    except UserError as error:
        missing[str(Input.DEPTH)] = str(error)
        return None


def _cloud(picture: Frames | None, depth: NDArray | None, view: View | None, frame: int) -> Cloud | None:
    if picture is None or depth is None or view is None or view.camera is None:
        return None
    cloud = lift_cloud(picture, depth, view.camera, frame)
    return cloud if len(cloud.points) else None


def _write_png(path: Path, picture: Frames) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG", optimize=True)
