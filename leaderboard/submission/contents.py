"""A run by itself: whether what its two files say can be true. Pure: no file is read here.

What cannot be recomputed is not vouched for: distances between sets (FVD, KVD) need features, which are not published, and no
file can prove which videos were scored.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from benchmark.errors import UserError, unknown
from benchmark.metrics import EXTRACTORS, METRICS, weights_of
from benchmark.results import Aggregate, ClipRecord, Header, Results

from ..rows import repeated
from .findings import Finding, Level
from .known import Known
from .names import check_name, passes_for

if TYPE_CHECKING:
    from benchmark.protocols.protocol import Protocol
    from benchmark.splits.manifest import Manifest

SAME = 1e-9
"""Relative: a mean over clips is a sum in one order, exact to the last bits."""
SAME_INTERVAL = 0.1
"""Share of its width by which an end of an interval may differ: another release of SciPy draws other resamples."""

AGAIN = "score the run again with this version"
OWN = "copy the run's own scores.jsonl"
ONE_RUN = "copy both files of one run, or score it again"
CHANGED = "is not as egox-bench wrote it (edited, formatted, or other line ends); copy the run's own file byte for byte"
_CONTROL = re.compile(r"(?<!\\)\\(?:u00[01][0-9a-f]|[bfr])")
"""Control characters as JSON writes them; line breaks and tabs in a reason are let pass."""

Said = tuple[Level, str, str]
"""Level, field, text."""


def findings_of_results(results: Results, *, data: bytes, file: str, known: Known) -> list[Finding]:
    """What is wrong with a results file that could be read. data: its bytes."""
    found = [*_method(results, known), *_whole(results), *_split(results, known), *_protocol(results, known)]
    found += [said for name, value in sorted(results.metrics.items()) for said in _metric(name, value, results)]
    found += _bytes(data, results.to_bytes())
    return [Finding(level=level, file=file, field=field, text=text) for level, field, text in found]


def findings_of_records(
    results: Results, records: Sequence[ClipRecord], *, data: bytes, file: str, known: Known
) -> list[Finding]:
    """What is wrong with scores by clip, by themselves and beside the results that are said to come from them."""
    manifest = known.manifest(results.split.dataset, results.split.name)
    if manifest is not None and manifest.digest != results.split.digest:
        manifest = None  # said of the results file; against other clips every line would be wrong
    found = [*_clips(results, records, manifest)]
    if not any(level == "problem" for level, _, _ in found):
        protocol = known.protocols.get(results.protocol.name)
        if protocol is not None and protocol.digest == results.protocol.digest:
            found += _recomputed(results, records, protocol)
    found += _bytes(data, _canonical(records))
    return [Finding(level=level, file=file, field=field, text=text) for level, field, text in found]


def _bytes(data: bytes, canonical: bytes) -> Iterator[Said]:
    if data != canonical:
        yield "problem", "", CHANGED
    text = data.decode(errors="replace")
    if _CONTROL.search(text) or not text.replace("\n", "").replace("\r", "").isprintable():
        yield "problem", "", "holds characters that move a terminal's cursor or hide text; score the run again without them"


def _canonical(records: Sequence[ClipRecord]) -> bytes:
    """scores.jsonl as the benchmark writes it."""
    ordered = sorted(records, key=lambda record: record.clip)
    return b"".join(msgspec.json.encode(record, order="deterministic") + b"\n" for record in ordered)


def _method(results: Results, known: Known) -> Iterator[Said]:
    method = results.method
    try:
        check_name("method", method.id)
    except UserError as error:
        yield "problem", "method.id", str(error)
        return
    spec = known.methods.get(method.id)
    if spec is not None:
        for field in ("control", "privileged", "static"):
            said, true = getattr(method, field), getattr(spec, field)
            if said != true:
                yield (
                    "problem",
                    f"method.{field}",
                    f"is {said!r}, but {method.id!r} comes with egox-bench and is {str(true)!r}; {AGAIN}",
                )
        return
    control = passes_for(method.id, known.controls)
    if control is not None:
        yield "problem", "method.id", f"{method.id!r} is read as the control {control!r}; score the run again under another name"
        return
    other = passes_for(method.id, known.methods)
    if other is not None:
        yield (
            "warning",
            "method.id",
            f"{method.id!r} is easily taken for {other!r}, which comes with egox-bench; rather use another name",
        )


def _whole(results: Results) -> Iterator[Said]:
    if results.partial:
        yield "problem", "partial", "not every clip of the split was attempted; finish the run without --limit and --clips"
    if results.n_expected != results.split.n:
        yield "problem", "n_expected", f"is {results.n_expected}, but the split has {results.split.n} clips; {AGAIN}"
    if not 0 <= results.n_scored <= results.n_expected:
        yield "problem", "n_scored", f"is {results.n_scored} of {results.n_expected} clips; {AGAIN}"
    if not 0 <= results.n_still <= results.n_scored:
        yield "problem", "n_still", f"is {results.n_still} of {results.n_scored} scored clips; {AGAIN}"


def _split(results: Results, known: Known) -> Iterator[Said]:
    split = results.split
    manifest = known.manifest(split.dataset, split.name)
    if manifest is None:
        yield (
            "warning",
            "split",
            f"{split.name!r} of {split.dataset!r} does not ship with this version: its clips cannot be checked",
        )
        return
    if split.digest != manifest.digest:
        own = f"{manifest.digest!r} is that of {split.dataset} {split.name} in this version"
        yield "problem", "split.digest", f"is {split.digest!r}, but {own}: these are other clips; {AGAIN}"
    if split.n != len(manifest.rows):
        yield "problem", "split.n", f"is {split.n}, but {split.dataset} {split.name} has {len(manifest.rows)} clips; {AGAIN}"


def _protocol(results: Results, known: Known) -> Iterator[Said]:
    own = results.protocol
    protocol = known.protocols.get(own.name)
    if protocol is None:
        names = ", ".join(sorted(known.protocols))
        yield (
            "problem",
            "protocol.name",
            f"{own.name!r} does not ship with this version; score the run again under one of {names}",
        )
        return
    if (own.version, own.digest) != (protocol.version, protocol.digest):
        yield (
            "problem",
            "protocol",
            f"measured with another version: {own.name}@{own.version} ({own.digest}), this version has"
            f" {protocol.name}@{protocol.version} ({protocol.digest}); score the run again, or check with the other version",
        )
        return
    measured = {spec.id for spec, _ in protocol.metrics}
    lacking = sorted(measured - results.metrics.keys())
    if lacking:
        yield "problem", "metrics", f"lacks {', '.join(lacking)}, which {own.name} measures; {AGAIN}"
    for name in sorted(results.metrics.keys() - measured):
        if name in METRICS:
            yield "problem", f"metrics.{name}", f"is not measured by {own.name}; {AGAIN}"


def _metric(name: str, value: Aggregate, results: Results) -> Iterator[Said]:
    field = f"metrics.{name}"
    if name not in METRICS:
        yield "problem", field, f"{unknown('metric', name, METRICS)}; {AGAIN}"
        return
    if value.version != METRICS[name].version:
        yield "problem", f"{field}.version", f"is {value.version}, this version has {METRICS[name].version}; {AGAIN}"
    counts = (value.n, value.undefined, value.errors)
    if min(counts) < 0 or sum(counts) > results.n_expected:
        yield (
            "problem",
            field,
            f"n {value.n} + undefined {value.undefined} + errors {value.errors} do not fit {results.n_expected} clips; {AGAIN}",
        )
    needed = set(weights_of(EXTRACTORS[extractor])) if (extractor := METRICS[name].extractor) is not None else set()
    if value.n > 0 and value.weights.keys() != needed:
        # a row without weights fits rows of any: it must not be a way into another's table
        named = [", ".join(sorted(names)) or "none" for names in (value.weights, needed)]
        yield "problem", f"{field}.weights", f"names {named[0]}, but it is measured with {named[1]}; {AGAIN}"
    if (value.mean is None) != (value.n == 0) and METRICS[name].of == "clip":
        yield "problem", f"{field}.mean", f"is {value.mean} with n {value.n}; {AGAIN}"
    if value.mean is None:
        return
    ends = (value.low if value.low is not None else value.mean, value.high if value.high is not None else value.mean)
    # of a set the interval is of the distance without its bias: the value may lie beside it
    if ends[0] > ends[1] or (METRICS[name].of == "clip" and not ends[0] <= value.mean <= ends[1]):
        yield "problem", f"{field}.mean", f"{value.mean} is not within its interval [{value.low}, {value.high}]; {AGAIN}"


def _clips(results: Results, records: Sequence[ClipRecord], manifest: Manifest | None) -> Iterator[Said]:
    for clip in repeated(records):
        yield "problem", f"clip {clip}", f"comes twice; {OWN}"
    there = {record.clip for record in records}
    failed = max((value.errors for value in results.metrics.values()), default=0)
    if manifest is None:
        if len(there) > results.split.n or len(there) + failed < results.split.n:
            found = f"{len(there)} clips and {failed} errors for a split of {results.split.n} clips"
            yield "problem", "", f"{found}; copy the run's own scores.jsonl, or score the run again"
        return
    rows = {row.clip_id: row for row in manifest.rows}
    name = f"{results.split.dataset} {results.split.name}"
    for record in records:
        row = rows.get(record.clip)
        if row is None:
            yield "problem", f"clip {record.clip}", f"is not in {name}; {OWN}"
        elif (record.cluster, record.place) != (row.cluster, row.place):
            yield (
                "problem",
                f"clip {record.clip}",
                f"take {record.cluster!r} and place {record.place!r} are not those of {name}; {OWN}",
            )
    missing = [clip for clip in rows if clip not in there]
    for clip in missing:
        if len(missing) > failed:
            yield (
                "problem",
                f"clip {clip}",
                f"is missing, and no more than {failed} are counted as errors; {OWN}",
            )
        else:
            yield "warning", f"clip {clip}", "failed: it has no scores"


def _recomputed(results: Results, records: Sequence[ClipRecord], protocol: Protocol) -> Iterator[Said]:
    """Where the results are not what the scores by clip give."""
    from benchmark.summary import summarise

    by_clip = tuple(one for one in protocol.metrics if one.spec.of == "clip")
    measured = {one.spec.id for one in protocol.metrics}
    for record in records:
        for name in sorted(record.scores.keys() - measured):
            yield (
                "problem",
                f"clip {record.clip}",
                f"metric {name!r} is not measured by {protocol.name}; {OWN}",
            )
            return
    header = Header(method=results.method, seed=results.seed, split=results.split, protocol=results.protocol)
    made = summarise(records, header=header, protocol=dataclasses.replace(protocol, metrics=by_clip))
    for name in (one.spec.id for one in by_clip):
        if name in results.metrics:
            different = _difference(results.metrics[name], made.metrics[name])
            if different is not None:
                field, said, true = different
                yield (
                    "problem",
                    f"metrics.{name}.{field}",
                    f"the results say {said}, these scores give {true}; {ONE_RUN}",
                )
    for field in ("n_scored", "n_still"):
        said, true = getattr(results, field), getattr(made, field)
        if said != true:
            yield "problem", field, f"the results say {said}, these scores give {true}; {ONE_RUN}"


def _difference(said: Aggregate, true: Aggregate) -> tuple[str, object, object] | None:
    """The first field that differs, what is said and what is true."""
    for field in ("n", "undefined", "takes", "noted"):
        if getattr(said, field) != getattr(true, field):
            return field, getattr(said, field), getattr(true, field)
    width = (true.high - true.low) if true.low is not None and true.high is not None else 0.0
    for field, slack in (("mean", 0.0), ("low", SAME_INTERVAL * width), ("high", SAME_INTERVAL * width), ("chance", 0.0)):
        ours, theirs = getattr(said, field), getattr(true, field)
        if (ours is None) != (theirs is None):
            return field, ours, theirs
        if ours is not None and abs(ours - theirs) > slack + SAME * max(1.0, abs(theirs)):
            return field, ours, theirs
    return None
