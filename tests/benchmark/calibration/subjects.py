"""A box room as ladders take it, and calibrations of toy clips that run on no file but their own results."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.box_room import box_room_clip
from benchmark.calibration.ladders import Subject
from benchmark.calibration.plan import Calibration, CalibrationConfig, make_calibration
from benchmark.protocols.protocol import Measured, Protocol

from ..toy import ToyDataset, toy_answers, toy_protocol

PRIOR = np.full((5, 32, 32, 3), 7, np.uint8)


def subject(**changes: Any) -> Subject:
    """Five frames at 32 px, another clip, and a prior that is all one colour."""
    clip, other = (box_room_clip(f"c{seed}", seed=seed, frames=5, ego_side=32) for seed in range(2))
    assert clip.truth is not None
    whole = Subject(clip=clip, frames=clip.truth.video.read(), other=other, prior=lambda: PRIOR)
    return dataclasses.replace(whole, **changes)


def only(*specs: Any) -> Protocol:
    """The toy protocol with these metrics in place of its own."""
    return dataclasses.replace(toy_protocol(), metrics=tuple(Measured(spec, spec.parameters({})) for spec in specs))


def toy_calibration(
    out: Path,
    *ladders: str,
    dataset: Any = None,
    protocol: Protocol | None = None,
    prior: Any = None,
) -> Calibration:
    """A calibration on toy clips; `ladders` of the ids, all for none."""
    config = CalibrationConfig(data="toy", split="all", protocol=None, out=out, ladders=ladders or None)
    opened: Any = dataset or ToyDataset()
    return make_calibration(config, dataset=opened, protocol=protocol or toy_protocol(), prior=prior or toy_answers())
