"""Windows: distances, guard gaps, and that a take's windows do not depend on anything else."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from benchmark.splits.windows import CLIP_FRAMES, GUARD_FRAMES, Window, cut, frame_distance, zones

stretches = st.builds(lambda first, length: Window(first, first + length - 1), st.integers(0, 5000), st.integers(49, 20_000))


def test_frame_distance_is_the_least_difference_of_frame_numbers():
    assert frame_distance(Window(0, 48), Window(198, 246)) == 150
    assert frame_distance(Window(198, 246), Window(0, 48)) == 150
    assert frame_distance(Window(0, 48), Window(48, 96)) == 0
    assert frame_distance(Window(0, 48), Window(10, 58)) < 0


@given(stretches, st.booleans(), st.integers(1, 8), st.integers(1, 8), st.text(max_size=5))
def test_any_seen_window_is_150_frames_from_any_training_window(usable, seen_first, seen_count, train_count, key):
    found = zones(usable, seen_first=seen_first, seen_windows=seen_count)
    training = cut(found.train, at_most=train_count, key=key)
    seen = cut(found.seen, at_most=seen_count, key=key + "s") if found.seen else []
    assert training
    assert bool(seen) == (usable.length >= 2 * CLIP_FRAMES + GUARD_FRAMES - 1)
    for one in training:
        for other in seen:
            assert frame_distance(one, other) >= GUARD_FRAMES


@given(stretches, st.integers(1, 10), st.text(max_size=5))
def test_cut_windows_are_49_frames_inside_the_stretch_and_do_not_overlap(stretch, at_most, key):
    windows = sorted(cut(stretch, at_most=at_most, key=key))
    assert len(windows) == min(at_most, stretch.length // CLIP_FRAMES)
    assert all(w.length == CLIP_FRAMES and stretch.first <= w.first and w.last <= stretch.last for w in windows)
    assert all(frame_distance(a, b) > 0 for a, b in pairwise(windows))


def test_a_take_of_two_clips_and_a_guard_is_the_shortest_that_gives_both():
    shortest = Window(10, 10 + 2 * CLIP_FRAMES + GUARD_FRAMES - 2)
    assert zones(shortest, seen_first=True, seen_windows=4).seen == Window(10, 58)
    assert zones(shortest, seen_first=False, seen_windows=4).train == Window(10, 58)
    assert zones(Window(10, shortest.last - 1), seen_first=True, seen_windows=4).seen is None
