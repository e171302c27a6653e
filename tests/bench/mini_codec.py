"""What the latent codec of the mini size keeps of pictures that it was not fitted on.

python tests/bench/mini_codec.py [--train 60] [--val 24] [--views both|ego]

Fits on training clips of `sim` (rendered where they are not yet) and prints, on clips of `val`:
  round trip PSNR (dB, RGB) of first frames alone, of the later frames in groups of four, and of every frame as a single picture
  milliseconds to encode and to decode a clip
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.canvas import MINI
from benchmark.datasets.sim.dataset import SimDataset
from egox.clip import beside_ego
from egox.mini import FixedBasisCodec, fit_codec


def videos(dataset: SimDataset, split: str, count: int, views: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """(view, frames) of a split's first clips."""
    for row in dataset.manifest(split).rows[:count]:
        clip = dataset.clip(row, MINI)
        assert clip.truth is not None
        yield "ego", clip.truth.video.read()
        if views == "both":
            height, width = beside_ego(clip.exo[0].video.size, clip.ego_size[0])
            yield "exo", clip.exo[0].resized(width, height).video.read()


def round_trip(codec: FixedBasisCodec, video: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float, float]:
    """(frames, seconds to encode, to decode)."""
    pixels = torch.from_numpy(video).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    began = time.perf_counter()
    latents = codec.encode(pixels).latent_dist.mode()  # type: ignore[union-attr]
    between = time.perf_counter()
    decoded = codec.decode(latents, return_dict=False)[0]
    ended = time.perf_counter()
    frames = ((decoded[0].permute(1, 2, 3, 0) + 1) * 127.5).round().byte().numpy()
    return frames, between - began, ended - between


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=60)
    parser.add_argument("--val", type=int, default=24)
    parser.add_argument("--views", choices=("both", "ego"), default="both")
    arguments = parser.parse_args()
    dataset = SimDataset()
    fitted_on = [video for _, video in videos(dataset, "train", arguments.train, arguments.views)]
    began = time.perf_counter()
    codec = fit_codec(fitted_on)
    took = time.perf_counter() - began
    print(f"fit on {len(fitted_on)} videos of {arguments.train} clips: {took:.1f} s", end="; ")
    print(f"on these {codec.config.first_psnr:.2f} dB single frames, {codec.config.group_psnr:.2f} dB groups")
    squares: dict[tuple[str, str], list[float]] = {}
    encode_s, decode_s = [], []
    for view, video in videos(dataset, "val", arguments.val, "both"):
        frames, to_encode, to_decode = round_trip(codec, video)
        singles = np.concatenate([round_trip(codec, frame[None])[0] for frame in video])
        parts = {"first frames": (frames[:1], video[:1]), "groups": (frames[1:], video[1:]), "singles": (singles, video)}
        for name, (part, truth) in parts.items():
            squares.setdefault((view, name), []).append(float(np.mean((part.astype(float) - truth) ** 2)))
        encode_s.append(to_encode)
        decode_s.append(to_decode)
    for (view, name), values in sorted(squares.items()):
        pooled, each = 10 * np.log10(255**2 / np.mean(values)), 10 * np.log10(255**2 / np.array(values))
        print(f"{view} {name:12}: {pooled:.2f} dB of the mean square, {each.mean():.2f} dB mean of clips")
    encode_ms, decode_ms = 1e3 * np.median(encode_s), 1e3 * np.median(decode_s)
    print(f"a clip of {MINI.frames} frames, median: encode {encode_ms:.1f} ms, decode {decode_ms:.1f} ms")


if __name__ == "__main__":
    main()
