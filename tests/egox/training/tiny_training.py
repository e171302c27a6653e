"""Tiny trainings: examples of random numbers, recipes of a few steps, and a network that needs no diffusers.

python -m tests.egox.training.tiny_training FOLDER killed     trains `RESUMED`, and is killed while it writes a checkpoint
python -m tests.egox.training.tiny_training FOLDER two        is one of two processes that share the steps of `SHARED`
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from egox.conditioning import Conditioning, Guidance
from egox.recipe import Lora, Model, NoiseLevels, Recipe, Training

TEXT_WIDTH, TEXT_TOKENS = 8, 6
UNGUIDED = Conditioning(guidance=Guidance(on=False))


def recipe(*, lora: Lora | None = None, rules: Conditioning = UNGUIDED, precision: Any = "fp32", **training: Any) -> Recipe:
    values: dict[str, Any] = {
        "steps": 20, "batch_size": 2, "learning_rate": 3e-3, "warmup_steps": 3, "gradient_checkpointing": False,
    }  # fmt: skip
    return Recipe(
        name="tests/tiny",
        summary="a few steps",
        model=Model(checkpoint="none", text_tokens=TEXT_TOKENS, precision=precision, lora=lora),
        conditioning=rules,
        training_conditioning=rules,
        training=Training(**{**values, **training}),
    )


def examples(
    count: int, *, seed: int = 0, channels: int = 16, frames: int = 2, height: int = 4, exo: int = 6, ego: int = 4
) -> list[dict[str, Tensor]]:
    """Random latents, unit rays and directions for tokens of 2 x 2 cells, prompts of 1 to 4 tokens."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random)

    def unit(*shape: int) -> Tensor:
        return nn.functional.normalize(normal(*shape, 3), dim=-1)

    rays, points = height // 2 * (ego // 2), frames * (height // 2) * (exo // 2)
    return [
        {
            "exo": normal(channels, frames, height, exo),
            "ego": normal(channels, frames, height, ego),
            "prior": normal(channels, frames, height, ego),
            "valid": torch.rand(4, frames, height, ego, generator=random),
            "rays": unit(frames, rays),
            "rays_valid": torch.rand(frames, rays, generator=random) < 0.9,
            "directions": unit(frames, points),
            "directions_valid": torch.rand(frames, points, generator=random) < 0.9,
            "prompt_embeds": normal(1 + k % 4, TEXT_WIDTH),
        }
        for k in range(count)
    ]


class Net(nn.Module):
    """Called and saved as a transformer is; its dropout draws global random numbers."""

    def __init__(self, *, seed: int = 0, dropout: float = 0.1) -> None:
        super().__init__()
        self.config = SimpleNamespace(patch_size=(1, 2, 2), in_channels=36, out_channels=16)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Conv3d(36, 24, 3, padding=1)
            self.level = nn.Linear(1, 24)
            self.text = nn.Linear(TEXT_WIDTH, 24)
            self.dropout = nn.Dropout(dropout)
            self.last = nn.Conv3d(24, 16, 3, padding=1)

    def forward(self, hidden_states: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **others: Any) -> tuple[Tensor]:
        shift = self.level(timestep[:, None] / 1000) + self.text(encoder_hidden_states.mean(1))
        hidden = torch.tanh(self.first(hidden_states) + shift[..., None, None, None])
        return (self.last(self.dropout(hidden)),)

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        save_file(self.state_dict(), folder / "weights.safetensors")


RESUMED = recipe(
    steps=24, ema=0.99, schedule="decay", text_dropout=0.2, prior_dropout=0.2, accumulate=2, checkpoint_every=5,
    validate_every=8, noise=NoiseLevels(kind="logit_normal", mean=0.8),
)  # fmt: skip
"""With all that has a state. Its seven examples do not divide its epochs."""

SHARED = recipe(steps=6, batch_size=1, accumulate=2)
ALONE = recipe(steps=6, batch_size=2, accumulate=2)
"""One process with the batches of two that train `SHARED`."""


def train_resumed(folder: Path, **others: Any) -> Any:
    from egox.training.loop import train

    return train(RESUMED, Net(), examples(7), examples(3, seed=1), folder, **others)


def _killed(folder: Path) -> None:
    """kill -9 after step 20, when the checkpoint is written but not yet renamed: steps 16 to 20 are lost."""
    from egox.training import state

    def report(done: int, total: int, what: str) -> None:
        if done == 17:
            state.flush = lambda path: os.kill(os.getpid(), signal.SIGKILL)

    train_resumed(folder, progress=report)


def _one_of_two(folder: Path) -> None:
    import torch.distributed as dist

    from egox.training.loop import train

    result = train(SHARED, Net(dropout=0), examples(7), examples(3, seed=1), folder)
    assert dist.get_world_size() == 2
    assert result.finished
    _sharded_round_trip(folder / "sharded")
    _exact_timesteps()
    dist.destroy_process_group()


def _exact_timesteps() -> None:
    """Under FSDP weights are bfloat16 and timesteps are not: 651 would become 652."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from egox.training.sharding import fsdp_plugin

    seen: list[tuple[float, torch.dtype]] = []

    class Watching(Net):
        def forward(self, hidden_states: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **others: Any) -> tuple[Tensor]:
            seen.append((float(timestep[0]), self.first.weight.dtype))
            return super().forward(hidden_states, timestep, encoder_hidden_states, **others)

    model = Watching(dropout=0)
    policy = fsdp_plugin("bf16").mixed_precision_policy
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)), mp_policy=policy)
    with torch.autocast("cpu", torch.bfloat16):
        made = model(torch.randn(1, 36, 1, 4, 4), torch.full((1,), 651.0), torch.randn(1, 3, TEXT_WIDTH))[0]
    assert seen == [(651.0, torch.bfloat16)]
    made.float().sum().backward()
    assert all(value.grad is not None and value.grad.dtype == torch.float32 for value in model.parameters())


def _sharded_round_trip(folder: Path) -> None:
    """Weights spread over two processes go through a checkpoint and come back, with optimizer and average."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from egox.training.averaging import Average
    from egox.training.sharding import gather, is_sharded, local
    from egox.training.state import Checkpoints, Progress, restore, state_tensors

    def made(seed: int) -> tuple[nn.Module, dict[str, Tensor], torch.optim.Optimizer, Average]:
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 4))
        fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
        named = dict(model.named_parameters())
        assert all(is_sharded(value) for value in named.values())
        return model, named, torch.optim.AdamW(named.values(), lr=0.1, fused=True), Average(named, decay=0.9)

    model, named, optimizer, average = made(0)
    for step in range(1, 5):
        for value in named.values():
            value.grad = torch.ones_like(value) * step
        optimizer.step()
        average.update(step)
    kept = state_tensors(named, optimizer, average.values, copy=True)
    if dist.get_rank() == 0:
        Checkpoints(folder, keep=1).save(kept, Progress(step=4))
    dist.barrier()
    newest = Checkpoints(folder, keep=1).newest()
    assert newest is not None
    _, others, other_optimizer, other_average = made(1)
    restore(newest[0], others, other_optimizer, other_average.values)
    again = state_tensors(others, other_optimizer, other_average.values, copy=True)
    assert kept.keys() == again.keys()
    assert len(kept) == 4 * 5  # weights, average, and three of the optimizer
    assert all(torch.equal(kept[name], again[name]) for name in kept)
    with average.in_place():
        assert torch.equal(local(named["0.weight"].detach()), local(average.values["0.weight"]))
    gather(model, named)
    assert all(torch.equal(value, kept[f"weights/{name}"]) for name, value in model.named_parameters())


if __name__ == "__main__":
    where, what = sys.argv[1:]
    {"killed": _killed, "two": _one_of_two}[what](Path(where))
