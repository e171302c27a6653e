"""What this version can vouch for: splits and protocols that ship, and the methods that are installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.protocols.protocol import Protocol
    from benchmark.registry import MethodSpec
    from benchmark.splits.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """manifests: by dataset and split. protocols: by name. methods: by id."""

    manifests: Mapping[tuple[str, str], Manifest]
    protocols: Mapping[str, Protocol]
    methods: Mapping[str, MethodSpec]

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
        manifests={(world.name, split): world.manifest(split) for world in worlds for split in world.splits()},
        protocols={name: load_protocol(name) for name in protocol_names()},
        methods=load_registry().methods,
    )
