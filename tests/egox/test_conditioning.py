"""Eq. 3 on channels: what stands in mask and condition, by the rules that parities differ in."""

from __future__ import annotations

import msgspec
import pytest
import torch

from egox.canvas import CanvasError, Grid
from egox.conditioning import Conditioning, Guidance, condition_channels, exo_at, mask_channels, noised

GRID = Grid(frames=3, height=2, exo=3, ego=2)


def parts(batch: int = 1) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return {
        "exo": torch.randn(batch, 16, 3, 2, 3, generator=random),
        "prior": torch.randn(batch, 16, 3, 2, 2, generator=random),
        "valid": torch.rand(batch, 4, 3, 2, 2, generator=random),
    }


def test_equation_3_puts_mask_before_condition_and_exo_before_ego():
    given = parts(batch=2)
    channels = condition_channels(GRID, Conditioning(), **given)
    assert channels.shape == (2, 4 + 16, 3, 2, 5)
    exo_mask, ego_mask = GRID.split(channels[:, :4])
    assert exo_mask.eq(1).all()
    assert ego_mask.eq(0).all()
    exo, prior = GRID.split(channels[:, 4:])
    assert torch.equal(exo, given["exo"])
    assert torch.equal(prior, given["prior"])


@pytest.mark.parametrize(("rule", "ones"), [("all_frames", 4 * 3), ("first_frame", 4), ("first_and_stray", 4 + 1)])
def test_each_mask_rule_marks_its_own_exo_frames(rule, ones):
    exo, ego = GRID.split(mask_channels(GRID, Conditioning(exo_mask=rule), valid=parts()["valid"]))
    assert exo.sum() == ones * 2 * 3
    assert exo[:, :, 0].eq(1).all()
    assert not ego.any()


def test_the_stray_one_is_in_the_last_channel_of_the_last_frame():
    exo, _ = GRID.split(mask_channels(GRID, Conditioning(exo_mask="first_and_stray"), valid=parts()["valid"]))
    assert exo[:, 3, 2].eq(1).all()
    assert not exo[:, :3, 2].any()


def test_the_ego_mask_can_tell_what_the_prior_knows():
    given = parts()
    _, ego = GRID.split(mask_channels(GRID, Conditioning(ego_mask="valid"), valid=given["valid"]))
    assert torch.equal(ego, given["valid"])


def test_without_a_prior_nothing_counts_as_known():
    channels = condition_channels(GRID, Conditioning(prior="zero", ego_mask="valid"), **parts())
    _, ego = GRID.split(channels)
    assert not ego.any()
    exo, _ = GRID.split(channels)
    assert exo[:, :4].eq(1).all()


def test_inputs_are_left_as_they_are():
    given = parts()
    before = {name: tensor.clone() for name, tensor in given.items()}
    condition_channels(GRID, Conditioning(prior="zero", ego_mask="valid"), **given).fill_(7)
    assert all(torch.equal(given[name], before[name]) for name in given)


def test_channels_take_the_precision_of_what_they_are_made_of():
    given = {name: tensor.to(torch.bfloat16) for name, tensor in parts().items()}
    assert condition_channels(GRID, Conditioning(), **given).dtype == torch.bfloat16


def test_latents_of_another_canvas_are_refused():
    given = parts()
    with pytest.raises(CanvasError, match=r"ego cells are \(3, 2, 2\), the canvas has \(3, 2, 4\)"):
        condition_channels(Grid(frames=3, height=2, exo=3, ego=4), Conditioning(), **given)


def test_noise_levels_mix_each_sample_by_its_own():
    clean, noise = torch.ones(3, 2, 1, 1, 1), torch.full((3, 2, 1, 1, 1), 5.0)
    mixed = noised(clean, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert mixed[:, 0].flatten().tolist() == [1.0, 2.0, 5.0]


def test_exo_is_clean_at_every_level_unless_the_ablation_noises_it():
    clean, noise, level = torch.ones(1, 2, 1, 1, 1), torch.zeros(1, 2, 1, 1, 1), torch.tensor([0.75])
    assert exo_at(Conditioning(), clean, noise, level) is clean
    assert exo_at(Conditioning(exo="noised"), clean, noise, level).flatten().tolist() == [0.25, 0.25]


@pytest.mark.parametrize("name", ["strength", "gain", "floor"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_guidance_takes_finite_numbers_above_zero(name, value):
    with pytest.raises(ValueError, match=f"guidance {name} is .*, expected a finite number above 0"):
        Guidance(**{name: value})


def test_a_misspelt_rule_is_refused():
    with pytest.raises(msgspec.ValidationError, match="exo_maks"):
        msgspec.convert({"exo_maks": "all_frames"}, Conditioning)
