"""Five recipes of a tiny transformer, each going on from the one before it, and `egox-bench train` called on painted boxes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner, Result

from benchmark.cli import build
from benchmark.errors import UserError

TINY = """
[model]
checkpoint = "no-such-folder"
text_tokens = 24
transformer = { num_attention_heads = 2, attention_head_dim = 12, num_layers = 1, ffn_dim = 32, freq_dim = 32, text_dim = 16 }

[training]
steps = 4
batch_size = 2
warmup_steps = 1
ema = 0.9
checkpoint_every = 2
validate_every = 4
"""

RECIPES = {
    "frames": 'extends = "mini/base-frames"' + TINY,
    "clips": 'extends = "{folder}/frames.toml"\n[training]\nframes = "all"\nstarts_from = "{folder}/frames.toml"\nsteps = 2\n',
    "pairs": (
        'extends = "{folder}/clips.toml"\n[model]\nlora = {{ rank = 2, alpha = 2, also = ["patch_embedding", "proj_out"] }}\n'
        "[sampling]\nsteps = 2\nguidance_scale = 1.0\n"
        '[training]\ntask = "egox"\nframes = "single"\nstarts_from = "{folder}/clips.toml"\nsteps = 1\nprior_dropout = 0.1\n'
    ),
    "ours": 'extends = "{folder}/pairs.toml"\n[training]\nframes = "all"\nstarts_from = "{folder}/pairs.toml"\nsteps = 2\n',
    "unguided": 'extends = "{folder}/ours.toml"\n[conditioning.guidance]\non = false\n',
}


def written(folder: Path, texts: Mapping[str, str]) -> dict[str, Path]:
    """Recipes as TOML files of a folder, which may name each other by it; the first stage names none."""
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text.format(folder=folder) if name != "frames" else text)
    return {name: folder / f"{name}.toml" for name in texts}


def train(*words: object, data: Path | str, out: Path, split: str = "all", val_split: str = "all", code: int = 0) -> Result:
    places = ("--data", data, "--split", split, "--val-split", val_split, "--protocol", "mini", "--out", out, "--device", "cpu")
    done = CliRunner().invoke(build(), ["train", *map(str, (*words, *places))])
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done
