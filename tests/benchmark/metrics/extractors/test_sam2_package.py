"""The sam2 package against transformers, the same random weights in both; and the package held to what its callers rely on."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage.measure import label, regionprops
from torch.nn.functional import interpolate
from transformers import Sam2VideoConfig, Sam2VideoModel

from benchmark.errors import UserError
from benchmark.metrics import objects_paper
from benchmark.metrics.extractors import sam2_masks, sam2_package
from benchmark.metrics.extractors.object_pairs import AllPairs
from benchmark.metrics.extractors.sam2_masks import AutomaticMasks, without_small_regions
from benchmark.metrics.extractors.sam2_package import (
    CONFIG,
    PackageMasks,
    PackageTracks,
    Sam2PackageObjects,
    connected_components,
    hiera_large,
)
from benchmark.metrics.extractors.sam2_tracks import Tracker
from benchmark.metrics.mask_overlap import mask_iou
from benchmark.metrics.mask_tracks import Tracks
from benchmark.weights import MANIFEST
from benchmark.weights.manifest import Hub

from ..pictures import textured
from .sam2_twins import CONFIG as TINY
from .sam2_twins import as_package, twins
from .tiny_networks import save_dinov3

pytest.importorskip("sam2", reason="the sam2 package is not installed")

SIDE = 128
LIKE = 3e-3
"""Of mask logits, which span -10..10: memories are rounded to bfloat16, and a last bit of float32 turns some the other way."""
UNLIKE = 1e-2


@pytest.fixture(scope="module")
def pair() -> tuple[Sam2VideoModel, Any]:
    return twins(SIDE)


@pytest.fixture(scope="module")
def folder(pair, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sam2")
    pair[0].save_pretrained(folder)
    return folder


@pytest.fixture
def package(pair, monkeypatch) -> Any:
    """The package's model, which does not fill holes unless a test says so."""
    monkeypatch.setattr(pair[1], "fill_hole_area", 0)
    return pair[1]


@pytest.fixture
def tracker(folder) -> Tracker:
    return Tracker(folder, "cpu")


@pytest.fixture(scope="module")
def full_size(tmp_path_factory) -> tuple[Path, Any]:
    """The package's image predictor knows one size only, 1024 px."""
    ours, theirs = twins(1024)
    folder = tmp_path_factory.mktemp("sam2-1024")
    ours.save_pretrained(folder)
    return folder, theirs


def discs(height: int = SIDE, width: int = SIDE):
    y, x = np.mgrid[:height, :width] * SIDE / np.array([height, width]).reshape(2, 1, 1)
    return np.stack([(x - left) ** 2 + (y - top) ** 2 < r * r for left, top, r in ((40, 40, 25), (80, 70, 31), (60, 100, 18))])


def clip(height: int = SIDE, width: int = SIDE, frames: int = 5):
    return textured(frames=frames, height=height, width=width)


def logits_of(tracker: Tracker, frames, masks) -> torch.Tensor:
    """[frames, objects, height, width] of the network's own grid."""
    seen, masks_of = [], tracker._masks
    tracker._masks = lambda logits, size: seen.append(logits[:, 0].clone()) or masks_of(logits, size)
    list(tracker(frames, masks))
    return torch.stack(seen)


def package_logits(package, frames, masks, monkeypatch) -> torch.Tensor:
    """The same of the package."""
    seen, resized = [], package._get_orig_video_res_output
    with monkeypatch.context() as patch:
        patch.setattr(package, "_get_orig_video_res_output", lambda s, m: seen.append(m[:, 0].clone()) or resized(s, m))
        list(PackageTracks(package)(frames, masks))
    return torch.stack(seen[len(masks) :])  # before these, one for each object that was added


def single_token(tracker: Tracker) -> None:
    """Have transformers take the first frame's pointer as the package does."""
    model: Any = tracker._model
    forward = model._single_frame_forward
    model._single_frame_forward = lambda **given: forward(**{"multimask_output": False, **given})


def there_and_back(tracker: Tracker) -> None:
    """Have transformers remember the first frame's mask as the package does."""
    model: Any = tracker._model
    as_output = model._use_mask_as_output

    def resized(*given):
        output = as_output(*given)
        output.high_res_masks = interpolate(output.pred_masks, (SIDE, SIDE), mode="bilinear", align_corners=False)
        return output

    model._use_mask_as_output = resized


def less_sure(monkeypatch) -> None:
    """Bounds that some random masks pass and some do not."""
    for module in (sam2_masks, sam2_package):
        monkeypatch.setattr(module, "MIN_PREDICTED_IOU", 0.3)
        monkeypatch.setattr(module, "MIN_STABILITY", 0.2)


def halves(height: int = SIDE, width: int = SIDE):
    """Masks whose edges stay where they are when they go to a coarse grid and back."""
    masks = np.zeros((2, height, width), bool)
    masks[0, :, : width // 2] = True
    masks[1, height // 2 :] = True
    return masks


def most(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


@pytest.mark.parametrize(
    ("config", "newer", "parameters"), [(TINY, False, 38_945_986), (TINY.replace("sam2", "sam2.1"), True, 38_962_498)]
)
def test_every_weight_of_either_has_one_place_in_the_other(config, newer, parameters):
    from sam2.build_sam import build_sam2_video_predictor

    with torch.device("meta"):
        ours = Sam2VideoModel(
            Sam2VideoConfig(enable_occlusion_spatial_embedding=newer, enable_temporal_pos_encoding_for_object_pointers=newer)
        )
    theirs = build_sam2_video_predictor(config, device="cpu")
    expected = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
    assert {name: tensor.shape for name, tensor in as_package(ours.state_dict()).items()} == expected
    for model in (ours, theirs):
        assert sum(weight.numel() for weight in model.parameters()) == parameters


def test_the_network_and_its_file_are_those_that_the_package_names_for_the_repository():
    from sam2.build_sam import HF_MODEL_ID_TO_FILENAMES

    (source,) = MANIFEST["sam2-hiera-large-package"].sources
    assert isinstance(source, Hub)
    assert HF_MODEL_ID_TO_FILENAMES[source.repository] == (CONFIG, source.file)


def test_pictures_have_the_same_embeddings(pair):
    ours, theirs = pair
    pixels = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        _, features, _, sizes = theirs._prepare_backbone_features(theirs.forward_image(pixels))
        features[-1] = features[-1] + theirs.no_mem_embed
        for a, b, size in zip(ours.get_image_embeddings(pixels), features, sizes):
            assert a.std() > 0.05
            torch.testing.assert_close(a, b.permute(1, 2, 0).view(1, -1, *size), atol=1e-5, rtol=1e-5)


def test_automatic_masks_of_a_picture_that_is_not_resized_are_the_same_in_the_same_order(full_size, monkeypatch):
    folder, network = full_size
    less_sure(monkeypatch)
    picture = clip(1024, 1024, 1)[0]
    found = PackageMasks(network, points_per_side=2)(picture)
    ours = AutomaticMasks(folder, "cpu")(picture, points_per_side=2)
    assert found.shape == ours.shape
    assert (found != ours).sum() <= 4  # of 3 million: a logit of almost 0 may get either sign, by the kernels of the CPU
    assert 1 < len(found) < 12
    assert 0.01 < found.mean() < 0.99


def test_automatic_masks_of_a_picture_that_is_resized_differ_at_a_few_pixels(full_size, monkeypatch):
    folder, network = full_size
    less_sure(monkeypatch)
    picture = clip(96, 128, 1)[0]
    found = PackageMasks(network, points_per_side=2)(picture)
    overlap = np.diag(mask_iou(found, AutomaticMasks(folder, "cpu")(picture, points_per_side=2)))
    assert len(overlap) > 1
    assert 0.97 < overlap.min() < 1


def test_random_weights_are_sure_of_nothing_and_give_no_masks(full_size):
    assert PackageMasks(full_size[1], points_per_side=2)(clip(72, 96, 1)[0]).shape == (0, 72, 96)


def test_tracked_logits_are_the_same_but_for_two_things_about_the_first_frame(tracker, package, monkeypatch):
    frames, masks = clip(), discs()
    expected = package_logits(package, frames, masks, monkeypatch)
    assert expected.std() > 1
    plain = logits_of(tracker, frames, masks)
    assert most(plain[0], expected[0]) == 0
    assert most(plain, expected) > UNLIKE
    there_and_back(tracker)
    assert most(logits_of(tracker, frames, masks), expected) > UNLIKE
    single_token(tracker)
    assert most(logits_of(tracker, frames, masks), expected) < LIKE


def test_masks_whose_edges_lie_on_the_coarse_grid_leave_the_pointer_as_the_only_difference(tracker, package, monkeypatch):
    masks = halves()
    expected = package_logits(package, clip(), masks, monkeypatch)
    assert most(logits_of(tracker, clip(), masks), expected) > UNLIKE
    single_token(tracker)
    assert most(logits_of(tracker, clip(), masks), expected) < LIKE


def test_frames_that_are_resized_differ_by_the_filter_alone(tracker, package, monkeypatch):
    frames, masks = clip(72, 96), discs(72, 96)
    expected = package_logits(package, frames, masks, monkeypatch)
    single_token(tracker)
    there_and_back(tracker)
    assert most(logits_of(tracker, frames, masks), expected) > UNLIKE
    bicubic = np.stack([np.asarray(Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for frame in frames])
    smooth = interpolate(torch.from_numpy(masks)[:, None].float(), (SIDE, SIDE), mode="bilinear", antialias=True)
    assert most(logits_of(tracker, bicubic, (smooth[:, 0] >= 0.5).numpy()), expected) < LIKE


def test_holes_of_8_px_of_the_coarse_grid_are_filled_in_tracked_masks(pair, monkeypatch):
    network = pair[1]
    assert network.fill_hole_area == 8  # as its builder makes it
    filled = package_logits(network, clip(), discs(), monkeypatch)
    monkeypatch.setattr(network, "fill_hole_area", 0)
    plain = package_logits(network, clip(), discs(), monkeypatch)
    new = (filled > 0) & ~(plain > 0)
    assert new.any()
    for t, i in np.argwhere(new.flatten(2).any(2).numpy()).tolist()[:5]:
        outside = label(~(filled[t, i] > 0).numpy(), connectivity=2)
        assert all(region.area > 8 for region in regionprops(outside))


def test_regions_are_counted_as_by_the_other_implementation():
    from sam2.utils.transforms import SAM2Transforms

    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 48, 48))).float()
    transforms = SAM2Transforms(resolution=48, mask_threshold=0.0, max_hole_area=20, max_sprinkle_area=20)
    with sam2_package._complete_and_quiet():
        found = transforms.postprocess_masks(logits[:, None], (48, 48))[:, 0]
    assert torch.equal(found, without_small_regions(logits, 20))
    assert not torch.equal(found, logits)


def test_components_have_their_number_and_their_area_at_each_of_their_pixels():
    masks = np.random.default_rng(1).random((2, 1, 30, 40)) < 0.4
    numbers, areas = connected_components(torch.from_numpy(masks))
    assert numbers.shape == areas.shape == masks.shape
    for mask, number, area in zip(masks[:, 0], numbers[:, 0].numpy(), areas[:, 0].numpy()):
        regions = regionprops(label(mask, connectivity=2))
        assert ((number > 0) == mask).all()
        assert not area[~mask].any()
        assert len(np.unique(number[mask])) == len(regions) > 1
        for region in regions:
            rows, columns = region.coords.T
            assert len(np.unique(number[rows, columns])) == 1
            assert (area[rows, columns] == region.area).all()


def test_regions_that_cannot_be_counted_are_an_error_where_the_package_would_only_warn(package, monkeypatch):
    def failing(masks):
        raise RuntimeError("no memory")

    monkeypatch.setattr(package, "fill_hole_area", 8)
    monkeypatch.setattr(sam2_package, "connected_components", failing)
    with pytest.raises(UserWarning, match="no memory"):
        list(PackageTracks(package)(clip(frames=2), discs()))


def test_frames_reach_the_package_without_loss(package, monkeypatch):
    states, begin = [], package.init_state
    monkeypatch.setattr(package, "init_state", lambda *given, **named: states.append(begin(*given, **named)) or states[-1])
    frames = clip(frames=12)  # ten and more: order is by number, not by name
    list(PackageTracks(package)(frames, discs()[:1]))
    mean, sd = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = ((frames / 255 - mean) / sd).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(states[0]["images"].numpy(), expected, atol=1e-5)


def test_masks_are_those_of_every_object_in_order_and_the_same_every_time(package):
    masks = discs(72, 96)
    first, second = (list(PackageTracks(package)(clip(72, 96, 3), masks)) for _ in range(2))
    assert [frame.shape for frame in first] == [(3, 72, 96)] * 3
    assert np.diag(mask_iou(masks, first[0])).min() > 0.9
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(next(iter(PackageTracks(package)(clip(72, 96, 1), masks))), first[0])


def test_the_package_prints_nothing_and_is_left_as_it_was(package):
    from sam2 import sam2_video_predictor
    from sam2.utils import misc

    before = misc.get_connected_components, misc.tqdm, sam2_video_predictor.tqdm, list(logging.getLogger().handlers)
    printed = io.StringIO()
    with redirect_stderr(printed):
        tracked = PackageTracks(package)(clip(frames=3), discs())
        for _ in tracked:
            now = misc.get_connected_components, misc.tqdm, sam2_video_predictor.tqdm, list(logging.getLogger().handlers)
            assert now == before
    assert printed.getvalue() == ""


def test_frames_become_scores_and_the_truth_itself_is_perfect(package, tmp_path, monkeypatch):
    monkeypatch.setattr(sam2_package, "hiera_large", lambda path, device: package)
    weights = {"sam2-hiera-large-package": tmp_path, "dinov3-vitl16": save_dinov3(tmp_path / "dinov3")}
    extractor = Sam2PackageObjects(weights, "cpu")
    monkeypatch.setattr(extractor, "_segment", lambda picture: halves(80, 112)[:1])
    arrays = extractor(textured(frames=2, height=80, width=112))
    tracks = Tracks.read(arrays)
    assert tracks.present[0].tolist() == [True]
    assert arrays["frame_feature"].shape == (2, 1, 32)
    pairs = AllPairs({}, "cpu")(arrays, arrays)
    assert objects_paper.location_error(pairs, tau=0.999999).value == 0
    assert objects_paper.iou(pairs, tau=0.999999).value == 1
    assert objects_paper.contour(pairs, tau=0.999999).value == 1


@pytest.fixture(scope="module")
def tiny() -> dict[str, torch.Tensor]:
    from sam2.build_sam import build_sam2_video_predictor

    return build_sam2_video_predictor(TINY, device="cpu").state_dict()


def test_weights_fill_the_network_as_its_builder_makes_it_for_inference(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sam2_package, "CONFIG", TINY)
    save_file(tiny, tmp_path / "weights.safetensors")
    network = hiera_large(tmp_path / "weights.safetensors", "cpu")
    assert (network.fill_hole_area, network.binarize_mask_from_pts_for_mem_enc) == (8, True)
    assert not network.training
    assert {(weight.dtype, weight.requires_grad) for weight in network.parameters()} == {(torch.float32, False)}
    assert all(torch.equal(tensor, tiny[name]) for name, tensor in network.state_dict().items())


def test_weights_that_lack_a_tensor_or_are_of_another_size_are_refused(tiny, tmp_path, monkeypatch):
    save_file(tiny, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="does not fit SAM2VideoPredictor"):
        hiera_large(tmp_path / "weights.safetensors", "cpu")
    monkeypatch.setattr(sam2_package, "CONFIG", TINY)
    save_file({name: tensor for name, tensor in tiny.items() if name != "no_mem_embed"}, tmp_path / "less.safetensors")
    with pytest.raises(UserError, match="no_mem_embed"):
        hiera_large(tmp_path / "less.safetensors", "cpu")


def test_a_package_without_what_it_needs_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sam2.build_sam", None)
    with pytest.raises(UserError, match="cannot be imported"):
        hiera_large(tmp_path / "weights.safetensors", "cpu")
