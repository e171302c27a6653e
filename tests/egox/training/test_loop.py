"""The loop on a tiny transformer of the real kind: it learns, changes what it may, and stops when it must."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from egox.conditioning import Conditioning
from egox.recipe import Lora, NoiseLevels
from egox.training import curves_picture
from egox.training.averaging import Average
from egox.training.curves import read_curves
from egox.training.curves_picture import draw_curves, figure_of
from egox.training.loop import train
from egox.training.piece import READERS, NonFiniteLossError, rate_at, readers
from egox.training.state import TrainingError
from egox.training.tasks import TaskError
from egox.training.validation import evenly

from .. import tiny
from .tiny_training import RESUMED, TEXT_WIDTH, UNGUIDED, Net, examples, recipe

GUIDED = Conditioning(ego_mask="valid")
LORA = Lora(rank=4, alpha=8, also=("patch_embedding",))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def transformer(**changes: Any) -> Any:
    return tiny.transformer(image=False, text_dim=TEXT_WIDTH, **changes)


def curve(folder: Path, name: str) -> list[float]:
    rows = [line.split(",") for line in (folder / "curves.csv").read_text().splitlines()]
    return [float(row[3]) for row in rows if row[1] == name and row[2] == ""]


def test_two_clips_are_learned_by_heart_to_a_third_of_the_loss_in_a_hundred_steps(tmp_path):
    wide = transformer(num_attention_heads=4, attention_head_dim=24, ffn_dim=128)
    levels = NoiseLevels(kind="logit_normal", mean=0.8)
    given = recipe(rules=GUIDED, steps=100, batch_size=4, learning_rate=5e-3, noise=levels)
    result = train(given, wide, examples(2), examples(2), tmp_path)
    losses, val = curve(tmp_path, "loss"), curve(tmp_path, "val")
    assert losses[0] / losses[-1] > 3
    assert val[0] / val[-1] > 3
    assert result.loss == pytest.approx(losses[-1])
    loaded = type(wide).from_pretrained(tmp_path / "model" / "transformer")
    assert all(torch.equal(value, wide.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_a_lora_leaves_the_base_as_it_was_and_keeps_its_rank_alpha_and_recipe(tmp_path):
    model = transformer()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = recipe(rules=GUIDED, lora=LORA, steps=3, gradient_checkpointing=True)
    result = train(given, model, examples(4), [], tmp_path)
    after = {name.replace(".base_layer", ""): value for name, value in model.state_dict().items()}
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"patch_embedding.weight", "patch_embedding.bias"}
    assert result.model is not None
    with safe_open(result.model / "pytorch_lora_weights.safetensors", framework="pt") as file:
        about = file.metadata()
        down, up = (file.get_tensor(f"transformer.blocks.0.attn1.to_q.lora_{half}.weight") for half in "AB")
    assert (about["rank"], about["alpha"], about["recipe"], about["steps"]) == ("4", "8", "tests/tiny", "3")
    assert down.shape[0] == up.shape[1] == 4
    assert up.any()
    assert torch.equal(load_file(result.model / "also.safetensors")["patch_embedding.weight"], model.patch_embedding.weight)


def test_an_adapter_begins_as_another_one_ended(tmp_path):
    first = recipe(lora=LORA, rules=GUIDED, steps=3)
    before = train(first, transformer(), examples(4), [], tmp_path / "first").model
    assert before is not None
    still = recipe(lora=LORA, rules=GUIDED, steps=1, learning_rate=1e-12, weight_decay=0.0)
    after = train(still, transformer(), examples(4), [], tmp_path / "second", adapter=before).model
    assert after is not None
    for name in ("pytorch_lora_weights.safetensors", "also.safetensors"):
        kept, begun = load_file(after / name), load_file(before / name)
        assert all(torch.allclose(kept[key], begun[key], atol=1e-7) for key in begun)
        assert any(value.abs().max() > 0 for key, value in begun.items() if not key.endswith("lora_A.weight"))
    with pytest.raises(TrainingError, match="holds another training: base was"):
        train(still, transformer(), examples(4), [], tmp_path / "second")
    wide = recipe(lora=Lora(rank=8, alpha=8, also=("patch_embedding",)), rules=GUIDED, steps=1)
    with pytest.raises(TrainingError, match=r"cannot begin with .* has rank 4, the recipe rank 8"):
        train(wide, transformer(), examples(4), [], tmp_path / "third", adapter=before)


def test_an_adapter_goes_on_only_over_the_base_that_it_began_with(tmp_path):
    given = recipe(lora=LORA, steps=3)
    assert not train(given, transformer(), examples(4), [], tmp_path, minutes=0).finished
    with pytest.raises(TrainingError, match='another training: base was "'):
        train(given, transformer(seed=1), examples(4), [], tmp_path)
    assert train(given, transformer(), examples(4), [], tmp_path).finished


def gradients(folder: Path, *, checkpointing: bool, **values: Any) -> dict[str, torch.Tensor]:
    """First moments of the optimizer after one step: a tenth of the clipped gradients."""
    given = recipe(steps=1, gradient_checkpointing=checkpointing, betas=(0.9, 0.95), **values)
    train(given, transformer(), examples(3), [], folder)
    state = load_file(folder / "checkpoints" / "step-00000001" / "tensors.safetensors")
    return {name: value for name, value in state.items() if name.startswith("optimizer/exp_avg/")}


def test_gradient_checkpointing_under_guidance_gives_the_same_gradients_and_guidance_others(tmp_path):
    plain = gradients(tmp_path / "plain", checkpointing=False, rules=GUIDED)
    again = gradients(tmp_path / "again", checkpointing=True, rules=GUIDED)
    unguided = gradients(
        tmp_path / "unguided", checkpointing=True, rules=msgspec.structs.replace(GUIDED, guidance=UNGUIDED.guidance)
    )
    queries = "optimizer/exp_avg/blocks.1.attn1.to_q.weight"
    assert plain[queries].any()
    for name, value in plain.items():
        torch.testing.assert_close(again[name], value, atol=1e-6, rtol=1e-4)
    assert not torch.allclose(unguided[queries], plain[queries], rtol=1e-2)


def test_the_task_s_changes_to_the_transformer_are_undone(tmp_path):
    model = transformer()
    before = {name: type(processor) for name, processor in model.attn_processors.items()}
    train(recipe(rules=GUIDED, steps=1), model, examples(2), [], tmp_path)
    assert {name: type(processor) for name, processor in model.attn_processors.items()} == before


def test_over_a_bf16_base_an_adapter_is_trained_in_float32(tmp_path):
    model = transformer().to(torch.bfloat16)
    result = train(recipe(rules=GUIDED, lora=LORA, steps=2, precision="bf16"), model, examples(2), [], tmp_path)
    trained = {name: value.dtype for name, value in model.named_parameters() if value.requires_grad}
    assert set(trained.values()) == {torch.float32}
    assert model.blocks[0].ffn.net[0].proj.weight.dtype == torch.bfloat16
    assert result.loss is not None
    assert 0 < result.loss < 10


def test_a_preconditioner_is_on_during_training_and_off_afterwards(tmp_path):
    from egox.mini import Preconditioner

    clips = examples(6)
    fitted = Preconditioner.fit([(torch.stack([c["ego"] for c in clips]), torch.stack([c["prior"] for c in clips]),
                                  torch.stack([c["valid"] for c in clips]))])  # fmt: skip
    model = transformer()
    torch.nn.init.zeros_(model.proj_out.weight)
    torch.nn.init.zeros_(model.proj_out.bias)
    train(recipe(rules=GUIDED, steps=1), model, clips, clips, tmp_path, preconditioner=fitted)
    assert curve(tmp_path, "val")[0] < 1.6  # Without it, zeros are predicted: about 2.
    assert not model._forward_hooks


def test_val_and_what_is_kept_are_of_the_averaged_weights(tmp_path):
    seen: dict[int, torch.Tensor] = {}
    net = Net(dropout=0)
    given = recipe(steps=9, ema=0.9, validate_every=4)

    def on_validate(step: int, model: torch.nn.Module) -> dict[str, float]:
        assert not model.training
        assert not torch.is_grad_enabled()
        seen[step] = model.get_parameter("first.weight").clone()
        return {"psnr_generated": 10.0 + step}

    train(given, net, examples(4), examples(2, seed=1), tmp_path, on_validate=on_validate)
    assert sorted(seen) == [4, 8, 9]
    assert read_curves(tmp_path / "curves.csv")["psnr_generated", None] == [(4, 14.0), (8, 18.0), (9, 19.0)]
    kept = load_file(tmp_path / "model" / "transformer" / "weights.safetensors")["first.weight"]
    assert torch.equal(kept, seen[9])
    assert not torch.equal(kept, net.first.weight)
    assert net.training


def test_curves_are_drawn_at_each_validation_by_examples_seen_and_relative_to_their_start(tmp_path):
    train(recipe(steps=8, validate_every=4), Net(), examples(4), examples(2, seed=1), tmp_path)
    assert np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).std() > 5
    curves = read_curves(tmp_path / "curves.csv")
    left, right = figure_of(curves, title="tiny", samples_a_step=2).axes
    drawn = {str(line.get_label()).split(":")[0]: line for line in left.lines}
    for level in (0.1, 0.3, 0.5, 0.7, 0.9, 0.98):
        values = [value for _, value in curves["val", level]]
        assert list(drawn[f"t = {level:g}"].get_xdata()) == [0, 8, 16]
        assert list(drawn[f"t = {level:g}"].get_ydata()) == pytest.approx([value / values[0] for value in values])
    assert not right.lines
    with_sheets = {**curves, ("psnr_generated", None): [(4, 14.0), (8, 18.0)]}
    (line,) = figure_of(with_sheets, title="tiny", samples_a_step=2).axes[1].lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([8, 16], [14.0, 18.0])


def test_a_curve_that_begins_at_0_is_left_out_of_the_picture():
    curves = {("val", 0.1): [(0, 0.0), (4, 0.2)], ("val", 0.9): [(0, 0.5), (4, 0.25)], ("loss", None): [(10, 0.0), (20, 1.0)]}
    (line,) = figure_of(curves, title="tiny", samples_a_step=1).axes[0].lines
    assert list(line.get_ydata()) == [1.0, 0.5]
    assert not figure_of({("val", 0.1): [(0, 0.0)]}, title="tiny", samples_a_step=1).axes[0].lines


def test_a_full_disk_is_said_of_the_picture_of_curves_as_of_all_else(tmp_path, monkeypatch):
    train(recipe(steps=2), Net(), examples(2), examples(1), tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(curves_picture, "replace_file", full)
    with pytest.raises(TrainingError, match=r"curves\.png: cannot be written \(.*No space left on device\); free the disk and"):
        draw_curves(tmp_path, title="tiny", samples_a_step=2)


def test_the_average_is_that_of_every_step_where_weights_change_slowly():
    weight = torch.zeros(3)
    average = Average({"w": weight}, decay=0.9)
    plain = torch.zeros(3)
    for step in range(1, 41):
        weight += 0.01
        average.update(step)
        plain = plain.lerp(weight, 1 - min(0.9, (1 + step) / (10 + step)))
    torch.testing.assert_close(average.values["w"], plain, atol=0.02, rtol=0)
    with average.in_place():
        assert torch.equal(weight, average.values["w"])
    torch.testing.assert_close(weight, torch.full((3,), 0.4))


class Store(list[Any]):
    """Examples that know their names and their digest, as those on disk do."""

    digest = "0123456789abcdef"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"kitchen-{k}" for k in range(len(self)))


def test_guidance_that_was_taken_off_is_missed(tmp_path):
    from egox.attention import remove_guidance

    with pytest.raises(TaskError, match="guidance was taken off the transformer"):
        train(
            recipe(rules=GUIDED, steps=3, validate_every=1), transformer(), examples(2), examples(1), tmp_path,
            on_validate=lambda step, model: remove_guidance(model),
        )  # fmt: skip


@pytest.mark.parametrize("where", ["ego", "prior"])
def test_a_loss_that_is_not_finite_stops_with_its_example_and_leaves_the_checkpoint(where, tmp_path):
    clips = Store(examples(7))
    clips[3][where][0, 0, 0, 0] = float("nan")
    given = recipe(steps=50, checkpoint_every=1)
    with pytest.raises(
        NonFiniteLossError, match=r"step \d+ of tests/tiny: loss not finite for kitchen-3 \(loss nan at level 0\."
    ) as stopped:
        train(given, Net(), clips, [], tmp_path)
    newest = max((tmp_path / "checkpoints").glob("step-*"))
    assert f"step-{int(str(stopped.value).split()[1]) - 1:08d}" == newest.name
    assert all(torch.isfinite(value).all() for value in load_file(newest / "tensors.safetensors").values())


def test_a_validation_that_is_not_finite_stops_and_is_not_written_down(tmp_path):
    bad = examples(2, seed=1)
    bad[1]["prior"][0, 0, 0, 0] = float("nan")
    with pytest.raises(NonFiniteLossError, match=r"step 0 of tests/tiny: validation at level 0\.1 is nan; there is no"):
        train(recipe(steps=3), Net(), examples(3), bad, tmp_path)
    assert curve(tmp_path, "val") == []


def test_validation_may_look_at_some_examples_evenly_chosen(tmp_path):
    assert evenly(400, 4) == [0, 100, 200, 300]
    assert evenly(3, None) == evenly(3, 9) == [0, 1, 2]
    assert evenly(0, 4) == []
    given = recipe(steps=1, batch_size=1, validation_examples=1)
    clips = examples(4, seed=1)
    some = train(given, Net(dropout=0), examples(3), clips, tmp_path / "some").validation
    first = train(given, Net(dropout=0), examples(3), clips[:1], tmp_path / "first").validation
    assert some == first


def test_the_rate_warms_up_and_decays_to_two_percent():
    rules = recipe(steps=100, warmup_steps=10, schedule="decay").training
    assert rules is not None
    rates = [rate_at(step, rules) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [1.0] * 41
    assert rates[-1] == pytest.approx(0.02)
    assert rates[74] == pytest.approx(0.52, abs=0.01)
    constant = msgspec.structs.replace(rules, schedule="constant")
    assert [rate_at(step, constant) for step in range(9, 100)] == [1.0] * 91


def test_accumulated_batches_are_one_large_batch(tmp_path):
    results = []
    for name, values in (("whole", {"batch_size": 4}), ("parts", {"batch_size": 2, "accumulate": 2})):
        results.append(train(recipe(steps=3, **values), Net(dropout=0), examples(5), [], tmp_path / name).loss)
    assert results[0] == pytest.approx(results[1], abs=1e-5)


class Watched(list[Any]):
    """Examples that know which threads read them, and take their time."""

    def __init__(self, given: list[Any]) -> None:
        super().__init__(given)
        self.threads: set[int] = set()

    def __getitem__(self, index: Any) -> Any:
        self.threads.add(threading.get_ident())
        time.sleep(0.02)
        return super().__getitem__(index)


def test_several_threads_that_read_change_nothing_but_the_time_that_it_takes(tmp_path, monkeypatch):
    ends = {}
    for count in (1, 5):
        monkeypatch.setattr("egox.training.piece.readers", lambda _, count=count: count)
        model, watched = transformer(), Watched(examples(3))
        train(recipe(rules=GUIDED, steps=6, batch_size=2), model, watched, [], tmp_path / str(count))
        ends[count] = model.state_dict()
        assert len(watched.threads - {threading.get_ident()}) == count
    assert all(torch.equal(value, ends[5][name]) for name, value in ends[1].items())


def test_a_cpu_that_trains_has_one_thread_that_reads_and_few_cores_too(monkeypatch):
    for cores, count in ((1, 1), (2, 1), (8, 2), (64, READERS)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert readers(torch.device("cuda")) == count
        assert readers(torch.device("cpu")) == 1


def test_the_curves_say_everything_by_step_and_level(tmp_path):
    train(RESUMED, Net(), examples(7), examples(3, seed=1), tmp_path)
    rows = [line.split(",") for line in (tmp_path / "curves.csv").read_text().splitlines()]
    assert rows[0] == ["step", "curve", "level", "value"]
    steps = {name: sorted({int(row[0]) for row in rows[1:] if row[1] == name}) for name in {row[1] for row in rows[1:]}}
    assert steps.pop("val") == [0, 8, 16, 24]
    assert set(steps) == {"loss", "loss_at", "gradient_norm", "learning_rate", "samples_per_s"}
    assert all(at == [10, 20, 24] for at in steps.values())
    assert {row[2] for row in rows if row[1] == "val"} == {"", "0.1", "0.3", "0.5", "0.7", "0.9", "0.98"}
    about = json.loads((tmp_path / "model" / "training.json").read_text())
    assert (about["recipe"], about["steps"]) == ("tests/tiny", 24)


def test_only_so_many_checkpoints_are_kept(tmp_path):
    train(recipe(steps=5, checkpoint_every=1, keep_checkpoints=2), Net(), examples(3), [], tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000004", "step-00000005"]


def test_a_full_disk_is_said_and_earlier_checkpoints_stay(tmp_path, monkeypatch):
    from egox.training import state

    def full(path: Path) -> None:
        if "00000003" in str(path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(state, "flush", full)
    with pytest.raises(TrainingError, match=r"step-00000003: the checkpoint cannot be written \(.*No space left.*free the disk"):
        train(recipe(steps=5, checkpoint_every=1), Net(), examples(3), [], tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000001", "step-00000002"]


@pytest.mark.parametrize(
    ("given", "clips", "message"),
    [
        (msgspec.structs.replace(recipe(), training=None), examples(1), "has no .training.: it is for sampling alone"),
        (recipe(), [], "has no examples to train on: make them first"),
    ],
)
def test_what_cannot_be_trained_is_said_at_once(given, clips, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(given, Net(), clips, [], tmp_path)
