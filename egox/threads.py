"""One thread for what must be the same bytes everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch's operations on the CPU run on one thread meanwhile; as a context, or as a decorator of a function.

    Sums of many terms depend on how many threads share them: with two instead of one, 0.3 % of the values of a mini video were
    measured to differ, by up to 4 levels. With one, a video does not depend on the machine's cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
