"""A folder of one's own on disk, made of painted boxes: what end-to-end tests run on, exact and made in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmark.box_room import box_room_clip
from benchmark.video import write_lossless


def write_box_folder(root: Path, *, clips: int = 3, truth: bool = True) -> Path:
    """clips.json with `clips` clips b0, b1, ... of 49 frames at 128 px, cameras, depth and (if asked) truth."""
    entries = [_write_clip(root, f"b{number}", seed=number, truth=truth) for number in range(clips)]
    (root / "clips.json").write_text(json.dumps({"name": "boxes", "clips": entries}))
    return root


def _write_clip(root: Path, name: str, *, seed: int, truth: bool) -> dict[str, object]:
    clip = box_room_clip(name, seed=seed, frames=49)
    folder = root / name
    folder.mkdir(parents=True)
    exo = clip.exo[0]
    assert exo.camera is not None
    assert exo.depth is not None
    assert clip.ego_camera is not None
    assert clip.truth is not None
    write_lossless(folder / "exo.mkv", exo.video.read(), fps=30)
    np.savez_compressed(folder / "depth.npz", depth=exo.depth.read())
    if truth:
        write_lossless(folder / "ego.mkv", clip.truth.video.read(), fps=30)
    return {
        "id": name,
        "take": f"take{seed}",
        "caption": clip.caption,
        "exo": [{"video": f"{name}/exo.mkv", "camera": exo.camera.to_json(), "depth": f"{name}/depth.npz"}],
        "ego": {"camera": clip.ego_camera.to_json(), **({"video": f"{name}/ego.mkv"} if truth else {})},
    }
