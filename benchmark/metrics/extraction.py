"""Runs extractors and keeps what they find, by pixels × extractor: no video is looked at twice by the same network.

Kept arrays are files below the cache, safe to delete, written atomically; one that cannot be read is made again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StorageError, Unavailable, UserError
from ..files import atomic_file, reason_of
from ..progress import say
from ..store import content_key
from ..video import Frames
from .metric import Arrays, ExtractorSpec, Need
from .sample import Sample


class Extraction:
    """Extractors that are loaded once, and the arrays that they found before.

    folder: where arrays are kept, None to keep none. device: "cpu" or "cuda"; None takes CUDA where there is one.
    """

    def __init__(self, folder: Path | None, *, device: str | None = None) -> None:
        self._folder = folder
        self._device = device
        self._loaded: dict[str, Callable[..., Arrays]] = {}

    def prediction(self, spec: ExtractorSpec, sample: Sample) -> Arrays:
        """What a video extractor finds in the sample's prediction."""
        return self._of_video(spec, sample.prediction, sample.prediction_digest, sample)

    def truth(self, spec: ExtractorSpec, sample: Sample) -> Arrays:
        """What a video extractor finds in the sample's truth. Raises Undefined where there is none."""
        return self._of_video(spec, sample.needed_truth, sample.truth_digest, sample)

    def pair(self, spec: ExtractorSpec, sample: Sample) -> Arrays:
        """What a pair extractor finds in prediction and truth, or in what its base found there.

        Raises Undefined where there is no truth.
        """
        from . import EXTRACTORS

        key = self._key(spec, sample, prediction=sample.prediction_digest, truth=sample.truth_digest)

        def make() -> Arrays:
            read = _read(spec, sample)
            if spec.base is None:
                return self._extracted(spec, sample.prediction, sample.needed_truth, **read)
            base = EXTRACTORS[spec.base]
            if base.of == "pair":
                return self._extracted(spec, self.pair(base, sample), **read)
            return self._extracted(spec, self.prediction(base, sample), self.truth(base, sample), **read)

        return self._kept(spec, key, sample, make)

    def _of_video(self, spec: ExtractorSpec, frames: Frames, digest: str, sample: Sample) -> Arrays:
        key = self._key(spec, sample, video=digest)
        return self._kept(spec, key, sample, lambda: self._extracted(spec, frames, **_read(spec, sample)))

    def _key(self, spec: ExtractorSpec, sample: Sample, **digests: str) -> str:
        read = {str(need): sample.readings.key(need) for need in sorted(all_reads(spec))}
        return content_key({"extractor": extractor_identity(spec), "reads": read, **digests})

    def _kept(self, spec: ExtractorSpec, key: str, sample: Sample, make: Callable[[], Arrays]) -> Arrays:
        if key in sample.kept:
            return sample.kept[key]
        folder = self._folder if spec.keep else None
        path = folder and folder / f"{spec.id}-{spec.version}" / key[:2] / f"{key}.npz"
        arrays = read_arrays(path) if path else None
        if arrays is None:
            arrays = make()
            if path and folder:
                keep_arrays(path, arrays, below=folder)
        sample.kept[key] = arrays
        return arrays

    def _extracted(self, spec: ExtractorSpec, *given: Frames | Arrays, **read: Any) -> Arrays:
        with _same_rounding():
            return self._instance(spec)(*given, **read)

    def _instance(self, spec: ExtractorSpec) -> Callable[..., Arrays]:
        if spec.id not in self._loaded:
            from ..weights import located

            lacking = unavailable(spec)
            if lacking is not None:
                raise Unavailable(lacking)
            paths = {name: path for name in spec.weights if (path := located(name)) is not None}
            self._loaded[spec.id] = spec.load()(paths, self._chosen_device())
        return self._loaded[spec.id]

    def _chosen_device(self) -> str:
        if self._device is None:
            import torch

            self._device = "cuda" if torch.cuda.is_available() else "cpu"
        return self._device


@contextlib.contextmanager
def _same_rounding() -> Iterator[None]:
    """Torch as it gives the same bytes in every program, whatever that has set; its settings are as before afterwards.

    One thread, since sums are parted by their number; float32 throughout, where TF32 and bfloat16 would keep ten and seven
    bits of a mantissa; no choice among algorithms by how fast they were just now.
    """
    import torch

    backends: Any = torch.backends
    cudnn, cpu = backends.cudnn, backends.mkldnn
    precise = (backends.cuda.matmul, cudnn.conv, cudnn.rnn, cpu.matmul, cpu.conv, cpu.rnn)
    threads, benchmark, before = torch.get_num_threads(), cudnn.benchmark, [one.fp32_precision for one in precise]
    kind = torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    cudnn.benchmark = False
    for one in precise:
        one.fp32_precision = "ieee"
    try:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        torch.set_default_dtype(kind)
        for one, precision in zip(precise, before):
            one.fp32_precision = precision
        cudnn.benchmark = benchmark
        torch.set_num_threads(threads)


UNKNOWN = "missing"
"""Identity of weights that are neither here nor pinned: nothing is measured with them, so nothing is kept under it."""


def extractor_identity(spec: ExtractorSpec, weights: Mapping[str, str] | None = None) -> list[Any]:
    """What decides an extractor's arrays beside pixels and readings: id, version, weights, libraries, files, and the same of
    its base.

    weights: id to identity, of what was used elsewhere; of this machine where it is None.
    """
    from . import EXTRACTORS

    known = weights_identity(spec.weights) if weights is None else weights
    base = extractor_identity(EXTRACTORS[spec.base], weights) if spec.base else []
    weighed = [known.get(name, UNKNOWN) for name in spec.weights]
    return [spec.id, spec.version, [*weighed, *map(_release, spec.libraries), *map(_file_digest, spec.files)], base]


@functools.cache
def _release(distribution: str) -> str:
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:  # brought here by another one that holds the same modules
        return f"{distribution} {UNKNOWN}"


@functools.cache
def _file_digest(name: str) -> str:
    return f"{name} {hashlib.sha256(Path(__file__).with_name(name).read_bytes()).hexdigest()[:16]}"


def weights_identity(names: Iterable[str]) -> dict[str, str]:
    """Weights id to its identity on this machine, UNKNOWN where there is none."""
    from ..weights import identity

    found = {}
    for name in names:
        try:
            found[name] = identity(name)
        except UserError:
            found[name] = UNKNOWN
    return found


def all_reads(spec: ExtractorSpec) -> frozenset[Need]:
    """What an extractor and its base read beside frames."""
    from . import EXTRACTORS

    return spec.reads | (all_reads(EXTRACTORS[spec.base]) if spec.base else frozenset())


def _read(spec: ExtractorSpec, sample: Sample) -> dict[str, Any]:
    return {str(need): sample.readings.read(need) for need in sorted(spec.reads)}


def read_arrays(path: Path) -> Arrays | None:
    """The arrays of a file that `keep_arrays` made; None where there is none or it is damaged (it is then removed)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        return None
    except Exception:  # numpy, zipfile and zlib each have their own for bytes that are no archive of arrays
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return None


def keep_arrays(path: Path, arrays: Mapping[str, Any], *, below: Path) -> None:
    """Keep arrays in a compressed file, atomically. Where that is impossible it is said once a folder `below`, no more."""

    def write(aside: Path) -> None:
        with aside.open("wb") as file:
            np.savez_compressed(file, **arrays)

    try:
        atomic_file(path, write)
    except StorageError as error:
        _tell_unkept(below, reason_of(error.__cause__ or error))


@functools.cache
def _tell_unkept(folder: Path, reason: str) -> None:
    say(f"{folder}: cannot be written ({reason}); what belongs there is made again next time")


def unavailable(spec: ExtractorSpec) -> str | None:
    """Why an extractor or its base cannot run here (weights, a package); None where they can."""
    from ..weights import missing
    from . import EXTRACTORS, weights_of

    chain = [spec]
    while (base := chain[-1].base) is not None:
        chain.append(EXTRACTORS[base])
    for package in (one.package for one in chain):
        if package is not None and importlib.util.find_spec(package) is None:
            return f"package {package!r} is not installed (see 'egox-bench doctor')"
    damaged = []
    for name in weights_of(spec):
        try:
            missing([name])
        except UserError:
            damaged.append(name)
    if damaged:  # without the file's path: a reason is stored, and equal runs on two machines must be equal bytes
        return f"weights damaged, run 'egox-bench weights fetch {' '.join(damaged)}'"
    return missing(weights_of(spec))
