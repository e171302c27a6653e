"""Examples become a batch, or it is said which one does not fit and why."""

from __future__ import annotations

import pytest
import torch

from egox.training.batch import BatchError, canvas_of, collate

from .tiny_training import TEXT_TOKENS, TEXT_WIDTH, examples

LATENTS = ("exo", "ego", "prior", "valid")


def test_prompts_are_padded_with_zeros_to_one_length():
    clips = examples(4)
    batch = collate(clips, TEXT_TOKENS)
    assert batch.prompt_embeds.shape == (4, TEXT_TOKENS, TEXT_WIDTH)
    for k, clip in enumerate(clips):
        length = len(clip["prompt_embeds"])
        assert torch.equal(batch.prompt_embeds[k, :length], clip["prompt_embeds"])
        assert not batch.prompt_embeds[k, length:].any()


def test_latents_and_geometry_keep_their_values_and_order():
    clips = examples(3)
    batch = collate(clips, TEXT_TOKENS)
    assert len(batch) == 3
    assert batch.geometry is not None
    assert batch.geometry.batch == (3,)
    for k, clip in enumerate(clips):
        assert all(torch.equal(getattr(batch, field)[k], clip[field]) for field in LATENTS)
        assert torch.equal(batch.geometry.directions[k], clip["directions"])
        assert torch.equal(batch.geometry.rays_valid[k], clip["rays_valid"])


def test_half_precision_from_disk_becomes_float32():
    clips = [{**clip, "ego": clip["ego"].half(), "prompt_embeds": clip["prompt_embeds"].bfloat16()} for clip in examples(2)]
    batch = collate(clips, TEXT_TOKENS)
    assert batch.ego.dtype == batch.prompt_embeds.dtype == torch.float32


def test_one_view_alone_is_a_canvas_without_exo():
    view = [{field: clip[field] for field in ("ego", "prompt_embeds")} for clip in examples(2)]
    batch = collate(view, TEXT_TOKENS)
    assert batch.exo is None
    assert batch.geometry is None
    assert (batch.latents.exo, batch.latents.ego) == (0, 4)
    assert batch.latents == canvas_of(view[0])


def test_image_embeddings_go_along():
    clips = [{**clip, "image_embeds": torch.ones(5, 3)} for clip in examples(2)]
    batch = collate(clips, TEXT_TOKENS)
    assert batch.image_embeds is not None
    assert batch.image_embeds.shape == (2, 5, 3)


def broken(**changes):
    first, second = examples(2)
    return [first, {**second, **changes}]


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([], "no example: a batch needs at least one"),
        (broken(prior=torch.zeros(16, 1, 4, 4)), r"prior of b is \(16, 1, 4, 4\), of a \(16, 2, 4, 4\)"),
        (broken(directions=torch.zeros(2, 3, 3)), r"directions of b is \(2, 3, 3\)"),
        (broken(extra=torch.zeros(1)), "b and a do not both have extra"),
        (broken(prompt_embeds=torch.zeros(7, TEXT_WIDTH)), "the prompt of b has 7 tokens, the model takes 6"),
        (broken(prompt_embeds=torch.zeros(2, 5)), r"prompt_embeds of b is \(6, 5\), of a \(6, 8\)"),
        ([{"exo": torch.zeros(1)}], "a has no ego; it has exo"),
        ([{key: value for key, value in examples(1)[0].items() if key != "rays"}], "a has rays_valid, directions"),
    ],
)
def test_what_does_not_stack_is_named(clips, message):
    with pytest.raises(BatchError, match=message):
        collate(clips, TEXT_TOKENS, names=("a", "b")[: len(clips)])
