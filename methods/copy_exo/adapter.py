"""The centre square of the exo video at the ego size."""

from __future__ import annotations

from benchmark.clip import ClipInputs
from benchmark.registry import NoOptions
from benchmark.video import Crop, Frames, Resize


class CopyExo:
    """Cuts the largest centred rectangle of the asked shape and resizes it (pixel areas averaged)."""

    def __init__(self, options: NoOptions) -> None:
        del options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        del seed
        video = inputs.exo[0].video
        (have_h, have_w), (height, width) = video.size, inputs.size
        cut_w = min(have_w, have_h * width // height)
        cut_h = min(have_h, have_w * height // width)
        cut = Crop((have_w - cut_w) // 2, (have_h - cut_h) // 2, cut_w, cut_h)
        return video.then(cut).then(Resize(width, height)).read()
