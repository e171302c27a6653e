"""A training that is interrupted ends as one that is not, and processes that share it end as one process does."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from egox.training.loop import train
from egox.training.state import Checkpoints, TrainingError

from . import tiny_training
from .tiny_training import ALONE, RESUMED, Net, examples, recipe, train_resumed

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", tiny_training.__name__, *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}, text=True, stderr=subprocess.PIPE
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "transformer" / "weights.safetensors")


def last_state(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / "step-00000024" / "tensors.safetensors")


def lines(folder: Path) -> list[tuple[str, ...]]:
    """All but the speed."""
    with (folder / "curves.csv").open() as file:
        return [tuple(row) for row in csv.reader(file) if row[1] != "samples_per_s"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    torch.set_num_threads(1)
    assert train_resumed(folder).finished
    return folder


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_killed_training_ends_with_the_bits_of_an_undisturbed_one(undisturbed, tmp_path):
    with run(str(tmp_path), "killed") as killed:
        _, said = killed.communicate(timeout=180)
    assert killed.returncode == -signal.SIGKILL, said
    assert Checkpoints(tmp_path, keep=2).steps() == [15, 10]
    assert list((tmp_path / "checkpoints").glob(".*.part"))
    seen: list[int] = []
    result = train_resumed(tmp_path, progress=lambda done, total, what: seen.append(done))
    assert seen == list(range(16, 25))
    assert result.finished
    assert equal(weights(tmp_path), weights(undisturbed))
    assert equal(last_state(tmp_path), last_state(undisturbed))
    assert lines(tmp_path) == lines(undisturbed)


def test_a_training_in_pieces_ends_with_the_same_bits(undisturbed, tmp_path):
    """Each piece ends as soon as it may: after a step, and within a validation after each of its six levels."""
    pieces = [train_resumed(tmp_path, minutes=0) for _ in range(20)]
    assert [piece.step for piece in pieces] == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 9, 10, 11]
    assert {(piece.stopped_by, piece.finished) for piece in pieces} == {("minutes", False)}
    assert pieces[-1].seconds > pieces[0].seconds
    assert train_resumed(tmp_path).finished
    assert equal(weights(tmp_path), weights(undisturbed))
    assert lines(tmp_path) == lines(undisturbed)


def test_ctrl_c_and_sigterm_leave_a_checkpoint_of_that_very_step(tmp_path):
    handlers = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
    for step, kind in ((4, signal.SIGINT), (7, signal.SIGTERM)):
        result = train_resumed(
            tmp_path, progress=lambda done, *_, at=step, sent=kind: done == at - 1 and signal.raise_signal(sent)
        )
        assert (result.step, result.stopped_by) == (step, "signal")
        assert Checkpoints(tmp_path, keep=2).steps()[0] == step
    assert [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_without_validation_examples_the_curves_of_earlier_pieces_stay(tmp_path):
    given = recipe(steps=20, checkpoint_every=10)
    stopped = False

    def progress(done: int, total: int, what: str) -> None:
        nonlocal stopped
        if done == 10 and not stopped:
            stopped = True
            signal.raise_signal(signal.SIGTERM)

    assert train(given, Net(), examples(4), [], tmp_path, progress=progress).stopped_by == "signal"
    assert train(given, Net(), examples(4), [], tmp_path).finished
    rows = [line.split(",") for line in (tmp_path / "curves.csv").read_text().splitlines()]
    assert [row[0] for row in rows if row[1] == "learning_rate"] == ["10", "20"]


def test_an_interrupted_validation_of_another_step_is_not_gone_on_with(tmp_path):
    given = recipe(steps=20, validate_every=10, checkpoint_every=10)
    plain = train(given, Net(), examples(4), examples(2, seed=1), tmp_path / "plain").validation
    pieces = (train(given, Net(), examples(4), examples(2, seed=1), tmp_path / "cut", minutes=0) for _ in range(20))
    assert any(piece.step == 10 for piece in pieces)  # the first that ends there is within the validation
    assert given.training is not None
    rarely = msgspec.structs.replace(given, training=msgspec.structs.replace(given.training, validate_every=20))
    assert train(rarely, Net(), examples(4), examples(2, seed=1), tmp_path / "cut").validation == plain


def test_a_finished_training_returns_at_once(undisturbed):
    before = (undisturbed / "curves.csv").read_bytes()
    result = train_resumed(undisturbed, progress=lambda *_: pytest.fail("it trained again"))
    assert result.finished
    assert result.step == 24
    assert sorted(result.validation or {}) == [0.1, 0.3, 0.5, 0.7, 0.9, 0.98]
    assert (undisturbed / "curves.csv").read_bytes() == before


def test_loss_and_validation_outlive_a_kill_between_the_last_checkpoint_and_the_model(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "model")
    before, after = train_resumed(undisturbed), train_resumed(tmp_path / "copy")
    assert (after.loss, after.validation, after.samples) == (before.loss, before.validation, before.samples)
    assert after.loss is not None
    assert len(after.validation) == 6
    assert after.samples == 24 * 4
    assert lines(tmp_path / "copy") == lines(undisturbed)


def test_a_damaged_checkpoint_does_not_crowd_out_those_that_are_written_anew(tmp_path):
    given = recipe(steps=12, checkpoint_every=5, keep_checkpoints=1)
    stopped = train(
        given, Net(), examples(3), [], tmp_path, progress=lambda done, *_: done == 9 and signal.raise_signal(signal.SIGINT)
    )
    assert stopped.step == 10
    damaged = tmp_path / "checkpoints" / "step-00000010" / "tensors.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    seen: list[list[int]] = []
    train(given, Net(), examples(3), [], tmp_path, progress=lambda *_: seen.append(Checkpoints(tmp_path, keep=1).steps()))
    assert seen[3:6] == [[10], [5], [5]]
    assert Checkpoints(tmp_path, keep=1).steps() == [12]


def test_a_damaged_checkpoint_is_passed_over_and_named(undisturbed, tmp_path, caplog):
    shutil.copytree(undisturbed, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "model")
    damaged = tmp_path / "copy" / "checkpoints" / "step-00000024" / "tensors.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    assert train_resumed(tmp_path / "copy").finished
    assert "step-00000024 is damaged" in caplog.text
    assert equal(weights(tmp_path / "copy"), weights(undisturbed))


def test_another_recipe_is_refused_and_what_differs_is_named(undisturbed, tmp_path):
    assert RESUMED.training is not None
    other = msgspec.structs.replace(RESUMED, training=msgspec.structs.replace(RESUMED.training, learning_rate=1e-4))
    with pytest.raises(
        TrainingError, match=r"holds another training: recipe.training.learning_rate was 0.003, is 0.0001\. Train in"
    ):
        train(other, Net(), examples(7), [], undisturbed)


def test_other_examples_are_refused(undisturbed):
    with pytest.raises(TrainingError, match=r"another training: examples was \"[0-9a-f]{16}\", is"):
        train(RESUMED, Net(), examples(7, seed=5), [], undisturbed)


def test_all_that_decides_the_weights_is_claimed(undisturbed):
    for given, what in (
        ({"empty_prompt": torch.ones(1, 8)}, "empty_prompt"),
        ({"mirror_signs": torch.ones(2, 16)}, "mirror_signs"),
        ({"mixed_precision": "bf16"}, "precision"),
        ({"preconditioner": torch.nn.Linear(1, 1)}, "preconditioner"),
    ):
        with pytest.raises(TrainingError, match=f"another training: {what} was"):
            train_resumed(undisturbed, **given)


def test_how_often_it_is_looked_at_is_free(undisturbed):
    assert RESUMED.training is not None
    changes = {"validate_every": 3, "checkpoint_every": 3, "keep_checkpoints": 9, "validation_examples": 1}
    other = msgspec.structs.replace(RESUMED, training=msgspec.structs.replace(RESUMED.training, **changes))
    assert train(other, Net(), examples(7), examples(3, seed=1), undisturbed).finished


def test_a_checkpoint_of_another_model_is_refused(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "model")
    other = Net()
    other.more = torch.nn.Linear(2, 2)
    with pytest.raises(TrainingError, match=r"differ in 4 weights, such as average/more.bias: train in another folder"):
        train(RESUMED, other, examples(7), [], tmp_path / "copy")


def test_two_processes_give_the_losses_and_weights_of_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "ACCELERATE_USE_CPU": "1",
    }
    processes = [run(str(tmp_path / "two"), "two", RANK=k, LOCAL_RANK=k, **shared) for k in ("0", "1")]
    result = train(ALONE, Net(dropout=0), examples(7), examples(3, seed=1), tmp_path / "one")
    for process in processes:
        _, said = process.communicate(timeout=180)
        assert process.returncode == 0, said
    one, two = lines(tmp_path / "one"), lines(tmp_path / "two")
    assert [row[:3] for row in one] == [row[:3] for row in two]
    assert {row[1] for row in one} >= {"loss", "loss_at", "val", "gradient_norm"}
    assert [float(row[3]) for row in two[1:]] == pytest.approx([float(row[3]) for row in one[1:]], abs=1e-5)
    for name, value in weights(tmp_path / "one").items():
        # Adam divides by the size of gradients: where these are all but 0, their last bits become visible. A step is 3e-3.
        torch.testing.assert_close(weights(tmp_path / "two")[name], value, atol=1e-4, rtol=0)
    assert result.loss == pytest.approx(float(next(row for row in two if row[:2] == ("6", "loss"))[3]), abs=1e-5)
