"""What this version can vouch for: splits and protocols that ship, and the methods that are installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.datasets.sim.dataset import SimDataset
    from benchmark.protocols.protocol import Protocol
    from benchmark.registry import MethodSpec
    from benchmark.splits.manifest import Manifest


MOST_CLIPS = 2000
"""Of a split with a number ("unseen:96"): whoever checks what others send does not make more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """worlds: datasets whose splits ship, by name. protocols: by name. methods: by id."""

    worlds: Mapping[str, SimDataset]
    protocols: Mapping[str, Protocol]
    methods: Mapping[str, MethodSpec]

    def manifest(self, dataset: str, split: str) -> Manifest | None:
        """The clips of a split that ships, None where none of that name does."""
        return _manifest(self.worlds[dataset], split) if dataset in self.worlds else None

    @property
    def controls(self) -> list[str]:
        """Ids of methods that are no competitors: controls, and those that see truth."""
        return sorted(name for name, spec in self.methods.items() if spec.control or spec.privileged != "none")


@cache
def shipped() -> Known:
    """What comes with this version."""
    from benchmark.datasets.sim.dataset import SimDataset
    from benchmark.protocols.protocol import load_protocol, protocol_names
    from benchmark.registry import load_registry

    worlds = (SimDataset(), SimDataset(depth="true"))
    return Known(
        worlds={world.name: world for world in worlds},
        protocols={name: load_protocol(name) for name in protocol_names()},
        methods=load_registry().methods,
    )


@cache
def _manifest(world: SimDataset, split: str) -> Manifest | None:
    count = split.partition(":")[2]
    if len(count) > len(str(MOST_CLIPS)) or (count.isdecimal() and int(count) > MOST_CLIPS):
        return None
    try:
        return world.manifest(split)
    except UserError:
        return None
