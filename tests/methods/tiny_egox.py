"""A checkpoint of the mini size with random weights, in the layout of the one that is shipped: for tests of what is around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

ADAPTERS = ("egox", "no-gga", "no-prior", "no-clean-latent")


def write_checkpoint(folder: Path, *, seed: int = 0, names: tuple[str, ...] = ADAPTERS) -> Path:
    """Base, codec and one adapter a recipe, whose output depends on all that the model is given; nothing is trained."""
    import torch

    from egox.adapter import add_lora, save_adapter
    from egox.mini import Preconditioner, fit_codec, new_mini_components
    from egox.recipe import load_recipe

    base = load_recipe("mini/egox").model
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (17, 16, 16, 3), dtype=np.uint8)
    parts = new_mini_components(base, fit_codec([coarse.repeat(8, 1).repeat(8, 2)]), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (parts.transformer.proj_out.weight, *(block.scale_shift_table for block in parts.transformer.blocks)):
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    parts.save(folder)
    random = torch.randn(4, parts.vae.config.z_dim, 5, 16, 16, generator=generator)
    fitted = Preconditioner.fit([(random, random + 0.5, torch.ones(4, 4, 5, 16, 16))])
    for name in names:
        recipe = load_recipe(f"mini/{name}")
        assert recipe.model.lora is not None
        transformer = type(parts.transformer).from_pretrained(folder / "transformer")
        add_lora(transformer, recipe.model.lora, seed=seed)
        with torch.no_grad():
            for key, parameter in transformer.named_parameters():
                if "lora_B" in key:
                    parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        save_adapter(folder / "lora" / name, transformer, recipe.model.lora)
        fitted.save_pretrained(folder / "lora" / name / "preconditioner")
    return folder
