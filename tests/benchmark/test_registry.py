"""Where methods come from: entry points, options as text, and digests of the code behind a method."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from benchmark.clip import Input
from benchmark.errors import UserError
from benchmark.registry import (
    Declared,
    MethodSpec,
    NoOptions,
    deciding_options,
    load_registry,
    options_from,
    settings_from,
    train_subset,
)

REFERENCE = {"oracle", "copy-exo", "ego-prior", "shipped-prior", "prior-inpaint", "mean-frame", "repeat-first", "command"}

SPEC_TEXT = """
from benchmark.registry import MethodSpec
SPEC = MethodSpec(id={id!r}, target="{module}:Method", summary="a stranger", version="1", needs=frozenset())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    steps: int = 50
    strength: float = 0.5
    exact: bool = False
    mode: Literal["fast", "slow"] = "fast"
    views: tuple[int, ...] = (1, 2)
    limit_s: float = field(default=60.0, metadata={"decides": False})


def spec(**changes) -> MethodSpec:
    values = {
        "id": "mine",
        "target": "mine.adapter:Mine",
        "summary": "mine",
        "version": "1",
        "needs": frozenset(),
        "options": Options,
    }
    return MethodSpec(**{**values, **changes})


def plugin(site: Path, package: str, *, method: str, module: str, text: str) -> None:
    """What an installer leaves of a package with one entry point."""
    (site / f"{module}.py").write_text(text)
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[egox_bench.methods]\n{method} = {module}:SPEC\n")


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_reference_methods_are_installed_and_none_is_broken():
    registry = load_registry()
    assert set(registry.methods) >= REFERENCE
    assert registry.broken == ()


def test_only_methods_that_see_truth_are_privileged():
    methods = load_registry().methods
    assert {name: str(methods[name].privileged) for name in REFERENCE if methods[name].privileged != "none"} == {
        "oracle": "truth",
        "repeat-first": "first_frame",
    }
    assert {name for name in REFERENCE if methods[name].static} == {"mean-frame", "repeat-first"}
    assert {name for name in REFERENCE if methods[name].control} == {"oracle", "copy-exo", "mean-frame", "repeat-first"}


def test_a_misspelt_method_is_answered_with_the_nearest_one():
    with pytest.raises(UserError, match=r"^unknown method 'ego-piror'; did you mean 'ego-prior'\?$"):
        load_registry()["ego-piror"]


def test_a_method_that_is_like_no_other_is_answered_with_all():
    with pytest.raises(UserError, match=r"^unknown method 'qqqq'; known: command, copy-exo, "):
        load_registry()["qqqq"]


def test_a_plugin_of_another_package_is_found(site):
    plugin(site, "stranger", method="new-one", module="stranger_one", text=SPEC_TEXT.format(id="new-one", module="stranger_one"))
    assert load_registry()["new-one"].summary == "a stranger"


def test_a_plugin_that_fails_to_import_is_listed_with_its_reason_and_breaks_nothing_else(site):
    plugin(site, "broken-pkg", method="broken-one", module="broken_one", text="import not_a_package_that_exists\n")
    registry = load_registry()
    assert set(registry.methods) >= REFERENCE
    (broken,) = registry.broken
    assert (broken.id, broken.package) == ("broken-one", "broken-pkg")
    assert broken.reason == "ModuleNotFoundError: No module named 'not_a_package_that_exists'"
    with pytest.raises(UserError, match=r"method 'broken-one' of broken-pkg cannot be loaded: ModuleNotFoundError"):
        registry["broken-one"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SPEC = {'id': 'odd-one'}\n", "odd_one:SPEC is not a MethodSpec"),
        (SPEC_TEXT.format(id="other", module="odd_one"), "its spec calls itself 'other'"),
        ("raise SystemError('at import')\n", "SystemError: at import"),
        ("import benchmark.registry\n", "AttributeError: module 'odd_one' has no attribute 'SPEC'"),
    ],
)
def test_a_plugin_with_a_wrong_spec_is_listed_with_its_reason(site, monkeypatch, text, reason):
    monkeypatch.delitem(sys.modules, "odd_one", raising=False)
    plugin(site, "odd-pkg", method="odd-one", module="odd_one", text=text)
    assert [broken.reason for broken in load_registry().broken] == [reason]
    sys.modules.pop("odd_one", None)


def test_two_packages_with_one_id_are_an_error_that_names_both(site):
    for package, module in (("first-lab", "lab_one"), ("second-lab", "lab_two")):
        plugin(site, package, method="twin", module=module, text=SPEC_TEXT.format(id="twin", module=module))
    with pytest.raises(UserError, match=r"two packages offer a method 'twin': first-lab and second-lab; uninstall one"):
        load_registry()


def test_options_are_converted_to_their_declared_types():
    given = {"steps": "30", "strength": "0.25", "exact": "true", "mode": "slow", "views": "3, 4,5", "limit_s": "9"}
    assert options_from(spec(), preset=None, settings=given) == Options(
        steps=30, strength=0.25, exact=True, mode="slow", views=(3, 4, 5), limit_s=9.0
    )
    assert options_from(spec(), preset=None, settings={}) == Options()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"step": "3"}, r"unknown option of mine 'step'; did you mean 'steps'\?"),
        ({"steps": "many"}, r"option of mine: Expected `int`, got `str` - at `\$.steps`"),
        ({"exact": "maybe"}, r"option of mine: Expected `bool`, got `str` - at `\$.exact`"),
        ({"mode": "medium"}, r"option of mine: Invalid enum value 'medium' - at `\$.mode`"),
        ({"views": "1,x"}, r"option of mine: Expected `int`, got `str` - at `\$.views\[1\]`"),
    ],
)
def test_a_wrong_option_names_the_option_and_what_is_expected(given, message):
    with pytest.raises(UserError, match=message):
        options_from(spec(), preset=None, settings=given)


def test_a_preset_is_a_base_that_settings_override():
    with_presets = spec(presets={"quick": {"steps": "5", "mode": "fast"}})
    options = options_from(with_presets, preset="quick", settings={"steps": "6"})
    assert (options.steps, options.mode) == (6, "fast")
    with pytest.raises(UserError, match=r"unknown preset of mine 'quik'; did you mean 'quick'\?"):
        options_from(with_presets, preset="quik", settings={})


def test_a_preset_with_an_option_that_does_not_exist_is_an_error():
    with pytest.raises(UserError, match="unknown option of mine 'stepps'"):
        options_from(spec(presets={"quick": {"stepps": "5"}}), preset="quick", settings={})


def test_settings_keep_equal_signs_in_values_and_take_dashes_in_keys():
    assert settings_from(["cmd=a --b=c", "timeout-s=3"]) == {"cmd": "a --b=c", "timeout_s": "3"}
    for wrong in ("cmd", "=3"):
        with pytest.raises(UserError, match="expected key=value"):
            settings_from([wrong])


def test_options_that_do_not_decide_stay_out_of_the_key():
    assert deciding_options(Options()) == {"steps": 50, "strength": 0.5, "exact": False, "mode": "fast", "views": [1, 2]}
    assert deciding_options(NoOptions()) == {}


def test_the_source_digest_changes_with_the_adapters_code_and_with_sources_and_with_nothing_else(site):
    package = site / "mine_pkg"
    package.mkdir()
    for name in ("__init__.py", "adapter.py", "net.py"):
        (package / name).write_text("")
    (site / "mine_library.py").write_text("")
    mine = spec(target="mine_pkg.adapter:Mine", sources=("mine_library",))
    before = mine.source_digest()
    assert before == mine.source_digest()
    (package / "weights.bin").write_bytes(b"1")
    assert mine.source_digest() == before
    seen = {before}
    for path in (package / "net.py", package / "__init__.py", site / "mine_library.py"):
        path.write_text("x = 1\n")
        assert mine.source_digest() not in seen
        seen.add(mine.source_digest())


def test_the_source_digest_covers_files_outside_python(tmp_path, monkeypatch):
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path / "cache"))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1")
    mine = spec(target="methods.oracle.adapter:Oracle", files=(str(weights),))
    before = mine.source_digest()
    weights.write_bytes(b"22")
    assert mine.source_digest() != before


def test_a_source_that_cannot_be_found_is_an_error_that_names_it():
    with pytest.raises(UserError, match="not_there_at_all"):
        spec(target="methods.oracle.adapter:Oracle", sources=("not_there_at_all",)).source_digest()


def test_a_missing_package_of_an_adapter_is_told_when_it_is_loaded(site):
    (site / "needs_more.py").write_text("import a_package_nobody_has\n")
    with pytest.raises(UserError, match=r"method 'mine' cannot be loaded: No module named 'a_package_nobody_has'"):
        spec(target="needs_more:Mine").load(Options())


def test_an_option_may_declare_needs_but_never_the_privilege():
    command = load_registry()["command"]
    options = options_from(command, preset=None, settings={"cmd": "p {inputs} {output}", "needs": "caption"})
    declared = command.with_options(options)
    assert declared.needs == {Input.CAPTION}
    assert declared.privileged == command.privileged == "none"


def test_options_may_declare_optional_inputs():
    @dataclass(frozen=True)
    class Chooses:
        def declared(self) -> Declared:
            return Declared(needs=frozenset({Input.EXO_VIDEO}), optional=frozenset({Input.CAPTION}))

    chosen = spec(options=Chooses).with_options(Chooses())
    assert (chosen.needs, chosen.optional) == ({Input.EXO_VIDEO}, {Input.CAPTION})


def test_the_training_subset_is_spread_evenly_and_is_always_the_same():
    assert train_subset(list(range(10)), 3) == [0, 3, 6]
    assert train_subset(list(range(3)), 24) == [0, 1, 2]


def test_listing_methods_imports_nothing_heavy():
    program = (
        "import sys; from benchmark.registry import load_registry; load_registry();"
        "print(*[m for m in ('torch', 'cv2', 'av', 'scipy', 'skimage', 'matplotlib', 'embreex') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
