"""egox-bench run: generate, score and show a table."""

from __future__ import annotations

from . import options as o


def command(
    method: o.Methods,
    split: o.Split = "unseen",
    data: o.Data = "sim",
    protocol: o.Protocol = None,
    settings: o.Settings = None,
    preset: o.Preset = None,
    seed: o.Seed = 0,
    limit: o.Limit = None,
    clips: o.Clips = None,
    workers: o.Workers = None,
    overwrite: o.Overwrite = o.OverwriteChoice.NEVER,
    out: o.Out = o.DEFAULT_OUT,
    controls: o.Controls = True,
    dry_run: o.DryRun = False,
    as_json: o.AsJson = False,
) -> None:
    """Generate videos with a method, score them and print a table.

    What is there already is kept: a second call does only what is missing, and a change of the method's code, its options,
    the data or the seed is noticed. Clips that fail are reported and tried again next time.

    Examples:

    egox-bench run --method ego-prior --split unseen

    egox-bench run -m oracle -m copy-exo -m ego-prior --split unseen

    egox-bench run --method ego-prior --data path/to/egox_release --split all
    """
    from ..work import Steps
    from .running import execute, method_configs

    configs = method_configs(
        method, data=data, split=split, protocol=protocol, out=out, seed=seed, preset=preset, settings=settings
    )
    execute(
        configs,
        Steps(generate=True, score=True),
        limit=limit,
        clips=o.comma_list(clips),
        workers=workers,
        overwrite=overwrite,
        dry_run=dry_run,
        as_json=as_json,
        controls=controls,
    )
