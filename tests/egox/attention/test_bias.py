"""The bias of Eq. 4 by itself: its values, its limits, and its mask in memory."""

from __future__ import annotations

import math

import pytest
import torch

from egox.attention import guidance_bias
from egox.attention.bias import frame_mask
from egox.canvas import Grid
from egox.conditioning import Guidance

from .oracles import GRID, unit, whole_bias, world


def at_angle(degrees: float, **rules) -> float:
    """The bias of a ray and a direction this far apart."""
    angle = math.radians(degrees)
    ray, to = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[math.cos(angle), math.sin(angle), 0]]).double()
    known = torch.ones(1, dtype=torch.bool)
    return float(guidance_bias(ray, known, to, known, Guidance(**rules)))


@pytest.mark.parametrize(("degrees", "g"), [(0, 2.0), (60, 1.5), (90, 1.0), (120, 0.5)])
def test_the_paper_s_gain_is_cosine_plus_one(degrees, g):
    assert at_angle(degrees) == pytest.approx(math.log(g), abs=1e-12)


def test_strength_multiplies_the_gain_of_every_angle():
    for degrees in (0, 60, 90, 120):
        assert at_angle(degrees, strength=3.0) == pytest.approx(at_angle(degrees) + math.log(3), abs=1e-12)


@pytest.mark.parametrize("form", ["paper", "positive_gain"])
def test_opposite_directions_reach_the_floor_and_nothing_below(form):
    assert at_angle(180, form=form, floor=1e-6) == pytest.approx(math.log(1e-6), abs=1e-9)
    assert at_angle(180, form="paper", floor=1e-3, strength=2.0) == pytest.approx(math.log(2e-3), abs=1e-9)


@pytest.mark.parametrize(
    ("gain", "degrees", "g"),
    [(3.0, 0, 4.0), (3.0, 60, 2.5), (3.0, 90, 1.0), (3.0, 120, 0.5), (0.5, 0, 1.5), (0.5, 120, 0.75), (1.0, 60, 1.5)],
)
def test_the_published_gain_multiplies_positive_cosines_only_unless_it_is_below_one(gain, degrees, g):
    """Fact sheet 2.6: log(1 + s c) for c > 0, log(1 + c) for c <= 0; all are scaled where s <= 1."""
    assert at_angle(degrees, form="positive_gain", gain=gain) == pytest.approx(math.log(g + 1e-6), abs=1e-9)


def test_the_two_forms_agree_where_gain_and_strength_are_one():
    for degrees in (0, 30, 90, 150):
        assert at_angle(degrees, form="positive_gain") == pytest.approx(at_angle(degrees), abs=1e-5)


def test_the_published_form_clamps_directions_that_are_too_long():
    ray, known = torch.tensor([[1.0, 0, 0]]), torch.ones(1, dtype=torch.bool)
    rules = Guidance(form="positive_gain", gain=3.0)
    assert guidance_bias(ray, known, 1.5 * ray, known, rules) == guidance_bias(ray, known, ray, known, rules)


@pytest.mark.parametrize("form", ["paper", "positive_gain"])
def test_unknown_rays_and_points_are_neutral(form):
    rays, to = unit(2, seed=1), unit(3, seed=2)
    seen, known = torch.tensor([True, False]), torch.tensor([True, True, False])
    bias = guidance_bias(rays, seen, to, known, Guidance(form=form, strength=5.0, gain=3.0))
    assert (bias != 0).tolist() == [[True, True, False], [False, False, False]]


def test_a_batch_is_each_clip_by_itself():
    rays, to = unit(2, 4, seed=1), unit(2, 5, seed=2)
    seen, known = torch.rand(2, 4) > 0.3, torch.rand(2, 5) > 0.3
    both = guidance_bias(rays, seen, to, known, Guidance())
    assert both.shape == (2, 4, 5)
    for i in range(2):
        assert torch.equal(both[i], guidance_bias(rays[i], seen[i], to[i], known[i], Guidance()))


def test_autocast_does_not_round_directions():
    rays, to = unit(6, seed=1, dtype=torch.float32), unit(9, seed=2, dtype=torch.float32)
    seen, known = torch.ones(6, dtype=torch.bool), torch.ones(9, dtype=torch.bool)
    plain = guidance_bias(rays, seen, to, known, Guidance())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(guidance_bias(rays, seen, to, known, Guidance()), plain)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rays": torch.zeros(4, 2)}, r"rays \(4, 2\)"),
        ({"rays": torch.zeros(4, 3, dtype=torch.bfloat16)}, "rays are torch.bfloat16, expected float32"),
        ({"directions_valid": torch.ones(4, dtype=torch.bool)}, r"directions \(5, 3\) with torch.bool \(4,\)"),
        ({"rays_valid": torch.ones(4)}, "expected .* bool"),
    ],
)
def test_wrong_shapes_and_kinds_are_told(changes, said):
    parts = {
        "rays": torch.zeros(4, 3),
        "rays_valid": torch.ones(4, dtype=torch.bool),
        "directions": torch.zeros(5, 3),
        "directions_valid": torch.ones(5, dtype=torch.bool),
    }
    with pytest.raises(ValueError, match=said):
        guidance_bias(**{**parts, **changes}, rules=Guidance())


@pytest.mark.parametrize("form", ["paper", "positive_gain"])
def test_a_frame_s_mask_holds_its_rows_of_the_whole_bias(form):
    geometry, rules = world(), Guidance(form=form, strength=0.7, gain=2.0)
    whole = whole_bias(geometry, rules)
    for frame in range(GRID.frames):
        mask = mask_of(geometry, frame, rules)
        assert mask.shape == (1, 1, GRID.height * GRID.ego, GRID.cells)
        torch.testing.assert_close(mask[0, 0], whole[GRID.ego_rows[frame]], rtol=0, atol=1e-12)


def test_rows_of_a_mask_are_aligned_and_its_padding_is_not_part_of_it():
    assert GRID.cells % 8
    mask = mask_of(world(), 1, Guidance())
    assert mask.stride(-2) % 8 == 0
    assert mask.stride(-2) > mask.shape[-1]
    query, key = torch.randn(1, 2, mask.shape[-2], 8).double(), torch.randn(1, 2, GRID.cells, 8).double()
    attend = torch.nn.functional.scaled_dot_product_attention
    padded, packed = attend(query, key, key, mask), attend(query, key, key, mask.contiguous())
    torch.testing.assert_close(padded, packed, rtol=0, atol=1e-15)


def test_a_mask_does_not_depend_on_how_many_rows_are_worked_out_at_once(monkeypatch):
    whole = mask_of(world(batch=(2,)), 2, Guidance())
    monkeypatch.setattr("egox.attention.bias.CHUNK_ELEMENTS", 3 * GRID.exo_cells)
    assert torch.equal(mask_of(world(batch=(2,)), 2, Guidance()), whole)


def test_the_same_key_has_another_bias_in_another_query_frame():
    """Fig. 4 of the paper: directions are seen from the centre of the query's own frame."""
    grid = Grid(frames=2, height=1, exo=1, ego=1)
    geometry = world(grid, lost=0.0)
    rays = geometry.rays[:1].expand(2, -1, -1)
    parts = [
        guidance_bias(rays[i], geometry.rays_valid[i], geometry.directions[i], geometry.directions_valid[i], Guidance())
        for i in range(2)
    ]
    assert (parts[0] - parts[1]).abs().min() > 1e-3


def mask_of(geometry, frame, rules, dtype=torch.float64):
    parts = [geometry.rays, geometry.rays_valid, geometry.directions, geometry.directions_valid]
    batched = [part if geometry.batch else part[None] for part in parts]
    return frame_mask(*(part[:, frame] for part in batched), rules, tokens=GRID, dtype=dtype)
