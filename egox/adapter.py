"""Adapters: LoRA through peft, and the modules that a recipe trains whole. How they are put on, kept and read back.

A file holds "transformer.<module>.lora_A.weight" [rank, in] and "...lora_B.weight" [out, rank], as diffusers and the published
weights have it; rank and alpha are in its metadata. Files without metadata are taken to have alpha = rank, as all loaders do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .pretrained import ALSO, WEIGHTS
from .recipe import Lora

ADAPTER = "egox"
"""The adapter's name on the transformer."""

_PREFIX = "transformer."
_PEFT_METADATA = "lora_adapter_metadata"
"""Where diffusers keeps peft's configuration: with it the stock `load_lora_weights` scales as we do."""

_OTHER_SCALES = ("alpha_pattern", "rank_pattern", "use_rslora", "use_dora")
"""What in peft's configuration scales otherwise than by alpha / rank."""


class AdapterError(ValueError):
    """An adapter that is missing or does not fit; the message names the file and what does not fit."""


def adapter_shapes(transformer: nn.Module, lora: Lora) -> dict[str, tuple[int, int]]:
    """Shapes of all tensors of an adapter of this recipe, by their keys in the file. Works on the meta device.

    Raises AdapterError where the transformer has no module of a target's name.
    """
    shapes: dict[str, tuple[int, int]] = {}
    found: set[str] = set()
    for name, module in transformer.named_modules():
        linear: Any = getattr(module, "base_layer", module)
        for target in lora.targets:
            if (name == target or name.endswith(f".{target}")) and isinstance(linear, nn.Linear):
                found.add(target)
                shapes[f"{_PREFIX}{name}.lora_A.weight"] = (lora.rank, linear.in_features)
                shapes[f"{_PREFIX}{name}.lora_B.weight"] = (linear.out_features, lora.rank)
    missing = sorted(set(lora.targets) - found)
    if missing:
        raise AdapterError(f"the transformer has no linear module named {', '.join(missing)}, which the LoRA is to adapt")
    return shapes


def also_state(transformer: nn.Module, lora: Lora, *, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The weights of the modules that are trained whole, by their full names. state: see `save_adapter`."""
    weights: dict[str, Tensor] = {}
    for name in lora.also:
        try:
            module = transformer.get_submodule(name)
        except AttributeError:
            raise AdapterError(f"the transformer has no module {name!r}, which the recipe trains whole") from None
        if any(part.startswith("lora_") for part, _ in module.named_modules()):
            raise AdapterError(f"module {name!r} is to be trained whole and by LoRA; a recipe must choose")
        weights |= {f"{name}.{key}": tensor for key, tensor in module.state_dict().items()}
    return weights if state is None else {key: state[key] for key in weights}


def add_lora(transformer: Any, lora: Lora, *, seed: int = 0) -> None:
    """Put an adapter on, ready to be trained: at first it changes nothing; all else is frozen but for the modules in `lora.also`.

    What is trained is float32; over a bf16 transformer that takes autocast. seed: of the adapter's random half.
    Raises AdapterError where a target is missing or an adapter is on already.
    """
    _prepare(transformer, lora, seed=seed)
    whole = also_state(transformer, lora)
    for name, parameter in transformer.named_parameters():
        if name in whole:
            parameter.requires_grad_(True)
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def save_adapter(
    folder: str | Path,
    transformer: Any,
    lora: Lora,
    metadata: Mapping[str, str] | None = None,
    *,
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the adapter, and the modules trained whole, into a folder; metadata goes into the files beside rank and alpha.

    state: the transformer's tensors, where they are not its own: averaged ones, or gathered from several processes.
    """
    from peft import get_peft_model_state_dict

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    given = None if state is None else dict(state)
    tensors = get_peft_model_state_dict(transformer, state_dict=given, adapter_name=ADAPTER)
    tensors = {f"{_PREFIX}{key}": tensor for key, tensor in tensors.items()}
    shapes = adapter_shapes(transformer, lora)
    if {key: tuple(tensor.shape) for key, tensor in tensors.items()} != shapes:
        raise AdapterError(f"the transformer does not carry an adapter of rank {lora.rank} on {', '.join(lora.targets)}")
    peft = {"r": lora.rank, "lora_alpha": lora.alpha, "target_modules": list(lora.targets)}
    words = {
        **(metadata or {}),
        "format": "pt",
        "rank": str(lora.rank),
        "alpha": str(lora.alpha),
        _PEFT_METADATA: json.dumps({f"{_PREFIX}{key}": value for key, value in peft.items()}, sort_keys=True),
    }
    if lora.also:  # first: whoever finds the adapter finds what belongs to it
        _write(also_state(transformer, lora, state=state), folder / ALSO, words)
    _write(tensors, folder / WEIGHTS, words)


def load_adapter(transformer: Any, path: str | Path, lora: Lora, *, trainable: bool = False) -> dict[str, str]:
    """Put an adapter from a folder, or from a file, on the transformer and return the file's metadata.

    Every key and shape is checked before the transformer is touched. trainable: to go on training, see `add_lora`; otherwise the
    adapter is in the precision of the weights that it changes.
    Raises AdapterError where a file is missing, is no adapter of this transformer, or has another rank or alpha than the recipe.
    """
    from peft import set_peft_model_state_dict

    file, shapes, metadata = check_scale(path, lora)
    _check_shapes(file, shapes, adapter_shapes(transformer, lora))
    beside = file.parent / ALSO
    if lora.also:
        _check_shapes(beside, _contents(beside)[0], {key: tuple(t.shape) for key, t in also_state(transformer, lora).items()})

    tensors = {key.removeprefix(_PREFIX): tensor for key, tensor in _read(file).items()}
    whole = _read(beside) if lora.also else {}

    if trainable:
        add_lora(transformer, lora)
    else:
        _prepare(transformer, lora, seed=0)
        transformer.requires_grad_(False)
    set_peft_model_state_dict(transformer, tensors, adapter_name=ADAPTER)
    transformer.load_state_dict(whole, strict=False)
    return metadata


def check_scale(path: str | Path, lora: Lora) -> tuple[Path, dict[str, tuple[int, ...]], dict[str, str]]:
    """The file of an adapter, its shapes and its metadata, read in no time: before gigabytes of a base are.

    Raises AdapterError where it is missing, is no adapter, or has another rank or alpha than the recipe.
    """
    path = Path(path)
    file = path / WEIGHTS if path.is_dir() else path
    shapes, metadata = _contents(file)
    _check_scale(file, shapes, metadata, lora)
    return file, shapes, metadata


def without_adapter(transformer: Any, base: Mapping[str, Tensor]) -> Any:
    """The transformer that the adapter was put on, sharing its weights. base: of the modules that were trained whole."""
    state = {key.replace(".base_layer.", "."): tensor for key, tensor in transformer.state_dict().items() if ".lora_" not in key}
    with torch.device("meta"):
        bare = type(transformer).from_config(transformer.config)
    bare.load_state_dict({**state, **base}, assign=True)
    for name, buffer in transformer.named_buffers():
        if name not in state:  # tables of positions, which no state holds
            owner, _, leaf = name.rpartition(".")
            bare.get_submodule(owner).register_buffer(leaf, buffer, persistent=False)
    return bare.eval()


def _prepare(transformer: Any, lora: Lora, *, seed: int) -> None:
    from peft import LoraConfig

    if ADAPTER in getattr(transformer, "peft_config", {}):
        raise AdapterError("the transformer carries an adapter already: take it off, or begin with a fresh transformer")
    adapter_shapes(transformer, lora)
    also_state(transformer, lora)
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=_pattern(lora.targets), init_lora_weights=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer.add_adapter(config, adapter_name=ADAPTER)
    also_state(transformer, lora)  # again, for a module that now holds a part of the adapter


def _pattern(targets: Iterable[str]) -> str:
    """The whole names of modules that end with a target; peft takes a single string for a pattern."""
    return rf"(.*\.)?({'|'.join(re.escape(target) for target in targets)})"


def _contents(file: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes and metadata, without reading the tensors."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise AdapterError(f"no adapter weights at {file}")
    try:
        with safe_open(file, framework="pt") as opened:
            shapes = {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118 (no mapping)
            return shapes, dict(opened.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{file} is no safetensors file: {error}") from None


def _check_scale(file: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str], lora: Lora) -> None:
    downward = {key: shape for key, shape in shapes.items() if key.endswith("lora_A.weight")}
    if not downward:
        raise AdapterError(f"{file} holds no LoRA: none of its {len(shapes)} keys ends with 'lora_A.weight'")
    for key, shape in downward.items():
        if len(shape) != 2:
            raise AdapterError(f"{file}: {key} is {shape}, expected [rank, in]")
    ranks = {shape[0] for shape in downward.values()}
    if ranks != {lora.rank}:
        found = ", ".join(str(rank) for rank in sorted(ranks))
        raise AdapterError(f"{file} has rank {found}, the recipe rank {lora.rank}: take the recipe that it was trained with")
    stated = _stated_alphas(file, metadata)
    for alpha in stated or [float(lora.rank)]:
        if alpha != lora.alpha:
            where = "states alpha" if stated else "states no alpha, which means that of its rank,"
            raise AdapterError(
                f"{file} {where} {alpha:g}, the recipe has alpha {lora.alpha}: its weights would be scaled wrongly"
            )


def _stated_alphas(file: Path, metadata: Mapping[str, str]) -> list[float]:
    """What a file says of its alpha: by our own key, and in peft's configuration as diffusers keeps it.

    Raises AdapterError where either cannot be read, or peft scaled in a way that one alpha does not tell.
    """
    stated: list[Any] = [metadata["alpha"]] if "alpha" in metadata else []
    if _PEFT_METADATA in metadata:
        try:
            peft = json.loads(metadata[_PEFT_METADATA])
        except ValueError:
            peft = None
        if not isinstance(peft, dict):
            raise AdapterError(f"{file}: {_PEFT_METADATA} in its metadata is no JSON object")
        for name in _OTHER_SCALES:
            if peft.get(f"{_PREFIX}{name}"):
                raise AdapterError(
                    f"{file} was trained with peft's {name}, which recipes do not have: its weights would be scaled wrongly"
                )
        if f"{_PREFIX}lora_alpha" in peft:
            stated.append(peft[f"{_PREFIX}lora_alpha"])
    try:
        return [float(value) for value in stated]
    except (TypeError, ValueError):
        raise AdapterError(f"{file} states alpha {' and '.join(repr(value) for value in stated)}, which is no number") from None


def _check_shapes(file: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or unknown:
        parts = [f"lacks {len(missing)} like {missing[0]}"] if missing else []
        parts += [f"has {len(unknown)} that are unknown, like {unknown[0]}"] if unknown else []
        raise AdapterError(f"{file} has {len(found)} tensors where {len(expected)} are expected: it {' and '.join(parts)}")
    for key, shape in expected.items():
        if tuple(found[key]) != tuple(shape):
            raise AdapterError(f"{file}: {key} is {tuple(found[key])}, this transformer takes {tuple(shape)}")


def _read(file: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    tensors = load_file(file)
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise AdapterError(f"{file}: {key} is not finite")
    return tensors


def _write(tensors: Mapping[str, Tensor], file: Path, metadata: dict[str, str]) -> None:
    from safetensors.torch import save_file

    aside = file.with_name(f".{file.name}.part")
    save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, aside, metadata=metadata)
    aside.replace(file)
