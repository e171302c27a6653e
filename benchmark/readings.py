"""What metrics read of a dataset's clip beside the two videos: the exo view, the ego camera, the ego prior's cover."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .canvas import Canvas
from .clip import Clip, Input
from .errors import Undefined
from .metrics import Need
from .metrics.extraction import keep_arrays, read_arrays
from .store import content_key

if TYPE_CHECKING:
    from .cover import CoverSource
    from .protocols import ClipIdentity


def inputs_read(reads: frozenset[Need], cover: CoverSource | None) -> frozenset[Input]:
    """What of a dataset's clip is read to measure it: the truth, and what metrics read beside it."""
    wanted = {Input.TRUTH}
    if Need.EXO in reads:
        wanted.add(Input.EXO_VIDEO)
    if Need.COVER in reads and cover is not None:
        wanted |= cover.needs
    return frozenset(wanted)


class ClipReadings:
    """Readings of one clip on a canvas; covers are kept below `folder` (None keeps none)."""

    def __init__(
        self, clip: Clip, canvas: Canvas, identity: ClipIdentity, *, cover: CoverSource | None, folder: Path | None
    ) -> None:
        self._clip, self._canvas, self._identity = clip, canvas, identity
        self._cover, self._folder = cover, folder

    def read(self, need: Need) -> Any:
        """See `Need`. Raises Undefined with the clip's own reason where it has none."""
        match need:
            case Need.FPS:
                return self._canvas.fps
            case Need.EXO:
                self._refuse_missing(Input.EXO_VIDEO)
                return self._clip.exo[0].video.read()
            case Need.EGO_CAMERA:
                self._refuse_missing(Input.EGO_CAMERA)
                return self._clip.ego_camera
            case Need.COVER:
                return self._covered()
        raise ValueError(f"{need} is no reading")

    def key(self, need: Need) -> str:
        """The clip's input digest decides all of them; the cover also has a key of its own."""
        if need is Need.FPS:
            return repr(self._canvas.fps)
        return f"{self._identity.inputs} {self._identity.cover}" if need is Need.COVER else self._identity.inputs

    def _refuse_missing(self, wanted: Input) -> None:
        if wanted in self._clip.missing:
            raise Undefined(self._clip.missing[wanted])

    def _covered(self) -> Any:
        import numpy as np

        if self._cover is None:
            raise Undefined("no installed package says which pixels the ego prior covers")
        key = content_key({"inputs": self._identity.inputs, "cover": self._identity.cover})
        path = self._folder and self._folder / key[:2] / f"{key}.npz"
        kept = read_arrays(path) if path else None
        if kept is None:
            mask = np.asarray(self._cover.cover(self._clip), dtype=bool)
            kept = {"bits": np.packbits(mask), "shape": np.asarray(mask.shape)}
            if path and self._folder:
                keep_arrays(path, kept, below=self._folder)
        shape = tuple(int(n) for n in kept["shape"])
        return np.unpackbits(kept["bits"], count=int(np.prod(shape))).reshape(shape).astype(bool)
