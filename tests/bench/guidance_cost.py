"""Prints what guidance costs: time and peak memory of one self-attention, beside plain attention and other ways to bias it.

- plain: the stock processor, no bias.
- frame by frame: ours, one query frame's mask at a time. In training, with gradient checkpointing, masks are made twice.
- in the kernel: ours, FlexAttention; on CUDA only, as on the CPU it holds all scores and cannot train.
- one dense mask: the stock processor with the bias of all pairs, which is already there.
- two calls: as the published code does it, exo queries plain, ego queries with the mask of all ego rows, cut in every block from
  the logarithm of a cosine of all pairs.

Peak memory is what the call adds, its queries, keys and values among it; what a scheme holds between blocks is printed beside it.
On CUDA the allocator counts; on the CPU the tensors that torch makes, without what is inside its kernels.

python -m tests.bench.guidance_cost [--tokens mini|small|paper]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

from egox.attention import install_guidance
from egox.canvas import Grid
from egox.conditioning import Guidance
from egox.geometry import TokenGeometry
from tests.live_memory import LiveMemory

SIZES = {
    "mini": (Grid(frames=5, height=8, exo=14, ego=8), 4, 48),
    "small": (Grid(frames=5, height=16, exo=28, ego=16), 8, 64),
    "paper": (Grid(frames=13, height=28, exo=49, ego=28), 40, 128),
}
"""Tokens, heads, width of a head."""

RULES = Guidance()
MB = 1e6


class Scene:
    """Random queries, keys, values and geometry, and an attention whose projections hand them out."""

    def __init__(self, size: str, device: str, dtype: torch.dtype) -> None:
        self.grid, self.heads, width = SIZES[size]
        self.device, self.dtype = device, dtype
        random = torch.Generator(device).manual_seed(0)

        def noise(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=random, device=device)

        self.query, self.key, self.value = (noise(1, self.grid.cells, self.heads * width).to(dtype) for _ in range(3))
        rays = noise(self.grid.frames, self.grid.height * self.grid.ego, 3)
        directions = noise(self.grid.frames, self.grid.exo_cells, 3)
        self.geometry = TokenGeometry(
            rays=rays / rays.norm(dim=-1, keepdim=True),
            rays_valid=torch.rand(rays.shape[:-1], generator=random, device=device) > 0.1,
            directions=directions / directions.norm(dim=-1, keepdim=True),
            directions_valid=torch.rand(directions.shape[:-1], generator=random, device=device) > 0.1,
        )
        # Norms and the output projection are left out: they are the same in every scheme. Projections make new tensors, as real
        # ones do, so that a scheme gains by letting them go.
        self.attn: Any = SimpleNamespace(
            heads=self.heads,
            fused_projections=False,
            is_cross_attention=False,
            add_k_proj=None,
            processor=WanAttnProcessor(),
            to_q=lambda _: self.query.clone(),
            to_k=lambda _: self.key.clone(),
            to_v=lambda _: self.value.clone(),
            norm_q=lambda x: x,
            norm_k=lambda x: x,
            to_out=[lambda x: x, lambda x: x],
        )
        self.attn.set_processor = lambda processor: setattr(self.attn, "processor", processor)

    def whole_cosine(self) -> Tensor:
        """Of all pairs, float32, 0 where there is no bias: [N, N]."""
        cosine = torch.zeros(self.grid.cells, self.grid.cells, device=self.device)
        exo = self.grid.exo_rows.flatten().to(self.device)
        for frame, rows in enumerate(self.grid.ego_rows.to(self.device)):
            known = self.geometry.rays_valid[frame, :, None] & self.geometry.directions_valid[frame, None]
            block = self.geometry.rays[frame] @ self.geometry.directions[frame].T
            cosine[rows[:, None], exo] = torch.where(known, block, 0)
        return cosine

    def guided(self, backend: Any, *, checkpointing: bool) -> Callable[[], Tensor]:
        alone = SimpleNamespace(gradient_checkpointing=checkpointing, blocks=[SimpleNamespace(attn1=self.attn)])
        self.attn.processor = WanAttnProcessor()
        found = install_guidance(alone, self.grid, RULES, backend=backend)
        assert found is not None
        found.set(self.geometry)
        processor = self.attn.processor
        return lambda: processor(self.attn, self.query)

    def two_calls(self) -> tuple[Callable[[], Tensor], int]:
        cosine = self.whole_cosine()
        ego, exo = (rows.flatten().to(self.device) for rows in (self.grid.ego_rows, self.grid.exo_rows))

        def run() -> Tensor:
            query, key, value = (
                part.clone().unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
            )
            mask = torch.log(cosine.clamp(-1, 1) + (1 + RULES.floor))[ego].to(self.dtype)[None, None]
            attend = torch.nn.functional.scaled_dot_product_attention
            out = torch.empty_like(query)
            out[:, :, exo] = attend(query[:, :, exo], key, value)
            out[:, :, ego] = attend(query[:, :, ego], key, value, mask)
            return out.transpose(1, 2).flatten(2)

        return run, cosine.nbytes

    def one_mask(self) -> tuple[Callable[[], Tensor], int]:
        wide = -(-self.grid.cells // 8) * 8
        mask = torch.zeros(1, 1, self.grid.cells, wide, device=self.device, dtype=self.dtype)[..., : self.grid.cells]
        mask[0, 0] = torch.log(self.whole_cosine() + (1 + RULES.floor)).to(self.dtype)
        stock = WanAttnProcessor()
        return lambda: stock(self.attn, self.query, None, mask), self.grid.cells * wide * mask.element_size()


def peak(scene: Scene, work: Callable[[], object]) -> int:
    """Bytes that the work adds at its highest."""
    gc.collect()
    if scene.device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with LiveMemory() as live:
        work()
    return live.peak


def seconds(scene: Scene, calls: list[Callable[[], object]], *, rounds: int) -> list[float]:
    """Median of some rounds after one that warms up. In a round each call has its turn: on a busy machine all suffer alike."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds + 1):
        for call, times in zip(calls, taken):
            began = time.perf_counter()
            call()
            if scene.device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
    return [statistics.median(times[1:]) for times in taken]


def measure(size: str, device: str, *, rounds: int) -> None:
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    scene = Scene(size, device, dtype)
    grid = scene.grid
    print(
        f"\n{size}: {grid.cells:,} tokens, {grid.ego_cells:,} of them ego in {grid.frames} frames; {scene.heads} heads x "
        f"{scene.query.shape[-1] // scene.heads}, {str(dtype).removeprefix('torch.')}, {name_of(device)}"
    )
    print(f"{'':28}{'time':>10}{'ratio':>8}{'peak added':>13}{'over plain':>12}{'held':>9}   furthest from frame by frame")
    for training in (False, True):
        print("forward and backward" if training else "forward")
        ways = schemes(scene, training=training)
        works = [work for _, work, _ in ways]
        calls = [backward_too(scene, work) if training else work for work in works]
        with torch.set_grad_enabled(training):
            times = seconds(scene, calls, rounds=rounds)
            peaks = [peak(scene, call) for call in calls]
        with torch.no_grad():
            reference = works[1]().float()
            off = [f"{(work().float() - reference).abs().max().item():.1e}" for work in works]
        for (name, _, held), spent, added, away in zip(ways, times, peaks, off):
            print(
                f"  {name:26}{spent * 1e3:8.1f}ms{spent / times[0]:8.2f}{added / MB:11.1f}MB{(added - peaks[0]) / MB:10.1f}MB"
                f"{held / MB:7.0f}MB   {away}",
                flush=True,
            )


def schemes(scene: Scene, *, training: bool) -> list[tuple[str, Callable[[], Tensor], int]]:
    """Names, calls, and the bytes that are held between blocks; plain attention first, then frame by frame."""
    stock = WanAttnProcessor()
    tables = sum(part.nbytes for part in (scene.geometry.rays, scene.geometry.directions))
    found = [
        ("plain", lambda: stock(scene.attn, scene.query), 0),
        ("frame by frame", scene.guided("sdpa", checkpointing=training), tables),
        ("one dense mask", *scene.one_mask()),
        ("two calls, as published", *scene.two_calls()),
    ]
    if scene.device == "cuda":
        found.insert(2, ("in the kernel", scene.guided("flex", checkpointing=training), tables))
    return found


def backward_too(scene: Scene, work: Callable[[], Tensor]) -> Callable[[], object]:
    inputs = (scene.query, scene.key, scene.value)

    def call() -> None:
        for part in inputs:
            part.requires_grad_(True)
        out = work()
        torch.autograd.grad(out, inputs, torch.ones_like(out))
        for part in inputs:
            part.requires_grad_(False)

    return call


def name_of(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} thread(s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--tokens", choices=tuple(SIZES), action="append", help="again for more; all that fit the device")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message="flex_attention called without")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    sizes = asked.tokens or (list(SIZES) if device == "cuda" else ["mini", "small"])
    for size in sizes:
        if size == "paper" and device == "cpu":
            print("\npaper: not measured, 28,028 tokens need a CUDA device")
            continue
        measure(size, device, rounds=asked.rounds)
    if device == "cpu":
        print("\nNot measured here, there is no CUDA device: the 28,028 tokens of the paper, bf16, and FlexAttention.")


if __name__ == "__main__":
    main()
