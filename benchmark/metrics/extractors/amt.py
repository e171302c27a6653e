"""Frame interpolation by AMT-S for VBench's motion smoothness.

AMT's code and weights are licensed for non-commercial use (CC BY-NC 4.0). Neither is here: the code comes from a `vbench`
wheel that the user has installed, the weights from the file that the user has fetched.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from numpy.typing import NDArray
from torch.nn.functional import pad

from ...errors import Unavailable, Undefined, UserError
from ...video import Frames
from ..metric import Arrays
from ..side_by_side import side_by_side
from ..smoothness import interpolation_errors
from .network import filled, finite, pictures, tensors_of
from .padding import sides_to

SMALLEST = 128
"""px: below it the coarsest level of the correlation has one cell, and sampling it divides by zero."""


class AmtErrors:
    """Error of every second frame, interpolated by AMT-S from its neighbours; "error" [frames between] in 8-bit levels.

    weights: "amt-s". At full size always: VBench shrinks the frames by a rule of the graphics card's memory, which makes the
    value depend on the machine; without a card it does not. Frames whose padded sides are under SMALLEST are Undefined.
    """

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        path = weights["amt-s"]
        self._device = device
        network = network_class()(corr_radius=3, corr_lvls=4, num_flows=3)  # as VBench's AMT-S.yaml says
        self._network = filled(network, tensors_of(path), source=path, device=device)
        self._half = torch.tensor(0.5, device=device).view(1, 1, 1, 1)

    def __call__(self, frames: Frames) -> Arrays:
        _, height, width, _ = frames.shape
        padding = sides_to(16, height, width)
        if min(height + sum(padding[2:]), width + sum(padding[:2])) < SMALLEST:
            raise Undefined(f"frames of {width}x{height} are smaller than the {SMALLEST} px that AMT-S needs")

        @torch.inference_mode()
        def middle(a: Frames, b: Frames) -> NDArray:
            between = self._network(self._input(a, padding), self._input(b, padding), self._half, eval=True)["imgt_pred"]
            left, _, top, _ = padding
            inner = between[0, :, top : top + height, left : left + width].permute(1, 2, 0)
            return finite(inner * 255.0, network="AMT-S")

        return {"error": interpolation_errors(frames, middle)}

    def _input(self, frame: Frames, padding: tuple[int, int, int, int]) -> torch.Tensor:
        # contiguous as VBench's: convolutions round differently where channels lie beside each other
        return pad(pictures(frame[None], self._device) / 255.0, padding, mode="replicate").contiguous()


class AmtErrorsOnCanvas:
    """As `AmtErrors`, of the exo view and the video side by side."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        self._errors = AmtErrors(weights, device)

    def __call__(self, frames: Frames, *, exo: Frames) -> Arrays:
        return self._errors(side_by_side(exo, frames))


@functools.cache
def network_class() -> type[torch.nn.Module]:
    """AMT-S's class out of the installed wheel. Raises Unavailable where the wheel, or what AMT-S itself imports, is not."""
    with _only_the_folder_of("vbench"), _no_effect_on_pillow():
        try:
            return importlib.import_module("vbench.third_party.amt.networks.AMT-S").Model
        except ImportError as error:
            raise Unavailable(f"AMT-S of package 'vbench' cannot be imported: {error}") from error


@contextmanager
def _only_the_folder_of(package: str) -> Iterator[None]:
    """Let modules below a package be imported without running what the package itself imports.

    VBench's asks for video readers and model hubs that AMT-S does not touch, and sets up the program's logging. A package
    that is imported already is used as it is; otherwise none of its modules stays known.
    """
    if package in sys.modules:
        yield
        return
    found = importlib.util.find_spec(package)
    if found is None:
        raise UserError(f"package {package!r} is not installed; see 'egox-bench doctor'")
    folder = ModuleType(package)
    folder.__path__ = list(found.submodule_search_locations or ())
    sys.modules[package] = folder
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]


@contextmanager
def _no_effect_on_pillow() -> Iterator[None]:
    """Undo what AMT's modules do when imported: they make Pillow accept truncated pictures, everywhere."""
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
