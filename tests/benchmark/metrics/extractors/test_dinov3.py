"""DINOv3 through the real class with small random weights: which tokens, which layer, which patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import DINOv3ViTImageProcessor, DINOv3ViTModel

from benchmark.metrics.extractors.dinov3 import Dinov3

from ..pictures import textured
from .tiny_networks import DINOV3_SIDE, save_dinov3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_dinov3(tmp_path_factory.mktemp("dinov3"))


@pytest.fixture(scope="module")
def dinov3(folder) -> Dinov3:
    return Dinov3(folder, "cpu")


def test_a_crops_feature_is_the_mean_patch_of_the_last_layer_before_the_final_norm(dinov3, folder):
    crop = textured(frames=1, height=30, width=50)[0]
    model = DINOv3ViTModel.from_pretrained(folder)
    pixels = DINOv3ViTImageProcessor(size={"height": DINOV3_SIDE, "width": DINOV3_SIDE})(images=crop, return_tensors="pt")
    with torch.no_grad():
        output = model(**pixels, output_hidden_states=True)
    assert output.hidden_states[-1].shape == (1, 1 + 4 + 9, 32)
    torch.testing.assert_close(model.norm(output.hidden_states[-1]), output.last_hidden_state)
    expected = output.hidden_states[-1][0, 5:].mean(dim=0)
    np.testing.assert_allclose(dinov3.of_crops([crop])[0], expected / expected.norm(), atol=1e-5)


def test_features_of_crops_do_not_depend_on_their_company(dinov3):
    crops = [textured(frames=1, height=20 + i, width=60 - i, seed=i)[0] for i in range(34)]
    together = dinov3.of_crops(crops)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(together[33], dinov3.of_crops(crops[33:])[0], atol=1e-5)
    assert dinov3.of_crops([]).shape == (0, 32)


def patches(folder, picture):
    pixels = DINOv3ViTImageProcessor(do_resize=False)(images=picture, return_tensors="pt")
    with torch.no_grad():
        return DINOv3ViTModel.from_pretrained(folder)(**pixels).last_hidden_state[0, 5:].numpy()


def test_a_masks_feature_is_the_mean_of_the_patches_by_how_much_it_covers(dinov3, folder):
    picture = textured(frames=1, height=48, width=64)[0]
    tokens = patches(folder, picture)
    mask = np.zeros((2, 48, 64), bool)
    mask[0, 0:16, 0:24] = True  # one patch, and half of the next
    mask[1, 16:48, 48:64] = True  # two, below each other in the last column
    expected = np.stack([tokens[0] + tokens[1] / 2, tokens[7] + tokens[11]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(dinov3.of_masks(picture, mask), expected, atol=1e-5)


def test_a_mask_of_less_than_half_a_patch_takes_the_patch_that_it_covers_most(dinov3, folder):
    picture = textured(frames=1, height=48, width=64)[0]
    mask = np.zeros((1, 48, 64), bool)
    mask[0, 2:8, 13:22] = True  # 18 px of the first, 36 px of the second
    expected = patches(folder, picture)[1]
    np.testing.assert_allclose(dinov3.of_masks(picture, mask)[0], expected / np.linalg.norm(expected), atol=1e-5)


def test_an_empty_mask_has_no_feature_and_pictures_of_any_size_are_taken(dinov3):
    picture = textured(frames=1, height=41, width=57)[0]
    mask = np.zeros((2, 41, 57), bool)
    mask[1, 30:, 40:] = True
    found = dinov3.of_masks(picture, mask)
    assert not found[0].any()
    assert np.linalg.norm(found[1]) == pytest.approx(1, abs=1e-6)
    assert dinov3.of_masks(picture, mask[:0]).shape == (0, 32)
