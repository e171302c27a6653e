"""Published weights become safetensors; what could run code never does."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from benchmark.errors import UserError
from benchmark.weights.convert import convert

from .made import tree


def test_nested_arrays_get_the_keys_of_the_file_joined_by_slashes(tmp_path):
    (tmp_path / "a.ckpt").write_bytes(pickle.dumps(tree(), protocol=4))
    convert(tmp_path / "a.ckpt", tmp_path / "out", form="numpy-pickle", name="a.ckpt")
    found = load_file(tmp_path / "out")
    assert set(found) == {"params/Logits/Conv/kernel", "batch_stats/Conv/mean"}
    np.testing.assert_array_equal(found["params/Logits/Conv/kernel"], tree()["params"]["Logits/Conv"]["kernel"])


def test_a_pickle_of_an_older_numpy_names_other_modules_and_is_read_too(tmp_path):
    data = pickle.dumps(tree(), protocol=4)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    frame = bytes([0x8C, len(new)]) + new
    assert frame in data
    older = data.replace(frame, bytes([0x8C, len(old)]) + old)
    # Protocol 4 counts the bytes of a frame; one fewer now.
    size = int.from_bytes(older[3:11], "little") - 1
    (tmp_path / "a.ckpt").write_bytes(older[:3] + size.to_bytes(8, "little") + older[11:])
    convert(tmp_path / "a.ckpt", tmp_path / "out", form="numpy-pickle", name="a.ckpt")
    assert len(load_file(tmp_path / "out")) == 2


class Harmful:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("form", ["numpy-pickle", "torch"])
def test_a_pickle_that_asks_for_more_than_arrays_is_refused_by_name_and_runs_nothing(tmp_path, form):
    trap = tmp_path / "made-by-the-pickle"
    path = tmp_path / "bad.ckpt"
    if form == "torch":
        torch.save({"weight": torch.ones(2), "more": Harmful(str(trap))}, path)
    else:
        path.write_bytes(pickle.dumps({**tree(), "more": Harmful(str(trap))}, protocol=4))
    with pytest.raises(UserError, match=r"bad.ckpt: refused: .*posix.mkdir"):
        convert(path, tmp_path / "out", form=form, name="bad.ckpt")
    assert not trap.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"a": [1, 2]}, "a is a list"),
        ({"a": {"b": np.array([None])}}, "never"),
        ({}, "holds no arrays"),
        ({"a": {"b": np.ones(1)}, "a/b": np.ones(1)}, "two arrays have one name"),
    ],
)
def test_what_is_no_tree_of_numbers_is_refused(tmp_path, tree, why):
    (tmp_path / "a.ckpt").write_bytes(pickle.dumps(tree, protocol=4))
    with pytest.raises(UserError, match=why):
        convert(tmp_path / "a.ckpt", tmp_path / "out", form="numpy-pickle", name="a.ckpt")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["numpy-pickle", "torch"])
@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps(tree(), protocol=4)[:-20]])
def test_a_broken_file_is_one_sentence(tmp_path, form, data):
    (tmp_path / "a.ckpt").write_bytes(data)
    with pytest.raises(UserError, match=r"a.ckpt: "):
        convert(tmp_path / "a.ckpt", tmp_path / "out", form=form, name="a.ckpt")


def test_floats_become_float32_and_integers_stay(tmp_path):
    state = {"half": torch.arange(3).half(), "double": torch.ones(2, dtype=torch.float64), "count": torch.tensor(7)}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "out", form="torch", name="a.pth")
    found = load_file(tmp_path / "out")
    assert {key: str(value.dtype) for key, value in found.items()} == {"half": "float32", "double": "float32", "count": "int64"}
    assert found["count"] == 7
    assert found["count"].shape == ()


@pytest.mark.parametrize("holder", ["state_dict", "model"])
def test_a_checkpoint_may_hold_its_state_among_other_things(tmp_path, holder):
    torch.save({holder: {"weight": torch.ones(2)}, "epoch": 3}, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "out", form="torch", name="a.pth")
    assert list(load_file(tmp_path / "out")) == ["weight"]


def test_tensors_that_share_memory_or_are_views_keep_their_values(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    torch.save({"a": whole, "b": whole.T, "c": whole[:, 1]}, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "out", form="torch", name="a.pth")
    found = load_file(tmp_path / "out")
    np.testing.assert_array_equal(found["b"], whole.numpy().T)
    np.testing.assert_array_equal(found["c"], whole.numpy()[:, 1])


def test_the_order_of_the_keys_does_not_move_a_byte(tmp_path):
    state = {"b": torch.ones(2), "a": torch.zeros(3), "n": torch.tensor(1)}
    for name, keys in (("one", list(state)), ("two", sorted(state))):
        torch.save({key: state[key] for key in keys}, tmp_path / f"{name}.pth")
        convert(tmp_path / f"{name}.pth", tmp_path / name, form="torch", name=name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
