"""Method specs and where they come from: entry points in the group `egox_bench.methods`.

A spec is light data, read when methods are listed; the heavy rest is imported when a method runs. A plugin that fails to
import is listed with its reason and breaks nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import math
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from .datasets.file_digests import FileDigests
from .errors import UserError, unknown
from .inputs import Input, Privilege

if TYPE_CHECKING:
    from .clip import ClipInputs
    from .video import Frames

GROUP = "egox_bench.methods"


class Method(Protocol):
    """What an adapter offers. It is made with its options: `Adapter(options)`.

    Optional beside `generate`:
    - `fit(clips: Sequence[Clip]) -> None`, called once before generating where the spec has a `Fit`;
    - `generate_batch(batch: Sequence[ClipInputs], *, seeds: Sequence[int]) -> Iterator[tuple[str, Frames | Exception]]`,
      for methods that answer many clips at once (yields clip id and output, or what went wrong with this clip), with
      `batch_size: int`, the clips that it takes in one call (0: all of them, at most 256; with `--workers` above 1 clips
      come one at a time);
    - `close() -> None`;
    - `on_step: Callable[[int, int], None] | None`, None at first: whoever waits for `generate` sets it, and it is called with
      the steps done and of how many.
    """

    def generate(self, inputs: ClipInputs, *, seed: int) -> Frames:
        """The ego video [frames, height, width, 3] uint8 of `inputs.size`. May raise `Undefined(reason)`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What `fit` learns from: `clips` clips spread evenly over the split `train`, with these inputs made ready."""

    needs: frozenset[Input]
    clips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """For methods that have nothing to set.

    An options class may offer `lacking() -> str`: what is missing on disk before the method can run, "" for nothing. It is asked
    when methods are listed, so it must be quick.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What options may change in a spec: inputs, views, and files outside Python that decide the output. Never the privilege.

    name: what is appended to the method's id, for a method that stands for many. remark: as of the spec. An options
    class that has a say in these offers `declared() -> Declared`; see `MethodSpec.with_options`.
    """

    needs: frozenset[Input]
    optional: frozenset[Input] = frozenset()
    exo_views: int = 1
    files: tuple[str, ...] = ()
    name: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec:
    """A method as data. `target` is "module:Class"; `options` a frozen dataclass with a default for every field.

    needs: inputs besides the asked size; a clip that lacks one is undefined. optional: inputs that are given where the clip
    has them. static: always returns a still video (flagged in tables).
    sources: further modules or packages whose code decides the output (the adapter's own package always counts);
    files: further files or folders, by path; a change in any of them changes the keys of predictions.
    control: a reference row kept apart from the methods. remark: what every table must say of the method's rows.
    """

    id: str
    target: str
    summary: str
    version: str
    needs: frozenset[Input]
    optional: frozenset[Input] = frozenset()
    exo_views: int = 1
    privileged: Privilege = Privilege.NONE
    fit: Fit | None = None
    options: type = NoOptions
    presets: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    sources: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    static: bool = False
    control: bool = False
    remark: str = ""
    licence: str = ""
    paper: str = ""
    trained_on: tuple[str, ...] = ()

    def adapter(self) -> Callable[[Any], Method]:
        """Import the class, or function, that makes the method of its options. Raises UserError where a package is missing."""
        module_name, _, attribute = self.target.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise UserError(f"method {self.id!r} cannot be loaded: {error}; see 'egox-bench doctor'") from error
        return getattr(module, attribute)

    def load(self, options: Any) -> Method:
        """Import the adapter and make it. Raises UserError where a package of it is missing."""
        return self.adapter()(options)

    def with_options(self, options: Any) -> MethodSpec:
        """The spec as these options make it; itself unless the options class offers `declared()`. Ask this one for needs."""
        if not hasattr(options, "declared"):
            return self
        declared: Declared = options.declared()
        named = f"{self.id}-{declared.name}" if declared.name else self.id
        return dataclasses.replace(
            self,
            id=named,
            needs=declared.needs,
            optional=declared.optional,
            exo_views=declared.exo_views,
            files=declared.files,
            remark=declared.remark or self.remark,
        )

    def source_digest(self) -> str:
        """Digest of what decides the output: every .py file of the adapter's package and of `sources`, and all `files`."""
        package = self.target.partition(":")[0].rpartition(".")[0] or self.target.partition(":")[0]
        return code_digest({package, *self.sources}, self.files)


def code_digest(modules: Iterable[str], files: Sequence[str] = ()) -> str:
    """Digest of every .py file of these modules and packages, and of files and folders by path; 16 hex digits.

    The latter may be gigabytes: they are read again only where size or time of change is another.
    """
    digest, digests = hashlib.sha256(), FileDigests()
    for name in sorted(set(modules)):
        for inner, path in _python_files(name):
            digest.update(f"{name}/{inner}\0".encode() + path.read_bytes() + b"\0")
    for number, named in enumerate(files):
        for inner, path in _all_files(Path(named)):
            digest.update(f"{number}/{inner}\0".encode() + digests.of(path).encode() + b"\0")
    return digest.hexdigest()[:16]


def _python_files(module: str) -> list[tuple[str, Path]]:
    """Paths inside the package, and the files; a module that is no package has one."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UserError(f"module {module!r} has no source file; name an importable one in the method's spec")
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:
        return [(origin.name, origin)]
    return [(path.relative_to(origin.parent).as_posix(), path) for path in sorted(origin.parent.rglob("*.py"))]


def _all_files(named: Path) -> list[tuple[str, Path]]:
    """Files of a folder with their paths inside it, or the one file; byte code and version control aside."""
    if named.is_file():
        return [(named.name, named)]
    if not named.is_dir():
        raise UserError(f"{named}: no such file or folder, but it is named as a source of the method")
    inside = ((path.relative_to(named), path) for path in sorted(named.rglob("*")) if path.is_file())
    return [(str(name), path) for name, path in inside if not {"__pycache__", ".git"} & set(name.parts)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A plugin that is installed but cannot be listed, and why."""

    id: str
    package: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All methods that are installed."""

    methods: Mapping[str, MethodSpec]
    broken: Sequence[Broken]

    def __getitem__(self, name: str) -> MethodSpec:
        for broken in self.broken:
            if broken.id == name:
                raise UserError(f"method {name!r} of {broken.package} cannot be loaded: {broken.reason}")
        if name not in self.methods:
            raise unknown("method", name, self.methods)
        return self.methods[name]


def load_registry() -> Registry:
    """Read every entry point of the group. Two plugins with one id is a UserError naming both packages."""
    found: dict[str, MethodSpec] = {}
    owner: dict[str, str] = {}
    broken: list[Broken] = []
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        package = point.dist.name if point.dist else "?"
        spec = _spec_of(point, package)
        if isinstance(spec, Broken):
            broken.append(spec)
            continue
        if spec.id in found and owner[spec.id] != package:
            raise UserError(f"two packages offer a method {spec.id!r}: {owner[spec.id]} and {package}; uninstall one")
        found[spec.id], owner[spec.id] = spec, package
    return Registry(methods=MappingProxyType(found), broken=tuple(broken))


def _spec_of(point: EntryPoint, package: str) -> MethodSpec | Broken:
    try:
        spec = point.load()
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything; it is listed, not fatal
        return Broken(id=point.name, package=package, reason=f"{type(error).__name__}: {error}")
    if not isinstance(spec, MethodSpec):
        return Broken(id=point.name, package=package, reason=f"{point.value} is not a MethodSpec")
    if spec.id != point.name:
        return Broken(id=point.name, package=package, reason=f"its spec calls itself {spec.id!r}")
    return spec


def settings_from(pairs: Sequence[str]) -> dict[str, str]:
    """`--set key=value` arguments as a mapping; the value may hold further equal signs. Raises UserError for other shapes."""
    settings: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise UserError(f"--set {pair!r}: expected key=value")
        settings[key.strip().replace("-", "_")] = value
    return settings


def options_from(spec: MethodSpec, *, preset: str | None, settings: Mapping[str, str]) -> Any:
    """The method's options from a preset and `--set key=value` pairs, converted to the declared types.

    A tuple is written with commas. Raises UserError for an unknown key or preset (with the nearest one) and for a value of
    the wrong type.
    """
    import msgspec

    values: dict[str, str] = {}
    if preset is not None:
        if preset not in spec.presets:
            raise unknown(f"preset of {spec.id}", preset, spec.presets)
        values.update(spec.presets[preset])
    known = {f.name for f in dataclasses.fields(spec.options)}
    values.update(settings)
    for key in values:
        if key not in known:
            raise unknown(f"option of {spec.id}", key, known)
    kinds = typing.get_type_hints(spec.options) if values else {}
    parts = {key: _comma_parts(value) if typing.get_origin(kinds[key]) is tuple else value for key, value in values.items()}
    try:
        options = msgspec.convert(parts, spec.options, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"option of {spec.id}: {error}") from None
    for key in known:
        value = getattr(options, key)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise UserError(f"option of {spec.id}: {key} is {number}; it must be a finite number")
    return options


def _comma_parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def deciding_options(options: Any) -> dict[str, Any]:
    """The options that can change the output, as JSON would give them back: what belongs into a prediction's key.

    A field made with `field(metadata={"decides": False})` is left out (a time limit, a path whose content is in the digest).
    """
    import msgspec

    chosen = {f.name: getattr(options, f.name) for f in dataclasses.fields(options) if f.metadata.get("decides", True)}
    return msgspec.json.decode(msgspec.json.encode(chosen))


def train_subset(clips: Sequence[Any], count: int) -> list[Any]:
    """`count` items spread evenly over a sequence, the same ones each time."""
    if count >= len(clips):
        return list(clips)
    return [clips[i * len(clips) // count] for i in range(count)]


__all__ = [
    "GROUP",
    "Broken",
    "Declared",
    "Fit",
    "Input",
    "Method",
    "MethodSpec",
    "NoOptions",
    "Privilege",
    "Registry",
    "code_digest",
    "deciding_options",
    "load_registry",
    "options_from",
    "settings_from",
    "train_subset",
]
