"""Scores the rungs of a ladder by the benchmark's own metrics, and puts them into a table, JSON, CSV and a contact sheet."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmark.errors import Undefined
from benchmark.files import atomic_file
from benchmark.metrics import METRICS, ClipValue, Need, weights_of
from benchmark.metrics.extraction import Extraction
from benchmark.metrics.measure import extractor_of
from benchmark.metrics.sample import WHAT, Sample
from benchmark.progress import progress
from benchmark.protocols.protocol import Protocol, load_protocol
from benchmark.video import Frames
from egox.training.sheets import sheet_of

from .processes import say

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = 1

COLUMNS = ("psnr", "psnr-seen", "psnr-imagined", "ssim", "st-lpips", "st-lpips-seen", "st-lpips-imagined", "eff-i")
"""Metric ids, in the order of the table."""

KNOWN_SHARE = 0.5
"""A pixel counts as seen where the prior knows more than this share of its latent cell's pixels, in its own frame."""

REGIONS = (
    f"seen: pixels of the lens circle whose latent cell the ego prior knows by more than {KNOWN_SHARE:.0%}; imagined: all others"
    " of the circle"
)

WIDE = 160
"""Columns of the printed table: nothing is folded."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of a rung. mean: over the examples that have a value. values: by example. undefined: why others have none."""

    mean: float | None
    values: dict[str, float]
    undefined: tuple[str, ...] = ()


class RungScores(msgspec.Struct, frozen=True, kw_only=True):
    """seconds: of an example, prediction and decoding, without any fit. scores: by metric id, none where the rung is absent."""

    title: str
    about: str
    seconds: float | None
    scores: dict[str, Score]


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """All of ladder.json. protocol: whose definitions the metrics have. regions: what seen and imagined mean here."""

    schema: int
    recipe: str
    split: str
    protocol: str
    regions: str
    examples: tuple[str, ...]
    rungs: tuple[RungScores, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CellCover:
    """Readings of an example: the pixels that its prior knows, and nothing else."""

    known: NDArray[np.bool_]

    def read(self, need: Need) -> Any:
        if need is not Need.COVER:
            raise Undefined(f"needs {WHAT[need]}, which training examples have not")
        return self.known

    def key(self, need: Need) -> str:
        return hashlib.sha256(np.packbits(self.known).tobytes()).hexdigest() if need is Need.COVER else "absent"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Scorer:
    """Scores one rung after the other. names, truths [frames, h, w, 3] uint8 and known [frames, h, w] bool: one an example."""

    names: Sequence[str]
    truths: Sequence[Frames]
    known: Sequence[NDArray[np.bool_]]
    device: str
    rungs: list[RungScores] = field(default_factory=list)
    videos: dict[str, list[Frames]] = field(default_factory=dict)
    _extraction: list[Extraction] = field(default_factory=list)

    def add(self, title: str, about: str, videos: list[Frames], *, seconds: float) -> None:
        """Score the predictions of a rung, one an example."""
        self.videos[title] = videos
        self.rungs.append(RungScores(title=title, about=about, seconds=round(seconds, 4), scores=self._scores(videos)))

    def add_absent(self, title: str, about: str) -> None:
        """A rung that is not there, with the reason."""
        self.rungs.append(RungScores(title=title, about=about, seconds=None, scores={}))

    def _scores(self, videos: Sequence[Frames]) -> dict[str, Score]:
        protocol, extraction = _protocol(), self._loaded()
        found: dict[str, dict[str, ClipValue]] = {column: {} for column in COLUMNS}
        for name, video, truth, known in zip(self.names, videos, self.truths, self.known, strict=True):
            sample = Sample(prediction=video, truth=truth, readings=CellCover(known=known))
            for metric, value in protocol.score(sample, extraction, only=COLUMNS):
                assert isinstance(value, ClipValue)  # none of them is a metric of a set
                found[metric][name] = value
        return {metric: _score(values) for metric, values in found.items()}

    def _loaded(self) -> Extraction:
        """The networks, loaded once; small open weights come by themselves, and what cannot be had is told once."""
        if not self._extraction:
            from benchmark.weights import fetch_open

            extractors = [extractor for column in COLUMNS if (extractor := extractor_of(METRICS[column])) is not None]
            needed = dict.fromkeys(name for extractor in extractors for name in weights_of(extractor))
            for reason in fetch_open(needed, progress=progress):
                say(reason)
            self._extraction.append(Extraction(None, device=self.device))
        return self._extraction[0]


def known_pixels(valid: Tensor, *, frames: int, side: int) -> NDArray[np.bool_]:
    """[frames, height, width]: pixels whose latent cell the prior knows by more than `KNOWN_SHARE`.

    valid: [temporal, f, h, w], the share of known pixels of each cell as `JointCanvas.fold_frames` folds it. side: pixels of a
    cell. frames: of the video, temporal (f - 1) + 1.
    """
    temporal = len(valid)
    unfolded = valid.transpose(0, 1).flatten(0, 1)[temporal - 1 :]  # the first frame stands for a whole group
    if len(unfolded) != frames:
        raise ValueError(f"known shares are of {len(unfolded)} frames, the video has {frames}")
    return (unfolded > KNOWN_SHARE).repeat_interleave(side, 1).repeat_interleave(side, 2).numpy()


def written(scorer: Scorer, *, folder: Path, recipe: str, split: str) -> Ladder:
    """Write ladder.json, ladder.csv and ladder.png into a folder. Raises StorageError."""
    protocol = _protocol()
    ladder = Ladder(
        schema=SCHEMA,
        recipe=recipe,
        split=split,
        protocol=f"{protocol.name}@{protocol.version}",
        regions=REGIONS,
        examples=tuple(scorer.names),
        rungs=tuple(scorer.rungs),
    )
    encoded = msgspec.json.format(msgspec.json.encode(ladder)) + b"\n"
    atomic_file(folder / "ladder.json", lambda aside: aside.write_bytes(encoded))
    atomic_file(folder / "ladder.csv", lambda aside: aside.write_text(as_csv(ladder), encoding="utf-8"))
    rows = [
        {"truth": truth, **{title: videos[number] for title, videos in scorer.videos.items()}}
        for number, truth in enumerate(scorer.truths)
    ]
    sheet = Image.fromarray(sheet_of(rows, scorer.names, title=f"{recipe}, {split}"))
    atomic_file(folder / "ladder.png", lambda aside: sheet.save(aside, format="PNG"))
    return ladder


def as_csv(ladder: Ladder) -> str:
    """One line a rung: means, each with the number of examples that it is over (`n-psnr` beside `psnr`), seconds, and what it is;
    empty where there is no value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("rung", *(head for column in COLUMNS for head in (column, f"n-{column}")), "seconds", "about"))
    for rung in ladder.rungs:
        scores = [rung.scores.get(column) for column in COLUMNS]
        means = [cell for score in scores for cell in ((None, None) if score is None else (score.mean, len(score.values)))]
        writer.writerow((rung.title, *means, rung.seconds, rung.about))
    return out.getvalue()


def drawn(ladder: Ladder) -> str:
    """The ladder as text that ends in a newline, the same everywhere: a table, and below it what its words mean."""
    from rich.console import Console

    console = Console(width=WIDE, force_terminal=False, color_system=None)
    with console.capture() as captured:
        which = f"{len(ladder.examples)} examples of {ladder.split}"
        heading = f"{ladder.recipe} on {which}, against the true video (metrics of {ladder.protocol})"
        console.print(heading, markup=False, highlight=False)
        console.print()
        console.print(_table(ladder))
        console.print()
        for line in (ladder.regions, *(f"{rung.title}: {rung.about}" for rung in ladder.rungs), *_reasons(ladder)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _table(ladder: Ladder) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    arrows = {"up": "↑", "down": "↓"}
    heads = (f"{METRICS[column].title} {arrows[METRICS[column].direction]}" for column in COLUMNS)
    for number, head in enumerate(("", *heads, "s each")):
        table.add_column(Text(head), justify="left" if number == 0 else "right")
    for rung in ladder.rungs:
        cells = [_cell(rung.scores.get(column), METRICS[column].decimals) for column in COLUMNS]
        table.add_row(*(Text(cell) for cell in (rung.title, *cells, "–" if rung.seconds is None else f"{rung.seconds:.2f}")))
    return table


def _cell(score: Score | None, decimals: int) -> str:
    return "–" if score is None or score.mean is None else f"{score.mean:.{decimals}f}"


def _reasons(ladder: Ladder) -> list[str]:
    """Why numbers are missing, and over how many examples a mean is where some have no value; each once, with the rungs that it
    is about where it is not about all that are there."""
    found: dict[str, list[str]] = {}
    there = [rung for rung in ladder.rungs if rung.scores]
    for rung in there:
        for metric, score in rung.scores.items():
            for line in _reasons_of(METRICS[metric].title, score, expected=len(ladder.examples)):
                found.setdefault(line, []).append(rung.title)
    return [line if len(rungs) == len(there) else f"{line} ({', '.join(rungs)})" for line, rungs in found.items()]


def _reasons_of(title: str, score: Score, *, expected: int) -> list[str]:
    if 0 < len(score.values) < expected:
        return [f"{title}: mean over {len(score.values)} of {expected} examples; the others: {'; '.join(score.undefined)}"]
    return [f"{title}: {reason}" for reason in score.undefined]


def _score(values: dict[str, ClipValue]) -> Score:
    known = {name: value.value for name, value in values.items() if value.value is not None}
    reasons = dict.fromkeys(value.undefined for value in values.values() if value.undefined is not None)
    return Score(mean=float(np.mean(list(known.values()))) if known else None, values=known, undefined=tuple(reasons))


def _protocol() -> Protocol:
    """All columns are its: whatever the canvas, they need no model hub."""
    return load_protocol("mini")
