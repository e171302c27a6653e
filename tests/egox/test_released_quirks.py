"""What the published code does besides the paper, quirk by quirk, as the recipe "released" has it; and "paper" has none of it.

Sections are those of the fact sheet on the published code (commit 3b5982b).
"""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from egox.attention import guidance_bias
from egox.cameras import UPRIGHT_FROM_RAW, Camera, Fisheye624, KannalaBrandt, Pinhole, inverse, rigid
from egox.cameras.devices import ARIA_DEFAULT_2880, GOPRO_K, default_aria_lens
from egox.canvas import Grid, JointCanvas
from egox.conditioning import Conditioning, Guidance, mask_channels
from egox.encoding import EncodingError, context_picture, encode_picture, encode_text, encode_video, noise_picture
from egox.geometry import GeometryError, TokenGeometry, token_geometry
from egox.recipe import load_recipe
from egox.released_geometry import published_intrinsics

from .traced import ego_camera, looking

PAPER, RELEASED = load_recipe("paper"), load_recipe("released")
FULL = JointCanvas(pixels=Grid(frames=49, height=448, exo=784, ego=448))
SMALL = JointCanvas(pixels=Grid(frames=5, height=64, exo=96, ego=64))


def test_paper_has_none_of_the_quirks():
    equations = Conditioning(
        exo_mask="all_frames",
        ego_mask="zero",
        exo="clean",
        prior="rendered",
        prior_holes="black",
        posterior="mode",
        image_context="exo",
        text="stock",
        guidance=Guidance(on=True, form="paper", strength=1.0, rays="lens", points="pooled"),
    )
    assert PAPER.conditioning == equations
    assert PAPER.training_conditioning == equations


# Mask, section 2.2


def mask_of(rules: Conditioning) -> tuple[Tensor, Tensor]:
    """The mask's exo and ego columns, [4, f, h, w] each, of the paper's canvas, with half of every ego cell known."""
    grid = FULL.latents
    known = torch.full((1, 4, grid.frames, grid.height, grid.ego), 0.5)
    exo, ego = grid.split(mask_channels(grid, rules, valid=known)[0])
    return exo, ego


def test_section_2_2_sampling_marks_the_first_exo_frame_alone():
    exo, ego = mask_of(RELEASED.conditioning)
    assert exo[:, 0].eq(1).all()
    assert not exo[:, 1:].any()
    assert not ego.any()


def test_section_2_2_training_leaves_a_stray_one_in_the_last_frame():
    exo, ego = mask_of(RELEASED.training_conditioning)
    assert exo[:, 0].eq(1).all()
    assert exo[3, 12].eq(1).all()
    assert exo.sum() == (4 + 1) * 56 * 98
    assert not ego.any()


@pytest.mark.parametrize("rules", [PAPER.conditioning, PAPER.training_conditioning])
def test_the_paper_marks_every_exo_frame(rules):
    exo, ego = mask_of(rules)
    assert exo.eq(1).all()
    assert not ego.any()


# Gain of cosines, section 2.6


def bias_of(cosines: Tensor, rules: Guidance) -> Tensor:
    """The bias of one query that looks along x on keys in directions of these cosines."""
    keys = torch.stack([cosines, (1 - cosines**2).clamp_min(0).sqrt(), torch.zeros_like(cosines)], -1)
    flags = torch.ones(len(cosines), dtype=torch.bool)
    return guidance_bias(torch.tensor([[1.0, 0.0, 0.0]]), flags[:1], keys, flags, rules)[0]


COSINES = torch.tensor([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0])


def test_section_2_6_sampling_triples_positive_cosines_inside_the_logarithm():
    found = bias_of(COSINES, RELEASED.conditioning.guidance)
    expected = torch.log(torch.tensor([0.5, 1.0, 1.75, 2.5, 4.0]) + 1e-6)
    torch.testing.assert_close(found[1:], expected, atol=2e-6, rtol=0)
    assert found[0] == pytest.approx(-13.8, abs=0.1)
    assert found[-1] == pytest.approx(1.386, abs=1e-3)


def test_section_2_6_training_does_not():
    found = bias_of(COSINES, RELEASED.training_conditioning.guidance)
    torch.testing.assert_close(found[1:], torch.log(COSINES[1:] + 1 + 1e-6), atol=2e-6, rtol=0)
    assert found[0] == pytest.approx(-13.8, abs=0.1)


def test_the_paper_adds_log_of_one_plus_cosine():
    found = bias_of(COSINES, PAPER.conditioning.guidance)
    torch.testing.assert_close(found[1:], torch.log(COSINES[1:] + 1), atol=2e-6, rtol=0)


# Ego rays, section 2.7


def aria(side: int = 448) -> Fisheye624:
    """The lens that the fact sheet's errors are measured against: resized plainly from 2880, without its margin."""
    params = np.array(ARIA_DEFAULT_2880)
    params[:3] *= side / 2880
    return Fisheye624.from_params(params.tolist()).upright(side)


def true_cells(lens: Fisheye624) -> tuple[np.ndarray, np.ndarray]:
    """Rays of the middles of all 56x56 cells, and which are within 224 px of the middle of the picture."""
    pixels = 8 * np.stack(np.meshgrid(np.arange(56), np.arange(56)), -1) + 3.5
    return lens.unproject(pixels), np.linalg.norm(pixels - 223.5, axis=-1) <= 224


CELLS = replace(FULL, patch=(1, 1, 1))
"""Tokens of a single latent cell: released vectors before they are pooled."""


def rays_of(rules: Guidance, ego: Camera, canvas: JointCanvas = CELLS) -> Tensor:
    """[f, M, 3] on the canvas of the paper; depth is of no matter."""
    still = Camera(lens=pinhole_of(canvas), width=784, height=448, world_from_camera=np.repeat(np.eye(4)[None], 49, 0))
    depth = np.broadcast_to(np.float32(2), (49, 448, 784))
    return token_geometry(canvas, depth_m=depth, exo=still, ego=ego, rules=Guidance(rays=rules.rays, points="released")).rays


def pinhole_of(canvas: JointCanvas) -> Pinhole:
    return Pinhole(fx=260.0, fy=260.0, cx=(canvas.pixels.exo - 1) / 2, cy=(canvas.pixels.height - 1) / 2)


def degrees(found: Tensor, truth: np.ndarray) -> np.ndarray:
    """Angles between vectors [..., 3]."""
    vectors = F.normalize(found.double(), dim=-1).numpy()
    return np.degrees(np.arccos(np.clip((vectors * truth).sum(-1), -1, 1)))


def test_section_2_7_sampling_rays_are_as_wrong_as_measured():
    ego = ego_camera(np.zeros((49, 3)), np.ones((49, 3)), side=448)
    truth, inside = true_cells(aria())
    turned = truth @ ego.world_from_camera[0, :3, :3].T
    error = degrees(rays_of(RELEASED.conditioning.guidance, ego)[0].unflatten(0, (56, 56)), turned)
    assert error[inside].mean() == pytest.approx(10.1, abs=0.3)
    assert np.median(error[inside]) == pytest.approx(9.7, abs=0.3)
    assert error[inside].max() == pytest.approx(22.2, abs=0.5)
    assert error[27:29, 27:29].mean() == pytest.approx(16.9, abs=0.3)


def test_the_paper_takes_rays_of_the_true_lens():
    ego = ego_camera(np.zeros((49, 3)), np.ones((49, 3)), side=448, lens=default_aria_lens(448))
    truth, inside = true_cells(default_aria_lens(448))
    turned = truth @ ego.world_from_camera[0, :3, :3].T
    error = degrees(rays_of(PAPER.conditioning.guidance, ego)[0].unflatten(0, (56, 56)), turned)
    assert error[inside].max() < 0.5  # cells that the rim cuts


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (np.eye(3), lambda x, y, z: (-y, x, z)),
        (np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), lambda x, y, z: (-z, y, x)),  # its inverse takes x, y, z to y, z, x
    ],
)
def test_section_2_7_a_training_ray_is_that_of_a_pinhole_turned_back_and_then_in_the_world(turn, expected):
    """Cell (40, 10) of 56: focal length 150 / 8 and centre 255.5 / 8 cells, no lens."""
    ego = Camera(
        lens=aria(),
        width=448,
        height=448,
        world_from_camera=np.repeat(rigid(turn @ UPRIGHT_FROM_RAW.T, np.zeros(3))[None], 49, 0),
    )
    found = rays_of(RELEASED.training_conditioning.guidance, ego)[3].unflatten(0, (56, 56))[40, 10]
    x, y = (10 - 31.9375) / 18.75, (40 - 31.9375) / 18.75
    torch.testing.assert_close(found, F.normalize(torch.tensor(expected(x, y, 1.0)), dim=0), atol=4e-3, rtol=0)  # bf16


@pytest.mark.samples
@pytest.mark.parametrize(("number", "mean", "largest"), [(0, 44.8, 61.9), (1, 52.9, 72.1)], ids=["soccer", "cooking"])
def test_section_2_7_training_rays_turn_poses_the_wrong_way(samples, number, mean, largest):
    entry = json.loads((samples / "egoexo4D" / "meta.json").read_text())["test_datasets"][number]
    raw = inverse(np.array(entry["ego_extrinsics"], np.float64))
    ego = Camera(lens=aria(), width=448, height=448, world_from_camera=raw @ rigid(UPRIGHT_FROM_RAW.T, np.zeros(3)))
    truth, inside = true_cells(aria())
    turned = np.einsum("fij,hwj->fhwi", ego.world_from_camera[::4, :3, :3], truth)
    error = degrees(rays_of(RELEASED.training_conditioning.guidance, ego).unflatten(1, (56, 56)), turned).mean(0)[inside]
    assert error.mean() == pytest.approx(mean, abs=0.3)
    assert error.max() == pytest.approx(largest, abs=0.5)


@pytest.mark.parametrize(("rules", "moves"), [(RELEASED.training_conditioning, True), (RELEASED.conditioning, False)])
def test_section_2_7_only_training_rays_depend_on_where_the_world_points(rules, moves):
    """A turn of the world must turn rays with it; turned poses the wrong way it cannot."""
    ego = ego_camera(np.zeros((49, 3)), np.tile([0.3, 1.0, -0.4], (49, 1)), side=448)
    world = rigid(looking((0, 0, 0), (1.0, 0.4, -0.7))[:3, :3], np.zeros(3))
    turned = rays_of(rules.guidance, replace(ego, world_from_camera=world @ ego.world_from_camera))
    off = degrees(turned[0], F.normalize(rays_of(rules.guidance, ego)[0].double(), dim=-1).numpy() @ world[:3, :3].T)
    assert (off.mean() > 20) == moves
    assert moves or off.max() < 0.5  # bf16


def test_section_2_7_rays_keep_their_field_of_view_on_other_canvases():
    """Published for 448 px alone: elsewhere a token in the same place of the picture has the same ray, but for its corner."""
    small = JointCanvas(pixels=Grid(frames=1, height=224, exo=16, ego=224))
    large = JointCanvas(pixels=Grid(frames=1, height=448, exo=16, ego=448))
    rays = []
    for canvas in (small, large):
        side = canvas.pixels.ego
        exo = Camera(lens=pinhole_of(canvas), width=16, height=side, world_from_camera=np.eye(4)[None])
        depth = np.ones((1, side, 16), np.float32)
        ego = ego_camera((0, 0, 0), (0, 1, 0), side=side)
        found = token_geometry(canvas, depth_m=depth, exo=exo, ego=ego, rules=RELEASED.conditioning.guidance)
        rays.append(F.normalize(found.rays[0], dim=-1).unflatten(0, (side // 16, side // 16)))
    between = F.normalize(rays[1].unflatten(0, (14, 2)).unflatten(2, (14, 2)).mean((1, 3)), dim=-1)
    assert degrees(rays[0], between.double().numpy()).max() < 2.5


def test_section_2_7_rays_of_a_wide_picture_are_refused():
    canvas = JointCanvas(pixels=Grid(frames=1, height=64, exo=96, ego=80))
    exo = Camera(lens=Pinhole(fx=64, fy=64, cx=47.5, cy=31.5), width=96, height=64, world_from_camera=np.eye(4)[None])
    ego = Camera(lens=Pinhole(fx=64, fy=64, cx=39.5, cy=31.5), width=80, height=64, world_from_camera=np.eye(4)[None])
    with pytest.raises(GeometryError, match="need a square ego picture, not 80x64"):
        token_geometry(canvas, depth_m=np.ones((1, 64, 96), np.float32), exo=exo, ego=ego, rules=RELEASED.conditioning.guidance)


# Pooling and points, sections 2.6 and 2.8


def small_geometry(depth_m: np.ndarray, rules: Guidance, exo: Camera | None = None) -> TokenGeometry:
    poses = np.repeat(np.eye(4)[None], 5, 0)
    exo = exo or Camera(lens=Pinhole(fx=64, fy=64, cx=47.5, cy=31.5), width=96, height=64, world_from_camera=poses)
    eyes = np.stack([np.linspace(-0.4, 0.6, 5), np.full(5, 0.5), np.full(5, 1.6)], -1)
    ego = ego_camera(eyes, eyes + [0.3, 1.0, -0.5], side=64)
    return token_geometry(SMALL, depth_m=depth_m.astype(np.float32), exo=exo, ego=ego, rules=rules)


def test_section_2_6_pooled_vectors_are_never_normalised_again():
    depth = np.full((5, 64, 96), 4.0)
    depth[:, :, 40:] = 1.0  # through the middle of token column 2
    released = small_geometry(depth, RELEASED.conditioning.guidance)
    lengths = released.directions[0, :6].norm(dim=-1)
    assert lengths[2] < 0.95
    assert released.rays.norm(dim=-1).max() < 1.0
    paper = small_geometry(depth, PAPER.conditioning.guidance)
    torch.testing.assert_close(paper.directions.norm(dim=-1), torch.ones(paper.directions.shape[:-1]))
    torch.testing.assert_close(paper.rays.norm(dim=-1)[paper.rays_valid], torch.ones(int(paper.rays_valid.sum())))


def test_section_2_6_released_vectors_are_rounded_to_bf16():
    released = small_geometry(np.full((5, 64, 96), 2.0), RELEASED.conditioning.guidance)
    for vectors in (released.rays, released.directions):
        assert vectors.dtype == torch.float32
        assert torch.equal(vectors, vectors.bfloat16().float())
    paper = small_geometry(np.full((5, 64, 96), 2.0), PAPER.conditioning.guidance)
    assert not torch.equal(paper.directions, paper.directions.bfloat16().float())


def test_section_2_6_no_token_is_ever_invalid():
    depth = np.full((5, 64, 96), 2.0)
    depth[:, :16, :16] = 0
    released, paper = (small_geometry(depth, recipe.conditioning.guidance) for recipe in (RELEASED, PAPER))
    assert released.rays_valid.all()
    assert released.directions_valid.all()
    assert not paper.directions_valid.all()


def test_section_2_8_points_of_a_wall_are_those_of_a_pinhole_that_counts_from_corners():
    released = small_geometry(np.full((5, 64, 96), 2.0), RELEASED.conditioning.guidance)
    centre = np.array([-0.4, 0.5, 1.6])
    for row, column in ((0, 0), (2, 5)):
        cells = []
        for v in (16 * row + 3.5, 16 * row + 11.5):
            for u in (16 * column + 3.5, 16 * column + 11.5):
                away = np.array([(u - 48) / 64 * 2, (v - 32) / 64 * 2, 2.0]) - centre
                cells.append(away / np.linalg.norm(away))
        expected = torch.tensor(np.mean(cells, 0)).float().bfloat16().float()
        np.testing.assert_allclose(released.directions[0, row * 6 + column], expected, atol=4e-3)


def test_section_2_8_resizing_the_point_map_draws_points_between_surfaces():
    depth = np.full((5, 64, 96), 4.0)
    depth[:, :, 36:] = 1.0  # between the two middle pixels of latent cell 4
    canvas = replace(SMALL, patch=(1, 1, 1))
    poses = np.repeat(np.eye(4)[None], 5, 0)
    exo = Camera(lens=Pinhole(fx=64, fy=64, cx=47.5, cy=31.5), width=96, height=64, world_from_camera=poses)
    ego = ego_camera(np.tile([0.0, 3.0, 2.0], (5, 1)), np.zeros((5, 3)), side=64)
    rules = RELEASED.conditioning.guidance
    found = token_geometry(canvas, depth_m=depth.astype(np.float32), exo=exo, ego=ego, rules=rules).directions[0, 4]
    near, far = (np.array([(u - 48) / 64 * z, (3.5 - 32) / 64 * z, z]) for u, z in ((36, 1.0), (35, 4.0)))
    away = (near + far) / 2 - [0.0, 3.0, 2.0]
    np.testing.assert_allclose(found, away / np.linalg.norm(away), atol=4e-3)


def test_section_2_8_the_focal_length_is_the_published_one_of_the_undistorted_picture():
    """Soccer of the samples: published 1251.898 at 3840x2160 is a raw 1772.5."""
    lens = KannalaBrandt(fx=1772.5 * 398 / 1920, fy=1772.5 * 224 / 1080, cx=391.5, cy=223.5, k=GOPRO_K)
    camera = Camera(lens=lens, width=784, height=448, world_from_camera=np.eye(4)[None])
    fx, fy, cx, cy = published_intrinsics(camera)
    assert fx == pytest.approx(1251.898 * 398 / 1920, abs=0.02)
    assert fy == pytest.approx(1251.898 * 224 / 1080, abs=0.02)
    assert (cx, cy) == (392, 224)


def test_section_2_8_a_pinhole_keeps_its_focal_length_and_a_head_lens_is_refused():
    camera = Camera(lens=Pinhole(fx=200, fy=210, cx=390, cy=220), width=784, height=448, world_from_camera=np.eye(4)[None])
    assert published_intrinsics(camera) == (200, 210, 392, 224)
    with pytest.raises(GeometryError, match="exo camera is a Fisheye624"):
        published_intrinsics(replace(camera, lens=aria()))


# Codec, image and text, sections 2.4, 2.5 and 2.9


class Posterior:
    """Stands for what a codec says of a video: mean 0 and spread 1."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def mode(self) -> Tensor:
        return torch.zeros(self.shape)

    def sample(self, generator: torch.Generator) -> Tensor:
        return torch.randn(self.shape, generator=generator)


def codec() -> Any:
    return SimpleNamespace(
        dtype=torch.float32,
        device=torch.device("cpu"),
        config=SimpleNamespace(scale_factor_temporal=4, z_dim=2, latents_mean=[0.0, 0.0], latents_std=[1.0, 1.0]),
        encode=lambda _: SimpleNamespace(latent_dist=Posterior((1, 2, 1, 2, 2))),
        decode=lambda latents, return_dict: (latents[:, :1].expand(-1, 3, -1, -1, -1),),
    )


def latents(rules: Conditioning, seed: int) -> Tensor:
    frames, generator = np.zeros((1, 16, 16, 3), np.uint8), torch.Generator().manual_seed(seed)
    return encode_video(codec(), frames, posterior=rules.posterior, generator=generator)


@pytest.mark.parametrize("rules", [RELEASED.conditioning, RELEASED.training_conditioning])
def test_section_2_9_latents_are_samples_of_the_posterior(rules):
    assert not torch.equal(latents(rules, 0), latents(rules, 1))
    assert torch.equal(latents(PAPER.conditioning, 0), latents(PAPER.conditioning, 1))


EXO, TRUTH = np.full((4, 6, 3), 200, np.uint8), np.full((4, 4, 3), 100, np.uint8)


def test_section_2_4_training_shows_the_image_encoder_the_true_ego_frame():
    picture = context_picture(RELEASED.training_conditioning, EXO, TRUTH)
    assert (picture[:, :6] == 200).all()
    assert (picture[:, 6:] == 100).all()
    for rules in (PAPER.conditioning, PAPER.training_conditioning):
        assert (context_picture(rules, EXO, TRUTH) == EXO).all()


def test_section_2_4_sampling_shows_the_image_encoder_decoded_noise():
    with pytest.raises(EncodingError, match="exo_beside_noise"):
        context_picture(RELEASED.conditioning, EXO, TRUTH)
    exo, noise = torch.full((1, 2, 3, 4, 6), 0.25), torch.randn(2, 1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    one, other = (noise_picture(codec(), exo, of_seed) for of_seed in noise)
    assert one.shape == (4, 10, 3)
    assert (one[:, :6] == other[:, :6]).all()
    assert (one[:, :6] == round(1.25 * 127.5)).all()
    assert (one[:, 6:] != other[:, 6:]).mean() > 0.8


@pytest.mark.parametrize(
    ("rules", "white"),
    [(RELEASED.conditioning, 1.0), (RELEASED.training_conditioning, 1 / 255), (PAPER.conditioning, 1.0)],
)
def test_section_2_4_training_darkens_the_picture_by_rescaling_twice(rules, white):
    seen = []

    def processor(*, images: np.ndarray, return_tensors: str, rescale_factor: float) -> Any:
        assert return_tensors == "pt"
        return SimpleNamespace(pixel_values=torch.tensor(images).float() * rescale_factor)

    class Encoder:
        device, dtype = torch.device("cpu"), torch.float32

        def __call__(self, *, pixel_values: Tensor, output_hidden_states: bool) -> Any:
            assert output_hidden_states
            seen.append(pixel_values.max().item())
            return SimpleNamespace(hidden_states=[pixel_values] * 3)

    encode_picture(processor, Encoder(), np.full((4, 4, 3), 255, np.uint8), rules)
    assert seen == [pytest.approx(white)]


class Words:
    """Stands for tokenizer and encoder: a token a word, embeddings that tell whether a mask was given."""

    device = torch.device("cpu")

    def tokenize(self, texts: list[str], *, max_length: int, **_: object) -> Any:
        words = texts[0].split(" ")
        mask = torch.zeros(1, max_length, dtype=torch.int64)
        mask[:, : len(words)] = 1
        self.text = texts[0]
        return SimpleNamespace(input_ids=mask, attention_mask=mask)

    def __call__(self, ids: Tensor, mask: Tensor | None = None) -> Any:
        return SimpleNamespace(last_hidden_state=torch.full((1, ids.shape[1], 2), 1.0 if mask is None else 2.0))


@pytest.mark.parametrize(
    ("rules", "text", "shape", "value"),
    [
        (RELEASED.training_conditioning, "a  cup &amp; a hand ", (8, 2), 1.0),
        (RELEASED.conditioning, "a cup & a hand", (5, 2), 2.0),
        (PAPER.conditioning, "a cup & a hand", (5, 2), 2.0),
    ],
)
def test_section_2_5_training_neither_cleans_the_prompt_nor_drops_its_padding(rules, text, shape, value):
    words = Words()
    embeds = encode_text(words.tokenize, words, "a  cup &amp; a hand ", rules=rules, tokens=8)
    assert words.text == text
    assert embeds.shape == shape
    assert (embeds == value).all()


# Flow shift, section 2.11


def test_section_2_11_noise_is_shifted_in_sampling_alone():
    """By accident of the scheduler's class. The paper says nothing, so both recipes have it."""
    from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

    base: Any = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    trainer: Any = FlowMatchEulerDiscreteScheduler.from_config(base.config)
    assert (base.config.flow_shift, trainer.config.shift) == (3.0, 1.0)
    for recipe in (RELEASED, PAPER):
        assert recipe.training is not None
        assert (recipe.sampling.shift, recipe.training.noise.shift) == (3.0, 1.0)
        assert recipe.training.noise.kind == "uniform"
