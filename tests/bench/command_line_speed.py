"""Seconds of the commands that must answer at once: python tests/bench/command_line_speed.py

Prints the median of five calls each, after one that is not counted, and the ratio to starting Python alone.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("egox-bench"))
CALLS = {
    "python -c ''": [sys.executable, "-c", ""],
    "egox-bench --help": [COMMAND, "--help"],
    "egox-bench run --help": [COMMAND, "run", "--help"],
    "egox-bench list methods": [COMMAND, "list", "methods"],
    "egox-bench list splits": [COMMAND, "list", "splits"],
}


def seconds(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    alone = 0.0
    for title, words in CALLS.items():
        seconds(words)
        median = statistics.median(seconds(words) for _ in range(5))
        alone = alone or median
        print(f"{title:26s} {median:6.3f} s  {median / alone:5.1f} x python")


if __name__ == "__main__":
    main()
