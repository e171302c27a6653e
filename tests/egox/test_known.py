import numpy as np
import pytest
import torch

from egox.known import with_prior_detail, with_prior_latents


@pytest.fixture
def prior() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 180, (2, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def round_trip(prior: np.ndarray) -> np.ndarray:
    """What a codec of little detail makes of it: means of 8x8 pixels."""
    means = prior.reshape(2, 4, 8, 4, 8, 3).mean(axis=(2, 4))
    return means.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)


KNOWN = np.zeros((2, 32, 32), dtype=bool)
KNOWN[:, :, :16] = True


def test_a_video_that_is_the_round_trip_becomes_the_prior_where_it_is_known(prior, round_trip):
    made = with_prior_detail(round_trip, prior, round_trip=round_trip, known=KNOWN, near_px=17)
    off = np.abs(made[:, :, :15].astype(int) - prior[:, :, :15])
    assert off.max() <= 1


def test_what_the_prior_does_not_know_stays_as_it_is(prior, round_trip):
    video = 255 - prior
    made = with_prior_detail(video, prior, round_trip=round_trip, known=KNOWN, near_px=17)
    assert np.array_equal(made[:, :, 16:], video[:, :, 16:])
    assert not np.array_equal(made[:, :, :16], video[:, :, :16])


def test_detail_fades_in_beside_what_is_unknown(prior, round_trip):
    made = with_prior_detail(round_trip, prior, round_trip=round_trip, known=KNOWN, near_px=17)
    rim = made[:, 1:-1, 15].astype(float) - round_trip[:, 1:-1, 15]
    whole = prior[:, 1:-1, 15].astype(float) - round_trip[:, 1:-1, 15]
    assert np.abs(rim - whole * 2 / 3).max() <= 1


def test_in_a_darker_video_detail_is_fainter(prior, round_trip):
    dark = np.full_like(round_trip, 60)
    flat = np.full_like(round_trip, 120)
    made = with_prior_detail(dark, flat + 20, round_trip=flat, known=np.ones_like(KNOWN), near_px=17)
    assert (made == 71).all()  # 60 + 20 (60 + 8) / (120 + 8)


def test_in_a_black_video_there_is_next_to_none():
    black, bright = np.zeros((1, 32, 32, 3), np.uint8), np.full((1, 32, 32, 3), 200, np.uint8)
    made = with_prior_detail(black, bright + 20, round_trip=bright, known=np.ones((1, 32, 32), bool), near_px=17)
    assert (made == 1).all()  # 20 * 8 / 208


def test_a_brighter_video_has_more_detail_up_to_a_limit():
    dark, bright = np.full((1, 32, 32, 3), 40, np.uint8), np.full((1, 32, 32, 3), 200, np.uint8)
    made = with_prior_detail(bright, dark + 20, round_trip=dark, known=np.ones((1, 32, 32), bool), near_px=17)
    assert (made == 230).all()


@pytest.mark.parametrize("level", [3, 6, 12, 100])
def test_the_round_trip_becomes_the_prior_in_the_dark_too(level):
    trip = np.full((1, 32, 32, 3), level, np.uint8)
    prior = trip.copy()
    prior[:, ::2] = 2 * level
    assert np.array_equal(with_prior_detail(trip, prior, round_trip=trip, known=np.ones((1, 32, 32), bool), near_px=17), prior)


def test_what_lies_beside_known_pixels_does_not_decide_how_bright_they_are(prior, round_trip):
    one = with_prior_detail(round_trip, prior, round_trip=round_trip, known=KNOWN, near_px=17)
    lit = np.where(KNOWN[..., None], round_trip, 255)
    other = with_prior_detail(lit, prior, round_trip=np.where(KNOWN[..., None], round_trip, 0), known=KNOWN, near_px=17)
    assert np.array_equal(one[KNOWN], other[KNOWN])


def test_with_a_codec_that_keeps_everything_nothing_changes(prior):
    video = 255 - prior
    assert np.array_equal(with_prior_detail(video, prior, round_trip=prior, known=KNOWN, near_px=17), video)


def test_levels_stay_within_0_and_255(prior):
    white, black = np.full_like(prior, 255), np.zeros_like(prior)
    assert (with_prior_detail(white, white, round_trip=black, known=np.ones_like(KNOWN), near_px=17) == 255).all()
    assert (with_prior_detail(black, black, round_trip=white, known=np.ones_like(KNOWN), near_px=17) == 0).all()


def test_shapes_that_do_not_belong_together_are_told(prior, round_trip):
    with pytest.raises(ValueError, match=r"known pixels are .*\(1, 32, 32\)"):
        with_prior_detail(prior, prior, round_trip=round_trip, known=KNOWN[:1], near_px=17)


def test_known_cells_are_the_guess_by_their_share_and_others_the_model():
    latents, guess = torch.randn(2, 3, 2, 4, 4), torch.randn(2, 3, 2, 4, 4)
    share = torch.zeros(2, 2, 4, 4)
    share[:, :, :2], share[:, :, 2] = 1, 0.25
    made = with_prior_latents(latents, guess, share)
    assert torch.equal(made[:, :, :, :2], guess[:, :, :, :2])
    assert torch.allclose(made[:, :, :, 2], 0.25 * guess[:, :, :, 2] + 0.75 * latents[:, :, :, 2])
    assert torch.equal(made[:, :, :, 3], latents[:, :, :, 3])
