"""The fixed-basis codec: its components, its interface, its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from safetensors.torch import load_file, save_file
from torch import Tensor

from egox.checkpoints import load_component
from egox.mini import CodecError, FixedBasisCodec, fit_codec
from egox.mini.codec import _LAPPING, CHANNELS, _across_borders
from egox.pretrained import WeightsError


def videos(count: int, *, frames: int = 9, size: tuple[int, int] = (32, 48), seed: int = 0) -> list[np.ndarray]:
    """Soft patterns that drift, with a little noise."""
    rng, made = np.random.default_rng(seed), []
    y, x = np.mgrid[: size[0], : size[1]] / 16
    for _ in range(count):
        a, b, speed, tint = rng.normal(size=4), rng.normal(size=4), rng.normal(), rng.normal(size=3)
        t = np.arange(frames)[:, None, None] / 8
        wave = sum(np.sin(i * a[i] * x + i * b[i] * y + speed * t) / (i + 1) for i in range(4))
        made.append(
            np.clip(128 + 40 * wave[..., None] * (1 + 0.3 * tint) + rng.normal(0, 2, (*wave.shape, 3)), 0, 255).astype(np.uint8)
        )
    return made


def pixels(video: np.ndarray) -> Tensor:
    return torch.from_numpy(video).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def psnr(one: Tensor, other: Tensor) -> float:
    return 10 * np.log10(4 / (one - other).square().mean().item())


@pytest.fixture(scope="module")
def codec() -> FixedBasisCodec:
    return fit_codec(videos(20))


@pytest.mark.parametrize(("frames", "latent_frames"), [(1, 1), (5, 2), (17, 5)])
def test_shapes_are_those_of_a_causal_codec(codec: FixedBasisCodec, frames: int, latent_frames: int) -> None:
    x = torch.cat([pixels(video) for video in videos(2, frames=frames, seed=1)])
    z = codec.encode(x).latent_dist.mode()
    assert z.shape == (2, CHANNELS, latent_frames, 4, 6)
    assert codec.decode(z, return_dict=False)[0].shape == x.shape
    torch.testing.assert_close(codec(x).sample, codec.decode(z).sample)


def test_latents_of_the_fitted_data_and_its_mirror_images_have_mean_0_and_mean_square_1(codec: FixedBasisCodec) -> None:
    both = [*videos(20), *(video[:, :, ::-1] for video in videos(20))]
    later = (
        torch.cat([codec.encode(pixels(video.copy())).latent_dist.mode() for video in both])[:, :, 1:].transpose(0, 1).flatten(1)
    )
    torch.testing.assert_close(later.mean(1), torch.zeros(CHANNELS), atol=1e-3, rtol=0)
    assert later.square().mean().item() == pytest.approx(1, abs=1e-2)
    assert (later.std(1).diff() < 0).all()
    singles = [codec.encode(pixels(video[i : i + 1].copy())).latent_dist.mode() for video in both for i in range(9)]
    assert torch.cat(singles).square().mean().item() == pytest.approx(1, abs=1e-2)
    assert codec.config.latents_mean == (0.0,) * CHANNELS
    assert codec.config.latents_std == (1.0,) * CHANNELS


def test_noise_on_latents_is_white_noise_on_the_picture(codec: FixedBasisCodec) -> None:
    """Rows are orthonormal and lapping is too: no channel is louder than another."""
    still = codec.decode(torch.zeros(1, CHANNELS, 2, 3, 3)).sample
    for channel in (0, 5, 47):
        z = torch.zeros(1, CHANNELS, 2, 3, 3)
        z[:, channel, :, 1, 1] = 0.01
        moved = (codec.decode(z).sample - still)[0]
        for part, kind in ((codec.first, moved[:, :1]), (codec.group, moved[:, 1:])):
            assert 100 * kind.square().sum().sqrt() == pytest.approx(part.scale.item(), rel=1e-2)


def test_a_component_fades_out_over_its_neighbours(codec: FixedBasisCodec) -> None:
    """A square of brightness would show an edge of full height where its patch ends."""
    z = torch.zeros(1, CHANNELS, 1, 3, 3)
    still = codec.decode(z).sample
    z[:, 0, :, 1, 1] = 0.1
    moved = (codec.decode(z).sample - still)[0, :, 0].abs().mean(0)[12]  # along the middle row
    assert moved[4:8].sum() > 0.05 * moved.sum()
    assert moved.diff().abs().max() < 0.6 * moved.max()


def test_components_are_the_strongest_of_a_dense_decomposition_of_lapped_patches(codec: FixedBasisCodec) -> None:
    lapped = [_across_borders(pixels(v.copy())[0].transpose(0, 1).double(), _LAPPING).numpy() for v in videos(20)]
    patches = np.concatenate([v.reshape(9, 3, 4, 8, 6, 8).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 192) for v in lapped])
    mirrored = patches.reshape(-1, 24, 8)[:, :, ::-1].reshape(-1, 192)
    centred = np.concatenate([patches, mirrored])
    centred = centred - centred.mean(0)
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    variances = singular[:CHANNELS] ** 2 / len(centred)
    assert codec.first.scale.item() == pytest.approx(variances.mean() ** 0.5, rel=1e-3)
    # Single components may turn within nearly equal variances; what they span may not.
    ours, theirs = codec.first.rows.numpy(), rows[:CHANNELS]
    np.testing.assert_allclose(ours.T @ ours, theirs.T @ theirs, atol=2e-3)


def test_mirroring_latents_is_mirroring_the_video(codec: FixedBasisCodec) -> None:
    video = videos(1, seed=5)[0]
    z, mirrored = (codec.encode(pixels(v)).latent_dist.mode() for v in (video, video[:, :, ::-1].copy()))
    signs = codec.mirror_signs
    assert set(signs.flatten().tolist()) == {1.0, -1.0}
    flipped = z.flip(-1) * torch.stack([signs[0], *[signs[1]] * 2], dim=1)[None, :, :, None, None]
    torch.testing.assert_close(flipped, mirrored, atol=1e-4, rtol=1e-4)


def test_a_codec_whose_components_are_neither_even_nor_odd_has_no_mirror_signs() -> None:
    with pytest.raises(CodecError, match="no mirror image: fit it anew"):
        _ = FixedBasisCodec().mirror_signs


def test_a_round_trip_keeps_what_the_fit_says(codec: FixedBasisCodec) -> None:
    clips = [pixels(video) for video in videos(20)]
    round_trips = [codec(x).sample for x in clips]
    later = psnr(torch.cat(round_trips)[:, :, 1:], torch.cat(clips)[:, :, 1:])
    assert later == pytest.approx(codec.config.group_psnr, abs=0.2)
    singles = [x[:, :, i : i + 1] for x in clips for i in range(9)]
    assert psnr(torch.cat([codec(x).sample for x in singles]), torch.cat(singles)) == pytest.approx(
        codec.config.first_psnr, abs=0.2
    )
    assert codec.config.group_psnr > 24


def test_decoded_latents_encode_to_themselves(codec: FixedBasisCodec) -> None:
    z = 0.1 * torch.randn(1, CHANNELS, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(codec.encode(codec.decode(z).sample).latent_dist.mode(), z, atol=1e-4, rtol=1e-4)


def test_frames_and_views_are_coded_apart(codec: FixedBasisCodec) -> None:
    x = pixels(videos(1, seed=3)[0])
    other = x.clone()
    other[:, :, 5:, :, 24:] *= -1
    z, changed = codec.encode(x).latent_dist.mode(), codec.encode(other).latent_dist.mode()
    torch.testing.assert_close(z[:, :, :2], changed[:, :, :2], atol=0, rtol=0)
    torch.testing.assert_close(z[..., :2], changed[..., :2], atol=0, rtol=0)  # the third shares pixels with the fourth
    assert (z[:, :, 2, :, 3:] - changed[:, :, 2, :, 3:]).abs().max() > 0.1


def test_the_posterior_has_no_spread(codec: FixedBasisCodec) -> None:
    posterior = codec.encode(pixels(videos(1)[0]), return_dict=False)[0]
    torch.testing.assert_close(posterior.sample(torch.Generator().manual_seed(1)), posterior.mode(), atol=0, rtol=0)


def test_decoding_clamps_as_wans_codec_does(codec: FixedBasisCodec) -> None:
    out = codec.decode(torch.full((1, CHANNELS, 2, 1, 1), 50.0)).sample
    assert out.abs().max() == 1


def test_a_kept_codec_encodes_the_same_whatever_kind_it_is_loaded_in(codec: FixedBasisCodec, tmp_path: Path) -> None:
    codec.save_pretrained(tmp_path)
    x = pixels(videos(1, seed=2)[0])
    for kind in (torch.float32, torch.bfloat16):
        loaded = FixedBasisCodec.from_pretrained(tmp_path, torch_dtype=kind)
        torch.testing.assert_close(loaded.encode(x).latent_dist.mode(), codec.encode(x).latent_dist.mode(), atol=0, rtol=0)
        assert loaded.config.group_psnr == codec.config.group_psnr
    z = codec.encode(x.bfloat16()).latent_dist.mode()
    assert z.dtype == codec.decode(z).sample.dtype == torch.bfloat16


def test_a_codec_of_another_version_is_refused_by_name(codec: FixedBasisCodec, tmp_path: Path) -> None:
    """What a file lacks would stay as it is before a fit: pictures, but wrong ones."""
    codec.save_pretrained(tmp_path / "vae")
    index = {"vae": ["egox.mini.codec", "FixedBasisCodec"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    load_component(tmp_path, "vae")
    file = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name.replace("scale", "spread"): value for name, value in load_file(file).items()}, file)
    with pytest.raises(WeightsError, match=r"FixedBasisCodec of another version of this code \(first\.scale, .*train it again"):
        load_component(tmp_path, "vae")


def test_hooks_that_move_models_see_it_encode_and_decode(codec: FixedBasisCodec) -> None:
    """Model offloading hangs on them; neither is a call of the module."""

    class Counted(ModelHook):
        calls = 0

        def pre_forward(self, module: torch.nn.Module, *args: object, **kwargs: object) -> tuple[object, object]:
            self.calls += 1
            return args, kwargs

    hook = Counted()
    add_hook_to_module(codec, hook)
    z = codec.encode(pixels(videos(1)[0])).latent_dist.mode()
    assert hook.calls == 1
    codec.decode(z)
    assert hook.calls == 2
    remove_hook_from_module(codec)


def test_the_fit_is_the_same_every_time_and_reads_once() -> None:
    made = [fit_codec(iter(videos(3))) for _ in range(2)]
    for name, tensor in made[0].state_dict().items():
        torch.testing.assert_close(made[1].state_dict()[name], tensor, atol=0, rtol=0)


def test_videos_of_different_sizes_and_single_pictures_can_be_mixed() -> None:
    both = [*videos(3), *videos(3, frames=1, size=(24, 16)), *videos(2, frames=7, size=(16, 16))]
    assert fit_codec(both).encode(pixels(videos(1)[0])).latent_dist.mode().isfinite().all()


def test_a_flat_world_gives_finite_latents() -> None:
    codec = fit_codec([np.full((5, 16, 16, 3), 90, np.uint8)] * 2)
    z = codec.encode(pixels(videos(1)[0])).latent_dist.mode()
    assert z.isfinite().all()
    flat = pixels(np.full((5, 16, 16, 3), 90, np.uint8))
    torch.testing.assert_close(codec(flat).sample, flat, atol=1e-5, rtol=0)


def test_what_does_not_fit_is_refused(codec: FixedBasisCodec) -> None:
    for shape in ((1, 3, 4, 32, 32), (1, 3, 5, 30, 32), (1, 1, 5, 32, 32), (3, 5, 32, 32)):
        with pytest.raises(CodecError, match=r"expected \[batch, 3, 4 n \+ 1, height, width\]"):
            codec.encode(torch.zeros(shape))
    with pytest.raises(CodecError, match=r"expected \[batch, 48, frames, height, width\]"):
        codec.decode(torch.zeros(1, 8, 2, 4, 4))
    for bad in (np.zeros((5, 16, 16, 3), np.float32), np.zeros((5, 15, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)):
        with pytest.raises(CodecError, match="expected uint8"):
            fit_codec([bad])
    with pytest.raises(CodecError, match="at least one video of 5 frames"):
        fit_codec(videos(2, frames=4))
    with pytest.raises(CodecError, match="at least one video of 1 frames"):
        fit_codec(nothing())
    with pytest.raises(CodecError, match="48 channels"):
        FixedBasisCodec(z_dim=8)


def nothing() -> Iterator[np.ndarray]:
    yield from ()
