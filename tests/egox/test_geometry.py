"""What geometry-guided attention compares: rays of ego tokens and directions to exo tokens, against worlds known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from egox.cameras import Camera, Pinhole, rigid
from egox.canvas import Grid, JointCanvas
from egox.conditioning import Guidance
from egox.geometry import SAME_SURFACE, GeometryError, TokenGeometry, token_geometry

from .traced import ego_camera, exo_camera, gopro, looking, trace

FRAMES, HEIGHT, EXO, EGO = 5, 64, 96, 64
CANVAS = JointCanvas(pixels=Grid(frames=FRAMES, height=HEIGHT, exo=EXO, ego=EGO))
ROWS, COLUMNS = CANVAS.tokens.height, CANVAS.tokens.exo
FOCAL = 64.0


def pinhole(width: int) -> Pinhole:
    return Pinhole(fx=FOCAL, fy=FOCAL, cx=(width - 1) / 2, cy=(HEIGHT - 1) / 2)


def standing(frames: int = FRAMES) -> Camera:
    """The exo camera at the origin of the world, its axes the world's."""
    return Camera(lens=pinhole(EXO), width=EXO, height=HEIGHT, world_from_camera=np.repeat(np.eye(4)[None], frames, 0))


def walking(frames: int = FRAMES) -> Camera:
    """The ego camera, which walks and turns: no two frames have one centre."""
    eyes = np.stack([np.linspace(-0.4, 0.6, frames), np.full(frames, 0.5), np.linspace(1.6, 1.5, frames)], -1)
    return ego_camera(eyes, eyes + [0.3, 1.0, -0.5], side=EGO)


def wall(depth_m: float = 2.0, frames: int = FRAMES) -> np.ndarray:
    return np.full((frames, HEIGHT, EXO), depth_m, np.float32)


def room() -> tuple[np.ndarray, Camera, Camera]:
    """Depth of a room without furniture, exact, and the cameras in it."""
    exo = exo_camera((0.5, -0.8, 1.8), (0.0, 2.0, 1.2), frames=FRAMES, height=HEIGHT)
    exo = exo.cropped((exo.width - EXO) // 2, 0, EXO, HEIGHT)
    return np.repeat(trace(exo, 0, []).depth_m[None], FRAMES, 0), exo, walking()


def geometry(depth_m=None, exo=None, ego=None, canvas: JointCanvas = CANVAS, **rules) -> TokenGeometry:
    return token_geometry(
        canvas,
        depth_m=wall() if depth_m is None else depth_m,
        exo=exo or standing(),
        ego=ego or walking(),
        rules=Guidance(**rules),
    )


def test_directions_to_a_wall_are_those_of_hand_arithmetic():
    ego = walking()
    found = geometry(ego=ego)
    for frame, instant in enumerate(CANVAS.latent_instants):
        for key_frame in range(CANVAS.tokens.frames):
            for row, column in ((0, 0), (1, 3), (ROWS - 1, COLUMNS - 1)):
                x, y = (16 * column + 7.5 - (EXO - 1) / 2) / FOCAL * 2, (16 * row + 7.5 - (HEIGHT - 1) / 2) / FOCAL * 2
                away = np.array([x, y, 2.0]) - ego.centres[instant]
                key = (key_frame * ROWS + row) * COLUMNS + column
                np.testing.assert_allclose(found.directions[frame, key], away / np.linalg.norm(away), atol=2e-7)
    assert found.directions_valid.all()


def test_keys_are_in_the_order_of_the_exo_rows():
    depth = wall()
    depth[4, 16:32, 48:64] = 0  # token (1, 3) of latent frame 1
    lost = CANVAS.tokens.exo_rows.flatten()[~geometry(depth).directions_valid[0]]
    assert lost.tolist() == [(1 * ROWS + 1) * CANVAS.tokens.width + 3]


def test_a_ray_is_the_mean_of_its_patch_turned_by_the_pose_of_its_instant():
    ego = replace(walking(), lens=pinhole(EGO))
    found = geometry(ego=ego)
    for frame, instant in enumerate(CANVAS.latent_instants):
        for row, column in ((0, 0), (2, 1)):
            total = np.zeros(3)
            for v in range(16 * row, 16 * row + 16):
                for u in range(16 * column, 16 * column + 16):
                    ray = np.array([(u - (EGO - 1) / 2) / FOCAL, (v - (HEIGHT - 1) / 2) / FOCAL, 1.0])
                    total += ray / np.linalg.norm(ray)
            turned = ego.world_from_camera[instant, :3, :3] @ total
            np.testing.assert_allclose(
                found.rays[frame, row * CANVAS.tokens.ego + column], turned / np.linalg.norm(turned), atol=2e-7
            )


def test_tokens_outside_the_lens_circle_have_no_ray():
    large = JointCanvas(pixels=Grid(frames=1, height=448, exo=16, ego=448))
    ego = ego_camera((0, 0, 1.6), (0, 1, 1), side=448)
    exo = Camera(lens=pinhole(16), width=16, height=448, world_from_camera=np.eye(4)[None])
    found = geometry(np.ones((1, 448, 16), np.float32), exo, ego, canvas=large)
    seen = ego.visible().reshape(28, 16, 28, 16).any((1, 3)).ravel()
    assert 0 < (~seen).sum() < 150
    assert found.rays_valid[0].tolist() == seen.tolist()
    assert not found.rays[0, ~seen].any()
    np.testing.assert_allclose(found.rays[0, seen].norm(dim=-1), 1, atol=1e-6)


def test_a_rim_token_sees_only_the_part_of_its_patch_inside_the_circle():
    large = JointCanvas(pixels=Grid(frames=1, height=448, exo=16, ego=448))
    ego = ego_camera((0, 0, 1.6), (0, 1, 1), side=448)
    inside = ego.visible()
    share = inside.reshape(28, 16, 28, 16).mean((1, 3)).ravel()
    rim = int(np.flatnonzero((share > 0.05) & (share < 0.3))[0])
    rows, columns = np.divmod(rim, 28)
    patch = (slice(16 * rows, 16 * rows + 16), slice(16 * columns, 16 * columns + 16))
    rays = ego.lens.unproject(ego.pixel_grid()[patch])[inside[patch]].mean(0) @ ego.world_from_camera[0, :3, :3].T
    exo = Camera(lens=pinhole(16), width=16, height=448, world_from_camera=np.eye(4)[None])
    found = geometry(np.ones((1, 448, 16), np.float32), exo, ego, canvas=large)
    np.testing.assert_allclose(found.rays[0, rim], rays / np.linalg.norm(rays), atol=1e-6)


def test_a_direction_agrees_most_with_the_token_that_sees_the_point():
    depth, exo, ego = room()
    found = geometry(depth, exo, ego)
    hits, looked_at = 0, 0
    for row in range(ROWS):
        for column in range(COLUMNS):
            point = exo.lift([16 * column + 7.5, 16 * row + 7.5], depth[0, 16 * row + 7, 16 * column + 7], 0)
            pixel = ego.project(point, 4)
            if not np.isfinite(pixel).all() or not ((pixel >= 4) & (pixel <= EGO - 5)).all():
                continue
            cosines = found.rays[1] @ found.directions[1, row * COLUMNS + column]
            cosines[~found.rays_valid[1]] = -1
            best_row, best_column = divmod(int(cosines.argmax()), CANVAS.tokens.ego)
            centre = np.array([16 * best_column + 7.5, 16 * best_row + 7.5])
            looked_at += 1
            hits += np.abs(pixel - centre).max() < 12  # half a token is 8 px; the lens is not linear
    assert looked_at >= 5
    assert hits == looked_at


def test_a_token_on_an_edge_takes_one_of_two_surfaces_never_the_air_between():
    depth = wall(4.0)
    depth[:, :, 40:] = 1.0  # token column 2 spans 32..47: half far, half near
    depth[:, :, :4] = 1.0  # token column 0: a quarter near
    ego = walking()
    found = geometry(depth, ego=ego)
    for column, at, z in ((2, 43.5, 1.0), (0, 9.5, 4.0)):
        point = np.array([(at - (EXO - 1) / 2) / FOCAL * z, (7.5 - (HEIGHT - 1) / 2) / FOCAL * z, z])
        away = point - ego.centres[0]
        np.testing.assert_allclose(found.directions[0, column], away / np.linalg.norm(away), atol=2e-7)


def test_depth_within_the_tolerance_is_one_surface():
    depth = wall(2.0)
    depth[:, :, 8:16] = 2.0 * (1 + SAME_SURFACE / 2)
    ego = walking()
    z = np.where(np.arange(16) < 8, 2.0, 2.0 * (1 + SAME_SURFACE / 2))
    x = ((np.arange(16) - (EXO - 1) / 2) / FOCAL * z).mean()
    y = ((7.5 - (HEIGHT - 1) / 2) / FOCAL * z).mean()
    away = np.array([x, y, z.mean()]) - ego.centres[0]
    np.testing.assert_allclose(geometry(depth, ego=ego).directions[0, 0], away / np.linalg.norm(away), atol=2e-7)


@pytest.mark.parametrize("unknown", [0.0, -1.0, np.nan, np.inf])
def test_unknown_pixels_do_not_move_a_point(unknown):
    depth = wall()
    depth[:, :, 1:15] = unknown  # columns 0 and 15 of token 0 remain: the same middle
    torch.testing.assert_close(geometry(depth).directions, geometry().directions, atol=1e-6, rtol=0)


def test_a_token_without_depth_has_no_direction_from_anywhere():
    depth = wall()
    depth[0, :16, :16] = np.nan
    found = geometry(depth)
    assert (~found.directions_valid).nonzero().tolist() == [[0, 0], [1, 0]]
    assert not found.directions[:, 0].any()


def test_a_point_at_the_ego_centre_has_no_direction_from_there_alone():
    token = np.array([(16 * 2 + 7.5 - (EXO - 1) / 2) / FOCAL * 2, (7.5 - (HEIGHT - 1) / 2) / FOCAL * 2, 2.0])
    eyes = np.array([token, *([token + [0.3, 0, 0]] * 4)])
    found = geometry(ego=ego_camera(eyes, eyes + [0, 1, 0], side=EGO))
    gone = [key_frame * ROWS * COLUMNS + 2 for key_frame in range(2)]
    assert (~found.directions_valid).nonzero().tolist() == [[0, key] for key in gone]


def test_one_point_is_seen_in_another_direction_from_every_frame():
    found = geometry()
    assert (found.directions[0] - found.directions[1]).norm(dim=-1).min() > 0.05


def test_moving_one_frames_head_changes_that_frame_alone():
    ego = walking()
    poses = ego.world_from_camera.copy()
    poses[4] = looking((1.0, 0.2, 1.7), (0.0, 3.0, 1.0))
    moved, still = geometry(ego=replace(ego, world_from_camera=poses)), geometry(ego=ego)
    assert torch.equal(moved.rays[0], still.rays[0])
    assert torch.equal(moved.directions[0], still.directions[0])
    assert not torch.isclose(moved.rays[1], still.rays[1]).all(-1).any()
    assert not torch.isclose(moved.directions[1], still.directions[1]).all(-1).any()


def test_a_latent_frame_stands_at_the_last_of_its_frames():
    depth, ego = wall(), walking()
    poses = ego.world_from_camera.copy()
    depth[1:4], poses[1:4] = 7.0, looking((3.0, 0.0, 1.0), (0.0, 0.0, 1.0))
    between, plain = geometry(depth, ego=replace(ego, world_from_camera=poses)), geometry()
    assert torch.equal(between.rays, plain.rays)
    assert torch.equal(between.directions, plain.directions)


def test_a_moving_exo_camera_lifts_each_frame_by_its_own_pose():
    exo = standing()
    poses = exo.world_from_camera.copy()
    poses[4, 0, 3] = 1.5
    found, still = geometry(exo=replace(exo, world_from_camera=poses)), geometry()
    first = ROWS * COLUMNS
    assert torch.equal(found.directions[:, :first], still.directions[:, :first])
    assert (found.directions[:, first:] - still.directions[:, first:]).norm(dim=-1).min() > 0.1


def test_what_is_compared_does_not_depend_on_where_the_world_begins():
    depth, exo, ego = room()
    rotation = looking((0.0, 0.0, 0.0), (1.0, 2.0, -0.7))[:3, :3]
    world = rigid(rotation, (120.0, -40.0, 7.0))
    moved = geometry(depth, *(replace(camera, world_from_camera=world @ camera.world_from_camera) for camera in (exo, ego)))
    here = geometry(depth, exo, ego)
    assert torch.equal(moved.rays_valid, here.rays_valid)
    assert torch.equal(moved.directions_valid, here.directions_valid)
    torch.testing.assert_close(cosines(moved), cosines(here), atol=1e-6, rtol=0)


def test_what_is_compared_does_not_depend_on_the_unit_of_length():
    depth, exo, ego = room()
    poses = [camera.world_from_camera.copy() for camera in (exo, ego)]
    for pose in poses:
        pose[:, :3, 3] *= 3
    grown = geometry(3 * depth, *(replace(camera, world_from_camera=pose) for camera, pose in zip((exo, ego), poses)))
    torch.testing.assert_close(cosines(grown), cosines(geometry(depth, exo, ego)), atol=1e-6, rtol=0)


def cosines(found: TokenGeometry) -> torch.Tensor:
    return found.rays @ found.directions.mT


def test_a_single_frame_is_a_canvas_too():
    single = JointCanvas(pixels=Grid(frames=1, height=HEIGHT, exo=EXO, ego=EGO))
    found = geometry(wall(frames=1), standing(1), walking().select([0]), canvas=single)
    assert found.rays.shape == (1, 16, 3)
    assert found.directions.shape == (1, ROWS * COLUMNS, 3)
    torch.testing.assert_close(found.directions[0], geometry().directions[0, : ROWS * COLUMNS])


def test_a_pixel_behind_the_exo_lens_has_no_point():
    """A fisheye's corners may look sideways: z-depth says nothing there."""
    lens = replace(gopro(HEIGHT), fx=18.0, fy=18.0, cx=(EXO - 1) / 2)
    exo = replace(standing(), lens=lens)
    found = geometry(exo=exo)
    corner = lens.unproject([7.5, 7.5])
    assert corner[2] < 0
    assert not found.directions_valid[:, 0].any()
    assert found.directions_valid.any()


def test_everything_is_float32_on_the_cpu_and_finite():
    depth, exo, ego = room()
    found = geometry(depth, exo, ego)
    assert {found.rays.dtype, found.directions.dtype} == {torch.float32}
    assert found.rays.isfinite().all()
    assert found.directions.isfinite().all()
    assert found.batch == ()


def test_clips_of_one_canvas_stack_to_a_batch():
    one, other = geometry(), geometry(wall(3.0))
    both = TokenGeometry.stack([one, other]).to("cpu")
    assert both.batch == (2,)
    assert both.directions.shape == (2, 2, 2 * ROWS * COLUMNS, 3)
    assert torch.equal(both.directions[1], other.directions)
    assert torch.equal(both.rays_valid[0], one.rays_valid)


def test_clips_of_two_canvases_do_not_stack():
    single = JointCanvas(pixels=Grid(frames=1, height=HEIGHT, exo=EXO, ego=EGO))
    short = geometry(wall(frames=1), standing(1), walking(1), canvas=single)
    with pytest.raises(GeometryError, match="of one canvas"):
        TokenGeometry.stack([geometry(), short])
    with pytest.raises(GeometryError, match="at least one"):
        TokenGeometry.stack([])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ego": walking(4)}, "ego camera has 4 poses, the canvas 5 frames"),
        ({"exo": standing(6)}, "exo camera has 6 poses, the canvas 5 frames"),
        (
            {"exo": exo_camera((0, 0, 1), (0, 1, 1), frames=5, height=HEIGHT)},
            "exo camera is for 113x64",
        ),
        ({"ego": ego_camera(np.zeros((5, 3)), np.ones((5, 3)), side=48)}, "ego camera is for 48x48"),
        ({"depth_m": wall(frames=4)}, r"depth has shape \(4, 64, 96\), the exo view \(5, 64, 96\)"),
        ({"depth_m": wall()[:, :, :-1]}, r"depth has shape \(5, 64, 95\)"),
        ({"depth_m": wall(0.0)}, "no depth at any latent frame"),
        ({"depth_m": wall(np.nan)}, "no depth at any latent frame"),
        ({"canvas": JointCanvas(pixels=Grid(frames=5, height=HEIGHT, exo=0, ego=EGO))}, "no exo columns"),
    ],
)
def test_what_does_not_belong_together_is_told_in_one_sentence(change, message):
    with pytest.raises(GeometryError, match=message) as caught:
        geometry(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rays", torch.zeros(2, 16, 4)),
        ("rays_valid", torch.ones(2, 16)),
        ("directions", torch.zeros(3, 48, 3)),
        ("directions_valid", torch.ones(2, 47, dtype=torch.bool)),
    ],
)
def test_parts_of_other_shapes_make_no_geometry(name, value):
    parts = {part: getattr(geometry(), part) for part in ("rays", "rays_valid", "directions", "directions_valid")}
    with pytest.raises(GeometryError, match=r"expected|not of the same"):
        TokenGeometry(**(parts | {name: value}))
