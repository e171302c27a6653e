"""What is random about training is a function of seed and place."""

from __future__ import annotations

import threading

import pytest
import torch

from egox.recipe import NoiseLevels
from egox.training.noise import bucket_of, draw_level, shifted
from egox.training.order import Order, ahead, generator_of, seed_of


def test_every_epoch_has_each_example_once_in_another_order():
    order = Order(50, seed=1)
    epochs = [[order.example_at(50 * epoch + place) for place in range(50)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != list(range(50))


def test_any_place_can_be_asked_first():
    forward = Order(7, seed=3)
    places = [forward.example_at(place) for place in range(40)]
    assert [Order(7, seed=3).example_at(place) for place in range(40)] == places
    assert [forward.example_at(place) for place in reversed(range(40))] == places[::-1]
    assert [Order(7, seed=4).example_at(place) for place in range(40)] != places


def test_seeds_are_the_same_on_every_machine_and_differ_by_their_parts():
    assert seed_of(42, "noise", 0) == 5464258081708617073
    assert len({seed_of(a, b, c) for a in range(4) for b in ("noise", "order") for c in range(25)}) == 200
    assert torch.equal(torch.randn(3, generator=generator_of(1, "x")), torch.randn(3, generator=generator_of(1, "x")))


def test_what_is_made_ahead_comes_in_order_and_on_another_thread():
    threads = set()

    def made(item):
        threads.add(threading.get_ident())
        return item * item

    assert list(ahead(made, range(9))) == [k * k for k in range(9)]
    assert list(ahead(made, [])) == []
    assert threads.isdisjoint({threading.get_ident()})


def test_several_threads_make_at_once_and_what_they_make_comes_in_order():
    together = threading.Barrier(3, timeout=20)

    def made(item):
        together.wait()  # passes only where three threads are in it
        return item * item

    assert list(ahead(made, range(9), depth=6, threads=3)) == [k * k for k in range(9)]


def test_threads_that_ask_an_order_at_once_are_told_what_one_alone_is_told():
    alone, shared = Order(3, seed=3), Order(3, seed=3)
    asked = list(ahead(shared.example_at, range(20_000), depth=16, threads=8))
    assert asked == [alone.example_at(place) for place in range(20_000)]


def test_no_more_is_made_than_was_asked_for_and_errors_arrive():
    asked = []

    def made(item):
        asked.append(item)
        if item == 3:
            raise ValueError("no third")
        return item

    coming = ahead(made, range(100), depth=2)
    assert next(coming) == 0
    coming.close()
    assert len(asked) <= 4
    with pytest.raises(ValueError, match="no third"):
        list(ahead(made, range(5)))


def test_uniform_levels_are_the_thousandths_up_to_one():
    random = generator_of(0)
    levels = torch.tensor([draw_level(NoiseLevels(), random) for _ in range(20_000)])
    assert levels.min() == 0.001
    assert levels.max() == 1.0
    assert torch.allclose(levels * 1000, (levels * 1000).round(), atol=1e-4)
    assert torch.histc(levels, 10, 0, 1).std() < 100


def test_logit_normal_levels_have_their_median_where_the_mean_says():
    random = generator_of(0)
    levels = torch.tensor([draw_level(NoiseLevels(kind="logit_normal", mean=0.8), random) for _ in range(20_000)])
    assert levels.median() == pytest.approx(1 / (1 + 2.718281828**-0.8), abs=0.005)
    assert torch.logit(levels).std() == pytest.approx(1, abs=0.02)


def test_a_shift_moves_levels_as_the_scheduler_does():
    assert shifted(0.5, 1.0) == 0.5
    assert shifted(0.5, 3.0) == 0.75
    assert shifted(1.0, 3.0) == 1.0
    random, again = generator_of(0), generator_of(0)
    plain, moved = draw_level(NoiseLevels(), random), draw_level(NoiseLevels(shift=3.0), again)
    assert moved == pytest.approx(3 * plain / (1 + 2 * plain))


def test_buckets_are_tenths_and_the_last_holds_one():
    assert bucket_of(torch.tensor([0.001, 0.0999, 0.1, 0.55, 0.999, 1.0])).tolist() == [0, 0, 1, 5, 9, 9]
