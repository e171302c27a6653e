"""Values of a recipe that no training could use are refused when it is read, and the field is named."""

from __future__ import annotations

import pytest

from egox.recipe import Lora, NoiseLevels, RecipeError, load_recipe

from .tiny_training import recipe


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("validate_every", 0), ("checkpoint_every", 0),
        ("batch_size", 0), ("accumulate", 0), ("steps", 0), ("keep_checkpoints", 0),
        ("clip_norm", 0.0), ("learning_rate", 0.0), ("learning_rate", float("nan")), ("epsilon", 0.0), ("weight_decay", -1.0),
        ("text_dropout", 2.0), ("prior_dropout", -0.1), ("betas", (0.9, 1.0)), ("warmup_steps", -1), ("ema", 1.0),
        ("validation_examples", 0),
    ],
)  # fmt: skip
def test_a_training_of_impossible_values_is_refused(field, value):
    with pytest.raises(ValueError, match=f"^{field} is .*, expected"):
        recipe(**{field: value})


def test_so_are_noise_levels_and_adapters():
    for values in ({"shift": 0.0}, {"std": 0.0}, {"mean": float("inf")}):
        with pytest.raises(ValueError, match=f"^{next(iter(values))} is"):
            NoiseLevels(**values)
    for field in ("rank", "alpha"):
        with pytest.raises(ValueError, match=f"^{field} is 0, expected 1 or more"):
            Lora(**{field: 0})


def test_the_message_names_file_and_place(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "mini/egox"\n[training.noise]\nshift = 0.0\n')
    with pytest.raises(RecipeError, match=r"mine\.toml: shift is 0\.0, expected more than 0 - at .*training.noise"):
        load_recipe(path)
