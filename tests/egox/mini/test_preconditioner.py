"""The preconditioner: its fit, its algebra, and its one hook on a stock transformer."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from peft import LoraConfig
from torch import Tensor

from egox.canvas import Grid
from egox.mini import Preconditioner, PreconditionerError, new_transformer
from egox.mini.codec import CHANNELS
from egox.recipe import Model

GRID = Grid(frames=3, height=4, exo=6, ego=4)
SIZES = {"num_attention_heads": 2, "attention_head_dim": 12, "num_layers": 2, "ffn_dim": 32, "text_dim": 16, "freq_dim": 32}


def examples(count: int, frames: int = 3, *, seed: int = 0, size: tuple[int, int] = (4, 4)) -> tuple[Tensor, Tensor, Tensor]:
    """Smooth targets, and conditions that know something of them where they are valid."""
    g = torch.Generator().manual_seed(seed)
    shape = (count, CHANNELS, frames, *size)
    coarse = torch.randn(count, CHANNELS, frames, 2, 2, generator=g)
    target = torch.nn.functional.interpolate(coarse, (frames, *size), mode="trilinear") + 0.3 * torch.randn(shape, generator=g)
    target += torch.linspace(-2, 2, CHANNELS).view(1, CHANNELS, 1, 1, 1)
    mask = torch.rand(count, 1, frames, *size, generator=g).round().expand(-1, 4, -1, -1, -1)
    condition = mask[:, :1] * (target + 0.3 * torch.randn(shape, generator=g))
    condition = condition + (1 - mask[:, :1]) * torch.randn(shape, generator=g)
    return target, condition, mask


@pytest.fixture(scope="module")
def fitted() -> Preconditioner:
    return Preconditioner.fit([examples(200)])


@pytest.fixture
def transformer() -> WanTransformer3DModel:
    """Small and random, its output too."""
    made = new_transformer(Model(checkpoint="none", transformer=SIZES))
    torch.manual_seed(1)
    torch.nn.init.normal_(made.proj_out.weight, std=0.1)
    for block in made.blocks:
        torch.nn.init.normal_(block.scale_shift_table, std=0.3)
    return made


def call(transformer: WanTransformer3DModel, inputs: Tensor, level: Tensor, **options: bool) -> Tensor:
    text = torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(3)).expand(len(inputs), -1, -1)
    with torch.no_grad():
        out = transformer(hidden_states=inputs, timestep=1000 * level, encoder_hidden_states=text, return_dict=False, **options)
    return out[0]


def inputs_of(condition: Tensor, mask: Tensor, *, seed: int = 5) -> tuple[Tensor, Tensor]:
    """(the transformer's input with exo columns at the left, the ego columns of the state)."""
    g = torch.Generator().manual_seed(seed)
    state = torch.randn(condition.shape, generator=g)
    ego = torch.cat([state, mask, condition], dim=1)
    return torch.cat([torch.randn(*ego.shape[:-1], GRID.exo, generator=g), ego], dim=-1), state


# -- the fit ---------------------------------------------------------------------------------------------------------------


def test_the_guess_keeps_the_spread_of_what_is_known_and_fills_by_least_squares() -> None:
    g = torch.Generator().manual_seed(0)
    place = torch.randn(CHANNELS, 2, 4, 4, generator=g)
    away, noise = torch.randn(2, 3000, CHANNELS, 2, 4, 4, generator=g)
    mask = torch.rand(3000, 1, 2, 4, 4, generator=g).round().expand(-1, 4, -1, -1, -1)
    known = mask[:, :1]
    target = place + known * (0.6 * away + 0.8 * noise) + (1 - known) * (0.3 * away + noise)
    made = Preconditioner.fit([(target, place + 2 * away, mask)])
    torch.testing.assert_close(made.place[1], place[:, 1], atol=0.1, rtol=0)
    torch.testing.assert_close(
        made.gains[..., 0], torch.full((2, CHANNELS), 0.5), atol=0.02, rtol=0
    )  # not 0.3, the least squares
    torch.testing.assert_close(made.gains[..., 1], torch.full((2, CHANNELS), 0.15), atol=0.02, rtol=0)
    guess = made.guess(place + 2 * away, known[:, 0])
    seen, spread = known.expand_as(guess) > 0, (guess - place)[known.expand_as(guess) > 0].std()
    assert spread.item() == pytest.approx((target - place)[seen].std().item(), rel=0.05)


def test_what_is_known_and_what_is_not_have_means_of_their_own() -> None:
    """Known pixels may all be darker than the truth, or lie where it is bright."""
    target, _, mask = examples(400)
    darker = mask[:, :1] * (target - 1) + (1 - mask[:, :1]) * 7
    made = Preconditioner.fit([(target, darker, mask)])
    guess = made.guess(darker, mask.mean(1))
    known = mask[:, :1].expand_as(target) > 0
    torch.testing.assert_close(guess[known], target[known], atol=0.1, rtol=0)
    off = torch.where(known, 0, target - guess)[:, :, 1:].sum((0, 2)) / (~known)[:, :, 1:].sum((0, 2))
    assert off.abs().max() < 0.05


def test_a_condition_that_does_not_vary_carries_nothing() -> None:
    target, _, mask = examples(100)
    made = Preconditioner.fit([(target, torch.full_like(target, 3.0), mask)])
    assert not made.gains.any()
    exact = Preconditioner.fit([(target, mask[:, :1] * target, mask)])  # inpainting: what is known is exact, and the rest black
    torch.testing.assert_close(exact.gains[..., 0], torch.ones(2, CHANNELS), atol=1e-3, rtol=0)
    assert not exact.gains[..., 1].any()


def test_targets_that_do_not_vary_give_finite_gains() -> None:
    target, condition, mask = examples(50)
    made = Preconditioner.fit([(target[:1].expand_as(target) * 100, condition, mask)])
    assert made.gains.isfinite().all()
    assert made.variance.isfinite().all()


def test_guesses_have_no_bias(fitted: Preconditioner) -> None:
    target, condition, mask = examples(200)
    away = target - fitted.guess(condition, mask.mean(1))
    assert away.mean((0, 2, 3, 4)).abs().max() < 0.02
    assert away.square().mean() < 0.6 * (target - target.mean(0)).square().mean()


def test_the_fit_does_not_depend_on_how_examples_are_batched(fitted: Preconditioner) -> None:
    parts = list(zip(*(tensor.split([1, 70, 129]) for tensor in examples(200))))
    again = Preconditioner.fit(parts)
    for name in ("place", "means", "gains"):
        torch.testing.assert_close(again.state_dict()[name], fitted.state_dict()[name], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(covariance(again, 3), covariance(fitted, 3), atol=1e-4, rtol=1e-4)


def covariance(made: Preconditioner, channel: int) -> Tensor:
    """Of the residual of one channel, [frames * cells, frames * cells] float64."""
    wide = made.basis.double()
    over_frames = made.mixing.double() @ torch.diag_embed(made.variance[channel].double().T)
    over_frames = over_frames @ made.mixing.double().transpose(-1, -2)  # [components, frames, frames]
    return torch.einsum("ik,kfg,jk->figj", wide, over_frames, wide).flatten(2).flatten(0, 1)


def test_the_covariance_holds_the_energy_of_the_residual_in_every_frame(fitted: Preconditioner) -> None:
    target, condition, mask = examples(200)
    away = target - fitted.guess(condition, mask.mean(1))
    for channel in (0, 47):
        held = covariance(fitted, channel).diagonal().unflatten(0, (3, 16)).sum(1)
        expected = away[:, channel].square().sum((0, 2, 3)).double() / 199
        torch.testing.assert_close(held.sum(), expected.sum(), atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(held, expected, atol=1e-3, rtol=0.05)  # eigenvectors over frames are shared by all channels


def test_what_frames_share_is_found() -> None:
    """Targets that stand still after their first frame: what tells later frames apart has little variance."""
    target, condition, mask = examples(300)
    target = torch.cat([target[:, :, :1], target[:, :, 1:2].expand(-1, -1, 2, -1, -1)], dim=2)
    made = Preconditioner.fit([(target, torch.zeros_like(condition), torch.zeros_like(mask))])
    apart = made.variance[:, 0]  # eigenvectors come in order of what channels share
    assert (apart < 0.2 * made.variance[:, 2]).all()
    torch.testing.assert_close(made.mixing[:, 1, 0].abs(), made.mixing[:, 2, 0].abs(), atol=0.1, rtol=0)


def test_the_first_frame_has_its_own_variance_though_channels_share_eigenvectors() -> None:
    """Every channel has another covariance over frames; a single frame is a first one, and must get the variance of these."""
    target, condition, mask = examples(400)
    mixed = torch.randn(CHANNELS, 3, 3, generator=torch.Generator().manual_seed(6))
    target = torch.einsum("cfg,ncghw->ncfhw", mixed, target)
    made = Preconditioner.fit([(target, torch.zeros_like(condition), torch.zeros_like(mask))])
    away = (target - made.place[[0, 1, 1]].transpose(0, 1))[:, :, 0].flatten(2) @ made.basis
    held = torch.einsum("kg,cgk->ck", made.mixing[:, 0] ** 2, made.variance)
    strong = away.var(0) > 0.05 * away.var(0).mean(1, keepdim=True)
    torch.testing.assert_close(held[strong], away.var(0)[strong], atol=0, rtol=0.15)  # drawn a little to what others have


@pytest.mark.parametrize(("count", "most"), [(1, 10), (2, 2.7), (5, 1.6)])
def test_few_examples_do_not_make_it_sure(count: int, most: float) -> None:
    """More components than examples have no variance in these; others like them do, in other channels."""
    made, (target, condition, mask) = Preconditioner.fit([examples(count, size=(6, 6))]), examples(20, seed=8, size=(6, 6))
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    state = 0.7 * target + 0.3 * noise
    v = made.velocity(torch.zeros_like(state), state, torch.full((20,), 0.3), condition, mask.mean(1))
    assert (v - (noise - target)).square().mean() < most


def test_the_basis_is_orthonormal(fitted: Preconditioner) -> None:
    torch.testing.assert_close(fitted.basis.T @ fitted.basis, torch.eye(16), atol=1e-5, rtol=0)
    unit = fitted.mixing.transpose(-1, -2) @ fitted.mixing
    torch.testing.assert_close(unit, torch.eye(3).expand_as(unit), atol=1e-5, rtol=0)


def test_examples_without_a_condition_do_not_pull_the_gains(fitted: Preconditioner) -> None:
    target, condition, mask = examples(200)
    without = [(target, condition, mask), (target, torch.zeros_like(condition), torch.zeros_like(mask))]
    torch.testing.assert_close(Preconditioner.fit(without).gains, fitted.gains, atol=1e-5, rtol=0)


def test_a_fit_without_any_condition_guesses_the_mean() -> None:
    target, condition, mask = examples(50)
    made = Preconditioner.fit([(target, torch.zeros_like(condition), torch.zeros_like(mask))])
    guess = made.guess(torch.zeros(1, CHANNELS, 1, 4, 4), torch.zeros(1, 1, 4, 4))
    torch.testing.assert_close(guess[0, :, 0], target[:, :, 0].mean(0))


def test_what_cannot_be_fitted_is_refused() -> None:
    target, condition, mask = examples(4)
    with pytest.raises(PreconditionerError, match="read twice"):
        Preconditioner.fit(iter([(target, condition, mask)]))
    with pytest.raises(PreconditionerError, match="no example"):
        Preconditioner.fit([])
    with pytest.raises(PreconditionerError, match=r"expected \[n, channels, f, h, w\] twice"):
        Preconditioner.fit([(target, condition, mask[:, :1])])
    with pytest.raises(PreconditionerError, match=r"expected \[n, channels, f, h, w\] twice"):
        Preconditioner.fit([(target, condition[..., :2], mask)])
    with pytest.raises(PreconditionerError, match=r"\(3, 4, 2\) latent cells, those before it \(3, 4, 4\)"):
        Preconditioner.fit([(target, condition, mask), (target[..., :2], condition[..., :2], mask[..., :2])])
    broken = target.clone()
    broken[1, 2, 0, 1, 1] = float("nan")
    with pytest.raises(PreconditionerError, match="not finite"):
        Preconditioner.fit([(broken, condition, mask)])


# -- the velocity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [1.0, 0.999, 0.5, 0.02])
@pytest.mark.parametrize("frames", [1, 3])
def test_without_an_output_the_velocity_is_that_of_the_best_linear_denoiser(
    fitted: Preconditioner, frames: int, t: float
) -> None:
    _, condition, mask = examples(3, frames, seed=4)
    state = torch.randn(condition.shape, generator=torch.Generator().manual_seed(2))
    v = fitted.velocity(torch.zeros_like(state), state, torch.full((3,), t), condition, mask.mean(1))
    guess = fitted.guess(condition, mask.mean(1)).double()
    for channel in (0, 7, 47):
        sigma = covariance(fitted, channel)[: frames * 16, : frames * 16]  # a single frame is a first one
        g, z = guess[:, channel].flatten(1), state[:, channel].flatten(1).double()
        gain = (1 - t) * sigma @ torch.linalg.inv((1 - t) ** 2 * sigma + t**2 * torch.eye(len(sigma), dtype=torch.float64))
        x0 = g + (z - (1 - t) * g) @ gain.T
        expected = (z - (1 - t) * x0) / t - x0  # noise - x0
        torch.testing.assert_close(v[:, channel].flatten(1).double(), expected, atol=2e-4, rtol=2e-4)


def test_sampling_without_an_output_draws_the_gaussian_of_the_fit(fitted: Preconditioner) -> None:
    """The exact flow takes noise to guess + covariance^(1/2) noise; Euler steps come near it."""
    _, condition, mask = examples(2, seed=4)
    noise = torch.randn(condition.shape, generator=torch.Generator().manual_seed(2))
    z, times = noise, torch.linspace(1, 0, 401)
    for now, then in itertools.pairwise(times):
        z = z + (then - now) * fitted.velocity(torch.zeros_like(z), z, now.expand(2), condition, mask.mean(1))
    values, vectors = torch.linalg.eigh(covariance(fitted, 5))
    root = (vectors @ torch.diag(values.sqrt()) @ vectors.T).float()
    expected = fitted.guess(condition, mask.mean(1))[:, 5].flatten(1) + noise[:, 5].flatten(1) @ root
    torch.testing.assert_close(z[:, 5].flatten(1), expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("t", [1.0, 0.5, 0.1])
def test_a_unit_gaussian_output_has_the_spread_that_velocities_have(fitted: Preconditioner, t: float) -> None:
    """Given z_t, the velocity of a Gaussian of covariance C has covariance C ((1 - t)^2 C + t^2)^-1: the scale of F."""
    _, condition, mask = examples(1, seed=4)
    condition, known = condition.expand(48, -1, -1, -1, -1), mask.mean(1).expand(48, -1, -1, -1)
    state, level = torch.zeros(condition.shape), torch.full((48,), t)
    each = torch.eye(3 * 16).view(3 * 16, 1, 3, 4, 4).expand(-1, CHANNELS, -1, -1, -1)  # one cell of F in each sample
    at_rest = fitted.velocity(torch.zeros_like(state), state, level, condition, known)
    moved = (fitted.velocity(each, state, level, condition, known) - at_rest).double()
    for channel in (0, 7, 47):
        sigma, columns = covariance(fitted, channel), moved[:, channel].flatten(1).T
        expected = sigma @ torch.linalg.inv((1 - t) ** 2 * sigma + t**2 * torch.eye(48, dtype=torch.float64))
        torch.testing.assert_close(columns @ columns.T, expected, atol=2e-3, rtol=2e-3)


def test_it_stays_float32_whatever_is_around_it(fitted: Preconditioner, tmp_path: Path) -> None:
    _, condition, mask = examples(2, seed=4)
    state, output = torch.randn(2, *condition.shape, generator=torch.Generator().manual_seed(2))
    arguments = (output, state, torch.tensor([0.1, 0.9]), condition, mask.mean(1))
    expected = fitted.velocity(*arguments)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fitted.velocity(*arguments), expected)
    fitted.save_pretrained(tmp_path)
    loaded = Preconditioner.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    for cast in (loaded, loaded.to(torch.bfloat16), loaded.half()):
        assert torch.equal(cast.velocity(*arguments), expected)


def test_at_the_ends_the_velocity_is_bounded_and_simple(fitted: Preconditioner) -> None:
    _, condition, mask = examples(2, seed=4)
    state, output = torch.randn(2, *condition.shape, generator=torch.Generator().manual_seed(2))
    at_noise = fitted.velocity(torch.zeros_like(state), state, torch.ones(2), condition, mask.mean(1))
    torch.testing.assert_close(at_noise, state - fitted.guess(condition, mask.mean(1)), atol=1e-5, rtol=1e-5)
    at_data = fitted.velocity(output, state, torch.zeros(2), condition, mask.mean(1))
    torch.testing.assert_close(at_data, output - state, atol=1e-4, rtol=1e-4)


def test_levels_belong_to_their_samples(fitted: Preconditioner) -> None:
    _, condition, mask = examples(3, seed=4)
    state, output = torch.randn(2, *condition.shape, generator=torch.Generator().manual_seed(2))
    levels = torch.tensor([0.1, 0.6, 0.95])
    together = fitted.velocity(output, state, levels, condition, mask.mean(1))
    for i in range(3):
        one = slice(i, i + 1)
        alone = fitted.velocity(output[one], state[one], levels[one], condition[one], mask[one].mean(1))
        torch.testing.assert_close(together[one], alone, atol=1e-5, rtol=1e-5)


def test_a_sample_without_condition_is_guessed_as_the_mean(fitted: Preconditioner) -> None:
    _, condition, mask = examples(2, seed=4)
    condition[1], mask = 0, torch.stack([mask[0], torch.zeros_like(mask[1])])
    guess = fitted.guess(condition, mask.mean(1))
    torch.testing.assert_close(guess[1], fitted.place[[0, 1, 1]].transpose(0, 1))
    assert (guess[0] - guess[1]).abs().mean() > 0.3


# -- the file --------------------------------------------------------------------------------------------------------------


def test_a_kept_one_gives_the_same_velocity_from_a_small_file(tmp_path: Path) -> None:
    made = Preconditioner.fit([examples(40, 5, size=(16, 16))])
    made.save_pretrained(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1.1e6
    loaded = Preconditioner.from_pretrained(tmp_path)
    assert loaded.size == (5, 16, 16)
    _, condition, mask = examples(2, 5, seed=4, size=(16, 16))
    state, output = torch.randn(2, *condition.shape, generator=torch.Generator().manual_seed(2))
    both = [p.velocity(output, state, torch.tensor([0.05, 0.9]), condition, mask.mean(1)) for p in (made, loaded)]
    torch.testing.assert_close(both[0], both[1], atol=0, rtol=0)


# -- on a transformer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 3])
def test_the_transformer_returns_velocities_on_ego_columns_and_nothing_on_exo(
    fitted: Preconditioner, transformer: WanTransformer3DModel, frames: int
) -> None:
    _, condition, mask = examples(2, frames, seed=4)
    mask = mask * torch.tensor([1.0, 0.5, 0.25, 0.0]).view(4, 1, 1, 1)  # each channel is another frame of a group
    inputs, state = inputs_of(condition, mask)
    levels = torch.tensor([0.3, 0.9])
    stock = call(transformer, inputs, levels)
    fitted.attach(transformer, GRID)
    with_it = call(transformer, inputs, levels)
    fitted.detach()
    assert not with_it[..., : GRID.exo].any()
    expected = fitted.velocity(stock[..., GRID.exo :], state, levels, condition, mask.mean(1))
    torch.testing.assert_close(with_it[..., GRID.exo :], expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(call(transformer, inputs, levels), stock, atol=0, rtol=0)


def test_all_ways_of_calling_give_the_same(fitted: Preconditioner, transformer: WanTransformer3DModel) -> None:
    _, condition, mask = examples(1, seed=4)
    inputs, _ = inputs_of(condition, mask)
    text, level = torch.randn(1, 5, 16), torch.tensor([700])
    fitted.attach(transformer, GRID)
    with torch.no_grad():
        by_name = transformer(hidden_states=inputs, timestep=level, encoder_hidden_states=text).sample
        by_place = transformer(inputs, level, text, return_dict=False)[0]
        in_half = transformer.bfloat16()(inputs.bfloat16(), level, text.bfloat16()).sample
    fitted.detach()
    torch.testing.assert_close(by_name, by_place, atol=0, rtol=0)
    assert in_half.dtype == torch.bfloat16
    assert fitted.basis.dtype == torch.float32
    torch.testing.assert_close(in_half.float(), by_name, atol=0.1, rtol=0.1)


def test_adapters_and_gradient_checkpointing_see_it_as_it_is(fitted: Preconditioner, transformer: WanTransformer3DModel) -> None:
    _, condition, mask = examples(2, seed=4)
    inputs, _ = inputs_of(condition, mask)
    torch.manual_seed(0)
    transformer.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    fitted.attach(transformer, GRID)
    gradients = []
    for checkpointed in (False, True):
        (transformer.enable_gradient_checkpointing if checkpointed else transformer.disable_gradient_checkpointing)()
        transformer.zero_grad()
        transformer(inputs, torch.tensor([300, 900]), torch.ones(2, 5, 16)).sample.square().mean().backward()
        gradients.append({n: p.grad.clone() for n, p in transformer.named_parameters() if p.grad is not None})
    fitted.detach()
    assert len(gradients[0]) == 16  # two blocks, self- and cross-attention, query and value, two matrices
    assert all(gradient.abs().sum() > 0 for gradient in gradients[0].values())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-7, rtol=1e-4)


def test_it_is_attached_once_and_only_where_it_fits(fitted: Preconditioner, transformer: WanTransformer3DModel) -> None:
    other = Preconditioner(height=4, width=4, frames=3)
    with pytest.raises(PreconditionerError, match="fitted on 4x4 ego cells, the canvas has 4x6"):
        fitted.attach(transformer, Grid(frames=3, height=4, exo=4, ego=6))
    fitted.attach(transformer, GRID)
    for again in (fitted, other):
        with pytest.raises(PreconditionerError, match="attached already"):
            again.attach(transformer, GRID)
    fitted.detach()
    fitted.detach()
    other.attach(transformer, GRID)
    other.detach()


def test_wrong_calls_are_told(fitted: Preconditioner, transformer: WanTransformer3DModel) -> None:
    single = Preconditioner.fit([examples(40, 1)])
    _, condition, mask = examples(1, seed=4)
    inputs, _ = inputs_of(condition, mask)
    single.attach(transformer, GRID)
    with pytest.raises(PreconditionerError, match="fitted on single frames, the call has 3"):
        call(transformer, inputs, torch.tensor([0.5]))
    call(transformer, inputs[:, :, :1], torch.tensor([0.5]))
    single.detach()
    fitted.attach(transformer, GRID)
    with pytest.raises(PreconditionerError, match="fitted on clips of 3 latent frames, the call has 2"):
        call(transformer, inputs[:, :, :2], torch.tensor([0.5]))
    fitted.detach()
    fitted.attach(transformer, Grid(frames=3, height=4, exo=8, ego=4))
    with pytest.raises(PreconditionerError, match="the call has 4x10 cells, expected 4x12"):
        call(transformer, inputs, torch.tensor([0.5]))
    fitted.detach()
