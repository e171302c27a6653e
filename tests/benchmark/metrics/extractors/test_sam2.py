"""SAM 2 through the real classes with small random weights: automatic masks, and following them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from skimage.measure import label
from transformers import Sam2ImageProcessor, Sam2Model, Sam2Processor, Sam2VideoModel, Sam2VideoProcessor, Sam2VideoVideoProcessor

from benchmark.errors import UserError
from benchmark.metrics.extractors import sam2_masks
from benchmark.metrics.extractors.sam2_masks import AutomaticMasks, stability, without_small_regions
from benchmark.metrics.extractors.sam2_tracks import Tracker
from benchmark.metrics.mask_overlap import mask_iou

from ..pictures import textured
from .tiny_networks import SAM2_SIDE, save_sam2

HEIGHT, WIDTH = 72, 96
SIZE = {"height": SAM2_SIDE, "width": SAM2_SIDE}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_sam2(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="module")
def tracker(folder) -> Tracker:
    return Tracker(folder, "cpu")


def clip(frames: int = 4):
    return textured(frames=frames, height=HEIGHT, width=WIDTH)


def prompts():
    masks = np.zeros((3, HEIGHT, WIDTH), bool)
    masks[0, 5:40, 5:45] = True
    masks[1, 30:70, 50:90] = True
    masks[2, 45:70, 4:40] = True
    return masks


def test_automatic_masks_are_those_of_the_models_own_processor_for_the_same_points(folder, monkeypatch):
    monkeypatch.setattr(sam2_masks, "MIN_PREDICTED_IOU", -np.inf)
    monkeypatch.setattr(sam2_masks, "MIN_STABILITY", -np.inf)
    monkeypatch.setattr(sam2_masks, "MAX_BOX_IOU", 1.0)
    picture = clip()[0]
    found = AutomaticMasks(folder, "cpu")(picture, points_per_side=2, min_region=0)
    points = [[[x * WIDTH, y * HEIGHT]] for y in (0.25, 0.75) for x in (0.25, 0.75)]
    processor = Sam2Processor(Sam2ImageProcessor(size=SIZE))
    inputs = processor(images=picture, input_points=[points], input_labels=[[[1]] * 4], return_tensors="pt")
    with torch.no_grad():
        output = Sam2Model.from_pretrained(folder)(**inputs)
    expected = processor.post_process_masks(output.pred_masks, inputs["original_sizes"])[0].flatten(0, 1).numpy()
    expected = expected[expected.any(axis=(1, 2))]
    assert len(found) == len(expected) > 3
    assert {mask.tobytes() for mask in found} == {mask.tobytes() for mask in expected}
    assert 0.01 < expected.mean() < 0.99


def test_duplicates_go_and_the_surest_mask_comes_first(folder, monkeypatch):
    monkeypatch.setattr(sam2_masks, "MIN_PREDICTED_IOU", -np.inf)
    monkeypatch.setattr(sam2_masks, "MIN_STABILITY", -np.inf)
    monkeypatch.setattr(sam2_masks, "MAX_BOX_IOU", 1.0)
    segment = AutomaticMasks(folder, "cpu")
    everything = segment(clip()[0], points_per_side=3, min_region=0)
    monkeypatch.setattr(sam2_masks, "MAX_BOX_IOU", 0.7)
    different = segment(clip()[0], points_per_side=3, min_region=0)
    assert 0 < len(different) < len(everything)
    np.testing.assert_array_equal(different[0], everything[0])


def test_masks_that_the_model_is_not_sure_of_are_left_out(folder):
    # random weights are sure of nothing
    assert AutomaticMasks(folder, "cpu")(clip()[0], points_per_side=2).shape == (0, HEIGHT, WIDTH)


def test_stability_is_the_iou_of_cuts_one_above_and_one_below():
    logits = torch.tensor([[[2.0, 0.5, -0.5, -2.0]], [[-3.0, -3, -3, -3]], [[5.0, 5, 5, -5]]])
    assert stability(logits).tolist() == [pytest.approx(1 / 3), 0, 1]


def test_small_holes_are_filled_and_small_islands_removed():
    logits = torch.full((1, 40, 40), -3.0)
    logits[0, 5:25, 5:25] = 4.0
    logits[0, 10:12, 10:13] = -1.0  # a hole of 6
    logits[0, 30:32, 30:32] = 2.0  # an island of 4
    cleaned = without_small_regions(logits, 6)
    mask = (cleaned > 0)[0].numpy()
    assert mask.sum() == 400
    assert mask[5:25, 5:25].all()
    assert cleaned[0, 10, 10] == 10
    assert cleaned[0, 30, 30] == -10
    assert (without_small_regions(logits, 5) > 0)[0].sum() == 400 - 6
    assert torch.equal(without_small_regions(logits, 3), logits)


def test_no_region_of_a_random_mask_is_small_after_islands_are_removed():
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 48, 48)))
    for before, after in zip(logits, without_small_regions(logits, 20)):
        islands = label((before > 0).numpy(), connectivity=2)
        small = np.flatnonzero(np.bincount(islands.ravel())[1:] <= 20) + 1
        assert len(small) > 0
        assert (after.numpy()[np.isin(islands, small)] == -10).all()


def test_every_object_is_followed_and_starts_as_its_own_mask(tracker):
    masks = prompts()
    tracked = list(tracker(clip(), masks))
    assert [frame.shape for frame in tracked] == [(3, HEIGHT, WIDTH)] * 4
    assert np.diag(mask_iou(masks, tracked[0])).min() > 0.9


def test_adding_objects_one_call_at_a_time_forgets_all_but_the_last(folder):
    """Why the tracker adds all in one call."""
    model = Sam2VideoModel.from_pretrained(folder)
    processor = Sam2VideoProcessor(Sam2ImageProcessor(size=SIZE), Sam2VideoVideoProcessor(size=SIZE))
    session = processor.init_video_session(video=list(clip()), inference_device="cpu")
    for k, mask in enumerate(prompts()):
        processor.add_inputs_to_inference_session(session, frame_idx=0, obj_ids=[k], input_masks=[mask])
    assert session.obj_with_new_inputs == [2]
    with pytest.raises(ValueError, match="conditioning outputs cannot be empty"), torch.no_grad():
        model(session, frame_idx=0)


def test_forgetting_what_is_not_read_again_changes_no_mask(tracker, monkeypatch):
    frames = clip(10)
    kept = list(tracker(frames, prompts()))
    monkeypatch.setattr(Tracker, "_forget", lambda *_: None)
    for a, b in zip(kept, tracker(frames, prompts())):
        np.testing.assert_array_equal(a, b)


def test_a_session_keeps_no_picture_sized_mask_and_no_old_memory(tracker, monkeypatch):
    sessions = []
    forget = Tracker._forget

    def spy(self, session, frame):
        forget(self, session, frame)
        sessions.append(session)

    monkeypatch.setattr(Tracker, "_forget", spy)
    list(tracker(clip(10), prompts()))
    for outputs in sessions[-1].output_dict_per_obj.values():
        everything = [*outputs["cond_frame_outputs"].values(), *outputs["non_cond_frame_outputs"].values()]
        assert len(everything) == 10
        assert not any("high_res_masks" in kept for kept in everything)
        assert sum("maskmem_features" in kept for kept in everything) == 1 + 7


def test_tracks_are_the_same_every_time_and_one_frame_is_enough(tracker):
    a, b = (list(tracker(clip(), prompts())) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(next(iter(tracker(clip(1), prompts()))), a[0])


def test_an_object_too_thin_for_the_model_is_gone_in_the_first_frame_already(tracker):
    masks = prompts()
    masks[1] = False
    masks[1, 30, 5:90] = True
    overlap = np.diag(mask_iou(masks, next(iter(tracker(clip(1), masks)))))
    assert overlap[1] < 0.8 < overlap[0]


def test_a_folder_without_some_of_the_weights_is_refused_not_filled_with_noise(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.startswith("mask_decoder"))
    save_file({k: v for k, v in tensors.items() if k != name}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for make in (AutomaticMasks, Tracker):
        with pytest.raises(UserError, match=f"1 weights are missing or misshapen, {name} first"):
            make(tmp_path, "cpu")


def test_an_empty_folder_and_a_cut_file_are_refused_with_the_folders_name(folder, tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        Tracker(tmp_path, "cpu")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(UserError, match=str(tmp_path)):
        Tracker(tmp_path, "cpu")
