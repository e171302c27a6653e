"""The method egox: four rows of one adapter, what decides a prediction, and that nothing but clip and seed does."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmark.box_room import box_room_clip
from benchmark.canvas import FULL
from benchmark.cli import build
from benchmark.clip import ClipInputs, Input, inputs_for
from benchmark.conformance import check_method
from benchmark.datasets.opening import open_dataset
from benchmark.errors import LoadError, Undefined, UserError
from benchmark.registry import load_registry, options_from
from benchmark.video import decoded_frames
from egox import EgoXPipeline, load_recipe, own_clip
from egox.checkpoints import folder_of
from egox.clip import clip_of_prior
from egox.own import FORMATS
from egox.pose_file import save_pose_file
from methods.ego_prior import Options as PriorOptions
from methods.ego_prior.adapter import prior_of
from methods.ego_prior.making import Maker
from methods.egox import FULL_SIDE, MINI_SIDE, NO_CLEAN_LATENT, NO_GGA, NO_PRIOR, SPEC, Options
from methods.egox.adapter import changed
from tests.benchmark.datasets.test_samples import unpacked
from tests.box_folder import write_box_folder
from tests.egox.test_own import write_own
from tests.methods.tiny_egox import write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "egox.md"
SPECS = (SPEC, NO_GGA, NO_PRIOR, NO_CLEAN_LATENT)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EGOX_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("weights") / "mini")


def inputs(name: str = "room", *, frames: int = 17, **changes) -> ClipInputs:
    clip = dataclasses.replace(box_room_clip(name, seed=1, frames=frames), **changes)
    return inputs_for(clip, needs=SPEC.needs, optional=SPEC.optional)


def made(spec, checkpoint: Path | str, *, asked: ClipInputs | None = None, seed: int = 0, **options) -> np.ndarray:
    method = spec.load(spec.options(checkpoint=str(checkpoint), **{"steps": 2, **options}))
    return method.generate(asked or inputs(), seed=seed)


# ---- specs and options ----


def test_the_four_methods_are_installed_and_name_their_recipes():
    registry = load_registry()
    assert registry.broken == ()
    names = {name: registry[name].options().recipe_at(128) for name in registry.methods if name.startswith("egox")}
    assert names == {
        "egox": "mini/egox",
        "egox-no-gga": "mini/no-gga",
        "egox-no-prior": "mini/no-prior",
        "egox-no-clean-latent": "mini/no-clean-latent",
    }
    assert [spec.options().recipe_at(448) for spec in SPECS] == ["paper", "egox/no-gga", "egox/no-prior", "egox/no-clean-latent"]
    assert all(spec.trained_on for spec in SPECS)


def test_a_recipe_that_is_named_is_taken_at_any_size():
    assert Options(recipe="released").recipe_at(128) == "released"
    assert options_from(SPEC, preset="released", settings={}).recipe_at(448) == "released"
    with pytest.raises(ValueError, match="no recipe is for ego pictures of 96x96, only of 128 and 448 px; name one"):
        Options().recipe_at(96)


@pytest.mark.parametrize("name", ["steps", "guidance_scale", "strength"])
def test_what_cannot_be_less_than_nothing_is_refused(name: str):
    with pytest.raises(UserError, match=f"{name} is -1"):
        options_from(SPEC, preset=None, settings={name: "-1"})


def test_a_back_end_that_needs_cuda_is_refused_elsewhere():
    with pytest.raises(UserError, match="backend=flex needs CUDA, and device is cpu: set device=cuda too"):
        options_from(SPEC, preset=None, settings={"backend": "flex"})
    assert Options(backend="flex", device="cuda").backend == "flex"


def test_sides_are_those_of_videos_of_ones_own():
    assert {MINI_SIDE, FULL_SIDE} == set(FORMATS)


def test_depth_is_not_needed_where_a_network_estimates_it():
    assert Input.DEPTH in SPEC.with_options(Options()).needs
    assert Input.DEPTH not in SPEC.with_options(Options(depth_model="some/network")).needs
    assert Input.CAPTION in SPEC.optional


def test_weights_and_recipes_decide_the_key_but_the_adapters_of_others_do_not(checkpoint: Path, tmp_path: Path):
    def key(spec, folder: Path) -> str:
        return spec.with_options(spec.options(checkpoint=str(folder))).source_digest()

    moved = tmp_path / "moved"
    shutil.copytree(checkpoint, moved)
    assert key(SPEC, moved) == key(SPEC, checkpoint)
    before = {spec.id: key(spec, moved) for spec in SPECS}
    file = moved / "lora" / "no-gga" / "pytorch_lora_weights.safetensors"
    file.write_bytes(file.read_bytes() + b" ")
    assert [spec.id for spec in SPECS if key(spec, moved) != before[spec.id]] == ["egox-no-gga"]
    config = moved / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text() + " ")
    assert all(key(spec, moved) != before[spec.id] for spec in SPECS)
    assert key(SPEC, tmp_path / "nowhere") != key(SPEC, checkpoint)
    before = key(SPEC, moved)
    (moved / "README.md").write_text("words about it")
    (moved / ".cache").mkdir()
    (moved / ".cache" / "download").write_text("x")
    assert key(SPEC, moved) == before, "what is not loaded decides nothing"
    recipe = tmp_path / "mine.toml"
    recipe.write_text('extends = "mini/egox"\nsummary = "mine"')
    mine = SPEC.with_options(Options(recipe=str(recipe)))
    digest = mine.source_digest()
    recipe.write_text('extends = "mini/egox"\nsummary = "changed"')
    assert mine.source_digest() != digest


def test_what_is_loaded_beside_a_lora_file_decides_the_key(checkpoint: Path, tmp_path: Path):
    home = tmp_path / "mine"
    shutil.copytree(checkpoint / "lora" / "egox", home)
    for lora in (home, home / "pytorch_lora_weights.safetensors"):
        spec = SPEC.with_options(Options(recipe="mini/egox", checkpoint=str(checkpoint), lora=str(lora)))
        keys = {spec.source_digest()}
        for name in ("also.safetensors", "preconditioner/config.json"):
            with (home / name).open("ab") as file:
                file.write(b" ")
            keys.add(spec.source_digest())
        (home / "training.json").write_text("{}")
        assert spec.source_digest() in keys
        assert len(keys) == 3, f"{lora} is loaded with its neighbours"
        (home / "training.json").unlink()


def test_gigabytes_of_weights_are_not_read_at_each_command(checkpoint: Path, monkeypatch: pytest.MonkeyPatch):
    spec = SPEC.with_options(Options(checkpoint=str(checkpoint)))
    before = spec.source_digest()
    monkeypatch.setattr("benchmark.datasets.file_digests.file_key", lambda path: pytest.fail(f"{path} was read again"))
    assert spec.source_digest() == before


def test_a_depth_network_in_a_folder_decides_the_key(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    spec = SPEC.with_options(Options(depth_model=str(tmp_path)))
    before = spec.source_digest()
    (tmp_path / "config.json").write_text("{ }")
    assert spec.source_digest() != before


def test_listing_what_decides_the_key_imports_no_torch():
    program = "import sys; from methods.egox import SPEC, Options; SPEC.with_options(Options()); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"


def test_every_module_that_the_pipeline_reaches_decides_the_key():
    def covered(module: str) -> bool:
        return any(module == source or module.startswith(f"{source}.") for source in SPEC.sources)

    def imported(module: str) -> set[str]:
        path = ROOT / Path(*module.split("."))
        package = path.is_dir()
        path = path / "__init__.py" if package else path.with_suffix(".py")
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                parts = module.split(".") if package else module.split(".")[:-1]
                parts = parts[: len(parts) - node.level + 1] if node.level else []
                home = ".".join([*parts, *([node.module] if node.module else [])])
                found |= {home} | {f"{home}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        found = {name for name in found if name.split(".")[0] in ("egox", "methods")}
        exists = (ROOT / Path(*name.split(".")) for name in found)
        return {name for name, where in zip(found, exists) if where.is_dir() or where.with_suffix(".py").is_file()}

    seen, pending = set(), {"methods.egox.adapter"}
    while pending:
        module = pending.pop()
        seen.add(module)
        pending |= imported(module) - seen
    assert {"egox.attention.processor", "methods.ego_prior.making"} <= seen
    own = {module for module in seen if module in ("egox", "methods") or module.startswith("methods.egox")}
    assert sorted(module for module in seen - own if not covered(module)) == []


# ---- generating ----


def test_it_keeps_the_contract(checkpoint: Path):
    report = check_method(SPEC, settings={"checkpoint": str(checkpoint), "steps": "2"})
    assert [check for check in report.checks if check.verdict == "fail"] == []
    found = {check.name: check.detail for check in report.checks}
    assert found["generate"].startswith("uint8 (17, 128, 128, 3)")
    assert "refuses 5 frames of 128x128 (the preconditioner was fitted on clips of 5 latent frames" in found["generate"]
    assert found["another size"].startswith("refuses 9 frames of 96x96: no recipe is for ego pictures of 96x96")
    assert found["another seed"].startswith("another output")


def test_bytes_do_not_depend_on_the_number_of_threads(checkpoint: Path):
    torch.set_num_threads(3)
    three = made(SPEC, checkpoint)
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    assert np.array_equal(made(SPEC, checkpoint), three)


def test_options_reach_the_model_and_each_ablation_is_another_one(checkpoint: Path, monkeypatch: pytest.MonkeyPatch):
    prior = prior_of(inputs(), Maker(PriorOptions()))
    clip = clip_of_prior(prior, prompt="a room", fps=10)
    monkeypatch.setattr("methods.ego_prior.adapter.prior_of", lambda asked, maker: prior)
    monkeypatch.setattr("methods.egox.adapter.clip_of_prior", lambda made, **given: clip)
    videos = {spec.id: made(spec, checkpoint) for spec in SPECS}
    videos |= {
        "strength": made(SPEC, checkpoint, strength=4.0),
        "text": made(SPEC, checkpoint, guidance_scale=3.0),
        "recipe": made(SPEC, checkpoint, recipe="mini/no-prior"),
        "lora": made(SPEC, checkpoint, lora=str(checkpoint / "lora" / "no-gga")),
    }
    assert np.array_equal(videos.pop("recipe"), videos["egox-no-prior"])
    assert len({video.tobytes() for video in videos.values()}) == len(videos)


def test_options_that_the_machine_or_the_recipe_has_no_use_for_are_refused(checkpoint: Path):
    assert changed(load_recipe("mini/egox"), Options()).model.precision == "fp32"
    assert changed(load_recipe("mini/egox"), Options(dtype="bf16")).model.precision == "bf16"
    with pytest.raises(LoadError, match=r"--set device=nowhere: .*doctor"):
        made(SPEC, checkpoint, device="nowhere")
    with pytest.raises(LoadError, match="strength is 2, but recipe mini/no-gga does not guide attention"):
        made(NO_GGA, checkpoint, strength=2.0)


def test_steps_that_the_scheduler_does_not_have_are_refused_before_a_prior_is_made(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("methods.ego_prior.adapter.prior_of", lambda *_: pytest.fail("a prior was made"))
    with pytest.raises(LoadError, match="5000 steps: sampling takes at least one, and this scheduler has 1000 levels"):
        made(SPEC, checkpoint, steps=5000)


def test_it_is_black_outside_of_the_lens_circle(checkpoint: Path):
    asked = inputs()
    assert asked.ego_camera is not None
    video, circle = made(SPEC, checkpoint, asked=asked), asked.ego_camera.visible()
    assert not video[:, ~circle].any()
    assert video[:, circle].any(-1).mean() > 0.9


def test_a_clip_without_depth_is_undefined_and_says_so(checkpoint: Path):
    with pytest.raises(Undefined, match="no depth here"):
        inputs(missing={Input.DEPTH: "no depth here"})
    asked = inputs()
    blind = dataclasses.replace(asked, exo=(dataclasses.replace(asked.exo[0], depth=None),))
    with pytest.raises(Undefined, match="depth missing for exo view"):
        made(SPEC, checkpoint, asked=blind)


def test_a_canvas_that_is_not_the_models_is_refused(checkpoint: Path):
    with pytest.raises(UserError, match="4 frames do not fit the latent codec"):
        made(SPEC, checkpoint, asked=inputs(frames=4))


def test_weights_that_are_missing_or_do_not_fit_end_the_run_with_what_to_do(checkpoint: Path, tmp_path: Path):
    with pytest.raises(LoadError, match="it is no folder here"):
        made(SPEC, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LoadError, match=r"it has no model_index\.json"):
        made(SPEC, tmp_path / "empty")
    bare = tmp_path / "bare"
    shutil.copytree(checkpoint, bare, ignore=shutil.ignore_patterns("lora"))
    with pytest.raises(LoadError, match="egox-bench train mini/no-gga"):
        made(NO_GGA, bare)
    with pytest.raises(LoadError, match="name on the model hub is owner/model; check the path"):
        made(SPEC, checkpoint, lora=str(tmp_path / "nope"))
    (mine := tmp_path / "mine.toml").write_text('extends = "mini/egox"\nsummary = "x"')
    with pytest.raises(LoadError, match=r"egox-bench train .*mine\.toml'"):
        made(SPEC, checkpoint, recipe=str(mine))
    (recipe := tmp_path / "rank.toml").write_text('extends = "mini/egox"\nsummary = "x"\n[model.lora]\nrank = 8')
    with pytest.raises(LoadError, match="rank 32, the recipe rank 8"):
        made(SPEC, checkpoint, recipe=str(recipe), lora=str(checkpoint / "lora" / "egox"))


def test_a_recipe_that_is_not_there_is_told_with_the_nearest_one():
    with pytest.raises(UserError, match="no recipe 'mini/egoks'; did you mean 'mini/egox'"):
        options_from(SPEC, preset=None, settings={"recipe": "mini/egoks"})


# ---- from outside ----


def called(*words: object) -> str:
    """`egox-bench` in this process: importing diffusers again would cost more than all that is tested."""
    result = CliRunner().invoke(build(), [*map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_a_run_ends_with_scores(checkpoint: Path, tmp_path: Path):
    data = write_box_folder(tmp_path / "boxes", clips=2)
    protocol = ROOT / "tests" / "protocols" / "pixels.toml"
    words = ("--data", data, "--split", "all", "--protocol", protocol, "--no-controls", "--out", tmp_path)
    options = ("--set", f"checkpoint={checkpoint}", "--set", "steps=2")
    assert "2/2" in called("run", "--method", "egox", *words, *options)
    (results,) = (json.loads(path.read_text()) for path in tmp_path.glob("egox/*/*/*/results.json"))
    assert results["metrics"]["psnr"]["mean"] > 3
    with pytest.raises(LoadError, match="it is no folder here"):
        called("run", "--method", "egox", *words, "--set", "checkpoint=nowhere")


def test_without_the_mini_weights_listing_and_a_run_of_several_say_which_method_lacks_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("egox.checkpoints.resources", SimpleNamespace(files=lambda _package: tmp_path))
    status = {row["id"]: row["status"] for row in json.loads(called("list", "methods", "--json"))}
    assert (status["copy-exo"], status["egox"]) == ("ready", "not ready: the mini weights are not in this installation")
    data = write_box_folder(tmp_path / "boxes", clips=1)
    names = [row["id"] for row in json.loads(called("list", "clips", "--data", data, "--split", "all", "--json"))]
    assert len(names) == 1
    protocol = ROOT / "tests" / "protocols" / "pixels.toml"
    words = ("--data", data, "--split", "all", "--protocol", protocol, "--clips", names[0], "--out", tmp_path / "out")
    said = called("generate", "--method", "copy-exo,egox", *words).splitlines()
    assert said[-2] == "1 of 2 methods could not be loaded:"
    assert said[-1].startswith("  egox: the mini weights are not in this installation; train them")


@pytest.fixture
def shipped(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny checkpoint in the place of the mini weights."""
    monkeypatch.setattr("egox.pipeline.folder_of", lambda name: checkpoint if name == "mini" else pytest.fail(str(name)))


@pytest.mark.usefixtures("shipped")
def test_the_four_lines_of_the_docs_give_the_video_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = write_own(tmp_path, size=(256, 480))
    own.video.rename(tmp_path / "my.mp4")
    (tmp_path / "depth_maps").mkdir()
    for number, depth_m in enumerate(own.depth_m):
        np.save(tmp_path / "depth_maps" / f"{number:05d}.npy", depth_m)
    monkeypatch.chdir(tmp_path)
    called("generate", "--method", "egox", "--video", "my.mp4", "--pose", "pose.json", "--depth", "depth_maps")
    torch.set_num_threads(2)
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "from_pretrained" in block)
    assert len([line for line in code.splitlines() if line]) == 4
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["frames"].shape == (17, 128, 128, 3)
    assert np.array_equal(names["frames"], np.stack(list(decoded_frames(tmp_path / "generated" / "my" / "egox" / "ego.mkv"))))


@pytest.mark.usefixtures("shipped")
def test_prompt_and_seed_reach_the_model_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = write_own(tmp_path / "own")
    words = ("--video", own.video, "--pose", own.pose, "--depth", own.depth, "--prompt", "a room", "--seed", 5)
    asked: list[object] = []
    monkeypatch.setattr("methods.ego_prior.adapter.prior_of", lambda given, maker: asked.append(maker) or prior_of(given, maker))
    said = called("generate", "--method", "egox", *words, "--set", "steps=2", "--out", tmp_path)
    assert re.search(r"generate: 0/1 .*walk: egox\n(.*\n)*generate: 2/2 after .*walk: egox", said), "steps are told"
    assert len(asked) == 1, "the prior beside it is the one that the model was given"
    pipe = EgoXPipeline.from_pretrained("mini")
    video = np.stack(list(decoded_frames(tmp_path / "walk" / "egox" / "ego.mkv")))
    clip = own_clip(own.video, own.pose, depth=own.depth, prompt="a room")
    assert np.array_equal(pipe(clip, seed=5, num_inference_steps=2).frames, video)
    assert not np.array_equal(pipe(clip, seed=4, num_inference_steps=2).frames, video)
    silent = dataclasses.replace(clip, prompt="")
    assert not np.array_equal(pipe(silent, seed=5, num_inference_steps=2).frames, video)


def test_the_docs_name_every_option_and_method():
    text = DOCS.read_text()
    named = {name for row in re.findall(r"^\| (`[a-z_`, ]+`) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named >= {field.name for field in dataclasses.fields(Options)}
    assert all(f"`{spec.id}`" in text and spec.options().recipe_at(448) in text for spec in SPECS)


def test_without_weights_the_video_is_not_begun(tmp_path: Path):
    own = write_own(tmp_path / "own")
    words = ("--video", own.video, "--pose", own.pose, "--depth", own.depth, "--out", tmp_path / "out")
    with pytest.raises(LoadError, match="it is no folder here"):
        called("generate", "--method", "egox", *words, "--set", f"checkpoint={tmp_path / 'nowhere'}")
    assert not (tmp_path / "out").exists()


def write_pose_of_the_wild(samples: Path, root: Path) -> tuple[Path, Path, Path]:
    """Video, pose file and depth of the recorded clip in the wild."""
    shutil.copytree(samples / "in_the_wild", root, ignore=shutil.ignore_patterns("depth_packed"))
    unpacked(samples, "in_the_wild", root, "joker")
    dataset = open_dataset(root)
    clip = dataset.clip(dataset.manifest("all").rows[0], FULL)
    exo, ego = clip.exo[0].camera, clip.ego_camera
    assert exo is not None
    assert ego is not None
    save_pose_file(root / "pose.json", exo=exo, ego=ego, fps=30)
    return root / "videos" / "joker" / "exo.mp4", root / "pose.json", root / "depth_maps" / "joker"


@pytest.mark.samples
@pytest.mark.slow
def test_the_clip_in_the_wild_by_the_command_line_and_by_four_lines_is_the_same(checkpoint: Path, samples: Path, tmp_path: Path):
    video, pose, depth = write_pose_of_the_wild(samples, tmp_path / "wild")
    words = ("--video", video, "--pose", pose, "--depth", depth, "--out", tmp_path / "out")
    called("generate", "--method", "egox", *words, "--set", f"checkpoint={checkpoint}", "--set", "steps=3")
    pipe = EgoXPipeline.from_pretrained(checkpoint, recipe="mini/egox")
    clip = own_clip(video, pose, depth=depth)
    frames = pipe(clip, seed=0, num_inference_steps=3).frames
    assert np.array_equal(frames, np.stack(list(decoded_frames(tmp_path / "out" / "exo" / "egox" / "ego.mkv"))))
    report = json.loads((tmp_path / "out" / "exo" / "egox" / "report.json").read_text())
    assert (report["fps"], report["exo_size"]) == (10.0, [256, 448])
    assert 0.9 < report["scale"] < 1.2
    assert 0.1 < report["coverage"] < 0.6


def test_rows_of_the_shipped_weights_say_how_little_they_were_trained(tmp_path):
    assert "short training" in SPEC.with_options(Options()).remark
    assert SPEC.with_options(Options(checkpoint=str(tmp_path))).remark == ""
    assert SPEC.with_options(Options(recipe="paper")).remark == ""
    assert "short training" in SPEC.with_options(Options(recipe="mini/no-gga")).remark
    shipped = folder_of("mini")
    assert "short training" in SPEC.with_options(Options(recipe="paper", lora=str(shipped / "lora" / "egox"))).remark
