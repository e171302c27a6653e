"""Runs one method on one video of one's own and writes what it generated.

OUT/NAME/METHOD/   ego.mkv (lossless)  ego.mp4  strip.png  strip.mp4   each written aside, then renamed
                   report.json   last: a folder that has it is whole
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from benchmark.clip import ClipInputs, check_prediction
from benchmark.datasets.file_digests import FileDigests
from benchmark.errors import Undefined, UserError
from benchmark.files import atomic_file, check_writable, file_name, take_back
from benchmark.own_video import OwnVideoResult, OwnVideoTask
from benchmark.progress import progress, say
from benchmark.registry import Method, MethodSpec, code_digest, deciding_options, load_registry, options_from
from benchmark.store import content_key
from benchmark.video import Frames, pixel_digest, write_h264, write_lossless
from egox.own import depth_files, read_footage
from egox.threads import one_thread
from methods.prior_verb.strip import Strip

from .inputs import clip_of, given_twice, inputs_of, no_depth_at
from .preview import preview, prior_beside

SCHEMA = 1

READING = (
    "egox.own", "egox.video_file", "egox.pose_file", "egox.pose_file_format", "egox.pose_tracks", "egox.cameras", "egox.depth",
    "methods.own_video",
)  # fmt: skip
"""Code by which a video becomes a clip; part of the key."""

REPORT, LOSSLESS = "report.json", "ego.mkv"
FILES = (LOSSLESS, "ego.mp4", "strip.png", "strip.mp4")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of report.json. key: of the files given, method, options, code and seed. pixels: digest of the generated frames.

    scale, coverage: of the ego prior beside it in the strip: the factor on the depth, and the share of what the lens sees that
    it knows; None where there is no depth. files: bytes of each file beside the report.
    """

    schema: int
    video: str
    key: str
    method: str
    settings: dict[str, Any]
    seed: int
    prompt: str
    frames: int
    fps: float
    exo_size: tuple[int, int]
    ego_size: tuple[int, int]
    pixels: str
    scale: float | None
    coverage: float | None
    files: dict[str, int]


@one_thread()  # as the benchmark's workers: the same bytes for any number of cores
def make(task: OwnVideoTask) -> OwnVideoResult:
    """Generate unless the same is there already. Raises UserError in one sentence for what is missing or does not fit.

    What is there of other inputs, options or code stays, and is refused, unless it is asked for anew.
    """
    listed = load_registry()[task.method]
    options = options_from(listed, preset=task.preset, settings=task.settings)
    spec = listed.with_options(options)
    if task.depth is not None and getattr(options, "depth_model", ""):
        raise UserError(given_twice(task.depth))
    name = file_name(task.video.stem)
    folder, key = task.out / name / spec.id, _key(task, spec, options)
    before = None if task.again else _read(folder / REPORT)
    if before is not None and before.key != key:
        raise UserError(
            f"{folder} has a video of other inputs, options, seed or code; choose another --out, or --overwrite always"
        )
    if before is not None and before.files == _sizes(folder):
        say(f"{name}: is in {folder} already, of the same inputs, options and code; --overwrite always makes it anew")
        return OwnVideoResult(folder=folder, report=msgspec.to_builtins(before), lines=())
    try:
        footage = read_footage(task.video, task.pose, depth=task.depth, size=task.size)
    except ValueError as error:
        raise UserError(str(error)) from None
    clip = clip_of(footage, name=name, prompt=task.prompt)
    inputs = inputs_of(clip, spec)
    check_writable(folder)
    method = spec.load(options)
    try:
        frames = _generated(method, inputs, spec, seed=task.seed)
        take_back(folder / REPORT)  # a kill must not leave an old report beside new files
        atomic_file(folder / LOSSLESS, lambda aside: write_lossless(aside, frames, fps=footage.fps))
        shown = preview(clip, frames, lambda: prior_beside(clip, inputs, method, options), title=f"{name}, {spec.id}")
    except Undefined as reason:
        raise UserError(f"{task.video}: {spec.id} cannot answer it: {reason}") from None
    finally:
        getattr(method, "close", lambda: None)()
    report = Report(
        schema=SCHEMA, video=task.video.name, key=key, method=spec.id, settings=deciding_options(options), seed=task.seed,
        prompt=task.prompt, frames=len(frames), fps=footage.fps, exo_size=clip.exo[0].video.size, ego_size=clip.ego_size,
        pixels=pixel_digest(frames), scale=shown.scale, coverage=shown.coverage, files={},
    )  # fmt: skip
    report = _write_rest(folder, frames, shown.strip, report)
    return OwnVideoResult(folder=folder, report=msgspec.to_builtins(report), lines=shown.lines)


def _generated(method: Method, inputs: ClipInputs, spec: MethodSpec, *, seed: int) -> Frames:
    """The checked answer, with a bar: of steps where the method tells them."""
    with progress("generate") as task:

        def show(done: int, total: int) -> None:
            task(done, total, f"{inputs.clip_id}: {spec.id}")

        show(0, 1)
        if hasattr(method, "on_step"):
            method.on_step = show  # pyright: ignore[reportAttributeAccessIssue]
        frames = method.generate(inputs, seed=seed)
        if not hasattr(method, "on_step"):
            show(1, 1)
    check_prediction(frames, inputs)
    return frames


def _key(task: OwnVideoTask, spec: MethodSpec, options: Any) -> str:
    digests = FileDigests()
    depth = task.depth
    if depth is not None and not depth.exists():
        raise UserError(no_depth_at(depth))
    return content_key(
        {
            "schema": SCHEMA,
            "files": [digests.of(task.video), digests.of(task.pose), digests.of_many(depth_files(depth) if depth else [])],
            "method": [spec.id, spec.version, spec.source_digest()],
            "reading": code_digest(READING),
            "options": deciding_options(options),
            "asked": [task.size, task.prompt, task.seed],
        }
    )


def _read(path: Path) -> Report | None:
    """A report that is there. Raises UserError where it cannot be read: what lies beside it may be somebody's last one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}), so it is damaged or of another version of this code; choose another --out, or"
            " --overwrite always"
        ) from None


def _sizes(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_size for name in FILES if (folder / name).is_file()}


def _write_rest(folder: Path, frames: Frames, strip: Strip, report: Report) -> Report:
    """All but the lossless video, the report last. Raises StorageError where the disk is full or read-only."""
    writers: dict[str, Callable[[Path], object]] = {
        "ego.mp4": lambda aside: write_h264(aside, frames, fps=report.fps),
        "strip.png": lambda aside: Image.fromarray(strip.still()).save(aside, format="PNG"),
        "strip.mp4": lambda aside: write_h264(aside, strip.moving(), fps=report.fps),
    }
    for file, write in writers.items():
        atomic_file(folder / file, write)
    report = msgspec.structs.replace(report, files=_sizes(folder))
    data = msgspec.json.format(msgspec.json.encode(report)) + b"\n"
    atomic_file(folder / REPORT, lambda aside: aside.write_bytes(data))
    return report
