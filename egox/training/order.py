"""Which examples a step sees, and with which random numbers: pure functions of seed and step.

Nothing here has a state that would have to be kept, so a training that is taken up again goes on exactly as it would have, and
the same examples meet the same noise however many processes share a step.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")


def seed_of(*parts: int | str) -> int:
    """A 63-bit seed that differs for different parts, the same on every machine."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class Order:
    """Every example once an epoch, in another order each time. places: the draws of examples, counted from 0."""

    def __init__(self, examples: int, *, seed: int) -> None:
        self.examples = examples
        self.seed = seed
        self._epochs: dict[int, torch.Tensor] = {}

    def example_at(self, place: int) -> int:
        epoch, within = divmod(place, self.examples)
        order = self._epochs.get(epoch)
        if order is None:  # several threads may find it missing: they draw the same one
            order = torch.randperm(self.examples, generator=generator_of(self.seed, "order", epoch))
            self._epochs = {kept: known for kept, known in self._epochs.items() if kept >= epoch - 1} | {epoch: order}
        return int(order[within])

    def generator_at(self, place: int) -> torch.Generator:
        """For everything that is random about the example drawn there."""
        return generator_of(self.seed, "noise", place)


def generator_of(*parts: int | str) -> torch.Generator:
    """On the CPU, whatever the device: CUDA draws other numbers."""
    return torch.Generator().manual_seed(seed_of(*parts))


def ahead(make: Callable[[Item], Made], items: Iterable[Item], *, depth: int = 2, threads: int = 1) -> Generator[Made]:
    """`map`, in order, with the next `depth` made on `threads` threads while the present one is used."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Made]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
