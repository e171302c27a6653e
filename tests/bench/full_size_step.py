"""Prints what one step of the paper's model costs: seconds and peak memory of sampling and of LoRA training, at 28,028 tokens.

python -m tests.bench.full_size_step [--layers 40] [--heads 40] [--frames 49] [--repeats 1]

Weights and latents are random: the work is the same. A sampling step is two passes, with and without the prompt. A training
step is forward with gradient checkpointing, backward, and AdamW on a LoRA of rank 256, on the trainer's own task. Each kind runs
once to warm up. Guidance: "sdpa" adds a mask for one query frame at a time, "flex" forms the bias in the kernel (CUDA only).

On a GPU of 78 GB or more the model has its 40 layers of 40 heads in bf16. Elsewhere a part of it is run, and what is printed for
the whole model is EXTRAPOLATED by floating-point operations, from this device at this precision: an order of magnitude.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor

from egox.adapter import add_lora
from egox.attention import install_guidance, remove_guidance
from egox.canvas import Grid, JointCanvas
from egox.conditioning import condition_channels
from egox.recipe import Lora, Recipe, load_recipe
from egox.training.tasks import task_of

LAYERS, HEADS, HEAD_WIDTH, FEED_FORWARD = 40, 40, 128, 13824
TEXT_TOKENS, TEXT_WIDTH, IMAGE_TOKENS, IMAGE_WIDTH = 512, 4096, 257, 1280
FRAMES, STEPS = 49, 50
ENOUGH_BYTES = 78e9


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of a transformer on a canvas."""

    layers: int
    heads: int
    tokens: int

    @property
    def width(self) -> int:
        return self.heads * HEAD_WIDTH

    @property
    def feed_forward(self) -> int:
        return FEED_FORWARD * self.heads // HEADS

    @property
    def pass_flops(self) -> float:
        """Of one forward pass: attention among tokens and on text and picture, and all linear layers of the blocks."""
        width, context = self.width, TEXT_TOKENS + IMAGE_TOKENS
        attention = 4 * self.tokens * (self.tokens + context) * width
        linear = 2 * self.tokens * (6 * width**2 + 2 * width * self.feed_forward) + 2 * context * 2 * width**2
        return float(self.layers * (attention + linear))


def transformer_of(size: Size, device: torch.device, dtype: torch.dtype) -> Any:
    """Random weights made where they are used; modules that Wan keeps in float32 are kept so."""
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            made = WanTransformer3DModel(
                patch_size=(1, 2, 2), num_attention_heads=size.heads, attention_head_dim=HEAD_WIDTH, in_channels=36,
                out_channels=16, text_dim=TEXT_WIDTH, freq_dim=256, ffn_dim=size.feed_forward, num_layers=size.layers,
                cross_attn_norm=True, eps=1e-6, image_dim=IMAGE_WIDTH, added_kv_proj_dim=size.width, rope_max_seq_len=1024,
            )  # fmt: skip
    finally:
        torch.set_default_dtype(before)
    for name, parameter in made.named_parameters():
        if any(part in WanTransformer3DModel._keep_in_fp32_modules for part in name.split(".")):
            parameter.data = parameter.data.float()
    return made.eval().requires_grad_(False)


def random_example(canvas: JointCanvas) -> dict[str, Tensor]:
    """One clip as the trainer reads it: latents, directions without a scene behind them, and embeddings."""
    random = torch.Generator().manual_seed(1)
    grid, tokens = canvas.latents, canvas.tokens
    shape = (16, grid.frames, grid.height)

    def unit(count: int) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(tokens.frames, count, 3, generator=random), dim=-1)

    rays, directions = unit(tokens.height * tokens.ego), unit(tokens.exo_cells)
    return {
        "exo": torch.randn(*shape, grid.exo, generator=random),
        "ego": torch.randn(*shape, grid.ego, generator=random),
        "prior": torch.randn(*shape, grid.ego, generator=random),
        "valid": torch.rand(canvas.temporal, *shape[1:], grid.ego, generator=random),
        "rays": rays,
        "rays_valid": torch.ones(rays.shape[:-1], dtype=torch.bool),
        "directions": directions,
        "directions_valid": torch.ones(directions.shape[:-1], dtype=torch.bool),
        "prompt_embeds": torch.randn(TEXT_TOKENS, TEXT_WIDTH, generator=random),
        "image_embeds": torch.randn(IMAGE_TOKENS, IMAGE_WIDTH, generator=random),
    }


def sampling_step(transformer: Any, canvas: JointCanvas, recipe: Recipe, batch: Any, dtype: torch.dtype) -> Callable[[], Tensor]:
    """A step of classifier-free guidance from pure noise, by the stock scheduler."""
    from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

    grid, device = canvas.latents, batch.exo.device
    condition = condition_channels(grid, recipe.conditioning, exo=batch.exo, prior=batch.prior, valid=batch.valid)
    texts = (batch.prompt_embeds.to(dtype), torch.zeros_like(batch.prompt_embeds, dtype=dtype))
    picture = batch.image_embeds.to(dtype)

    @torch.no_grad()
    def step() -> Tensor:
        scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
        scheduler.set_timesteps(STEPS, device=device)
        latents = grid.join(batch.exo, batch.ego)
        state = torch.cat([latents, condition], dim=1).to(dtype)
        now = scheduler.timesteps[:1]
        with_text, without = (
            transformer(
                hidden_states=state, timestep=now, encoder_hidden_states=text, encoder_hidden_states_image=picture,
                return_dict=False,
            )[0].float()
            for text in texts
        )  # fmt: skip
        velocity = without + recipe.sampling.guidance_scale * (with_text - without)
        moved = scheduler.step(velocity, now[0], latents, return_dict=False)[0]
        return grid.join(batch.exo, grid.split(moved)[1])

    return step


def training_step(transformer: Any, task: Any, batch: Any, draws: Any, dtype: torch.dtype) -> Callable[[], Tensor]:
    """Forward, backward and AdamW, as the trainer does them."""
    trained = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-5, betas=(0.9, 0.95), weight_decay=1e-4)

    def step() -> Tensor:
        with torch.autocast(batch.exo.device.type, dtype, enabled=dtype != torch.float32):
            loss = task.losses(transformer, batch, draws).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def measured(step: Callable[[], Tensor], device: torch.device, repeats: int) -> tuple[float, float | None]:
    """Seconds of the fastest run after one to warm up, and peak memory in GB where it is known (CUDA)."""
    cuda = device.type == "cuda"
    seconds = []
    for run in range(repeats + 1):
        if cuda:
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
        began = time.perf_counter()
        result = step()
        if cuda:
            torch.cuda.synchronize(device)
        if not torch.isfinite(result).all():
            raise RuntimeError("the step's result is not finite: its time means nothing")
        if run:
            seconds.append(time.perf_counter() - began)
    return min(seconds), torch.cuda.max_memory_allocated(device) / 1e9 if cuda else None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A transformer on a device, and how its figures are told."""

    canvas: JointCanvas
    size: Size
    whole: Size
    device: torch.device
    dtype: torch.dtype
    repeats: int
    transformer: Any
    example: dict[str, Tensor]

    def sampling(self) -> None:
        for backend in (None, "sdpa", "flex") if self.device.type == "cuda" else (None, "sdpa"):
            recipe, _, batch, _ = self._work(guided=backend is not None)
            if backend is not None:
                guided = install_guidance(self.transformer, self.canvas.tokens, recipe.conditioning.guidance, backend=backend)
                assert guided is not None
                guided.set(batch.geometry)
            step = sampling_step(self.transformer, self.canvas, recipe, batch, self.dtype)
            self._tell(f"sampling, guidance {backend or 'off'}", step, steps_a_clip=STEPS)
            remove_guidance(self.transformer)

    def training(self) -> None:
        lora = load_recipe("paper").model.lora
        assert lora is not None
        rank = min(lora.rank, self.size.width)
        add_lora(self.transformer, Lora(rank=rank, alpha=rank))
        self.transformer.train()
        self.transformer.enable_gradient_checkpointing()
        for guided in (False, True):
            _, task, batch, draws = self._work(guided=guided)
            task.attach(self.transformer)
            step = training_step(self.transformer, task, batch, draws, self.dtype)
            self._tell(f"training, rank {rank}, guidance {'sdpa' if guided else 'off'}", step)
            task.detach(self.transformer)

    def _work(self, *, guided: bool) -> tuple[Recipe, Any, Any, Any]:
        """The paper's recipe with guidance or without, its task, and a batch with its draws on the device."""
        paper = load_recipe("paper")
        guidance = msgspec.structs.replace(paper.conditioning.guidance, on=guided)
        rules = msgspec.structs.replace(paper.conditioning, guidance=guidance)
        recipe = msgspec.structs.replace(paper, conditioning=rules, training_conditioning=rules)
        task = task_of(recipe, self.transformer, self.example)
        batch, draws = task.prepare([self.example], [torch.Generator().manual_seed(2)], names=["random"])
        return recipe, task, batch.to(self.device), draws.to(self.device)

    def _tell(self, label: str, step: Callable[[], Tensor], *, steps_a_clip: int | None = None) -> None:
        try:
            seconds, peak = measured(step, self.device, self.repeats)
        except torch.OutOfMemoryError:
            print(f"{label:34s}does not fit into this device's memory", flush=True)
            return
        factor = self.whole.pass_flops / self.size.pass_flops
        line = f"{label:34s}{seconds:9.2f} s a step"
        line += f", peak {peak:.1f} GB" if peak is not None else ""
        if factor != 1:
            line += f"; whole model, EXTRAPOLATED: {factor * seconds:,.0f} s a step"
        if steps_a_clip is not None:
            line += f", {steps_a_clip * factor * seconds:,.0f} s a clip of {steps_a_clip} steps"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, help="instead of 40, or of 2 (GPU) and 1 (CPU) where the model does not fit")
    parser.add_argument("--heads", type=int, help="of 128 channels each; instead of 40, or of 1 on the CPU")
    parser.add_argument("--frames", type=int, default=FRAMES, help="4 n + 1; fewer for dry runs")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cuda = device.type == "cuda"
    fits = cuda and torch.cuda.get_device_properties(device).total_memory >= ENOUGH_BYTES
    canvas, full = (JointCanvas(pixels=Grid(frames=n, height=448, exo=784, ego=448)) for n in (options.frames, FRAMES))
    whole = Size(layers=LAYERS, heads=HEADS, tokens=full.tokens.cells)
    size = Size(
        layers=options.layers or (LAYERS if fits else 2 if cuda else 1),
        heads=options.heads or (HEADS if cuda else 1),
        tokens=canvas.tokens.cells,
    )
    dtype = torch.bfloat16 if cuda else torch.float32
    name = torch.cuda.get_device_name(device) if cuda else f"CPU with {torch.get_num_threads()} threads"
    print(f"whole model: {whole.pass_flops / 1e15:.2f} PFLOP a pass, {2 * STEPS * whole.pass_flops / 1e15:.0f} a clip")
    print(f"run on {name} in {dtype}: {size.layers} layers of {size.heads} heads, {size.tokens:,} tokens")
    if size != whole:
        why = "as asked for" if fits else f"no GPU of {ENOUGH_BYTES / 1e9:.0f} GB is at hand"
        print(f"not the whole model ({why}): 1 in {whole.pass_flops / size.pass_flops:,.0f} of its operations", flush=True)
    bench = Bench(
        canvas=canvas, size=size, whole=whole, device=device, dtype=dtype, repeats=options.repeats,
        transformer=transformer_of(size, device, dtype), example=random_example(canvas),
    )  # fmt: skip
    bench.sampling()
    bench.training()


if __name__ == "__main__":
    main()
