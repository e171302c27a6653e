"""Protocols: what ships, what a file may say, what decides a digest and a score's key."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.metrics import EXTRACTORS, METRICS, ClipValue
from benchmark.metrics.extraction import Extraction
from benchmark.metrics.sample import OnlyRate, Sample
from benchmark.protocols import ClipIdentity, Protocol, load_protocol, protocol_names, score_key
from benchmark.protocols.protocol import Measured

from ..pixels import PIXELS
from .metrics.pictures import constant, noisy, textured

OWN = """
name = "mine"
version = 2
title = "Mine"
summary = "My own."
canvas = "mini"

[metrics.ssim]

[metrics.psnr]
cap_db = 60
"""


def own(tmp_path: Path, text: str = OWN) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def score(protocol: Protocol, prediction, truth, **asked) -> dict[str, ClipValue]:
    sample = Sample(prediction=prediction, truth=truth, readings=OnlyRate(fps=10))
    return dict(protocol.score(sample, Extraction(None), **asked))  # type: ignore[arg-type]


def clip_of(truth: str) -> ClipIdentity:
    return ClipIdentity(truth=truth, inputs="i", cover="c")


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_protocol(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_the_protocols_that_ship_are_read_and_carry_their_file_names():
    assert protocol_names() == ("egox-paper", "mini", "rgb")
    for name in protocol_names():
        protocol = load_protocol(name)
        assert protocol.name == name
        assert len(protocol.summary) > 40


def test_the_papers_protocol_has_its_eleven_columns_in_their_order():
    protocol = load_protocol("egox-paper")
    assert [spec.id for spec, _ in protocol.metrics] == [
        "psnr-y", "ssim-y", "lpips", "clip-i", "location-error", "object-iou", "contour",
        "fvd-16", "flicker-canvas", "smoothness-canvas", "dynamic-degree-canvas",
    ]  # fmt: skip
    parameters = {spec.id: dict(given) for spec, given in protocol.metrics}
    assert parameters["object-iou"] == {"tau": 0.9}
    assert parameters["dynamic-degree-canvas"] == {"threshold_px": 2.0}
    assert protocol.canvas.name == load_protocol("rgb").canvas.name == "full"


def test_the_mini_protocol_needs_weights_of_package_archives_only():
    protocol = load_protocol("mini")
    assert protocol.canvas.name == "mini"
    assert set(protocol.weights()) == {"i3d", "st-lpips-alex", "efficientnet-lite0"}
    assert all(spec.extractor is None or EXTRACTORS[spec.extractor].package is None for spec, _ in protocol.metrics)


def test_no_protocol_calls_a_stand_in_by_the_name_of_what_it_stands_for():
    names = {spec.title for spec, _ in load_protocol("mini").metrics}
    assert not names & {METRICS[name].title for name in ("lpips", "clip-i", "object-iou", "smoothness", "dynamic-degree")}


def test_a_protocol_of_ones_own_keeps_the_order_of_its_metrics_and_its_parameters(tmp_path):
    protocol = load_protocol(own(tmp_path))
    assert [(spec.id, dict(given)) for spec, given in protocol.metrics] == [("ssim", {}), ("psnr", {"cap_db": 60.0})]
    clip = textured()
    assert score(protocol, clip, clip)["psnr"].value == 60.0


def test_an_unknown_protocol_gets_the_nearest_name_and_a_missing_file_its_path(tmp_path):
    with pytest.raises(UserError, match="unknown protocol 'mni'; did you mean 'mini'"):
        load_protocol("mni")
    assert "cannot read protocol (No such file or directory)" in refused(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ('title = "Mine"', 'titel = "Mine"', "unknown field 'titel'; did you mean 'title'?"),
        ('title = "Mine"\n', "", "missing required field `title`"),
        ("version = 2", 'version = "2"', "Expected `int`, got `str` - at `version`"),
        ('canvas = "mini"', 'canvas = "miny"', "unknown canvas 'miny'; did you mean 'mini'?"),
        ("[metrics.ssim]", "[metrics.sim]", "unknown metric 'sim'; did you mean 'ssim'?"),
        ("cap_db = 60", "cap_bd = 60", "unknown parameter of metric psnr 'cap_bd'; did you mean 'cap_db'?"),
        ("cap_db = 60", 'cap_db = "60"', "parameter 'cap_db' of metric psnr is '60', expected float"),
        ('name = "mine"', 'name = "../mine"', "field 'name' is '../mine'"),
        ('name = "mine"', 'name = "mini"', "a protocol that ships"),
        ("[metrics.ssim]\n\n[metrics.psnr]\ncap_db = 60", "[metrics]", "field 'metrics' is empty"),
        ("[metrics.ssim]", "[metrics.ssim", "not TOML"),
        (
            'canvas = "mini"',
            'canvas = "mini"\ndecode = "opencv"',
            "field 'decode' is 'opencv', but this version decodes",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_file_and_field(tmp_path, before, after, text):
    assert before in OWN
    assert text in refused(own(tmp_path, OWN.replace(before, after)))


def test_prose_does_not_change_a_digest_and_anything_that_moves_numbers_does(tmp_path):
    def digest(before: str = "", after: str = "") -> str:
        return load_protocol(own(tmp_path, OWN.replace(before, after))).digest

    assert digest("My own.", "All mine.") == digest()
    changed = {
        digest(),
        digest("version = 2", "version = 3"),
        digest("cap_db = 60", "cap_db = 61"),
        digest('"mini"', '"full"'),
        digest("[metrics.ssim]", "[metrics.ssim-y]"),
        digest('name = "mine"', 'name = "ours"'),
    }
    assert len(changed) == 6


def test_a_metrics_new_version_changes_the_protocols_digest_and_only_that_metrics_keys():
    protocol = PIXELS
    (psnr, given), *others = protocol.metrics
    newer = dataclasses.replace(protocol, metrics=(Measured(dataclasses.replace(psnr, version=psnr.version + 1), given), *others))
    assert newer.digest != protocol.digest
    before, after = protocol.score_keys("a", clip_of("b")), newer.score_keys("a", clip_of("b"))
    assert before["psnr"] != after["psnr"]
    assert before["ssim"] == after["ssim"]


def test_a_scores_key_depends_on_both_videos_the_metric_and_its_parameters_and_on_nothing_else():
    psnr, luma = METRICS["psnr"], METRICS["psnr-y"]
    keys = {
        score_key("a", clip_of("b"), psnr, {"cap_db": 100.0}),
        score_key("b", clip_of("a"), psnr, {"cap_db": 100.0}),
        score_key("a", clip_of("c"), psnr, {"cap_db": 100.0}),
        score_key("a", clip_of("b"), psnr, {"cap_db": 90.0}),
        score_key("a", clip_of("b"), luma, {"cap_db": 100.0}),
    }
    assert len(keys) == 5
    renamed = dataclasses.replace(psnr, title="Other", summary="Other.", decimals=5)
    assert score_key("a", clip_of("b"), renamed, {"cap_db": 100.0}) in keys


def test_one_protocol_shares_scores_with_another_that_has_the_same_metric():
    assert PIXELS.score_keys("a", clip_of("b"))["psnr"] == load_protocol("rgb").score_keys("a", clip_of("b"))["psnr"]


def test_scoring_gives_every_metric_or_those_that_are_asked_for():
    truth = textured()
    prediction = noisy(truth, 10)
    everything = score(PIXELS, prediction, truth)
    assert list(everything) == ["psnr", "ssim", "psnr-y", "ssim-y"]
    assert score(PIXELS, prediction, truth, only=["ssim-y"]) == {"ssim-y": everything["ssim-y"]}


def test_luma_reads_higher_than_rgb_under_colour_noise():
    truth = textured()
    found = score(PIXELS, noisy(truth, 20), truth)
    values = {name: value.value for name, value in found.items()}
    assert None not in values.values()
    assert values["psnr-y"] > values["psnr"] + 1  # type: ignore[operator]


def test_a_constant_prediction_is_scored_and_noted_on_every_metric():
    found = score(PIXELS, constant(0, frames=3), constant(255, frames=3))
    assert found["ssim"].value == pytest.approx(9.999e-05, abs=1e-8)
    assert all("degenerate prediction" in value.notes[-1] for value in found.values())


def test_the_example_in_the_documentation_is_a_protocol(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    assert [spec.id for spec, _ in load_protocol(own(tmp_path, example)).metrics] == ["psnr", "ssim"]
