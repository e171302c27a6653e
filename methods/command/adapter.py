"""Writes the files, runs the program, reads the video back: per clip, or once for all clips."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.clip import ClipInputs
from benchmark.errors import UserError
from benchmark.video import Frames

from . import Options
from .exchange import BatchEntry, read_answer, write_batch, write_question
from .process import ProgramFailed, run_program


def make(options: Options) -> CommandPerClip | CommandForAll:
    """The adapter that the option `batch` asks for. Raises UserError where there is no program to run."""
    if not options.cmd:
        raise UserError("method 'command' needs a program: --set cmd='/path/to/python my_method.py {inputs} {output}'")
    try:
        program = shlex.split(options.cmd)[0]
    except ValueError as error:
        raise UserError(f"option cmd of command: {error} in {options.cmd!r}") from None
    if shutil.which(program) is None:
        raise UserError(f"option cmd of command: no program {program!r} here; give its full path")
    return CommandForAll(options) if options.batch == "all" else CommandPerClip(options)


def _arguments(cmd: str, *, inputs: Path, output: Path) -> list[str]:
    """Placeholders are filled after splitting: a path with blanks stays one argument."""
    return [part.replace("{inputs}", str(inputs)).replace("{output}", str(output)) for part in shlex.split(cmd)]


class CommandPerClip:
    """One process a clip."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        with tempfile.TemporaryDirectory(prefix="egox-bench-") as made:
            folder = Path(made)
            output = folder / "out" / f"ego.{self.options.output_format}"
            output.parent.mkdir()
            write_question(folder / "inputs", inputs, seed=seed, output=output)
            arguments = _arguments(self.options.cmd, inputs=folder / "inputs", output=output)
            run_program(arguments, timeout_s=self.options.timeout_s, log=folder / "log")
            return read_answer(output, inputs)


class CommandForAll:
    """One process for all clips. Those whose video is complete count even where the program broke on another."""

    batch_size = 0

    def __init__(self, options: Options) -> None:
        self.options = options

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        ((_, outcome),) = self.generate_batch([inputs], seeds=[seed])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def generate_batch(self, batch: Sequence[ClipInputs], *, seeds: Sequence[int]) -> Iterator[tuple[str, Frames | Exception]]:
        with tempfile.TemporaryDirectory(prefix="egox-bench-") as made:
            folder = Path(made)
            answers = folder / "out"
            answers.mkdir()
            entries = []
            for number, (inputs, seed) in enumerate(zip(batch, seeds, strict=True)):
                name = f"{number:06d}"  # a number, not the clip's id: ids come from data files and never become paths
                output = answers / f"{name}.{self.options.output_format}"
                write_question(folder / "inputs" / name, inputs, seed=seed, output=output)
                entries.append(BatchEntry(clip_id=inputs.clip_id, folder=name, output=str(output)))
            write_batch(folder / "inputs", entries)
            arguments = _arguments(self.options.cmd, inputs=folder / "inputs", output=answers)
            broke: ProgramFailed | None = None
            try:
                run_program(arguments, timeout_s=self.options.timeout_s * len(batch), log=folder / "log")
            except ProgramFailed as error:
                broke = error
            for inputs, entry in zip(batch, entries, strict=True):
                yield inputs.clip_id, _answer(Path(entry.output), inputs, broke)


def _answer(output: Path, inputs: ClipInputs, broke: ProgramFailed | None) -> Frames | Exception:
    try:
        return read_answer(output, inputs)
    except ValueError as error:
        return error if broke is None else broke
