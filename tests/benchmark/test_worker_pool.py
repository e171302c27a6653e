"""How many processes work where nobody says: as many as pay, and one where several would be in each other's way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from benchmark import runner, worker_pool
from benchmark.answers import Answers
from benchmark.canvas import FULL, MINI
from benchmark.clip import ClipInputs, Input
from benchmark.errors import LoadError, UserError
from benchmark.job import Job
from benchmark.registry import Fit, load_registry
from benchmark.run_record import read_run_record
from benchmark.runner import run_job
from benchmark.video import Frames
from benchmark.work import Steps
from benchmark.worker_pool import WORKER_BYTES, memory_left, workers_that_pay
from methods.command import adapter as command_adapter

from .toy import Tinted, ToyDataset, toy_answers, toy_job


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Eight cores, much memory and no GPU; a test changes what it is about."""
    has = SimpleNamespace(cores=8, memory=64 * 1024**3, gpu=False)
    monkeypatch.setattr(worker_pool, "available_cores", lambda: has.cores)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=has.memory))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has.gpu)
    return has


def test_many_clips_of_the_mini_size_have_a_process_a_core(machine: SimpleNamespace) -> None:
    assert workers_that_pay(200, MINI) == 8
    machine.cores = 2
    assert workers_that_pay(24, MINI) == 2
    machine.cores = 1
    assert workers_that_pay(24, MINI) == 1


def test_few_clips_do_not_pay_for_the_start_of_many_processes(machine: SimpleNamespace) -> None:
    assert [workers_that_pay(pieces, MINI) for pieces in (0, 1, 7, 8, 12, 24)] == [1, 1, 1, 2, 3, 6]


def test_memory_bounds_the_processes(machine: SimpleNamespace) -> None:
    machine.memory = 3 * WORKER_BYTES + 1
    assert workers_that_pay(200, MINI) == 3
    machine.memory = WORKER_BYTES // 2
    assert workers_that_pay(200, MINI) == 1


def test_a_gpu_and_the_full_size_have_one_process(machine: SimpleNamespace) -> None:
    assert workers_that_pay(200, FULL) == 1
    machine.gpu = True
    assert workers_that_pay(200, MINI) == 1


def test_a_container_has_the_memory_of_its_own_limit(tmp_path: Path, machine: SimpleNamespace) -> None:
    (tmp_path / "memory.current").write_text("3000000000\n")
    (tmp_path / "memory.stat").write_text("anon 1000000000\ninactive_file 1500000000\n")
    (tmp_path / "memory.max").write_text("4000000000\n")
    assert memory_left(tmp_path) == 2_500_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_left(tmp_path) == machine.memory == memory_left(tmp_path / "nowhere")


class Batched(Tinted):
    """Takes all clips at once."""

    batch_size = 0

    def __init__(self, options: object = None) -> None:
        super().__init__()

    def generate_batch(self, batch: Sequence[ClipInputs], *, seeds: Sequence[int]) -> Iterator[tuple[str, Frames | Exception]]:
        for inputs in batch:
            yield inputs.clip_id, np.full((inputs.n_frames, *inputs.size, 3), len(batch), np.uint8)


class Learning(Tinted):
    """Is given training clips before it answers."""

    def fit(self, clips: Sequence[Any]) -> None:
        self.learned = len(clips)


def made_by_a_function(options: object) -> Tinted:
    return Tinted()


def installed(name: str, make: Callable[[], Any] = Tinted, **changes: Any) -> Answers:
    """As if a plugin named what of this module makes the method."""
    return toy_answers(make, target=f"{__name__}:{name}", **changes)


def processes_of(job: Job, monkeypatch: pytest.MonkeyPatch, **given: int) -> int:
    """What run.json says that a run had, where two processes would pay; the processes themselves do nothing here."""
    monkeypatch.setattr(runner, "workers_that_pay", lambda pieces, canvas: 2)
    monkeypatch.setattr(runner, "in_processes", lambda rows, work, **how: iter(()))
    run_job(job, job.manifest.rows, steps=Steps(generate=True, score=True), **given)
    record = read_run_record(job.folder)
    assert record is not None
    return record.invocations[-1].workers


def test_a_run_has_as_many_processes_as_pay_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes_of(toy_job(tmp_path / "a", answers=installed("Tinted")), monkeypatch) == 2
    assert processes_of(toy_job(tmp_path / "b", answers=installed("Tinted")), monkeypatch, workers=1) == 1
    assert processes_of(toy_job(tmp_path / "c", answers=installed("Tinted")), monkeypatch, workers=3) == 3


def test_a_method_that_answers_many_clips_at_once_keeps_them_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = toy_job(tmp_path, dataset=ToyDataset(6), answers=installed("Batched", Batched))
    assert processes_of(job, monkeypatch) == 1
    assert job.folder.prediction("c5") is not None, "and it ran"


def test_a_method_that_learns_first_does_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = Fit(needs=frozenset({Input.EXO_VIDEO}), clips=2)
    assert processes_of(toy_job(tmp_path, answers=installed("Learning", Learning, fit=fit)), monkeypatch) == 1


def test_what_a_function_makes_or_a_script_brings_has_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes_of(toy_job(tmp_path / "a", answers=installed("made_by_a_function")), monkeypatch) == 1
    assert processes_of(toy_job(tmp_path / "b", answers=toy_answers()), monkeypatch) == 1
    assert load_registry()["command"].adapter() is command_adapter.make


def test_scoring_what_is_generated_does_not_ask_for_the_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = toy_job(tmp_path, answers=installed("not_there"))
    run_job(job, job.manifest.rows, steps=Steps(generate=True, score=False), workers=1)
    assert processes_of(job, monkeypatch) == 2


def test_a_method_that_cannot_be_imported_fails_as_with_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise UserError("no such package")

    for name, workers in (("a", {}), ("b", {"workers": 1})):
        job = toy_job(tmp_path / name, answers=installed("not_there", broken))
        with pytest.raises(LoadError, match="no such package"):
            processes_of(job, monkeypatch, **workers)
        record = read_run_record(job.folder)
        assert record is not None
        assert not record.invocations[-1].finished


THREADS = """
import sys, dataclasses
from pathlib import Path
from benchmark.canvas import MINI
from benchmark.job import JobConfig, make_job
from benchmark.registry import Fit, Input
from benchmark.runner import run_job
from benchmark.work import Steps
from tests.benchmark.toy import Tinted, ToyDataset, toy_answers, toy_protocol

class Learning(Tinted):
    def fit(self, clips):
        import torch
        print("threads", torch.get_num_threads())

data = ToyDataset(8)
config = JobConfig(data="toy", split="all", protocol="toy", out=Path(sys.argv[1]), seed=0, method="toy-method")
answers = toy_answers(Learning, target="x:y", fit=Fit(needs=frozenset({Input.EXO_VIDEO}), clips=2))
job = make_job(config, dataset=data, manifest=data.manifest("all"), protocol=toy_protocol(MINI), answers=answers)
run_job(job, job.manifest.rows, steps=Steps(generate=True, score=False))
"""


def test_torch_has_one_thread_whoever_asks_it_for_a_gpu_first(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    root = Path(__file__).parents[2]
    call = [sys.executable, "-c", THREADS, str(tmp_path)]
    done = subprocess.run(call, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert "threads 1" in done.stdout, done.stdout + done.stderr
