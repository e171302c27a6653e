"""Models of transformers from a local folder: all their weights, float32, for inference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ...errors import UserError


def pretrained(model: Any, folder: Path, device: str) -> Any:
    """`model.from_pretrained` of a folder, never of a hub.

    Raises UserError where the folder cannot be read, or lacks weights: transformers would fill those with noise.
    """
    try:
        with _quiet():
            made, info = model.from_pretrained(
                str(folder), dtype=torch.float32, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{folder}: not a {model.__name__} that can be loaded ({first}); fetch the weights again") from error
    missing = sorted(info["missing_keys"]) + sorted(str(key) for key in info["mismatched_keys"])
    if missing:
        raise UserError(f"{folder}: no {model.__name__}: {len(missing)} weights are missing or misshapen, {missing[0]} first")
    return made.eval().requires_grad_(False).to(device)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars, and without a warning that SAM 2's image model is read from its video model's folder."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
