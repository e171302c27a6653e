"""Pictures and words to latents and embeddings, and back, with tiny random models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from egox.canvas import CanvasError
from egox.clip import ClipError
from egox.conditioning import Conditioning
from egox.encoding import (
    EncodedClip,
    EncodingError,
    Kept,
    context_picture,
    decode_video,
    encode_clip,
    encode_picture,
    encode_text,
    encode_video,
    noise_picture,
    padded,
)

from . import tiny

PLAIN = Conditioning()


@pytest.fixture(scope="module")
def codec():
    return tiny.codec()


@pytest.fixture(scope="module")
def text():
    return tiny.text()


@pytest.fixture(scope="module")
def image():
    return tiny.image_processor(), tiny.image_encoder()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Echo:
    """A codec whose latents are three channels of pixels, so that scaling can be read off."""

    class config:
        z_dim, scale_factor_temporal, scale_factor_spatial = 3, 1, 1
        latents_mean, latents_std = (0.5, 0.0, -0.5), (2.0, 1.0, 0.5)

    device, dtype = torch.device("cpu"), torch.float32

    def encode(self, values: torch.Tensor) -> Any:
        from types import SimpleNamespace

        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: values))

    def decode(self, latents: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
        assert not return_dict
        return (latents,)


# Videos


def test_latents_are_normalised_by_the_codecs_means_and_spreads():
    frames = np.zeros((1, 1, 2, 3), np.uint8)
    frames[0, 0, 1] = 255
    latents = encode_video(Echo(), frames)
    assert latents[0, :, 0, 0].tolist() == [[-0.75, 0.25], [-1.0, 1.0], [-1.0, 3.0]]  # (∓1 - mean) / std


def test_decoding_undoes_encoding_to_the_last_level():
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    assert np.array_equal(decode_video(Echo(), encode_video(Echo(), frames)), frames)


def test_values_beyond_white_and_black_are_cut_not_wrapped():
    latents = torch.full((1, 3, 1, 1, 1), 9.0)
    assert decode_video(Echo(), latents).min() == 255
    assert decode_video(Echo(), -latents).max() == 0


def test_latents_of_wan_agree_with_the_stock_formula(codec):
    clip = tiny.clip()
    video = torch.from_numpy(clip.exo).permute(3, 0, 1, 2)[None] / 127.5 - 1
    with torch.no_grad():
        raw = codec.encode(video).latent_dist.mode()
    mean, std = (torch.tensor(v).view(1, 16, 1, 1, 1) for v in (codec.config.latents_mean, codec.config.latents_std))
    torch.testing.assert_close(encode_video(codec, clip.exo), (raw - mean) / std, atol=1e-6, rtol=1e-6)


def test_the_mode_takes_no_seed_and_a_sample_is_its_seeds(codec):
    frames = tiny.clip().prior
    assert torch.equal(encode_video(codec, frames), encode_video(codec, frames, generator=seeded(1)))
    sampled = [encode_video(codec, frames, posterior="sample", generator=seeded(seed)) for seed in (1, 1, 2)]
    assert torch.equal(sampled[0], sampled[1])
    assert not torch.equal(sampled[0], sampled[2])


def test_sampling_the_posterior_without_a_generator_is_refused(codec):
    with pytest.raises(EncodingError, match="takes a generator"):
        encode_video(codec, tiny.clip().prior, posterior="sample")


@pytest.mark.parametrize(
    "frames",
    [np.zeros((9, 32, 32, 3), np.float32), np.zeros((9, 32, 32), np.uint8), np.zeros((9, 32, 32, 4), np.uint8)],
)
def test_frames_that_are_no_uint8_video_are_refused(codec, frames):
    with pytest.raises(EncodingError, match=r"expected uint8 \[frames, height, width, 3\]"):
        encode_video(codec, frames)


@pytest.mark.parametrize("count", [2, 8])
def test_counts_that_the_codec_would_pad_are_refused(codec, count):
    with pytest.raises(EncodingError, match=rf"{count} frames: the codec takes 4 n \+ 1"):
        encode_video(codec, np.zeros((count, 32, 32, 3), np.uint8))


def test_latents_that_are_not_finite_become_no_video(codec):
    latents = torch.zeros(1, 16, 1, 4, 4)
    latents[0, 3, 0, 1, 1] = torch.nan
    with pytest.raises(EncodingError, match="not finite"):
        decode_video(codec, latents)


def test_latents_of_another_codec_are_refused(codec):
    with pytest.raises(EncodingError, match=r"expected \[1, 16, frames, height, width\]"):
        decode_video(codec, torch.zeros(1, 8, 1, 4, 4))


# Clips


def test_a_clip_is_encoded_on_its_canvas(codec):
    encoded = encode_clip(codec, tiny.clip(), tiny.CANVAS, PLAIN)
    assert encoded.exo.shape == (1, 16, 3, 4, 6)
    assert encoded.prior.shape == (1, 16, 3, 4, 4)
    assert encoded.valid.shape == (1, 4, 3, 4, 4)
    assert {encoded.exo.dtype, encoded.prior.dtype, encoded.valid.dtype} == {torch.float32}
    assert encoded.canvas(codec, tiny.transformer()) == tiny.CANVAS


def test_exo_and_prior_are_encoded_apart(codec):
    clip = tiny.clip()
    other = replace(clip, prior=255 - clip.prior)
    assert torch.equal(encode_clip(codec, clip, tiny.CANVAS, PLAIN).exo, encode_clip(codec, other, tiny.CANVAS, PLAIN).exo)


def test_known_shares_are_those_of_the_prior(codec):
    clip = tiny.clip()
    valid = encode_clip(codec, clip, tiny.CANVAS, PLAIN).valid
    assert valid[0, 0, 0, 1, 1] == pytest.approx(clip.prior_valid[0, 8:16, 8:16].mean())
    assert valid[0, 2, 1, 2, 2] == pytest.approx(clip.prior_valid[3, 16:24, 16:24].mean())


def test_filled_holes_change_the_prior_and_nothing_else(codec):
    clip = tiny.clip()
    black, filled = (encode_clip(codec, clip, tiny.CANVAS, Conditioning(prior_holes=rule)) for rule in ("black", "filled"))
    assert not torch.equal(black.prior, filled.prior)
    assert torch.equal(black.exo, filled.exo)
    assert torch.equal(black.valid, filled.valid)


def test_a_clip_of_another_canvas_is_refused(codec):
    clip = tiny.clip(pixels=replace(tiny.PIXELS, frames=5))
    with pytest.raises(CanvasError, match=r"the clip has 5 frames of 48x32 \| 32x32, the canvas 9 of 48x32 \| 32x32"):
        encode_clip(codec, clip, tiny.CANVAS, PLAIN)


def test_latents_of_two_clips_are_no_encoded_clip():
    with pytest.raises(EncodingError, match="not of one clip"):
        EncodedClip(exo=torch.zeros(1, 16, 3, 4, 6), prior=torch.zeros(1, 16, 2, 4, 4), valid=torch.zeros(1, 4, 2, 4, 4))


def test_a_codec_that_overflows_is_named(codec):
    good = encode_clip(codec, tiny.clip(), tiny.CANVAS, PLAIN)
    with pytest.raises(EncodingError, match="latents of the prior video are not finite"):
        replace(good, prior=good.prior / 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exo": np.zeros((9, 32, 48, 3), np.float32)}, "exo is float32"),
        ({"prior": np.zeros((8, 32, 32, 3), np.uint8)}, "the prior has 8 frames, the exo video 9"),
        ({"prior_valid": np.zeros((9, 32, 31), bool)}, r"prior_valid is bool of shape \(9, 32, 31\)"),
        ({"circle": np.ones((32, 32), np.uint8)}, "circle is uint8"),
        ({"depth_m": np.zeros((9, 16, 24), np.float32)}, r"depth_m is float32 of shape \(9, 16, 24\)"),
        ({"fps": 0.0}, "fps is 0"),
    ],
)
def test_parts_that_do_not_belong_to_the_clip_are_named(changes, said):
    with pytest.raises(ClipError, match=said):
        replace(tiny.clip(), **changes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_a_depth_that_is_none_is_named_with_its_frame(value):
    depth_m = tiny.clip().depth_m.copy()
    depth_m[4, 3, 2] = value
    with pytest.raises(ClipError, match="depth_m is not finite or below 0 in frame 4; write 0"):
        replace(tiny.clip(), depth_m=depth_m)


def test_eight_poses_for_nine_frames_are_refused():
    clip = tiny.clip()
    with pytest.raises(ClipError, match="the ego camera has 8 poses, the clip 9 frames"):
        replace(clip, ego_camera=clip.ego_camera.select(range(8)))


def test_a_camera_of_another_size_is_refused():
    clip = tiny.clip()
    with pytest.raises(ClipError, match="the exo camera is for 96x64, the pictures are 48x32"):
        replace(clip, exo_camera=clip.exo_camera.resized(96, 64))


# Words


def test_embeddings_end_where_the_text_ends(text):
    embeds = encode_text(*text, "a cup", rules=PLAIN, tokens=32)
    assert embeds.shape == (5 + 1, tiny.TEXT_WIDTH)  # bytes, and the end
    assert torch.isfinite(encode_text(*text, "", rules=PLAIN, tokens=32)).all()


def test_stock_text_agrees_with_the_stock_pipeline(text):
    from diffusers import WanImageToVideoPipeline

    stock = WanImageToVideoPipeline(
        tokenizer=text[0], text_encoder=text[1], vae=tiny.codec(), scheduler=tiny.scheduler(), transformer=tiny.transformer()
    )
    prompt = "  a   cup &amp; a\n\nspoon "
    with torch.no_grad():
        expected, _ = stock.encode_prompt(prompt, do_classifier_free_guidance=False, max_sequence_length=32)
    assert torch.equal(padded(encode_text(*text, prompt, rules=PLAIN, tokens=32), 32), expected)


def test_raw_padding_keeps_what_the_encoder_makes_of_the_padding(text):
    raw = encode_text(*text, "a cup", rules=Conditioning(text="raw_padding"), tokens=32)
    assert raw.shape == (32, tiny.TEXT_WIDTH)
    assert raw[6:].abs().max() > 0
    spaced = [encode_text(*text, prompt, rules=Conditioning(text="raw_padding"), tokens=32) for prompt in ("a  cup", "a cup")]
    assert not torch.equal(*spaced)  # nothing was cleaned


def test_text_beyond_the_models_length_is_cut(text):
    assert len(encode_text(*text, "cup " * 50, rules=PLAIN, tokens=16)) == 16


def test_padding_is_zero_and_too_long_is_refused():
    embeds = torch.ones(3, 4)
    assert padded(embeds, 5)[0].sum(1).tolist() == [4, 4, 4, 0, 0]
    with pytest.raises(EncodingError, match=r"\(3, 4\), expected \[at most 2, width\]"):
        padded(embeds, 2)
    with pytest.raises(EncodingError):
        padded(embeds[None], 5)


def test_what_was_embedded_is_kept_until_others_push_it_out(monkeypatch):
    made: list[str] = []

    def make(name: str) -> torch.Tensor:
        return kept.get(name, lambda: made.append(name) or torch.zeros(1))

    monkeypatch.setattr("egox.encoding.KEPT", 2)
    kept = Kept()
    for name in ("a", "b", "a", "c", "a", "b"):
        make(name)
    assert made == ["a", "b", "c", "b"]


# The picture


def test_the_picture_is_embedded_as_the_stock_pipeline_does(image):
    from diffusers import WanImageToVideoPipeline

    stock = WanImageToVideoPipeline(
        tokenizer=None, text_encoder=None, vae=tiny.codec(), scheduler=tiny.scheduler(), transformer=tiny.transformer(),
        image_processor=image[0], image_encoder=image[1],
    )  # fmt: skip
    picture = tiny.clip().exo[0]
    with torch.no_grad():
        expected = stock.encode_image(Image.fromarray(picture))
    found = encode_picture(*image, picture, PLAIN)
    assert found.shape == (1, 257, tiny.IMAGE_WIDTH)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_picture_is_the_exo_frame_alone_or_beside_the_truth():
    exo, ego = tiny.clip().exo[0], tiny.clip().prior[0]
    assert np.array_equal(context_picture(PLAIN, exo, ego), exo)
    beside = context_picture(Conditioning(image_context="exo_beside_truth_darkened"), exo, ego)
    assert np.array_equal(beside, np.concatenate([exo, ego], axis=1))


@pytest.mark.parametrize("rule", ["exo_beside_truth_darkened", "exo_beside_noise"])
def test_a_picture_that_takes_more_than_the_exo_frame_is_refused_without_it(rule):
    with pytest.raises(EncodingError, match=rule):
        context_picture(Conditioning(image_context=rule), tiny.clip().exo[0])


def test_decoded_noise_stands_beside_the_exo_frame(codec):
    encoded = encode_clip(codec, tiny.clip(), tiny.CANVAS, PLAIN)
    noise = [torch.randn(encoded.prior.shape, generator=seeded(seed)) for seed in (1, 2)]
    one, other = (noise_picture(codec, encoded.exo, latents) for latents in noise)
    assert one.shape == (32, 48 + 32, 3)
    assert not np.array_equal(one[:, 48:], other[:, 48:])


def test_darkened_pictures_are_nearly_black_to_the_encoder(image):
    """Rescaling twice leaves at most 1/255 of the brightness, so two pictures hardly differ any more."""
    rules = Conditioning(image_context="exo_beside_truth_darkened")
    pictures = [tiny.clip(seed=seed).exo[0] for seed in (1, 2)]
    bright = torch.dist(*(encode_picture(*image, picture, PLAIN) for picture in pictures))
    dark = torch.dist(*(encode_picture(*image, picture, rules) for picture in pictures))
    assert 0 < dark < 0.05 * bright
