"""The whole curriculum of the mini size, short, on one simulated place: its own sizes, rates and data, few of its steps.

It learns from the clips of the place and is measured on the same ones: a trainer that cannot overfit four clips is broken, with
however little it was given.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from egox.training.curves import read_curves
from tests.methods.train_verb.tiny_training import train

STEPS = {"base-frames": 80, "base-clips": 8, "egox-frames": 40, "egox": 8}
STARTS = {"base-clips": "base-frames", "egox-frames": "base-clips", "egox": "egox-frames"}
PLACE = "train:4"
"""The four windows of one place."""


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, out = tmp_path_factory.mktemp("short"), tmp_path_factory.mktemp("learned")
    for name, steps in STEPS.items():
        start = f'starts_from = "{folder}/{STARTS[name]}.toml"\n' if name in STARTS else ""
        text = f'extends = "mini/{name}"\n[training]\nsteps = {steps}\nvalidate_every = {steps}\nwarmup_steps = 4\nema = 0.9\n'
        (folder / f"{name}.toml").write_text(text + start)
    recipes = [folder / f"{name}.toml" for name in STEPS]
    train(*recipes, "--ladder", 4, data="sim", split=PLACE, val_split=PLACE, out=out)
    return out


@pytest.mark.parametrize("stage", STEPS)
def test_each_stage_knows_its_place_better_at_its_end_than_at_its_start(learned: Path, stage: str) -> None:
    curve = read_curves(learned / stage / "curves.csv")["val", None]
    assert [step for step, _ in curve] == [0, STEPS[stage]]
    assert curve[1][1] < 0.998 * curve[0][1]  # measured: .982 .986 .983 .995


def test_what_it_samples_is_a_picture_near_the_guess_that_it_began_with(learned: Path) -> None:
    """So few steps teach sampling nothing yet, but must not harm it; noise, or a guess that is not used, would."""
    ladder = json.loads((learned / "egox" / "ladder.json").read_text())
    psnr = {rung["title"]: rung["scores"]["psnr"]["mean"] for rung in ladder["rungs"] if rung["scores"]}
    assert psnr["model, 1 step"] == pytest.approx(psnr["guess"], abs=0.4)  # measured: 17.72 and 17.79
    assert psnr["model, 1 step"] != psnr["guess"]
    assert psnr["codec"] > psnr["model, 1 step"] > psnr["prior"] + 1
