"""The model, ready to run: from a clip to its ego video (paper Sec. 3, Fig. 3).

`EgoXPipeline` is the stock image-to-video pipeline of Wan with EgoX's conditions. The sampling loop is the stock one: it is
handed the canvas as its latents and Eq. 3's mask and condition as its condition, and after every step the exo columns are written
anew, so that only the ego columns are ever sampled. What differs between parities is in the recipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from weakref import ref

import numpy as np
import torch
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.pipelines.wan.pipeline_wan_i2v import WanImageToVideoPipeline
from diffusers.utils.torch_utils import get_module_execution_device
from numpy.typing import NDArray
from torch import Tensor

from .adapter import ADAPTER, also_state, check_scale, load_adapter, save_adapter, without_adapter
from .attention import guidance_of, install_guidance, remove_guidance
from .canvas import Grid, JointCanvas
from .checkpoints import MINI, PRECONDITIONER, adapter_of, folder_of, load_component, preconditioner_of, short_name
from .clip import ClipError, EgoXClip
from .encoding import (
    EncodedClip,
    Kept,
    context_picture,
    decode_video,
    encode_clip,
    encode_picture,
    encode_text,
    noise_picture,
    padded,
)
from .geometry import TokenGeometry, token_geometry
from .known import video_with_prior
from .recipe import Recipe, load_recipe
from .sampling import (
    Callback,
    ClipInWork,
    SamplingError,
    check_channels,
    check_places,
    check_settings,
    check_text_length,
    seeded,
    shifted,
)
from .threads import one_thread

if TYPE_CHECKING:
    from .attention import GuidedAttention
    from .mini import Preconditioner


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EgoXOutput:
    """frames: [t, h, w, 3] uint8, the ego video, black outside of the lens circle. latents: [1, channels, f, h, w] float32, on
    the CPU; with known = "prior" those of the guess in known cells, and frames have more detail than they hold.

    step_cache: whether the transformer skipped work by a step cache; such videos have no place in a benchmark.
    """

    frames: NDArray[np.uint8]
    latents: Tensor
    fps: float
    step_cache: bool


class EgoXPipeline(WanImageToVideoPipeline):
    """Ego videos from exo clips. Built by `from_pretrained`; components as in the stock pipeline, and:

    preconditioner: of the mini size; None at full size. recipe: how this model conditions and samples.
    backend: of the guidance, see `egox.attention.install_guidance`.
    Offloading, `set_progress_bar_config`, LoRA functions and the like are the stock pipeline's.
    """

    _optional_components: ClassVar[list[str]] = [
        *WanImageToVideoPipeline._optional_components,
        "tokenizer",
        "text_encoder",
        PRECONDITIONER,
    ]
    _exclude_from_cpu_offload: ClassVar[list[str]] = [
        *WanImageToVideoPipeline._exclude_from_cpu_offload,
        PRECONDITIONER,
    ]  # it rides on the transformer

    def __init__(
        self,
        *,
        vae: Any,
        transformer: Any,
        scheduler: Any,
        recipe: Recipe | str | Path = "paper",
        tokenizer: Any = None,
        text_encoder: Any = None,
        image_processor: Any = None,
        image_encoder: Any = None,
        preconditioner: Preconditioner | None = None,
        backend: Literal["sdpa", "flex"] = "sdpa",
        transformer_2: None = None,
        boundary_ratio: None = None,
        expand_timesteps: bool = False,
    ) -> None:
        if transformer_2 is not None or boundary_ratio is not None or expand_timesteps:
            raise SamplingError("two transformers and a timestep a token are Wan 2.2's; EgoX is built on Wan 2.1")
        recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        check_channels(vae, transformer)
        check_text_length(transformer, recipe.model.text_tokens)
        if recipe.model.preconditioner == "fitted" and preconditioner is None:
            raise SamplingError(f"recipe {recipe.name} samples through a preconditioner: give the one of these weights")
        super().__init__(
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            vae=vae,
            scheduler=shifted(scheduler, recipe.sampling.shift),
            image_processor=image_processor,
            image_encoder=image_encoder,
            transformer=transformer,
        )
        self.register_modules(preconditioner=preconditioner)
        self.recipe = recipe
        self.backend: Literal["sdpa", "flex"] = backend
        self._work: ClipInWork | None = None
        self._kept = Kept()
        self._base_also: dict[str, Tensor] = {}

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        checkpoint: str | Path | None = None,
        *,
        recipe: Recipe | str | Path | None = None,
        lora: str | Path | None = None,
        backend: Literal["sdpa", "flex"] = "sdpa",
        with_text: bool = True,
    ) -> EgoXPipeline:
        """The pipeline of a recipe; None is "mini/egox" for the checkpoint "mini", and "paper" for all others.

        checkpoint: "mini", a folder in diffusers' layout, or a name on the hub; None takes the recipe's.
        lora: the adapter's file, folder or name on the hub; None takes the checkpoint's lora/<last part of the recipe's name>.
        with_text: False leaves the text encoder out, for prompts that come as embeddings.
        The transformer and the text encoder are in the recipe's precision, codec and image encoder in float32.
        Raises MissingWeights or WeightsError where weights are not there or broken, AdapterError where the LoRA does not fit.
        """
        if recipe is None:
            recipe = "mini/egox" if checkpoint == MINI else "paper"
        recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        folder = folder_of(recipe.model.checkpoint if checkpoint is None else checkpoint)
        adapter = adapter_of(recipe, folder, lora)
        if adapter is not None and recipe.model.lora is not None:
            check_scale(adapter, recipe.model.lora)
        dtype = torch.bfloat16 if recipe.model.precision == "bf16" else torch.float32
        dtypes = {"transformer": dtype, "text_encoder": dtype, "vae": torch.float32, "image_encoder": torch.float32}
        text = ("tokenizer", "text_encoder") if with_text else ()
        names = ("vae", "transformer", "scheduler", "image_processor", "image_encoder", *text)
        pipeline = cls(
            **{name: load_component(folder, name, dtype=dtypes.get(name)) for name in names},
            recipe=recipe,
            backend=backend,
            preconditioner=preconditioner_of(recipe, folder, adapter),
        )
        if adapter is not None:
            pipeline.put_on(adapter)
        return pipeline

    def put_on(self, adapter: str | Path) -> None:
        """Load the recipe's LoRA from a file or a folder. Raises AdapterError where it does not fit, with nothing changed."""
        lora = self.recipe.model.lora
        if lora is None:
            raise SamplingError(f"recipe {self.recipe.name} has no LoRA: take a recipe that has model.lora")
        before = {name: tensor.clone() for name, tensor in also_state(self.transformer, lora).items()}
        load_adapter(self.transformer, adapter, lora)
        self._base_also = before

    def save_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, save_directory: str | Path, **options: Any
    ) -> None:
        """A folder that `from_pretrained` reads with the same recipe.

        An adapter, and the preconditioner that goes with it, are kept apart from their base, so that others fit beside them.
        """
        folder, adapted, preconditioner = Path(save_directory), self.transformer, self.preconditioner
        lora = self.recipe.model.lora
        if lora is None or ADAPTER not in getattr(adapted, "peft_config", {}):
            super().save_pretrained(folder, **options)
            return
        home = folder / "lora" / short_name(self.recipe)
        save_adapter(home, adapted, lora)
        if preconditioner is not None:
            preconditioner.save_pretrained(home / PRECONDITIONER)
        try:
            self.transformer, self.preconditioner = without_adapter(adapted, self._base_also), None
            super().save_pretrained(folder, **options)
        finally:
            self.transformer, self.preconditioner = adapted, preconditioner

    @one_thread()
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        clip: EgoXClip,
        *,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        callback_on_step_end: Callback | PipelineCallback | MultiPipelineCallbacks | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        allow_step_cache: bool = False,
    ) -> EgoXOutput:
        """The ego video of a clip.

        seed, or a generator on the CPU: all randomness comes from it, and it means the same noise on every device.
        num_inference_steps, guidance_scale: None takes the recipe's.
        prompt_embeds, negative_prompt_embeds: [length, width], instead of the clip's prompt and the recipe's negative prompt.
        callback_on_step_end: as in the stock pipeline; it sees the whole canvas, and changes of the exo columns are undone,
        also those made in place.
        Raises CanvasError for sizes that do not fit the model, ClipError for a clip without depth where guidance needs it,
        SamplingError for everything else, such as latents that are not finite after a step.
        """
        if generator is None and seed is not None:
            generator = seeded(seed)
        elif generator is None or seed is not None:
            raise SamplingError("give a seed, or a generator in its place: all randomness comes from it")
        self._check_call(generator, allow_step_cache)
        check_settings(*self._settings(num_inference_steps, guidance_scale), self.scheduler)
        canvas = clip.canvas(self.vae, self.transformer)
        check_places(self.transformer, canvas.tokens)
        geometry = self._geometry(clip, canvas)
        embeds = self.embed_text(clip.prompt) if prompt_embeds is None else prompt_embeds
        device = get_module_execution_device(self.vae)
        encoded = encode_clip(self.vae, clip, canvas, self.recipe.conditioning, generator=generator, device=device)
        latents = self.sample(
            encoded,
            geometry=geometry,
            generator=generator,
            prompt_embeds=embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            context_frame=clip.exo[0],
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            callback_on_step_end=callback_on_step_end,
            callback_on_step_end_tensor_inputs=callback_on_step_end_tensor_inputs,
            allow_step_cache=allow_step_cache,
        )
        frames, latents = self._finished(clip, encoded, latents)
        self.maybe_free_model_hooks()
        frames[:, ~clip.circle] = 0
        return EgoXOutput(frames=frames, latents=latents.cpu(), fps=clip.fps, step_cache=self.transformer.is_cache_enabled)

    def sample(
        self,
        encoded: EncodedClip,
        *,
        geometry: TokenGeometry | None,
        generator: torch.Generator,
        prompt_embeds: Tensor,
        negative_prompt_embeds: Tensor | None = None,
        image_embeds: Tensor | None = None,
        context_frame: NDArray[np.uint8] | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        callback_on_step_end: Callback | PipelineCallback | MultiPipelineCallbacks | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        allow_step_cache: bool = False,
    ) -> Tensor:
        """Ego latents [1, channels, f, h, w], float32 and normalised, of an encoded clip: `__call__` between codec and codec.

        They are the model's own, in known cells too: only `__call__` goes by the recipe's `sampling.known`.
        geometry: of one clip; of no effect where the recipe does not guide attention. image_embeds: [n, width], or context_frame,
        the first exo frame [H, W, 3] to make them of, where the transformer takes a picture. Everything else as in `__call__`.
        """
        self._check_call(generator, allow_step_cache)
        sampling, rules = self.recipe.sampling, self.recipe.conditioning
        steps, scale = self._settings(num_inference_steps, guidance_scale)
        check_settings(steps, scale, self.scheduler)
        if scale > 1 and negative_prompt_embeds is None:
            negative_prompt_embeds = self.embed_text(sampling.negative_prompt)
        canvas = encoded.canvas(self.vae, self.transformer)
        check_places(self.transformer, canvas.tokens)
        grid, pixels = canvas.latents, canvas.pixels
        device = self._execution_device
        encoded = encoded.to(device)
        # The ego noise comes first: recipes that treat the exo part differently start from the same one.
        noise, exo_noise = (torch.randn(like.shape, generator=generator).to(device) for like in (encoded.prior, encoded.exo))
        noise = sampling.temperature * noise
        if self.transformer.config.image_dim is None:
            image_embeds = None
        elif image_embeds is None:
            image_embeds = self._embed_picture(encoded.exo, noise, context_frame)
        else:
            image_embeds = self._checked_picture(image_embeds)[None]
        work = ClipInWork(grid, rules, encoded, noise, exo_noise, image_embeds)
        callback, wanted = callback_on_step_end, tuple(callback_on_step_end_tensor_inputs)
        if isinstance(callback, (PipelineCallback, MultiPipelineCallbacks)):
            wanted = tuple(callback.tensor_inputs)
        self._work = work
        try:
            with self._attached(canvas, geometry):
                latents = super().__call__(
                    image=torch.zeros(1, 3, pixels.height, pixels.width),  # never used: the condition is ours
                    prompt_embeds=self._padded(prompt_embeds),
                    negative_prompt_embeds=None if scale <= 1 else self._padded(negative_prompt_embeds),
                    height=pixels.height,
                    width=pixels.width,
                    num_frames=pixels.frames,
                    num_inference_steps=steps,
                    guidance_scale=scale,
                    output_type="latent",
                    return_dict=False,
                    callback_on_step_end=work.after_step(lambda: self.scheduler.sigmas, callback, wanted),  # pyright: ignore[reportArgumentType]
                    callback_on_step_end_tensor_inputs=sorted({"latents", *wanted}),
                )[0]
        finally:
            self._work = None
        return grid.split(latents)[1].clone()

    def _finished(self, clip: EgoXClip, encoded: EncodedClip, latents: Tensor) -> tuple[NDArray[np.uint8], Tensor]:
        """Frames [t, h, w, 3] uint8 and their latents: the model's, or with what the prior knows, as the recipe has it."""
        device = get_module_execution_device(self.vae)
        if self.recipe.sampling.known == "model" or self.recipe.conditioning.prior == "zero":
            return decode_video(self.vae, latents, device=device), latents
        assert self.preconditioner is not None  # `_check_call` has looked
        return video_with_prior(clip, encoded, latents=latents, codec=self.vae, preconditioner=self.preconditioner, device=device)

    def embed_text(self, text: str) -> Tensor:
        """Embeddings [length, width] of a text by the recipe's rules; kept for the next time."""
        rules, tokens = self.recipe.conditioning, self.recipe.model.text_tokens
        if self.text_encoder is None or self.tokenizer is None:
            raise SamplingError(
                "this pipeline has no text encoder: give prompt_embeds, and negative_prompt_embeds where it guides"
            )
        device = get_module_execution_device(self.text_encoder)
        return self._kept.get(
            ("text", text, rules.text, tokens, ref(self.tokenizer), ref(self.text_encoder)),
            lambda: encode_text(self.tokenizer, self.text_encoder, text, rules=rules, tokens=tokens, device=device),
        )

    def prepare_latents(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The stock loop asks here for its first latents and its condition, once the scheduler has its levels."""
        return self._in_work().start(self.scheduler.sigmas[0])

    def encode_image(self, image: Any, device: torch.device | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The stock loop asks here for the embeddings of a picture; which one is the recipe's choice."""
        embeds = self._in_work().image_embeds
        if embeds is None:
            raise SamplingError("the transformer takes the embeddings of a picture, and there are none")
        return embeds.to(device or self._execution_device)

    def _in_work(self) -> ClipInWork:
        if self._work is None:
            raise SamplingError("no clip is in work: call the pipeline with a clip")
        return self._work

    @contextmanager
    def _attached(self, canvas: JointCanvas, geometry: TokenGeometry | None) -> Iterator[None]:
        """Geometry and preconditioner on the transformer, and off again."""
        guided = self._guided(canvas.tokens)
        try:
            if guided is not None:
                if geometry is None:
                    raise SamplingError(f"recipe {self.recipe.name} guides attention by geometry, and none was given")
                guided.set(geometry.to(self._execution_device))
            if self.preconditioner is not None:
                self.preconditioner.attach(self.transformer, canvas.latents)
            yield
        finally:
            if guided is not None:
                guided.clear()
            if self.preconditioner is not None:
                self.preconditioner.detach()

    def _guided(self, tokens: Grid) -> GuidedAttention | None:
        """Guidance of this canvas, put on once: blocks that were compiled stay so."""
        rules, there = self.recipe.conditioning.guidance, guidance_of(self.transformer)
        if not rules.on:
            if there is not None:
                remove_guidance(self.transformer)
            return None
        if there is not None and (there.tokens, there.rules, there.backend) == (tokens, rules, self.backend):
            return there
        return install_guidance(self.transformer, tokens, rules, backend=self.backend)

    def _geometry(self, clip: EgoXClip, canvas: JointCanvas) -> TokenGeometry | None:
        rules = self.recipe.conditioning.guidance
        if not rules.on:
            return None
        if clip.depth_m is None:
            raise ClipError(
                f"the clip has no depth, and recipe {self.recipe.name} guides attention by it: estimate depth, or take a recipe"
                " without guidance"
            )
        return token_geometry(canvas, depth_m=clip.depth_m, exo=clip.exo_camera, ego=clip.ego_camera, rules=rules)

    def _embed_picture(self, exo: Tensor, noise: Tensor, frame: NDArray[np.uint8] | None) -> Tensor:
        rules = self.recipe.conditioning
        if self.image_encoder is None or self.image_processor is None:
            raise SamplingError("the transformer takes the embeddings of a picture, and this pipeline has no image encoder")
        if rules.image_context == "exo_beside_noise":
            picture = noise_picture(self.vae, exo, noise, device=get_module_execution_device(self.vae))
        elif rules.image_context == "exo" and frame is not None:
            picture = context_picture(rules, frame)
        else:
            needed = "the first exo frame" if rules.image_context == "exo" else "the true ego frame, which is for training alone"
            raise SamplingError(f"image context {rules.image_context!r} takes {needed}")
        device = get_module_execution_device(self.image_encoder)
        return self._kept.get(
            ("picture", sha256(picture.tobytes()).digest(), picture.shape, ref(self.image_processor), ref(self.image_encoder)),
            lambda: encode_picture(self.image_processor, self.image_encoder, picture, rules, device=device),
        )

    def _padded(self, embeds: Tensor | None) -> Tensor:
        width = self.transformer.config.text_dim
        if embeds is None or embeds.ndim != 2 or embeds.shape[1] != width:
            raise SamplingError(
                f"prompt embeddings are {None if embeds is None else tuple(embeds.shape)}, expected [length, {width}]"
            )
        return padded(embeds, self.recipe.model.text_tokens).to(self._execution_device)

    def _checked_picture(self, embeds: Tensor) -> Tensor:
        width = self.transformer.config.image_dim
        if embeds.ndim != 2 or not len(embeds) or embeds.shape[1] != width:
            raise SamplingError(f"picture embeddings are {tuple(embeds.shape)}, expected [n, {width}]")
        return embeds

    def _settings(self, steps: int | None, guidance_scale: float | None) -> tuple[int, float]:
        """Steps and scale of a call, the recipe's where it names none."""
        own = self.recipe.sampling
        return own.steps if steps is None else steps, own.guidance_scale if guidance_scale is None else guidance_scale

    def _check_call(self, generator: torch.Generator, allow_step_cache: bool) -> None:
        if self.recipe.sampling.known == "prior" and self.preconditioner is None:
            raise SamplingError(f"recipe {self.recipe.name} takes known cells from a preconditioner's guess, and there is none")
        if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
            raise SamplingError("generator must be a torch.Generator on the CPU: a seed then means the same on every device")
        if self.transformer.is_cache_enabled and not allow_step_cache:
            raise SamplingError(
                "a step cache is on, which changes the video: call transformer.disable_cache(), or pass allow_step_cache=True and"
                " say so wherever the video goes"
            )
