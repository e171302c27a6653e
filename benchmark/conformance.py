"""The conformance suite behind `egox-bench check`: does a method keep the contract, on a tiny synthetic clip, on CPU?

It says nothing about quality. Every check ends as pass, fail or skip, each with its reason; nothing is stored.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from .box_room import box_room_clip
from .canvas import MINI
from .clip import Clip, ClipInputs, Input, Privilege, check_prediction, inputs_for
from .conformance_clips import fingerprint, other_truth, watched
from .errors import LoadError, Undefined, UserError
from .registry import GROUP, Method, MethodSpec, options_from
from .video import Frames

HEAVY = ("torch", "tensorflow", "jax", "diffusers", "transformers", "cv2", "av", "scipy", "skimage", "matplotlib", "trimesh")
"""Packages that a spec must not import: listing methods reads every spec."""

SEED = 1234

MOST_VIEWS = 4
"""Exo cameras of a take."""


class Verdict(StrEnum):
    """What became of a check; a skip is a check that does not apply, or that an earlier failure made impossible."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report."""

    name: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks of one method, in order."""

    method: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.verdict is not Verdict.FAIL for check in self.checks)

    def count(self, verdict: Verdict) -> int:
        return sum(check.verdict is verdict for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {"method": self.method, "ok": self.ok, "checks": [dataclasses.asdict(check) for check in self.checks]}


class _NotApplicable(Exception):
    """Ends a check as a skip."""


class _Broken(Exception):
    """Ends a check as a failure, with the reason alone."""


def check_method(spec: MethodSpec, *, preset: str | None = None, settings: Mapping[str, str] | None = None) -> Report:
    """Run all checks. Never raises for what the method does; a method that cannot be made skips what follows."""
    suite = _Suite(spec, preset, settings or {})
    done: list[Check] = []
    stopped = ""
    for name, action, vital in suite.checks():
        if stopped:
            done.append(Check(name=name, verdict=Verdict.SKIP, detail=f"not reached: {stopped} failed"))
            continue
        check = _carried_out(name, action)
        done.append(check)
        if vital and check.verdict is Verdict.FAIL:
            stopped = name
    return Report(method=spec.id, checks=tuple(done))


def _carried_out(name: str, action: Callable[[], str]) -> Check:
    try:
        return Check(name=name, verdict=Verdict.PASS, detail=action())
    except _NotApplicable as reason:
        return Check(name=name, verdict=Verdict.SKIP, detail=str(reason))
    except (_Broken, UserError) as reason:
        return Check(name=name, verdict=Verdict.FAIL, detail=str(reason))
    except Exception as error:  # a stranger's code may raise anything; it is what is being checked
        return Check(name=name, verdict=Verdict.FAIL, detail=f"{type(error).__name__}: {error}")


class _Suite:
    """The checks of one method and what they hand on to each other."""

    def __init__(self, spec: MethodSpec, preset: str | None, settings: Mapping[str, str]) -> None:
        self.spec, self.preset, self.settings = spec, preset, settings
        self.options: Any = None
        self.method: Method | None = None
        self.seen: list[int] = []

        def clip(name: str, seed: int, **size: int) -> Clip:
            return watched(box_room_clip(name, seed=seed, exo_views=MOST_VIEWS, **size), self.seen)

        self._make = clip
        self.clip, self.other, self.odd = clip("check-a", 11), clip("check-b", 12), clip("check-c", 13, frames=9, ego_side=96)
        self.before = fingerprint(self.clip)
        self.first: Frames | None = None

    def checks(self) -> Iterator[tuple[str, Callable[[], str], bool]]:
        """(name, what to do, whether the rest depends on it)."""
        yield "spec", self.check_spec, True
        yield "light listing", self.check_light, False
        yield "options", self.check_options, True
        yield "source digest", self.check_digest, False
        yield "load", self.check_load, True
        yield "fit", self.check_fit, True
        yield "generate", self.check_generate, True
        yield "same seed", self.check_same_seed, False
        yield "another seed", self.check_another_seed, False
        yield "another size", self.check_another_size, False
        yield "optional inputs", self.check_optional, False
        yield "static", self.check_static, False
        yield "truth", self.check_truth, False
        yield "batch", self.check_batch, False
        yield "inputs untouched", self.check_untouched, False
        yield "close", self.check_close, False
        yield "fresh instance", self.check_fresh, False

    def check_spec(self) -> str:
        faults = list(spec_faults(self.spec))
        if faults:
            raise _Broken("; ".join(faults))
        return f"{self.spec.id} {self.spec.version}: {self.spec.summary}"

    def check_light(self) -> str:
        points = [point for point in entry_points(group=GROUP) if point.name == self.spec.id]
        if not points:
            raise _NotApplicable("not installed as an entry point")
        program = f"import sys, {points[0].module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        if done.returncode:
            raise _Broken(f"importing {points[0].module} alone fails: {done.stderr.strip().splitlines()[-1]}")
        heavy = done.stdout.split()
        if heavy:
            raise _Broken(f"importing {points[0].module} imports {', '.join(heavy)}; move what needs it into the adapter")
        return f"{points[0].module} imports nothing heavy"

    def check_options(self) -> str:
        kind = self.spec.options
        if not dataclasses.is_dataclass(kind) or not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise _Broken(f"options class {kind.__name__} is not a frozen dataclass")
        bare = [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        if bare:
            raise _Broken(f"options without a default: {', '.join(bare)}")
        for preset in self.spec.presets:
            options_from(self.spec, preset=preset, settings={})
        self.options = options_from(self.spec, preset=self.preset, settings=self.settings)
        self.spec = self.spec.with_options(self.options)
        names = [field.name for field in dataclasses.fields(kind)]
        return f"{', '.join(names) or 'none'}; presets: {', '.join(self.spec.presets) or 'none'}"

    def check_digest(self) -> str:
        return f"{self.spec.source_digest()} over the adapter's package and {len(self.spec.sources) + len(self.spec.files)} more"

    def check_load(self) -> str:
        began = time.perf_counter()
        self.method = self.spec.load(self.options)
        if not callable(getattr(self.method, "generate", None)):
            raise _Broken(f"{type(self.method).__name__} has no method generate(inputs, *, seed)")
        return f"{type(self.method).__name__} in {time.perf_counter() - began:.1f} s"

    def check_fit(self) -> str:
        offers = hasattr(self.method, "fit")
        if self.spec.fit is None:
            if offers:
                raise _Broken("the adapter has fit() but the spec declares no Fit: it would never be called")
            raise _NotApplicable("learns nothing here")
        if not offers:
            raise _Broken("the spec declares a Fit but the adapter has no method fit(clips)")
        self._fit(self.method)
        return f"on 3 clips (asks for {self.spec.fit.clips})"

    def check_generate(self) -> str:
        refused = ""
        try:
            began = time.perf_counter()
            self.first = self._generate(self.clip)
        except LoadError:
            raise
        except UserError as refusal:  # of a model of one canvas, whose other sizes it has to refuse
            frames, refusing = MINI.frames, f"{len(self.clip.frame_indices)} frames of {'x'.join(map(str, self.clip.ego_size))}"
            self.clip, self.other = (
                self._make(clip.id, seed, frames=frames) for clip, seed in ((self.clip, 11), (self.other, 12))
            )
            self.before = fingerprint(self.clip)
            began = time.perf_counter()
            self.first = self._generate(self.clip)
            refused = f"; refuses {refusing} ({refusal}), then asked for {frames} frames"
        return f"uint8 {self.first.shape} in {time.perf_counter() - began:.2f} s{refused}"

    def check_same_seed(self) -> str:
        self._generate(self.other)
        changed = _difference(self._generate(self.clip), self.first)
        if changed:
            raise _Broken(f"the same clip and seed after another clip: {changed}; a call must not depend on those before")
        return "same bytes, also after another clip"

    def check_another_seed(self) -> str:
        changed = _difference(self._generate(self.clip, seed=SEED + 1), self.first)
        return f"another output: {changed}" if changed else "the same output: the method draws nothing"

    def check_another_size(self) -> str:
        inputs = self._inputs(self.odd)
        try:
            frames = self._asked().generate(inputs, seed=SEED)
        except (Undefined, UserError, ValueError) as refusal:
            return f"refuses 9 frames of 96x96: {refusal}"
        try:
            check_prediction(frames, inputs)
        except ValueError as wrong:
            raise _Broken(f"asked for 9 frames of 96x96: {wrong}") from None
        return "9 frames of 96x96 as asked"

    def check_optional(self) -> str:
        if not self.spec.optional:
            raise _NotApplicable("every input that it sees is needed")
        bare = replace(self.clip, missing=dict.fromkeys(self.spec.optional, "left out by the check"))
        changed = _difference(self._generate(bare), self.first)
        return f"does without {', '.join(sorted(self.spec.optional))}: {changed or 'the same output'}"

    def check_static(self) -> str:
        assert self.first is not None
        still = bool((self.first == self.first[:1]).all())
        if self.spec.static and not still:
            raise _Broken("the spec says static but frames differ")
        if not self.spec.static:
            raise _NotApplicable("does not claim to be a still" + (", but this clip came out as one" if still else ""))
        return "all frames are one picture, as the spec says"

    def check_truth(self) -> str:
        if self.spec.privileged in (Privilege.TRUTH, Privilege.OTHER_TRUTH):
            raise _NotApplicable("privileged: sees all of a truth, its rows are marked")
        keep = 1 if self.spec.privileged is Privilege.FIRST_FRAME else 0
        beyond = sorted({index for index in self.seen if index >= keep})
        if beyond:
            raise _Broken(f"frames {beyond} of the truth were read; the spec's privilege is {self.spec.privileged.value!r}")
        changed = _difference(self._generate(other_truth(self.clip, keep=keep)), self.first)
        if changed:
            raise _Broken(f"another truth changes the output ({changed}); the spec's privilege is {self.spec.privileged.value!r}")
        return "never read" if self.spec.privileged is Privilege.NONE else "privileged: only the first frame is read"

    def check_batch(self) -> str:
        if not hasattr(self.method, "generate_batch"):
            raise _NotApplicable("one clip at a time")
        batch = [self._inputs(self.clip), self._inputs(self.other)]
        outcomes = list(self.method.generate_batch(batch, seeds=[SEED, SEED]))  # type: ignore[union-attr]
        if sorted(name for name, _ in outcomes) != ["check-a", "check-b"]:
            raise _Broken(f"2 clips were asked, the answers are for {[name for name, _ in outcomes]}")
        for name, outcome in outcomes:
            if isinstance(outcome, Exception):
                raise _Broken(f"{name}: {type(outcome).__name__}: {outcome}")
            check_prediction(outcome, batch[0])
        changed = _difference(dict(outcomes)["check-a"], self.first)
        if changed:
            raise _Broken(f"in a batch the output differs from the single one: {changed}")
        return "both clips, the same bytes as one by one"

    def check_untouched(self) -> str:
        changed = [name for name, digest in fingerprint(self.clip).items() if self.before[name] != digest]
        if changed:
            raise _Broken(f"the method wrote into its inputs: {', '.join(changed)}; copy before changing")
        return f"{len(self.before)} arrays as before"

    def check_close(self) -> str:
        close = getattr(self.method, "close", None)
        if close is None:
            raise _NotApplicable("nothing to close")
        close()
        return "closed"

    def check_fresh(self) -> str:
        self.method = self.spec.load(self.options)
        if self.spec.fit is not None:
            self._fit(self.method)
        changed = _difference(self._generate(self.clip), self.first)
        getattr(self.method, "close", lambda: None)()
        if changed:
            raise _Broken(f"a second instance with the same seed: {changed}")
        return "same bytes"

    def _asked(self) -> Method:
        assert self.method is not None
        return self.method

    def _fit(self, method: Any) -> None:
        method.fit([box_room_clip(f"train-{seed}", seed=seed, exo_views=MOST_VIEWS) for seed in (1, 2, 3)])

    def _inputs(self, clip: Clip) -> ClipInputs:
        spec = self.spec
        return inputs_for(
            clip, needs=spec.needs, optional=spec.optional, exo_views=spec.exo_views, privilege=spec.privileged, other=self.other
        )

    def _generate(self, clip: Clip, *, seed: int = SEED) -> Frames:
        inputs = self._inputs(clip)
        try:
            frames = self._asked().generate(inputs, seed=seed)
        except Undefined as reason:
            raise _Broken(f"calls a complete clip undefined: {reason}") from None
        try:
            check_prediction(frames, inputs)
        except ValueError as wrong:
            raise _Broken(str(wrong)) from None
        return frames.copy()


def spec_faults(spec: MethodSpec) -> Iterator[str]:
    """What is wrong with a spec as data, one sentence each."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", spec.id):
        yield f"id {spec.id!r} is not lower case words with dashes (it becomes a folder)"
    if not re.fullmatch(r"[\w.]+:\w+", spec.target):
        yield f"target {spec.target!r} is not 'module:Class'"
    for name in ("version", "summary"):
        value = getattr(spec, name)
        if not value.strip() or "\n" in value:
            yield f"{name} must be one line"
    for field, inputs, beside in (("needs", spec.needs, spec.needs), ("optional", spec.optional, spec.needs | spec.optional)):
        strangers = [name for name in inputs if not isinstance(name, Input)]
        if strangers:
            yield f"{field} holds {strangers}, expected members of benchmark.clip.Input"
        if Input.TRUTH in inputs:
            yield f"{field} holds TRUTH: only `privileged` shows truth while generating (and `fit` for training clips)"
        of_views = {Input.EXO_CAMERA, Input.DEPTH, Input.MASKS} & inputs
        if of_views and Input.EXO_VIDEO not in beside:
            yield f"{field} {', '.join(sorted(of_views))} comes with the exo views: add EXO_VIDEO"
    both = spec.needs & spec.optional
    if both:
        yield f"{', '.join(sorted(both))} is in needs and in optional: leave it in one"
    if not 1 <= spec.exo_views <= MOST_VIEWS:
        yield f"exo_views is {spec.exo_views}, takes have 1 to {MOST_VIEWS}"


def _difference(frames: Any, reference: Frames | None) -> str:
    """How two outputs differ; empty where they do not."""
    assert reference is not None
    if frames.shape != reference.shape:
        return f"shapes {frames.shape} and {reference.shape}"
    off = np.abs(frames.astype(np.int16) - reference)
    return f"{(off > 0).mean():.1%} of values differ, by up to {off.max()}" if off.any() else ""
