"""What gates beside the output of the mini network would gain: the losses of two short trainings that differ in them alone.

OMP_NUM_THREADS=1 python tests/bench/gated_denoiser.py --out training [--steps 900] [--heads 4]

training is a folder of egox-bench train, after `egox-bench train mini/base-frames --only-examples`.

A token of the mini model holds 192 noisy numbers, and a network that is hardly wider must carry all of them from its first
layer to its last to say which part of them is noise. With gates the last layer has twice as many channels, F and g, and
F + g * r stands for F in the preconditioner, where r is the state less the guess, each channel of each cell in units of its
own standard deviation: what is to be kept or taken away of the noise does not have to pass through the network.
Both trainings see the same examples, noise and known cells. Losses are of the last weights, not of an average.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from benchmark.progress import progress
from egox.checkpoints import load_component, load_preconditioner
from egox.conditioning import noised
from egox.mini import Preconditioner
from egox.mini.model import new_transformer
from egox.recipe import load_recipe
from egox.training.batch import canvas_of
from egox.training.examples import ExampleStore
from egox.training.noise import FIXED_LEVELS, GRAINS
from egox.training.order import Order, generator_of
from egox.training.piece import rate_at
from egox.training.tasks import InpaintTask

RECIPE = "mini/base-frames"
BATCH = 16


class Denoiser(nn.Module):
    """The transformer in its preconditioner, with gates or without. cells: variance of truth less guess, [channels, 1, h, w]."""

    def __init__(self, transformer: nn.Module, preconditioner: Preconditioner, *, gates: bool) -> None:
        super().__init__()
        self.transformer, self.preconditioner, self.gates = transformer, preconditioner, gates
        single = torch.einsum("kg,cgk->ck", preconditioner.mixing[:, 0] ** 2, preconditioner.variance)
        spread = (single @ (preconditioner.basis**2).T).unflatten(-1, preconditioner.size[1:])
        self.cells = spread[:, None]

    def velocity(self, state: Tensor, mask: Tensor, condition: Tensor, levels: Tensor, prompts: Tensor) -> Tensor:
        """[n, channels, 1, height, width]; all but levels [n] and prompts as long."""
        inputs = torch.cat([state, mask, condition], dim=1)
        output = self.transformer(inputs, GRAINS * levels, prompts, return_dict=False)[0]
        known = mask.mean(1)
        if self.gates:
            output, gates = output.chunk(2, dim=1)
            t = levels.reshape(-1, 1, 1, 1, 1)
            rest = state - (1 - t) * self.preconditioner.guess(condition, known)
            output = output + gates * rest / ((1 - t) ** 2 * self.cells + t**2).sqrt()
        return self.preconditioner.velocity(output, state, levels, condition, known)

    def losses(self, task: InpaintTask, examples: list, generators: list, level: float | None = None) -> Tensor:
        """[n], as `InpaintTask.losses` has them."""
        batch, draws = task.prepare(examples, generators, names=[""] * len(examples), level=level)
        assert draws.known is not None
        mask = draws.known.expand(-1, 4, -1, -1, -1)
        state = noised(batch.ego, draws.noise, draws.levels)
        found = self.velocity(state, mask, draws.known * batch.ego, draws.levels, batch.prompt_embeds)
        return (found - (draws.noise - batch.ego)).square().flatten(1).mean(1)


def with_gates(transformer: nn.Module) -> None:
    """Twice the output channels; all begin as zero, as without. Of a token's outputs channels come last."""
    last: nn.Linear = transformer.proj_out  # pyright: ignore[reportAssignmentType]
    transformer.proj_out = nn.Linear(last.in_features, 2 * last.out_features)
    for values in transformer.proj_out.parameters():
        nn.init.zeros_(values)


def trained(gates: bool, given: argparse.Namespace) -> list[float]:
    """Train, and return the loss of `val` at each of FIXED_LEVELS."""
    recipe = load_recipe(RECIPE)
    assert recipe.training is not None
    assert recipe.model.transformer is not None
    sizes = {**recipe.model.transformer, "num_attention_heads": given.heads, "ffn_dim": 128 * given.heads}
    rules = msgspec.structs.replace(recipe.training, steps=given.steps, batch_size=BATCH)
    (folder,) = sorted((given.out / "examples").glob("view-frames-*"))
    train, val = (ExampleStore(folder / split) for split in (given.split, "val"))
    start = given.out / RECIPE / "start"
    codec = load_component(start if start.is_dir() else given.out / RECIPE / "model", "vae", dtype=torch.float32)
    task = InpaintTask(
        latents=dataclasses.replace(canvas_of(train[0]), exo=0), training=rules, text_tokens=recipe.model.text_tokens,
        mirror_signs=codec.mirror_signs,
    )  # fmt: skip
    transformer = new_transformer(msgspec.structs.replace(recipe.model, transformer=sizes))
    if gates:
        with_gates(transformer)
    model = Denoiser(transformer, load_preconditioner(given.out / RECIPE), gates=gates)
    optimizer = torch.optim.AdamW(
        transformer.parameters(), lr=rules.learning_rate, betas=rules.betas, eps=rules.epsilon, weight_decay=rules.weight_decay
    )
    order, started = Order(len(train), seed=rules.seed), time.monotonic()
    with progress(f"{'with' if gates else 'without'} gates") as bar:
        for step in range(given.steps):
            for group in optimizer.param_groups:
                group["lr"] = rules.learning_rate * rate_at(step, rules)
            places = range(step * BATCH, (step + 1) * BATCH)
            examples, generators = [train[order.example_at(k)] for k in places], [order.generator_at(k) for k in places]
            loss = model.losses(task, examples, generators).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(transformer.parameters(), rules.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            bar(step + 1, given.steps, f"loss {loss.item():.3f}")
    seconds, found = time.monotonic() - started, []
    with torch.no_grad():
        for level in FIXED_LEVELS:
            losses = [model.losses(task, [val[k]], [generator_of("gates", k)], level=level) for k in range(0, len(val), 2)]
            found.append(float(torch.cat(losses).mean()))
    print(
        f"{'with' if gates else 'without':7} {seconds:6.0f} s  {sum(found) / len(found):.4f}  "
        + "  ".join(f"{v:.3f}" for v in found)
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", default="train", help="name of the folder of training examples")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--heads", type=int, default=4, help="of 32 channels")
    given = parser.parse_args()
    print(f"{'gates':7} {'training':>8}  mean    " + "  ".join(f"t = {level:g}" for level in FIXED_LEVELS))
    for gates in (False, True):
        trained(gates, given)


if __name__ == "__main__":
    main()
