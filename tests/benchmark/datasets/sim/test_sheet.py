"""Contact sheets: one strip a clip, exo pictures over ego pictures, refused without the ego video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.clip import Clip
from benchmark.datasets.sim.sheet import contact_sheet


def test_a_sheet_shows_a_clips_exo_pictures_over_its_ego_pictures(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "new" / "sheet.png"
    contact_sheet([clip, clip], path, columns=2)
    with Image.open(path) as image:
        sheet = np.asarray(image.convert("RGB")).astype(float)
    assert sheet.shape == (2 * (14 + 256 + 128), 2 * 448, 3)
    assert clip.truth is not None
    exo, ego = clip.exo[0].video.read([16])[0], clip.truth.video.read([0])[0]
    assert np.abs(sheet[14:270, 448:896] - exo).mean() < 12  # the palette's error
    assert np.abs(sheet[270:398, :128] - ego).mean() < 12
    assert np.abs(sheet[14:270, 448:896] - exo[::-1]).mean() > 30
    assert (sheet[:398] == sheet[398:]).all()


def test_a_clip_without_the_ego_video_is_refused(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a sheet needs the ego video"):
        contact_sheet([replace(clip, truth=None)], tmp_path / "sheet.png")
