"""Prints what each metric of a protocol costs for one clip, and what scoring a dozen clips again costs with features kept.

python tests/bench/metric_speed.py [DATA SPLIT PROTOCOL]     (default: sim val mini)

One thread. "first" is the metric alone, nothing kept; metrics that share an extractor (ST-LPIPS and its regions) each pay for
it there. Weights are fetched before. Networks beside the public packages' own time: network_speed.py, motion_speed.py,
object_speed.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark.answers import answers_of_method
from benchmark.clip import inputs_for
from benchmark.datasets.opening import open_dataset
from benchmark.job import ClipIdentity
from benchmark.metrics import Need
from benchmark.metrics.extraction import Extraction
from benchmark.metrics.sample import Sample
from benchmark.progress import say
from benchmark.protocols import load_protocol
from benchmark.readings import ClipReadings
from benchmark.weights import fetch_open
from benchmark.work import use_one_thread

CLIPS = 12


def one_clip(data: str, split: str, name: str) -> None:
    """Seconds of each metric for the ego prior of one clip, with nothing kept from before."""
    dataset, protocol = open_dataset(data), load_protocol(name)
    row = dataset.manifest(split).rows[0]
    clip = dataset.clip(row, protocol.canvas)
    assert clip.truth is not None
    answers = answers_of_method("ego-prior", preset=None, settings={})
    spec = answers.spec
    inputs = inputs_for(clip, needs=spec.needs, optional=spec.optional)
    began = time.perf_counter()
    prediction = answers.make().generate(inputs, seed=0)
    print(f"{prediction.shape[0]} frames of {prediction.shape[2]}x{prediction.shape[1]}, {row.clip_id}")
    print(f"  ego-prior itself         {time.perf_counter() - began:7.2f} s")
    identity = ClipIdentity(truth="", inputs="", cover="")
    cover = None
    if Need.COVER in protocol.reads:
        from benchmark.cover import cover_source

        cover = cover_source()
    readings = ClipReadings(clip, protocol.canvas, identity, cover=cover, folder=Path(tempfile.mkdtemp()))
    if cover is not None:
        began = time.perf_counter()
        readings.read(Need.COVER)
        print(f"  cover of the ego prior   {time.perf_counter() - began:7.2f} s, once a clip, kept")
    extraction = Extraction(None)
    truth = clip.truth.video.read()
    missing = protocol.unavailable()
    for metric, _ in protocol.metrics:
        times = []
        for _ in range(2):  # the first loads the network
            sample = Sample(prediction=prediction, truth=truth, readings=readings)
            began = time.perf_counter()
            dict(protocol.score(sample, extraction, only=(metric.id,)))
            times.append(time.perf_counter() - began)
        print(f"  {metric.id:24s} {times[1]:7.2f} s" + (f"   ({missing[metric.id]})" if metric.id in missing else ""))


def a_dozen_clips(data: str, split: str, name: str) -> None:
    """Seconds of `egox-bench run` on a dozen clips: from nothing, and again with scores gone and features kept."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "--method", "ego-prior", "--no-controls", "--data", data, "--split", split, "--protocol", name]
        words += ["--limit", str(CLIPS), "--workers", "2", "--out", folder]
        command = [str(Path(sys.executable).with_name("egox-bench")), *words]
        environment = {**os.environ, "EGOX_BENCH_CACHE": str(Path(folder) / "cache"), "OMP_NUM_THREADS": "1"}
        environment.setdefault("EGOX_BENCH_WEIGHTS", str(Path.home() / ".cache" / "egox-bench" / "weights"))
        for what in (
            "from nothing (rendering, generating, scoring)",
            "again, scores gone, features kept",
            "again, nothing to do",
        ):
            began = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            print(f"{CLIPS} clips, 2 workers, {what}: {time.perf_counter() - began:.1f} s")
            if what.startswith("from"):
                for file in Path(folder).rglob("scores/*.json"):
                    file.unlink()


def main() -> None:
    """Both."""
    asked = sys.argv[1:] or ["sim", "val", "mini"]
    use_one_thread()
    for reason in fetch_open(load_protocol(asked[2]).weights()):
        say(reason)
    one_clip(*asked)
    a_dozen_clips(*asked)


if __name__ == "__main__":
    main()
