"""Any program as a method: it reads a folder of files and writes a video, in whatever environment it lives.

The key of a prediction sees the command's text, the options that reach the program, and the bytes of what `source` names.
It does not see the program's environment, weights or files that `source` leaves out: name them, or run with
`--overwrite always` after changing them. The folder is described in docs/add-a-method.md and in `exchange.py`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmark.registry import Declared, Input, MethodSpec

PLACEHOLDERS = ("{inputs}", "{output}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `--set` takes.

    cmd: the program and its arguments, split as a shell would but run without one; {inputs} becomes the folder to read,
    {output} the file to write (a folder for batch=all). name: its row is called command-NAME. needs: inputs to write, with
    commas; a clip that lacks one is undefined. exo_views: how many exo views to write. source: files and folders of the
    program whose bytes belong to the key. output_format: the suffix of {output}; npy, or a container that FFmpeg reads (a
    lossy one costs quality). timeout_s: seconds that the program may take per clip; it is killed then, with all that it
    started. batch: run it once per clip, or once for all clips (it then loads its weights once).
    """

    cmd: str = ""
    name: str = field(default="", metadata={"decides": False})
    needs: tuple[Input, ...] = (Input.EXO_VIDEO, Input.EXO_CAMERA, Input.EGO_CAMERA)
    exo_views: int = 1
    source: tuple[str, ...] = field(default=(), metadata={"decides": False})
    output_format: Literal["mkv", "mp4", "webm", "mov", "avi", "npy"] = "mkv"
    timeout_s: float = field(default=600.0, metadata={"decides": False})
    batch: Literal["clip", "all"] = "clip"

    def __post_init__(self) -> None:
        missing = [name for name in PLACEHOLDERS if name not in self.cmd]
        if self.cmd and missing:
            raise ValueError(f"cmd {self.cmd!r} lacks {' and '.join(missing)}: the program must be told what to read and write")
        if not re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", self.name):
            raise ValueError(f"name {self.name!r} is not lower case words with dashes (it becomes a folder)")
        if Input.TRUTH in self.needs:
            raise ValueError("needs holds 'truth': a program in another environment never sees it")
        if not 0 < self.timeout_s < float("inf"):
            raise ValueError(f"timeout_s is {self.timeout_s}, expected seconds above 0")
        if self.exo_views < 1:
            raise ValueError(f"exo_views is {self.exo_views}, expected 1 or more")

    def declared(self) -> Declared:
        """What the registry asks: these options decide the needs, and the program's files are part of the method."""
        files = tuple(str(Path(path).expanduser()) for path in self.source)
        return Declared(needs=frozenset(self.needs), exo_views=self.exo_views, files=files, name=self.name)


SPEC = MethodSpec(
    id="command",
    target="methods.command.adapter:make",
    summary="any program, run on files: --set cmd='… {inputs} {output}'",
    version="1",
    needs=frozenset({Input.EXO_VIDEO, Input.EXO_CAMERA, Input.EGO_CAMERA}),
    options=Options,
    licence="Apache-2.0",
)
