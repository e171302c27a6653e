"""Videos: frames by decoded index, lossless and repeatable writing, clear words for broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import StorageError, UserError
from benchmark.files import atomic_file, file_key
from benchmark.video import (
    Crop,
    FileSource,
    Frames,
    Resize,
    Upright,
    Video,
    count_frames,
    decoded_frames,
    write_h264,
    write_lossless,
)


def noise(frames: int = 6, height: int = 40, width: int = 56, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def test_lossless_writing_gives_back_every_pixel_and_equal_bytes(tmp_path: Path) -> None:
    frames = noise()
    for name in ("a.mkv", "b.mkv"):
        write_lossless(tmp_path / name, frames, fps=10)
    assert np.array_equal(np.stack(list(decoded_frames(tmp_path / "a.mkv"))), frames)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_h264_writing_repeats_its_bytes(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_h264(tmp_path / name, noise(), fps=30)
    assert file_key(tmp_path / "a.mp4") == file_key(tmp_path / "b.mp4")


def test_frames_are_addressed_by_decoded_index_whatever_the_rate_tag(tmp_path: Path) -> None:
    frames = np.stack([np.full((32, 32, 3), 10 * i, np.uint8) for i in range(20)])
    for fps in (20, 29.97):
        write_h264(tmp_path / "v.mp4", frames, fps=fps)
        video = Video(source=FileSource(tmp_path / "v.mp4"), indices=(3, 6, 19), fps=30)
        assert np.abs(video.read().mean((1, 2, 3)) - [30, 60, 190]).max() < 3


def test_the_decode_equals_opencv_to_the_bit(tmp_path: Path) -> None:
    import cv2

    smooth = np.kron(noise(3, 5, 7), np.ones((1, 16, 16, 1), np.uint8))
    write_h264(tmp_path / "v.mp4", smooth, fps=30)
    capture = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    for frame in decoded_frames(tmp_path / "v.mp4"):
        assert np.array_equal(frame, capture.read()[1][..., ::-1])


def test_a_wanted_frame_beyond_the_end_names_file_and_count(tmp_path: Path) -> None:
    write_lossless(tmp_path / "short.mkv", noise(4), fps=10)
    video = Video(source=FileSource(tmp_path / "short.mkv"), indices=(2, 4), fps=10)
    with pytest.raises(UserError, match=r"short\.mkv: frame 4 is wanted but the file decodes to 4 frames"):
        video.read()


def test_a_truncated_file_is_a_user_error(tmp_path: Path) -> None:
    write_h264(tmp_path / "v.mp4", noise(30), fps=30)
    data = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"v\.mp4.*truncated"):
        Video(source=FileSource(tmp_path / "v.mp4"), indices=tuple(range(30)), fps=30).read()


@pytest.mark.parametrize("content", [b"", b"not a video at all, just words"])
def test_a_file_that_is_no_video_is_a_user_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(UserError, match=r"v\.mp4: not a readable video"):
        count_frames(tmp_path / "v.mp4")


def test_zero_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="zero frames"):
        Video(source=FileSource(tmp_path / "v.mp4"), indices=(), fps=30)
    with pytest.raises(UserError, match="zero frames"):
        Video.of_array(noise(1)[:0], fps=30)


@pytest.mark.parametrize("frames", [noise().astype(np.float32), noise()[..., 0], noise()[..., :2]])
def test_arrays_that_are_no_rgb_frames_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(UserError, match="expected"):
        Video.of_array(frames, fps=30)


def test_keys_follow_content_frames_and_operations() -> None:
    video = Video.of_array(noise(), fps=10)
    changed = [
        Video.of_array(noise(seed=1), fps=10),
        video.select([0, 1]),
        video.then(Crop(0, 0, 8, 8)),
        video.then(Resize(8, 8)),
        video.then(Upright()),
        Video.of_array(noise(), fps=30),
    ]
    assert len({video.key, *(other.key for other in changed)}) == 7
    assert Video.of_array(noise(), fps=10).key == video.key


def test_size_tells_what_reading_gives() -> None:
    video = Video.of_array(noise(), fps=10).then(Crop(4, 2, 30, 20)).then(Upright()).then(Resize(10, 15))
    assert video.read().shape == (6, *video.size, 3) == (6, 15, 10, 3)


def test_a_crop_beyond_the_picture_is_refused() -> None:
    with pytest.raises(UserError, match="cannot crop 56x40 to 60x10"):
        Video.of_array(noise(), fps=10).then(Crop(0, 0, 60, 10)).read()


def test_an_atomic_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")

    def breaks(aside: Path) -> None:
        aside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"x: cannot be written \(No space left on device\)"):
        atomic_file(tmp_path / "x", breaks)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"
