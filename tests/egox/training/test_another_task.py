"""A task, a model and examples that have nothing to do with EgoX, trained with the same loop (docs/training.md shows them)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from egox.training.loop import train

from .tiny_training import recipe


@dataclass(frozen=True)
class Clips:
    names: tuple[str, ...]
    values: Tensor

    def to(self, device: torch.device) -> Clips:
        return Clips(self.names, self.values.to(device))


@dataclass(frozen=True)
class Noise:
    levels: Tensor
    values: Tensor

    def to(self, device: torch.device) -> Noise:
        return Noise(self.levels.to(device), self.values.to(device))


class Denoising:
    """Learns to take noise off vectors."""

    def attach(self, transformer: nn.Module) -> None: ...

    def detach(self, transformer: nn.Module) -> None: ...

    def prepare(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        generators: Sequence[torch.Generator],
        *,
        names: Sequence[str],
        level: float | None = None,
    ) -> tuple[Clips, Noise]:
        values = torch.stack([example["values"] for example in examples])
        levels = [float(torch.rand((), generator=generator)) if level is None else level for generator in generators]
        noise = torch.stack([torch.randn(8, generator=generator) for generator in generators])
        return Clips(tuple(names), values), Noise(torch.tensor(levels), noise)

    def losses(self, transformer: nn.Module, batch: Clips, draws: Noise) -> Tensor:
        at = draws.levels[:, None]
        return (transformer((1 - at) * batch.values + at * draws.values) - batch.values).square().mean(1)


class Layers(nn.Sequential):
    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        torch.save(self.state_dict(), folder / "weights.pt")


def test_a_task_of_another_method_trains_with_another_model_and_other_examples(tmp_path):
    torch.manual_seed(0)
    values = [{"values": 3 * torch.randn(8)} for _ in range(4)]
    model = Layers(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 8))
    given = recipe(steps=60, batch_size=4, ema=0.9, learning_rate=1e-2, validate_every=20)
    assert not train(given, model, values, values, tmp_path, task=Denoising(), minutes=0).finished
    result = train(given, model, values, values, tmp_path, task=Denoising())
    assert result.finished
    assert result.validation is not None
    val = [float(line.split(",")[3]) for line in (tmp_path / "curves.csv").read_text().splitlines() if ",val,," in line]
    assert val[-1] < val[0] / 2
    assert (tmp_path / "model" / "transformer" / "weights.pt").is_file()
