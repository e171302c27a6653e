"""Examples on disk: what comes back, what counts as stale or damaged, and what two writers at once leave behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from egox.training.examples import (
    INDEX,
    ExampleError,
    ExampleStore,
    is_damaged,
    key_of,
    stale_or_missing,
    write_example,
    write_index,
)


def example(seed: int = 0, *, frames: int = 2) -> dict[str, Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    latents = {name: torch.randn(16, frames, 4, width, generator=drawn) for name, width in (("exo", 6), ("ego", 4), ("prior", 4))}
    return {
        **latents,
        "valid": torch.randint(0, 65, (4, frames, 4, 4), generator=drawn) / 64,
        "rays": torch.nn.functional.normalize(torch.randn(frames, 4, 3, generator=drawn), dim=-1),
        "rays_valid": torch.rand(frames, 4, generator=drawn) > 0.5,
        "prompt_embeds": torch.randn(7, 12, generator=drawn) * 1e5,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        write_example(tmp_path, f"clip{number}", key=f"key{number}", tensors=example(number))
    write_index(tmp_path)
    return tmp_path


def test_what_is_written_comes_back_as_float32_in_the_order_asked_for(folder: Path):
    store = ExampleStore(folder, {"clip2": "key2", "clip0": "key0"})
    assert (len(store), store.names, store.keys) == (2, ("clip2", "clip0"), ("key2", "key0"))
    found, wanted = store[0], example(2)
    assert found.keys() == wanted.keys()
    assert {name: tensor.dtype for name, tensor in found.items() if name != "rays_valid"} == dict.fromkeys(
        set(wanted) - {"rays_valid"}, torch.float32
    )
    torch.testing.assert_close(found["ego"], wanted["ego"], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["prompt_embeds"], wanted["prompt_embeds"], rtol=1e-2, atol=0)
    for exact in ("valid", "rays", "rays_valid"):
        assert torch.equal(found[exact], wanted[exact])


def test_without_names_all_that_the_index_lists_is_there_by_name(folder: Path):
    assert ExampleStore(folder).names == ("clip0", "clip1", "clip2")


def test_a_loader_gets_every_example(folder: Path):
    loader = torch.utils.data.DataLoader(ExampleStore(folder), batch_size=3)
    assert next(iter(loader))["ego"].shape == (3, 16, 2, 4, 4)


def test_latents_of_a_small_clip_take_as_many_bytes_as_half_precision_needs(tmp_path: Path):
    grid = {"exo": (16, 1, 16, 28), "ego": (16, 1, 16, 16), "prior": (16, 1, 16, 16), "valid": (4, 1, 16, 16)}
    write_example(tmp_path, "one", key="k", tensors={name: torch.zeros(shape) for name, shape in grid.items()})
    assert 32_000 < (tmp_path / "one.safetensors").stat().st_size < 34_000


def test_only_what_is_missing_or_of_another_key_is_to_be_made(folder: Path):
    wanted = {"clip0": "key0", "clip1": "new", "clip9": "key9"}
    assert stale_or_missing(folder, wanted) == {"clip1": "key1", "clip9": None}


@pytest.mark.parametrize("bytes_left", [0, 7, 60, -1])
def test_a_file_that_was_cut_short_counts_as_not_there_and_is_replaced(folder: Path, bytes_left: int):
    path = folder / "clip1.safetensors"
    path.write_bytes(path.read_bytes()[:bytes_left])
    assert is_damaged(folder, "clip1")
    assert stale_or_missing(folder, {"clip1": "key1"}) == {"clip1": None}
    with pytest.raises(ExampleError, match=r"clip1\.safetensors: missing or damaged; make the examples again"):
        ExampleStore(folder)
    write_example(folder, "clip1", key="key1", tensors=example(1))
    assert not is_damaged(folder, "clip1")
    assert len(ExampleStore(folder)) == 3


def test_a_file_that_is_no_example_counts_as_not_there(tmp_path: Path):
    (tmp_path / "x.safetensors").write_bytes(b"\x00" * 400)
    (tmp_path / "y.safetensors").write_bytes(b"\xff" * 400)
    assert (key_of(tmp_path, "x"), key_of(tmp_path, "y"), key_of(tmp_path, "z")) == (None, None, None)
    assert not is_damaged(tmp_path, "z")


def test_a_store_refuses_an_example_of_another_key(folder: Path):
    with pytest.raises(ExampleError, match=r"clip0.*of other content than asked for"):
        ExampleStore(folder, {"clip0": "other"})


def test_a_file_that_goes_bad_later_is_named(folder: Path):
    store = ExampleStore(folder)
    (folder / "clip2.safetensors").write_bytes(b"gone")
    with pytest.raises(ExampleError, match=r"clip2\.safetensors: cannot be read"):
        store[2]


def test_a_folder_without_index_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ExampleError, match="make the examples first"):
        ExampleStore(tmp_path)
    (tmp_path / INDEX).write_text("{}\n")
    with pytest.raises(ExampleError, match=r"index\.jsonl: cannot be read .*name"):
        ExampleStore(tmp_path)


def test_values_that_are_not_finite_are_never_written(tmp_path: Path):
    bad = example()
    bad["prior"][0, 0, 0, 0] = float("nan")
    with pytest.raises(ExampleError, match="example c: prior has values that are not finite"):
        write_example(tmp_path, "c", key="k", tensors=bad)
    with pytest.raises(ExampleError, match=r"ego latents go beyond 65,504"):
        write_example(tmp_path, "c", key="k", tensors={"ego": torch.full((1,), 1e6)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a\nb", "x" * 201])
def test_names_never_leave_the_folder(tmp_path: Path, name: str):
    with pytest.raises(ExampleError, match="cannot be a file name"):
        write_example(tmp_path / "in", name, key="k", tensors=example())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ExampleError, match=r"taken.*cannot be written"):
        write_example(tmp_path / "taken", "c", key="k", tensors=example())
    with pytest.raises(ExampleError, match=r"taken.*cannot be written"):
        write_index(tmp_path / "taken")


def test_a_store_is_told_from_one_with_another_example(folder: Path):
    assert ExampleStore(folder).digest == ExampleStore(folder).digest
    before = ExampleStore(folder).digest
    write_example(folder, "clip1", key="new", tensors=example(5))
    write_index(folder)
    assert ExampleStore(folder).digest != before


def test_two_processes_that_write_the_same_examples_leave_whole_ones(tmp_path: Path):
    code = (
        "import sys, pathlib, torch\n"
        "from egox.training.examples import write_example, write_index\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "for again in range(5):\n"
        "    for n in range(8):\n"
        "        write_example(folder, f'c{n}', key=f'k{n}', tensors={'ego': torch.full((64,), float(n))})\n"
        "    write_index(folder)\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    store = ExampleStore(tmp_path)
    assert len(store) == 8
    assert [float(store[n]["ego"].mean()) for n in range(8)] == list(map(float, range(8)))
    assert not list(tmp_path.glob("*.part"))
