"""How a run was made: versions, commit, device, memory. All of it goes to run.json, none of it into results."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from .worker_pool import available_cores

PACKAGES = ("egox-bench", "numpy", "av", "opencv-python-headless", "scikit-image", "scipy", "embreex", "torch", "diffusers")


def environment() -> dict[str, Any]:
    """Python, packages, commit of the code and what it runs on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: v for name in PACKAGES if (v := _version(name)) is not None},
        "n_packages": sum(1 for _ in distributions()),
        "code": code_state(),
        "device": device(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def code_state() -> dict[str, Any]:
    """Commit and dirtiness of the checkout that this code runs from; None where it is not a checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}


def device() -> str:
    """The accelerator where torch is loaded and has one, else the processor."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"cpu: {name}, {available_cores()} cores"


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peak resident memory in MB; whole_process where the system cannot reset its high-water mark."""

    mb: float
    whole_process: bool


class MemoryMeter:
    """Peak memory since it was made. Linux resets the mark; elsewhere the peak of the whole process is reported as such."""

    def __init__(self) -> None:
        self._reset = True
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self._reset = False

    def read(self) -> PeakMemory:
        if self._reset:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return PeakMemory(int(line.split()[1]) / 1024, False)
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return PeakMemory(kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024), True)
