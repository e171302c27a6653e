"""Predictions without a network: what each is, on examples whose best prediction is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from egox.training import anchors
from egox.training.anchors import AnchorError, WithMirrorImages, features, fit_ridge, mean_picture, nearest

from .tiny_training import examples


def linear(count: int, *, noise: float = 0.0, seed: int = 0) -> list[dict[str, Tensor]]:
    """Ego latents that are a fixed linear map of what ridge is told, and something random."""
    clips = examples(count, seed=seed, frames=1, height=2, exo=4, ego=2)
    mixing = torch.randn(len(features(clips[0])), clips[0]["ego"].numel(), generator=torch.Generator().manual_seed(5))
    for clip in clips:
        random = torch.randn(clip["ego"].shape, generator=torch.Generator().manual_seed(int(clip["ego"].abs().sum() * 1e4)))
        clip["ego"] = (features(clip) @ mixing).reshape(clip["ego"].shape) + 3 + noise * random
    return clips


def places(count: int, *, each: int = 2) -> list[str]:
    return [f"place{number // each}" for number in range(count)]


def off(found: Tensor, clip: dict[str, Tensor]) -> float:
    return float((found - clip["ego"]).square().mean())


def test_the_mean_picture_is_the_mean_of_the_ego_latents():
    clips = examples(7)
    torch.testing.assert_close(mean_picture(clips), torch.stack([clip["ego"] for clip in clips]).mean(0))


def test_the_nearest_is_the_example_of_the_same_exo_and_prior_whatever_its_ego():
    clips = examples(6)
    asked = [{**clips[k], "ego": torch.zeros_like(clips[k]["ego"]), "exo": clips[k]["exo"] + 0.01} for k in (4, 0)]
    assert nearest(clips, asked) == [4, 0]
    assert nearest([clips[3], *clips], [clips[3]]) == [0]


def test_a_ridge_is_told_five_channels_of_prior_by_what_is_known_and_of_exo_in_blocks():
    clip = examples(1, frames=1, height=2, exo=4, ego=2)[0]
    found, known = features(clip), clip["valid"].mean(0)
    assert found.shape == (5 * 4 + 5 * 4 + 4 + 5 * 2,)
    torch.testing.assert_close(found[:20] + found[20:40], clip["prior"][:5].flatten())
    torch.testing.assert_close(found[40:44], known.flatten())
    torch.testing.assert_close(found[-2:], torch.stack([clip["exo"][4, 0, :, :2].mean(), clip["exo"][4, 0, :, 2:].mean()]))


@pytest.mark.parametrize("count", [40, 200])
def test_a_linear_truth_is_found_and_beats_the_mean_picture(count: int):
    clips = linear(count, noise=0.1)
    ridge, mean = fit_ridge(clips, places(count)), mean_picture(clips)
    fresh = linear(20, noise=0.1, seed=9)
    ours, theirs = (sum(off(found(clip), clip) for clip in fresh) for found in (ridge.predict, lambda _: mean))
    assert (ridge.rows is None) == (count > len(features(clips[0])))
    assert ours < (0.01 if count == 200 else 0.8) * theirs


def test_both_forms_are_one_regression():
    clips = linear(90, noise=0.3)
    held = anchors._held_out(places(90))
    primal, dual = anchors._primal(clips, held), anchors._dual(clips, range(90), held)
    assert (primal.examples, primal.penalty) == (dual.examples, dual.penalty)
    for clip in linear(5, seed=3):
        torch.testing.assert_close(primal.predict(clip), dual.predict(clip), atol=2e-3, rtol=1e-3)


def test_where_memory_does_not_do_fewer_examples_are_taken_and_told():
    clips = linear(50)
    ridge = fit_ridge(clips, places(50), most_bytes=20_000)
    assert 2 <= ridge.examples < 50
    with pytest.raises(AnchorError, match="two examples of 54 features and 64 latents do not fit into 100 bytes"):
        fit_ridge(clips, places(50), most_bytes=100)


def test_more_noise_takes_a_higher_penalty():
    low, high = (fit_ridge(linear(200, noise=noise), places(200)).penalty for noise in (0.01, 30.0))
    assert low < high


def test_a_place_is_never_on_both_sides_of_the_choice_of_a_penalty():
    names = places(40, each=4)
    held = anchors._held_out(names)
    assert {names[k] for k in torch.nonzero(held).flatten()} == {"place4", "place9"}
    assert held.sum() == 8
    assert anchors._held_out(["one"] * 6).tolist() == [False] * 4 + [True, False]
    assert anchors._held_out(["one"]).tolist() == [False]


def test_the_penalty_is_chosen_on_some_but_not_all_of_the_examples_that_are_taken(monkeypatch: pytest.MonkeyPatch):
    seen, choose = [], anchors._best_in_dual

    def watched(kernel: Tensor, targets: Tensor, held: Tensor) -> float:
        seen.append(held)
        return choose(kernel, targets, held)

    monkeypatch.setattr(anchors, "_best_in_dual", watched)
    # of few that are taken, none may be of the places that are held out of all
    for place_of in (lambda k: f"place{k // 2}", lambda k: f"place{k // 10 + 4}", lambda k: "the only one"):
        ridge = fit_ridge(linear(50), [place_of(k) for k in range(50)], most_bytes=3_000)
        assert 2 <= ridge.examples < 10
        assert ridge.penalty in anchors.PENALTIES
    assert len(seen) == 3
    assert all(0 < held.sum() < len(held) for held in seen)


def test_one_example_is_predicted_as_itself_and_no_penalty_is_chosen():
    clips = linear(1)
    ridge = fit_ridge(clips, ["one"])
    assert ridge.penalty is None
    torch.testing.assert_close(ridge.predict(linear(1, seed=4)[0]), clips[0]["ego"])


def test_mirror_images_follow_the_examples_and_count_as_much():
    clips, signs = linear(6), torch.where(torch.arange(32).view(2, 16) % 3 == 0, -1.0, 1.0)
    both = WithMirrorImages(examples=clips, signs=signs)
    assert len(both) == 12
    turned = clips[2]["exo"].flip(-1) * signs[0].view(16, 1, 1, 1)
    torch.testing.assert_close(both[8]["exo"], turned)
    assert torch.equal(both[2]["exo"], clips[2]["exo"])
    mean = mean_picture(both)
    torch.testing.assert_close(mean, mean.flip(-1) * signs[0].view(16, 1, 1, 1))
    assert nearest(both, [both[8], both[3]]) == [8, 3]
    ridge = fit_ridge(both, 2 * places(6))
    torch.testing.assert_close(
        ridge.predict(both[8]), ridge.predict(clips[2]).flip(-1) * signs[0].view(16, 1, 1, 1), atol=1e-3, rtol=1e-3
    )
    with pytest.raises(IndexError):
        both[12]


def test_equal_examples_give_equal_regressions():
    one, other = (fit_ridge(linear(30, noise=0.5), places(30)) for _ in range(2))
    assert torch.equal(one.weights, other.weights)
    with pytest.raises(AnchorError, match="no training example"):
        fit_ridge([], [])
    with pytest.raises(AnchorError, match="no training example"):
        mean_picture([])
