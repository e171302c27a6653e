"""The site as one folder: built beside its place, then put there whole: a kill costs no site that was there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmark.canvas import MINI
from benchmark.errors import UserError
from benchmark.progress import Task

from ..figures.choosing import spread
from ..formats.latex import latex
from ..formats.wide_csv import wide_csv
from ..long_csv import lines_of, to_text
from ..table import Sheet
from . import VIDEOS
from .facts import ClipFacts, TableFacts, facts_of
from .media import Allowed, Source, canvas_of, encode, source_of
from .names import slug_of
from .pages import Site, clip_page, metric_page, table_page

MARKER = "egox-bench-site.json"
"""Tells a site of ours from a folder that must not be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was built. faults: what was left out, a sentence each."""

    folder: Path
    pages: int
    videos: int
    bytes: int
    faults: tuple[str, ...]


def build_site(
    sheets: Sequence[Sheet],
    out: Path,
    *,
    faults: Sequence[str] = (),
    local: bool = False,
    generated: frozenset[str] = frozenset(),
    data: str | None = None,
    videos: int = VIDEOS,
    roots: Sequence[Path] = (),
    progress: Task = lambda done, total, what: None,
) -> Built:
    """Write the site of these tables to `out`, in place of a site that is there.

    faults: results that could not be read, told on the pages. local: show all pixels of data that may not be passed on.
    generated: methods whose videos a model made anew, beside those that were trained by us. data: where clips come from, where
    runs do not say. videos: how many clips get videos, spread over the places. roots: folders that runs lie in, which pages do
    not name: they are this machine's.
    Raises UserError where `out` is there and no site, and for scores by clip that are damaged.
    """
    _check_place(out)
    tables = facts_of(sheets)
    site = Site(tables=tuple(tables), licence=_licence(tables, local=local))
    told = list(faults)
    with _aside(out) as folder:
        _copy_static(folder)
        count = 0
        for table in tables:
            count += _write_table(folder, site, table, told, local=local, generated=generated, data=data, videos=videos,
                                  progress=progress)  # fmt: skip
        for table in tables:  # last: they tell of all that was left out
            _write(folder / f"{table.slug}.html", table_page(site, table, faults=[_without(roots, text) for text in told]))
        shutil.copyfile(folder / f"{tables[0].slug}.html", folder / "index.html")
        _write(folder / MARKER, msgspec.json.encode({"schema": 1, "tables": [table.slug for table in tables]}).decode() + "\n")
        files = [path for path in folder.rglob("*") if path.is_file()]
        pages, size = sum(path.suffix == ".html" for path in files), sum(path.stat().st_size for path in files)
    return Built(folder=out, pages=pages, videos=count, bytes=size, faults=tuple(told))


def _write_table(
    folder: Path, site: Site, table: TableFacts, told: list[str], *, local: bool, generated: frozenset[str], data: str | None,
    videos: int, progress: Task,
) -> int:  # fmt: skip
    """Everything of a table but its own page; returns how many videos there are."""
    inner = folder / table.slug
    inner.mkdir()
    _write(inner / "table.csv", wide_csv([table.sheet]))
    _write(inner / "long.csv", to_text([line for row in table.rows for line in lines_of(row.row)]))
    _write(inner / "table.tex", latex([table.sheet], caption=table.sheet.title, label=f"tab:{table.slug}"))
    results = [{"run": row.row.run, "results": msgspec.to_builtins(row.row.results)} for row in table.rows]
    _write(inner / "table.json", msgspec.json.format(msgspec.json.encode(results, order="sorted"), indent=1).decode() + "\n")
    for column in table.sheet.columns:
        _write(inner / f"metric-{slug_of(column.metric)}.html", metric_page(site, table, column))
    moving = spread(table.clips, videos)
    allowed = Allowed(everything=table.on_sim or local, generated=generated)
    source = _source(table, moving, allowed, told, data=data, progress=progress) if moving else None
    fps = _fps(table)
    count = 0
    for number, clip in enumerate(table.clips):
        progress(number, len(table.clips), f"{table.sheet.split}: {clip.clip_id}")
        place = inner / "media" / clip.file
        players = encode(clip, table, place, source=source, fps=fps, allowed=allowed, faults=told) if clip in moving else ()
        count += len(players)
        none = f"No video: {len(moving)} of {len(table.clips)} clips have some, spread over the places (--videos)."
        why = "No video: the runs kept none, or it may not be shown." if clip in moving else none
        _write(inner / f"clip-{clip.file}.html", clip_page(site, table, clip, players=players, fps=fps, no_videos=why))
    progress(len(table.clips), len(table.clips), "")
    return count


def _source(
    table: TableFacts, clips: Sequence[ClipFacts], allowed: Allowed, told: list[str], *, data: str | None, progress: Task
) -> Source | None:
    if not allowed.everything or not any(row.folder.video(clip.clip_id).is_file() for row in table.rows for clip in clips):
        return None
    try:
        return source_of(table, clips, data=data, progress=progress)
    except UserError as error:
        told.append(f"{table.sheet.title}: no exo view and no truth beside the videos: {error}")
        return None


def _fps(table: TableFacts) -> float:
    """Of the canvas; where that is not known, as the mini canvas has it."""
    try:
        return canvas_of(table).fps
    except UserError:
        return MINI.fps


def _licence(tables: Sequence[TableFacts], *, local: bool) -> str:
    if all(table.on_sim for table in tables):
        return "All pictures are of the simulated world; they may be shown and passed on."
    if local:
        return "A private page: it shows pictures of licensed data. Do not pass it on."
    return "Pictures of licensed data are not shown: videos here were generated by methods, and others are left out."


def _without(roots: Sequence[Path], text: str) -> str:
    """The text with files named as they lie below these folders; of any other absolute path the last part remains."""
    folders = {(root.parent if root.is_file() else root).resolve() for root in roots}
    for folder in sorted(map(str, folders), key=len, reverse=True):
        text = re.sub(rf"(?<![^\s'\"(]){re.escape(folder)}/", "", text)
    return re.sub(r"(?<![^\s'\"(])/(?:[^\s:;,'\"()/]+/)+([^\s:;,'\"()/]+)", r"\1", text)


def _check_place(out: Path) -> None:
    if out.resolve() == Path.cwd():
        raise UserError(f"{out}: the folder that you stand in; name another one with --out")
    if out.exists() and not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: there is something else here already; name a new or empty folder with --out")


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place at the end. Another process that builds the same site waits.

    What a kill left is cleared away first: a folder that was half built, and the old site where the new one had not come yet.
    """
    import filelock

    out = out.resolve()
    new, old = (out.with_name(f".{out.name}.{word}") for word in ("new", "old"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(out.with_name(f".{out.name}.lock")):
            if old.exists() and not out.exists():
                old.rename(out)
            for left in (new, old):
                shutil.rmtree(left, ignore_errors=True)
            new.mkdir()
            try:
                yield new
                if out.exists():
                    out.rename(old)
                try:
                    new.rename(out)
                except OSError:
                    if old.exists():
                        old.rename(out)
                    raise
            finally:
                for left in (new, old):
                    shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror or error}); name another folder with --out") from error


def _copy_static(folder: Path) -> None:
    shutil.copytree(Path(__file__).parent / "static", folder / "static")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
