"""egox-bench generate: predictions only."""

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
    workers: o.Workers = 1,
    overwrite: o.Overwrite = o.OverwriteChoice.NEVER,
    out: o.Out = o.DEFAULT_OUT,
    dry_run: o.DryRun = False,
    as_json: o.AsJson = False,
) -> None:
    """Generate videos without scoring them, for a machine that has the model but not the truth.

    The same store and the same keys as 'run': a later 'score' or 'run' goes on from here.

    Example: egox-bench generate --method ego-prior --split unseen --limit 4
    """
    from ..work import Steps
    from .running import execute, method_configs

    configs = method_configs(
        method, data=data, split=split, protocol=protocol, out=out, seed=seed, preset=preset, settings=settings
    )
    execute(
        configs,
        Steps(generate=True, score=False),
        limit=limit,
        clips=o.comma_list(clips),
        workers=workers,
        overwrite=overwrite,
        dry_run=dry_run,
        as_json=as_json,
    )
