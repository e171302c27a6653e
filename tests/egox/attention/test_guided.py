"""One guided self-attention against two oracles, and the symmetries that the geometry has."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor, WanRotaryPosEmbed

from egox.attention import GuidanceError
from egox.attention.bias import frame_mask
from egox.cameras import Camera, rigid
from egox.canvas import Grid
from egox.conditioning import Guidance
from egox.geometry import TokenGeometry, token_geometry
from tests.live_memory import LiveMemory

from .. import tiny
from .oracles import CHANNELS, GRID, attention, dense, factored, guide, inputs, places, unit, world

EGO, EXO = GRID.ego_rows.flatten(), GRID.exo_rows.flatten()
RULES = [
    Guidance(),
    Guidance(strength=2.5),
    Guidance(form="positive_gain", gain=3.0),
    Guidance(form="positive_gain", gain=0.5),
]


def guided_out(attn, hidden, geometry, rules, **where):
    guide(attn, geometry, rules, **where)
    return attn(hidden, None, None, places(where.get("grid", GRID), dtype=hidden.dtype))


def stock_out(attn, hidden):
    return WanAttnProcessor()(attn, hidden, None, None, places(dtype=hidden.dtype))


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_frame_by_frame_is_the_dense_bias(rules, dtype, within):
    attn, hidden, geometry = attention(dtype=dtype), inputs(2, dtype=dtype), world(dtype=dtype)
    expected = dense(attn, hidden, geometry, rules)
    with torch.no_grad():
        found = guided_out(attn, hidden, geometry, rules)
        assert (found - stock_out(attn, hidden))[:, EGO].abs().max() > 0.01  # a test that guidance could fail
    torch.testing.assert_close(found, expected, rtol=0, atol=within)


@pytest.mark.parametrize("strength", [1.0, 0.3, 4.0])
def test_it_is_the_rank_four_identity_even_with_opposite_directions(strength):
    attn, hidden, geometry = attention(), inputs(), world(lost=0.0)
    geometry.directions[1, 4] = -geometry.rays[1, 2]
    rules = Guidance(strength=strength, floor=1e-200)
    torch.testing.assert_close(
        guided_out(attn, hidden, geometry, rules), factored(attn, hidden, geometry, strength), rtol=0, atol=1e-12
    )


def test_perpendicular_directions_at_strength_one_are_plain_attention():
    attn, hidden, geometry = attention(), inputs(), world(lost=0.0)
    geometry.rays[...] = torch.tensor([0.0, 0, 1])
    geometry.directions[..., 2] = 0
    torch.testing.assert_close(guided_out(attn, hidden, geometry, Guidance()), stock_out(attn, hidden), rtol=0, atol=1e-12)


def test_without_any_known_point_it_is_plain_attention_at_any_strength():
    attn, hidden, geometry = attention(), inputs(), world(lost=1.0)
    found = guided_out(attn, hidden, geometry, Guidance(strength=9.0))
    torch.testing.assert_close(found, stock_out(attn, hidden), rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", ["sdpa", "flex"])
def test_exo_rows_never_change(backend):
    attn, hidden = attention(dtype=torch.float32), inputs(dtype=torch.float32)
    with torch.no_grad():
        one, other = (
            guided_out(attn, hidden, world(seed=seed, lost=0.0, dtype=torch.float32), Guidance(), backend=backend)
            for seed in (0, 7)
        )
        torch.testing.assert_close(one[:, EXO], stock_out(attn, hidden)[:, EXO], rtol=0, atol=1e-6)
    assert torch.equal(one[:, EXO], other[:, EXO])
    assert (one - other)[:, EGO].abs().amax(-1).min() > 1e-4  # every ego row does


def test_the_order_of_exo_keys_does_not_matter():
    """Exo tokens change places together with their angles of place and their directions."""
    attn, hidden, geometry = attention(), inputs(), world()
    guided_out(attn, hidden, geometry, Guidance())
    shuffle = torch.randperm(GRID.exo_cells, generator=torch.Generator().manual_seed(3))
    order = torch.arange(GRID.cells)
    order[EXO] = EXO[shuffle]
    before = attn(hidden, None, None, places())
    moved = replace(geometry, directions=geometry.directions[:, shuffle], directions_valid=geometry.directions_valid[:, shuffle])
    guide(attn, moved, Guidance())
    after = attn(hidden[:, order], None, None, tuple(table[:, order] for table in places()))
    torch.testing.assert_close(after, before[:, order], rtol=0, atol=1e-12)


def test_moving_one_frame_s_centre_changes_that_frame_s_ego_rows_alone():
    attn, hidden, geometry = attention(), inputs(), world(lost=0.0)
    before = guided_out(attn, hidden, geometry, Guidance())
    directions = geometry.directions.clone()
    directions[1] = unit(GRID.exo_cells, seed=99)
    after = guided_out(attn, hidden, replace(geometry, directions=directions), Guidance())
    changed = (after != before)[0].any(-1)
    assert changed[GRID.ego_rows[1]].all()
    assert not changed[EXO].any()
    assert not changed[GRID.ego_rows[0]].any()
    assert not changed[GRID.ego_rows[2]].any()


def in_world(*, turn: np.ndarray | None = None, scale: float = 1.0, poses_too: bool = True) -> TokenGeometry:
    """The geometry of a small clip after its world was turned, moved and scaled."""
    clip = tiny.clip()

    def moved(camera: Camera) -> Camera:
        poses = camera.world_from_camera.copy()
        if poses_too:
            poses[:, :3, 3] *= scale
        return replace(camera, world_from_camera=poses if turn is None else turn @ poses)

    return token_geometry(
        tiny.CANVAS,
        depth_m=clip.depth_m * np.float32(scale),
        exo=moved(clip.exo_camera),
        ego=moved(clip.ego_camera),
        rules=Guidance(),
    )


def test_a_rigid_motion_of_the_world_leaves_the_output_as_it_was():
    attn, hidden = attention(dtype=torch.float32), inputs(dtype=torch.float32)
    axis = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn = rigid(axis * np.linalg.det(axis), np.array([3.0, -2.0, 1.0]))
    assert (in_world(turn=turn).rays - in_world().rays).abs().max() > 0.1
    with torch.no_grad():
        found, expected = (guided_out(attn, hidden, geometry, Guidance()) for geometry in (in_world(turn=turn), in_world()))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_scaling_depth_and_poses_together_changes_nothing_and_depth_alone_does():
    attn, hidden = attention(dtype=torch.float32), inputs(dtype=torch.float32)
    with torch.no_grad():
        expected, together, depth_alone = (
            guided_out(attn, hidden, geometry, Guidance())
            for geometry in (in_world(), in_world(scale=2.0), in_world(scale=2.0, poses_too=False))
        )
    torch.testing.assert_close(together, expected, rtol=0, atol=1e-5)
    assert (depth_alone - expected).abs().max() > 1e-3


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_those_of_the_dense_bias(checkpointing):
    geometry, rules = world(), Guidance(strength=2.0)

    def gradients(run) -> list[torch.Tensor]:
        attn, hidden = attention(), inputs(2).requires_grad_()
        weights = torch.randn(2, GRID.cells, CHANNELS, generator=torch.Generator().manual_seed(1)).double()
        (run(attn, hidden) * weights).sum().backward()
        return [hidden.grad, *(parameter.grad for parameter in attn.parameters())]

    expected = gradients(lambda attn, hidden: dense(attn, hidden, geometry, rules))
    found = gradients(lambda attn, hidden: guided_out(attn, hidden, geometry, rules, checkpointing=checkpointing))
    assert len(found) == 11
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_gradients_are_those_of_small_differences():
    attn, geometry = attention(), world()
    guide(attn, geometry, Guidance())
    rows = torch.cat([EGO[:2], EXO[:1]])
    hidden = inputs().requires_grad_()
    assert torch.autograd.gradcheck(lambda states: attn(states, None, None, places())[:, rows, :2], (hidden,), fast_mode=True)


@pytest.mark.parametrize(("checkpointing", "kept"), [(False, GRID.frames), (True, 0)])
def test_with_gradient_checkpointing_no_mask_waits_for_the_backward_pass(checkpointing, kept):
    attn, hidden = attention(), inputs().requires_grad_()
    guide(attn, world(), Guidance(), checkpointing=checkpointing)
    mask_size = (GRID.height * GRID.ego, GRID.cells)
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda saved: sizes.append(tuple(saved.shape[-2:])) or saved, lambda it: it):
        attn(hidden, None, None, places())
    assert len([size for size in sizes if size == mask_size]) == kept


@pytest.mark.parametrize("turned", [True, False], ids=["whole", "without the turn by places, which holds the most"])
def test_at_the_size_of_the_paper_guidance_adds_less_than_64_mb(turned, monkeypatch):
    """Counted on tensors without content; attention itself is left out, as its kernels hold the same in both."""
    grid, heads, width = Grid(frames=13, height=28, exo=49, ego=28), 40, 128
    for module in ("egox.attention.processor", "diffusers.models.transformers.transformer_wan"):
        monkeypatch.setattr(f"{module}.dispatch_attention_fn", lambda query, *_, **__: torch.empty_like(query))

    def made(_) -> torch.Tensor:
        return torch.empty(1, grid.cells, heads * width, device="meta", dtype=torch.bfloat16)

    attn = SimpleNamespace(
        heads=heads, fused_projections=False, is_cross_attention=False, add_k_proj=None, processor=WanAttnProcessor(),
        to_q=made, to_k=made, to_v=made, norm_q=lambda it: it, norm_k=lambda it: it, to_out=[lambda it: it, lambda it: it],
    )  # fmt: skip
    attn.set_processor = lambda processor: setattr(attn, "processor", processor)
    tables = (torch.empty(1, grid.cells, 1, width, device="meta"),) * 2 if turned else None
    peaks = []
    for rules in (None, Guidance()):
        if rules is not None:
            guide(attn, world(grid, dtype=torch.float32), rules, grid=grid)
        with torch.no_grad(), LiveMemory() as live:
            attn.processor(attn, made(None), None, None, tables)
        peaks.append(live.peak)
    assert peaks[0] > 4 * made(None).nbytes
    assert peaks[1] - peaks[0] < 64e6


@pytest.mark.parametrize("rules", RULES, ids=str)
def test_the_kernel_agrees_with_frame_by_frame(rules):
    attn, hidden = attention(dtype=torch.float32), inputs(3, dtype=torch.float32)
    for geometry in (world(batch=(3,), dtype=torch.float32), world(dtype=torch.float32)):
        with torch.no_grad():
            found, expected = (guided_out(attn, hidden, geometry, rules, backend=backend) for backend in ("flex", "sdpa"))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_the_kernel_refuses_to_train_on_the_cpu():
    attn = attention(dtype=torch.float32)
    guide(attn, world(dtype=torch.float32), Guidance(), backend="flex")
    with pytest.raises(GuidanceError, match="no backward pass on the CPU: train there with guidance of backend='sdpa'"):
        attn(inputs(dtype=torch.float32), None, None, places(dtype=torch.float32))


@pytest.mark.parametrize("rules", [Guidance(strength=2.0), Guidance(form="positive_gain", gain=3.0)], ids=str)
def test_on_cuda_the_compiled_kernel_agrees_forward_and_backward(rules):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    wide = WanAttention(dim=32, heads=2, dim_head=16, processor=WanAttnProcessor()).cuda()  # the kernel takes no heads of 12
    hidden = torch.randn(2, GRID.cells, 32, generator=torch.Generator().manual_seed(1)).cuda()
    rotary = WanRotaryPosEmbed(16, (1, 1, 1), 32)(torch.empty(1, 1, GRID.frames, GRID.height, GRID.width))
    results = {}
    for backend in ("sdpa", "flex"):
        guide(wide, world(batch=(2,), dtype=torch.float32), rules, backend=backend)
        states = hidden.clone().requires_grad_()
        wide.zero_grad()
        out = wide(states, None, None, tuple(table.cuda() for table in rotary))
        out.square().sum().backward()
        assert states.grad is not None
        results[backend] = [out.detach(), states.grad, *(part.weight.grad.clone() for part in (wide.to_q, wide.to_k, wide.to_v))]
    for found, expected in zip(results["flex"], results["sdpa"]):
        torch.testing.assert_close(found, expected, atol=2e-3 * expected.abs().max().item(), rtol=0)  # TF32 in the kernel


def exo_odds(strength: float) -> torch.Tensor:
    """What an ego query gives to exo keys against ego keys, under random logits: [M]."""
    geometry = world(lost=0.0)
    parts = (geometry.rays, geometry.rays_valid, geometry.directions, geometry.directions_valid)
    mask = frame_mask(*(part[None, 1] for part in parts), Guidance(strength=strength), tokens=GRID, dtype=torch.float64)[0, 0]
    logits = torch.randn(mask.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = torch.softmax(logits + mask, dim=-1)
    return weights[:, EXO].sum(-1) / weights[:, EGO].sum(-1)


def test_strength_multiplies_the_odds_of_exo_keys_against_ego_keys():
    torch.testing.assert_close(exo_odds(3.0), 3 * exo_odds(1.0), rtol=1e-12, atol=0)


def test_strength_would_cancel_if_ego_keys_had_it_too():
    attn, hidden, geometry = attention(), inputs(), world(lost=0.0)
    everywhere = dense_with_offset(attn, hidden, geometry, offset=0.0), dense_with_offset(attn, hidden, geometry, offset=1.5)
    torch.testing.assert_close(*everywhere, rtol=0, atol=1e-12)
    one, other = (guided_out(attn, hidden, geometry, Guidance(strength=strength)) for strength in (1.0, float(np.exp(1.5))))
    assert (one - other)[:, EGO].abs().max() > 0.01


def dense_with_offset(attn, hidden, geometry, *, offset: float) -> torch.Tensor:
    """Eq. 7 read literally: lambda on every key of an ego query."""
    from .oracles import whole_bias

    bias = whole_bias(geometry, Guidance())
    bias[EGO] += offset
    return WanAttnProcessor()(attn, hidden, None, bias[None, None], places())
