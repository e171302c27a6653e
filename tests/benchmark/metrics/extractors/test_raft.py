"""RAFT by torchvision, with random weights, beside VBench's copy of the original."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.optical_flow import raft_large

from benchmark.errors import Undefined, UserError
from benchmark.metrics.dynamic_degree import dynamic_degree
from benchmark.metrics.extractors.raft import RaftMotion, RaftMotionOnCanvas

from ..pictures import textured
from ..vbench_wheel import sliding, vbench_module, written

RULES = (
    (r"^module\.", ""),
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"(encoder\.layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"(encoder\.layer\d\.\d)\.norm(\d)\.", r"\1.convnormrelu\2.1."),
    (r"encoder\.conv1\.", "encoder.convnormrelu.0."),
    (r"encoder\.norm1\.", "encoder.convnormrelu.1."),
    (r"(feature|context)_encoder\.conv2\.", r"\1_encoder.conv."),
    (r"update_block\.encoder\.convc(\d)\.", r"update_block.motion_encoder.convcorr\1.0."),
    (r"update_block\.encoder\.convf(\d)\.", r"update_block.motion_encoder.convflow\1.0."),
    (r"update_block\.encoder\.conv\.", "update_block.motion_encoder.conv.0."),
    (r"update_block\.gru\.conv([zrq])(\d)\.", r"update_block.recurrent_block.convgru\2.conv\1."),
    (r"update_block\.mask\.0\.", "mask_predictor.convrelu.0."),
    (r"update_block\.mask\.2\.", "mask_predictor.conv."),
)
"""The authors' names of RAFT's weights as torchvision's."""


def renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A checkpoint of the authors' under torchvision's names. The norm of a downsampling block is in it twice."""
    found = {}
    for name, tensor in state.items():
        if ".norm3." in name:
            continue
        for pattern, replacement in RULES:
            name = re.sub(pattern, replacement, name)
        found[name] = tensor.clone().contiguous()
    return found


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random weights of torchvision's naming."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "raft.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in raft_large(weights=None).state_dict().items()}, path)
    return path


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:torch.meshgrid:UserWarning")
def test_motion_and_verdict_equal_vbench_with_the_same_weights_to_the_last_digit(tmp_path, monkeypatch):
    theirs = vbench_module("dynamic_degree")
    easydict = pytest.importorskip("easydict")
    args = easydict.EasyDict(model=str(tmp_path / "raft.pth"), small=False, mixed_precision=False, alternate_corr=False)
    torch.manual_seed(1)
    network = theirs.RAFT(args)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(state, args.model)
    save_file(renamed(state), tmp_path / "raft.safetensors")

    clip = written(tmp_path / "clip.mp4", sliding(frames=9, height=130, width=140, step=(2.0, 5.0)), fps=16)
    judge, seen = theirs.DynamicDegree(args, "cpu"), []
    verdict = judge.check_move
    monkeypatch.setattr(judge, "check_move", lambda scores: seen.extend(scores) or verdict(scores))
    expected = judge.infer(str(tmp_path / "clip.mp4"))

    found = RaftMotion({"raft-things": tmp_path / "raft.safetensors"}, "cpu")(clip, fps=16)
    assert len(seen) == 4
    assert min(seen) > 0.1
    assert found["top"].tolist() == seen
    assert dynamic_degree(found, px_at_256=6.0).value == expected


def test_the_renamed_checkpoint_has_torchvisions_names_and_no_other():
    theirs = vbench_module("dynamic_degree")
    args = pytest.importorskip("easydict").EasyDict(small=False, mixed_precision=False, alternate_corr=False)
    state = renamed({f"module.{name}": tensor for name, tensor in theirs.RAFT(args).state_dict().items()})
    network = raft_large(weights=None)
    assert {name: tensor.shape for name, tensor in state.items()} == {n: t.shape for n, t in network.state_dict().items()}
    assert sum(tensor.numel() for tensor in network.parameters()) == 5_257_536


def test_a_motion_does_not_depend_on_what_was_asked_before(weights):
    extract, clip = RaftMotion({"raft-things": weights}, "cpu"), textured(frames=2, height=128, width=128)
    first = extract(clip, fps=8)["top"]
    extract(textured(frames=2, height=128, width=136, seed=4), fps=8)
    assert np.array_equal(extract(clip, fps=8)["top"], first)


def test_on_the_canvas_the_exo_view_is_part_of_the_picture(weights):
    exo, ego = textured(frames=2, height=128, width=40), textured(frames=2, height=128, width=96, seed=2)
    both = np.concatenate([exo, ego], axis=2)
    paths = {"raft-things": weights}
    found = RaftMotionOnCanvas(paths, "cpu")(ego, exo=exo, fps=8)
    assert np.array_equal(found["top"], RaftMotion(paths, "cpu")(both, fps=8)["top"])
    assert (int(found["height"]), int(found["width"])) == (128, 136)


def test_frames_below_128_pixels_are_undefined(weights):
    with pytest.raises(Undefined, match="frames of 128x120 are smaller than the 128 px that RAFT needs"):
        RaftMotion({"raft-things": weights}, "cpu")(textured(frames=2, height=120, width=128), fps=8)


def test_weights_that_give_no_numbers_and_weights_of_another_network_are_refused(weights, tmp_path):
    from safetensors.torch import load_file

    state = load_file(weights)
    broken = {**state, "update_block.flow_head.conv2.bias": torch.full((2,), float("nan"))}
    save_file(broken, tmp_path / "broken.safetensors")
    extract = RaftMotion({"raft-things": tmp_path / "broken.safetensors"}, "cpu")
    with pytest.raises(UserError, match="NaN"):
        extract(textured(frames=2, height=128, width=128), fps=8)
    save_file({"layer.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"other\.safetensors"):
        RaftMotion({"raft-things": tmp_path / "other.safetensors"}, "cpu")
