"""Sizes of the canvas in pixels, latents and tokens, and what is joined, split and folded on it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from egox.canvas import CanvasError, Grid, JointCanvas

FULL = JointCanvas(pixels=Grid(frames=49, height=448, exo=784, ego=448))
MINI = JointCanvas(pixels=Grid(frames=17, height=128, exo=224, ego=128))
TINY = JointCanvas(pixels=Grid(frames=9, height=32, exo=48, ego=32))


def sizes(grid: Grid) -> tuple[int, int, int, int]:
    return grid.frames, grid.height, grid.exo, grid.ego


def test_the_papers_canvas_has_28028_tokens():
    assert sizes(FULL.latents) == (13, 56, 98, 56)
    assert sizes(FULL.tokens) == (13, 28, 49, 28)
    assert (FULL.tokens.cells, FULL.tokens.exo_cells, FULL.tokens.ego_cells) == (28_028, 17_836, 10_192)
    assert FULL.token_side == 16


def test_the_mini_canvas_has_880_tokens():
    assert sizes(MINI.latents) == (5, 16, 28, 16)
    assert sizes(MINI.tokens) == (5, 8, 14, 8)
    assert MINI.tokens.cells == 880


def test_latent_frames_stand_at_the_last_frame_of_their_group():
    assert FULL.latent_instants == tuple(range(0, 49, 4))
    assert len(MINI.latent_instants) == MINI.latents.frames
    assert FULL.token_instants == FULL.latent_instants
    assert JointCanvas(pixels=Grid(frames=13, height=32, exo=48, ego=32), patch=(2, 2, 2)).token_instants == (4, 12)


def test_exo_is_on_the_left_and_splitting_undoes_joining():
    grid = TINY.latents
    exo, ego = torch.rand(2, 16, 3, 4, 6), torch.rand(2, 16, 3, 4, 4)
    joint = grid.join(exo, ego)
    assert joint.shape == (2, 16, 3, 4, 10)
    assert torch.equal(joint[..., :6], exo)
    left, right = grid.split(joint)
    assert torch.equal(left, exo)
    assert torch.equal(right, ego)


def test_splitting_gives_views():
    joint = torch.zeros(3, 4, 10)
    TINY.latents.split(joint)[1].fill_(1)
    assert joint.sum() == 3 * 4 * 4


@pytest.mark.parametrize(("exo", "ego"), [((3, 4, 5), (3, 4, 4)), ((3, 4, 6), (3, 4, 6)), ((2, 4, 6), (2, 4, 4))])
def test_cells_of_another_canvas_are_refused(exo, ego):
    with pytest.raises(CanvasError, match=r"cells are \(\d, 4, \d\), the canvas has \(3, 4, \d\)"):
        TINY.latents.join(torch.zeros(exo), torch.zeros(ego))


def test_rows_name_every_token_once_in_row_major_order():
    grid = TINY.tokens
    assert grid.exo_rows.shape == (3, 2 * 3)
    assert grid.ego_rows.shape == (3, 2 * 2)
    assert sorted([*grid.exo_rows.flatten().tolist(), *grid.ego_rows.flatten().tolist()]) == list(range(grid.cells))
    assert grid.ego_rows[0].tolist() == [3, 4, 8, 9]  # two runs, one a row of the picture: not contiguous


def test_rows_are_where_splitting_finds_the_tokens():
    grid = TINY.tokens
    exo, ego = grid.split(torch.arange(grid.cells).reshape(grid.frames, grid.height, grid.width))
    assert torch.equal(exo.flatten(1), grid.exo_rows)
    assert torch.equal(ego.flatten(1), grid.ego_rows)


def test_frames_fold_as_wan_folds_its_mask():
    """The first frame fills the channels of latent frame 0; channel c of latent frame k is frame 4 (k - 1) + 1 + c."""
    folded = TINY.fold_frames(torch.arange(9.0)[:, None, None])
    assert folded[:, :, 0, 0].T.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]


def test_folding_agrees_with_the_stock_pipelines_own_reshaping():
    maps = torch.rand(2, 9, 4, 6)
    first = maps[:, None, :1].repeat_interleave(4, dim=2)
    stock = torch.cat([first, maps[:, None, 1:]], dim=2).view(2, -1, 4, 4, 6).transpose(1, 2)
    assert torch.equal(TINY.fold_frames(maps), stock)


def test_shares_are_the_fraction_of_true_pixels_of_a_cell():
    maps = torch.zeros(9, 32, 32, dtype=torch.bool)
    maps[0, :8, :4] = True
    maps[6] = True
    shares = TINY.cell_shares(maps)
    assert shares.shape == (4, 3, 4, 4)
    assert shares.dtype == torch.float32
    assert shares[:, 0, 0, 0].tolist() == [0.5] * 4
    assert shares[1, 2].eq(1).all()  # frame 6 is the second of the group 5..8
    assert shares.sum() == 4 * 0.5 + 16


@pytest.mark.parametrize("shape", [(9, 33, 35), (9, 32, 35), (8, 32, 32), (32, 32)])
def test_maps_of_another_size_are_refused_not_cut(shape):
    with pytest.raises(CanvasError, match=r"maps are .*, expected \[\.\.\., 9 frames, 32, a multiple of 8\] px"):
        TINY.cell_shares(torch.ones(shape, dtype=torch.bool))


def test_another_number_of_frames_does_not_fold():
    with pytest.raises(CanvasError, match=r"maps are \(8, 1, 1\), expected \[\.\.\., 9 frames, height, width\]"):
        TINY.fold_frames(torch.zeros(8, 1, 1))


def test_one_frame_and_one_view_alone_are_canvases():
    alone = JointCanvas(pixels=Grid(frames=1, height=128, exo=0, ego=128))
    assert sizes(alone.latents) == (1, 16, 0, 16)
    assert alone.tokens.exo_rows.shape == (1, 0)
    assert alone.latent_instants == (0,)


@pytest.mark.parametrize("frames", [0, 2, 16, 48, 50])
def test_frames_that_the_codec_does_not_take_are_refused(frames):
    with pytest.raises(CanvasError, match=rf"^{frames} frames do not fit the latent codec: it takes 4 n \+ 1"):
        JointCanvas(pixels=Grid(frames=frames, height=32, exo=48, ego=32))


@pytest.mark.parametrize(
    ("grid", "named"), [((40, 48, 32), "height 40"), ((32, 50, 32), "exo width 50"), ((32, 48, 0), "ego width 0")]
)
def test_sides_that_make_no_tokens_are_refused_by_name(grid, named):
    height, exo, ego = grid
    with pytest.raises(CanvasError, match=f"^{named} is not a multiple of 16 px"):
        JointCanvas(pixels=Grid(frames=9, height=height, exo=exo, ego=ego))


def test_strides_come_from_the_models():
    codec = SimpleNamespace(config=SimpleNamespace(scale_factor_temporal=2, scale_factor_spatial=4))
    transformer = SimpleNamespace(config=SimpleNamespace(patch_size=(1, 4, 4)))
    canvas = JointCanvas.of(frames=5, exo_size=(32, 48), ego_size=(32, 32), codec=codec, transformer=transformer)
    assert sizes(canvas.latents) == (3, 8, 12, 8)
    assert sizes(canvas.tokens) == (3, 2, 3, 2)


def test_views_of_unequal_height_are_refused():
    with pytest.raises(CanvasError, match="exo is 64 px high and ego 32"):
        JointCanvas.of(frames=9, exo_size=(64, 96), ego_size=(32, 32))
