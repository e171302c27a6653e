"""Recipes: what is shipped, how one extends another, and what is said of one that does not fit."""

from __future__ import annotations

import msgspec
import pytest

from egox.conditioning import Conditioning, Guidance
from egox.recipe import Model, Recipe, RecipeError, load_recipe, recipe_files, recipe_key, recipe_names

ABLATIONS = {
    "no-gga": {"guidance": {"on": False}},
    "no-prior": {"prior": "zero"},
    "no-clean-latent": {"exo": "noised"},
}


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_says_what_it_is(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert recipe.training is not None
    assert recipe.training.starts_from is None or recipe.training.starts_from in recipe_names()


def test_paper_and_mini_are_shipped_with_the_ablations_of_table_2():
    assert {"paper", "released", "mini/egox", "mini/base-frames", "mini/base-clips"} <= set(recipe_names())
    assert {f"{room}/{name}" for room in ("egox", "mini") for name in ABLATIONS} <= set(recipe_names())


def test_the_mini_model_alone_takes_what_is_known_from_the_prior():
    taking = {name for name in recipe_names() if load_recipe(name).sampling.known == "prior"}
    models = ("egox", *ABLATIONS)
    assert taking == {f"mini/{name}" for name in models} | {f"mini/{name}-frames" for name in models}


@pytest.mark.parametrize(
    ("base", "ablated"), [("paper", "egox/{}"), ("mini/egox", "mini/{}"), ("mini/egox-frames", "mini/{}-frames")]
)
@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_changes_one_thing_in_sampling_and_in_training(base, ablated, name):
    whole, other = load_recipe(base), load_recipe(ablated.format(name))
    changed = _flat(other, whole)
    if base == "mini/egox":  # it goes on from its own first stage
        assert (whole.training.starts_from, other.training.starts_from) == ("mini/egox-frames", f"mini/{name}-frames")
        changed.remove("training.starts_from")
    key = next(iter(ABLATIONS[name]))
    leaf = "guidance.on" if key == "guidance" else key
    assert changed == {f"conditioning.{leaf}", f"training_conditioning.{leaf}"}


def test_training_conditions_like_sampling_unless_the_recipe_says_otherwise():
    assert load_recipe("paper").training_conditioning == load_recipe("paper").conditioning
    released = load_recipe("released")
    assert released.training_conditioning.guidance == Guidance(
        form="positive_gain", gain=1.0, rays="released_training", points="released"
    )
    assert released.training_conditioning.posterior == released.conditioning.posterior == "sample"


def test_a_file_of_ones_own_extends_a_shipped_one(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "paper"\nsummary = "mine"\n[conditioning]\nexo_mask = "first_frame"\n[sampling]\nsteps = 7\n')
    mine, paper = load_recipe(path), load_recipe("paper")
    assert (mine.summary, mine.sampling.steps, mine.sampling.shift) == ("mine", 7, paper.sampling.shift)
    assert mine.conditioning == Conditioning(exo_mask="first_frame")
    assert mine.training_conditioning == mine.conditioning
    assert mine.model == paper.model
    assert [file.name for file in recipe_files(path)] == ["mine.toml", "paper.toml"]


def test_a_path_that_is_extended_is_from_where_the_recipe_lies(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "base.toml").write_text('extends = "paper"\n[sampling]\nsteps = 3\n')
    path = tmp_path / "mine" / "own.toml"
    path.write_text('extends = "../base.toml"\nsummary = "own"\n')
    assert load_recipe(path).sampling.steps == 3
    assert [file.name for file in recipe_files(path)] == ["own.toml", "base.toml", "paper.toml"]
    monkeypatch.chdir(tmp_path / "mine")
    assert load_recipe("own.toml").sampling.steps == 3


def test_the_path_of_what_a_recipe_starts_from_is_from_where_the_file_lies_that_has_it(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "frames.toml").write_text('extends = "mini/egox-frames"\nsummary = "frames"\n')
    (tmp_path / "mine" / "clips.toml").write_text('extends = "mini/egox"\n[training]\nstarts_from = "frames.toml"\n')
    (tmp_path / "longer.toml").write_text('extends = "mine/clips.toml"\n[training]\nsteps = 7\n')
    monkeypatch.chdir(tmp_path)
    there, longer = load_recipe("mine/clips.toml"), load_recipe("longer.toml")
    assert there.training.starts_from == longer.training.starts_from == "mine/frames.toml"
    monkeypatch.chdir(tmp_path / "mine")
    here = load_recipe("clips.toml")
    assert here.training.starts_from == "frames.toml"
    assert recipe_key(here) == recipe_key(there)
    assert recipe_key(there) != recipe_key(longer)


def test_a_recipe_made_in_python_trains_on_what_it_samples_on():
    rules = Conditioning(exo="noised")
    made = Recipe(summary="own", model=Model(checkpoint="mini"), conditioning=rules)
    assert made.training_conditioning == rules
    apart = Recipe(summary="own", model=Model(checkpoint="mini"), conditioning=rules, training_conditioning=Conditioning())
    assert apart.training_conditioning == Conditioning()


def test_the_key_follows_what_decides_the_weights(tmp_path):
    paper = load_recipe("paper")
    assert recipe_key(msgspec.structs.replace(paper, name="x", summary="y", source="z")) == recipe_key(paper)
    cold = msgspec.structs.replace(paper.sampling, temperature=0.5)
    assert recipe_key(msgspec.structs.replace(paper, sampling=cold)) == recipe_key(paper)
    first = msgspec.structs.replace(paper.training_conditioning, exo_mask="first_frame")
    assert recipe_key(msgspec.structs.replace(paper, training_conditioning=first)) != recipe_key(paper)
    keys = {recipe_key(load_recipe(name)) for name in recipe_names()}
    assert len(keys) == len(recipe_names())


def test_a_wrong_name_gets_a_suggestion():
    with pytest.raises(RecipeError, match="no recipe 'mini/egx'; did you mean 'mini/egox'"):
        load_recipe("mini/egx")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("summary = ", "mine.toml: "),
        ('extends = "paper"\n[sampling]\nstepps = 3\n', r"unknown field `stepps` - at `\$.sampling`; did you mean 'steps'\?"),
        ('extends = "paper"\nsamplin = 3\n', "unknown field `samplin`; did you mean 'sampling'"),
        ('extends = "paper"\n[model.lora]\nrnk = 3\n', r"unknown field `rnk` .*model\.lora`; did you mean 'rank'"),
        ('extends = "paper"\n[training_conditioning.guidance]\nzzz = 3\n', "unknown field `zzz`.*there are on, form, strength"),
        ('extends = "paper"\n[sampling]\nsteps = 0\n', r"steps is 0, expected at least 1 - at `\$.sampling`"),
        ('extends = "paper"\n[sampling]\nshift = -1\n', r"shift is -1\.0, expected a finite number above 0"),
        ('extends = "paper"\n[sampling]\nguidance_scale = nan\n', "guidance_scale is nan"),
        ('extends = "paper"\n[sampling]\nknown = "prior"\n', 'it needs model.preconditioner = "fitted"'),
        ('extends = "mini/egox"\n[conditioning]\nego_mask = "zero"\n', 'or set sampling.known = "model"'),
        ('extends = "mini/egox"\n[training_conditioning]\nego_mask = "zero"\n', "in training too"),
        ('extends = "mini/egox"\n[model]\npreconditioner = "none"\n', 'sampling.known = "prior" takes known cells'),
        ("extends = 3\n", r"mine\.toml: extends is 3, expected the name of a recipe"),
        ('extends = "paper"\nconditioning = 3\n', r"Expected `object`, got `int` - at `\$.conditioning`"),
        ('extends = "paper"\ntraining_conditioning = 3\n', r"got `int` - at `\$.training_conditioning`"),
        ('extends = "paper"\n[sampling]\nsteps = "many"\n', r"Expected `int`, got `str` - at `\$.sampling.steps`"),
        ('extends = "paper"\n[conditioning]\nexo = "murky"\n', r"'murky' - at `\$.conditioning.exo`"),
        ('extends = "paper"\n[conditioning.guidance]\nstrength = 0\n', "guidance strength is 0"),
        ('summary = "no model"\n', "missing required field `model`"),
        ('extends = "papr"\n', "did you mean 'paper'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_field(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=said):
        load_recipe(path)


def test_a_recipe_that_extends_itself_is_refused(tmp_path):
    a, b = tmp_path / "a.toml", tmp_path / "b.toml"
    a.write_text(f'extends = "{b}"\n')
    b.write_text(f'extends = "{a}"\n')
    with pytest.raises(RecipeError, match="extends itself"):
        load_recipe(a)
    with pytest.raises(RecipeError, match="extends itself"):
        recipe_files(a)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"nowhere\.toml"):
        load_recipe(tmp_path / "nowhere.toml")


def _flat(one: object, other: object) -> set[str]:
    """Dotted names of the values that differ, words aside."""

    def walk(a: object, b: object, at: str) -> set[str]:
        if isinstance(a, dict) and isinstance(b, dict):
            return set().union(*(walk(a.get(key), b.get(key), f"{at}.{key}" if at else key) for key in a | b))
        return set() if a == b else {at}

    return walk(msgspec.to_builtins(one), msgspec.to_builtins(other), "") - {"name", "summary", "source"}
