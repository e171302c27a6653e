"""A recipe whose noise level is always one trains a regression."""

from __future__ import annotations

import msgspec
import pytest
import torch

from egox.recipe import NoiseLevels, load_recipe
from egox.training.loop import train
from egox.training.noise import FIXED_LEVELS, draw_level, validation_levels
from egox.training.order import generator_of
from egox.training.tasks import task_of

from .tiny_training import Net, examples, recipe


def test_a_level_of_kind_one_is_pure_noise_whatever_the_shift():
    assert {draw_level(NoiseLevels(kind="one", shift=shift), generator_of(0)) for shift in (0.5, 1.0, 3.0)} == {1.0}


def test_a_regression_is_validated_where_it_is_trained_and_a_denoiser_at_fixed_levels(tmp_path):
    assert validation_levels(NoiseLevels(kind="one")) == (1.0,)
    assert {validation_levels(NoiseLevels(kind=kind)) for kind in ("uniform", "logit_normal")} == {FIXED_LEVELS}
    given = recipe(noise=NoiseLevels(kind="one"), steps=2, validate_every=1)
    result = train(given, Net(dropout=0), examples(3), examples(2, seed=1), tmp_path)
    assert list(result.validation or {}) == [1.0]
    lines = [line.split(",") for line in (tmp_path / "curves.csv").read_text().splitlines()]
    values = {level: [value for _, name, at, value in lines if (name, at) == ("val", level)] for level in ("", "1.0")}
    assert len(values["1.0"]) == 3
    assert values[""] == values["1.0"]


def test_the_state_of_a_regression_holds_nothing_of_the_truth():
    clips = examples(2)
    task = task_of(recipe(noise=NoiseLevels(kind="one")), Net(dropout=0), clips[0])
    generators = [generator_of("noise", k) for k in range(2)]
    batch, draws = task.prepare(clips, generators, names=["a", "b"])
    assert draws.levels.tolist() == [1.0, 1.0]
    other = [{**clip, "ego": clip["ego"] + 1} for clip in clips]
    again = [generator_of("noise", k) for k in range(2)]
    moved, same = task.prepare(other, again, names=["a", "b"])
    assert torch.equal(draws.noise, same.noise)
    seen = []

    def watched(hidden_states: torch.Tensor, **_: object) -> tuple[torch.Tensor]:
        seen.append(hidden_states)
        return (torch.zeros_like(hidden_states[:, :16]),)

    for given, random in ((batch, draws), (moved, same)):
        task.losses(watched, given, random)  # pyright: ignore[reportArgumentType]
    assert torch.equal(*seen)


@pytest.mark.parametrize(("name", "opponent_of"), [("regression-frames", "egox-frames"), ("regression", "egox")])
def test_a_regression_differs_from_what_it_opposes_in_noise_and_sampling_alone(name, opponent_of):
    ours, theirs = (msgspec.to_builtins(load_recipe(f"mini/{one}")) for one in (name, opponent_of))
    assert ours["training"]["noise"].pop("kind") == "one"
    theirs["training"]["noise"].pop("kind")
    assert [ours["sampling"].pop(name) for name in ("steps", "temperature", "known")] == [1, 0.0, "model"]
    assert (ours["training"].pop("starts_from"), theirs["training"].pop("starts_from")) in (
        ("mini/base-clips", "mini/base-clips"),
        ("mini/regression-frames", "mini/egox-frames"),
    )
    for words in ("name", "summary", "source"):
        assert ours.pop(words) != theirs.pop(words)
    theirs["sampling"] = {key: value for key, value in theirs["sampling"].items() if key in ours["sampling"]}
    assert ours == theirs
