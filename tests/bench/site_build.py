"""How long the page takes and how heavy it is: N runs of 24 clips at mini size, made of noise that moves.

    python tests/bench/site_build.py [--runs 12]

Prints seconds, pages, videos, megabytes. The runs have per-frame curves of two metrics and all scores by clip; exo view and truth
are those of the simulated world's unseen split, rendered before the clock starts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmark.canvas import MINI
from benchmark.datasets.sim.dataset import SimDataset
from benchmark.inputs import Input
from benchmark.protocols import load_protocol
from benchmark.results import (
    ClipRecord,
    ClipScore,
    Header,
    MethodHeader,
    ProtocolHeader,
    SplitHeader,
    write_records,
    write_results,
)
from benchmark.splits.manifest import Manifest
from benchmark.store import Prediction, RunFolder, Score, Scores
from benchmark.summary import summarise
from benchmark.video import Frames
from leaderboard.rows import find_rows
from leaderboard.site.building import build_site
from leaderboard.table import sheet_of


def video(generator: np.random.Generator) -> Frames:
    """A picture of smooth noise that moves by a pixel a frame: about as hard to encode as what methods make."""
    coarse = generator.integers(0, 255, (12, 12, 3))
    picture = np.kron(coarse, np.ones((16, 16, 1))) + generator.normal(0, 6, (192, 192, 3))
    return np.stack([picture[i : i + 128, i : i + 128] for i in range(MINI.frames)]).clip(0, 255).astype(np.uint8)


def make_run(root: Path, number: int, manifest: Manifest) -> None:
    """One run with videos, curves and scores of all metrics of `mini` that are of clips."""
    protocol, generator = load_protocol("mini"), np.random.default_rng(number)
    folder = RunFolder(root / f"method-{number:02d}" / "unseen" / "mini" / f"{number:016x}")
    records = []
    for row in manifest.rows:
        done = Prediction(key="k", clip_digest="c", extra="", outcome="done", pixels="p", seconds=1.0)
        folder.commit_prediction(row.clip_id, done, video(generator), fps=MINI.fps)
        values = {spec.id: float(generator.normal(10 + number / 10, 1)) for spec, _ in protocol.metrics if spec.of == "clip"}
        curve = tuple(float(value) for value in generator.normal(10, 1, MINI.frames))
        folder.commit_scores(
            row.clip_id, Scores(metrics={name: Score(key="k", value=values[name], frames=curve) for name in ("psnr", "ssim")})
        )
        scores = {name: ClipScore(value=value) for name, value in values.items()}
        record = {"clip": row.clip_id, "cluster": row.cluster, "place": row.place, "prediction": "p"}
        records.append(ClipRecord(**record, outcome="scored", scores=scores))
    header = Header(
        method=MethodHeader(
            id=f"method-{number:02d}", version="1", source="s", options={}, privileged="none", control=False, static=False
        ),
        seed=0,
        split=SplitHeader(name="unseen", dataset=manifest.dataset, digest=manifest.digest, n=len(manifest.rows)),
        protocol=ProtocolHeader(name=protocol.name, version=protocol.version, digest=protocol.digest),
    )
    write_results(folder.path / "results.json", summarise(records, header=header, protocol=protocol))
    write_records(folder.path / "scores.jsonl", records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=12)
    runs = parser.parse_args().runs
    dataset = SimDataset()
    manifest = dataset.manifest("unseen")
    needs = frozenset({Input.EXO_VIDEO, Input.TRUTH})
    dataset.prepare(manifest.rows, MINI, needs=needs, workers=2, progress=lambda done, total, what: None)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(runs):
            make_run(root / "runs", number, manifest)
        began = time.perf_counter()
        built = build_site([sheet_of(find_rows([root / "runs"]))], root / "site")
        print(
            f"{runs} runs x {len(manifest.rows)} clips: {time.perf_counter() - began:.1f} s, {built.pages} pages,"
            f" {built.videos} videos, {built.bytes / 1e6:.1f} MB"
        )
        for fault in built.faults:
            print(fault)


if __name__ == "__main__":
    main()
