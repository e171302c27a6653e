"""Rays and points as the published code computes them, mistakes included: for running the published weights as they were run.

They are kept apart from `egox.geometry`, which has the true ones. What is off, measured against Aria's lens inside its circle:
the sampling rays by 10 degrees in the mean and 17 at the centre of the picture (a token is 4.5 degrees wide), the training
rays by 45 to 53. Tokens are never invalid here: the published code has no notion of it.

Only the canvas of the paper was published (448x784 | 448x448); elsewhere the same field of view is spread over the grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .cameras import UPRIGHT_FROM_RAW, Array, Camera, Fisheye624, KannalaBrandt
from .cameras.devices import GOPRO_SIZE, undistorted_focal
from .canvas import JointCanvas
from .geometry import GeometryError

EGO_FOCAL_PX, EGO_CENTRE_PX = 150.0, 255.5
"""The published ego intrinsics, the same for every clip: a rectified 512x512 view, which no ego video is."""

EGO_SIDE_PX = 448
"""The side of the ego picture, for which those numbers are taken although they belong to 512."""

EGO_COEFFICIENTS = (
    -0.02340373583137989, 0.09388021379709244, -0.06088035926222801,
    0.0053304750472307205, 0.003342868760228157, -0.0006356257363222539,
    0.0005087381578050554, -0.0004747129278257489, -0.0011330085108056664,
    -0.00025734835071489215, 0.00009328465239377692, 0.00009424977179151028,
)  # fmt: skip
"""k0..k5, p0, p1, s0..s3 of a Fisheye624, of a SLAM camera by their look. OpenCV reads them as k1, k2, p1, p2, k3..k6, s1..s4 of
its rational pinhole model: another order of another model."""

TRAINING_TURN = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Applied to rows of world vectors, from the right; a turn of the camera's own axes was meant."""


def released_rays(canvas: JointCanvas, ego: Camera, instants: Sequence[int]) -> Tensor:
    """Ego rays of the published sampling code: [f, M, 3] float32, rounded to bf16, shorter than 1 by the pooling.

    ego: of the upright picture; the published poses are of the raw one that lies on its side, which is turned back here.
    Raises GeometryError where the ego picture is not square: its grid is turned by 90 degrees.
    """
    intrinsics, cells = _ego_grid(canvas)
    plane = cv2.undistortPoints(cells.reshape(-1, 1, 2), intrinsics, np.array(EGO_COEFFICIENTS, np.float32))
    camera_rays = np.append(plane.reshape(*cells.shape[:2], 2), np.ones((*cells.shape[:2], 1)), -1)
    camera_rays /= np.linalg.norm(camera_rays, axis=-1, keepdims=True)
    rays = np.einsum("fij,hwj->fhwi", _raw_turns(ego, instants), camera_rays)
    return _pooled(canvas, torch.from_numpy(np.rot90(rays, k=-1, axes=(1, 2)).copy()))


def released_training_rays(canvas: JointCanvas, ego: Camera, instants: Sequence[int]) -> Tensor:
    """Ego rays of the published training code: [f, M, 3] float32, rounded to bf16.

    No lens at all, the pose turned the wrong way (R for R^T), and the turn of the sensor applied to the world.
    Raises GeometryError as `released_rays`.
    """
    intrinsics, cells = _ego_grid(canvas)
    camera_rays = np.append((cells - intrinsics[:2, 2]) / intrinsics[[0, 1], [0, 1]], np.ones((*cells.shape[:2], 1)), -1)
    camera_rays /= np.linalg.norm(camera_rays, axis=-1, keepdims=True)
    camera_from_world = _raw_turns(ego, instants).transpose(0, 2, 1)
    rays = np.einsum("fij,hwj->fhwi", camera_from_world, camera_rays) @ TRAINING_TURN
    return _pooled(canvas, torch.from_numpy(rays))


def released_directions(
    canvas: JointCanvas, depth_m: NDArray[np.float32], exo: Camera, ego: Camera, instants: Sequence[int]
) -> Tensor:
    """Directions to the exo points of the published sampling code: [f, Nx, 3] float32, rounded to bf16, not of unit length.

    A pinhole with the published focal length, pixels counted from their corners, the world map resized bilinearly (which draws
    points between surfaces), directions normalised in latent cells and averaged to tokens. Unknown depth (0) is a point at
    the exo camera itself. depth_m: [f, height, exo width] of the instants.
    """
    rays = _exo_rays(exo)
    size = (canvas.latents.height, canvas.latents.exo)
    maps = []
    for instant, depth in zip(instants, depth_m):
        world = exo.to_world(rays * depth[..., None], instant)
        resized = F.interpolate(torch.from_numpy(world).permute(2, 0, 1)[None].float(), size=size, mode="bilinear")
        maps.append(resized[0].permute(1, 2, 0))
    points = torch.stack(maps)
    pooled = []
    for centre in torch.from_numpy(ego.centres[list(instants)]).float():
        directions = points - centre
        pooled.append(_pooled(canvas, directions / directions.norm(dim=-1, keepdim=True).clamp_min(1e-12)).flatten(0, 1))
    return torch.stack(pooled)


def published_intrinsics(exo: Camera) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy that the published code has for a view: of the undistorted picture, with the centre at half the size.

    The data set's published focal length follows from the raw one by OpenCV's undistortion with balance 0.8, at 3840x2160.
    Raises GeometryError for lenses that exo cameras do not have.
    """
    lens = exo.lens
    if isinstance(lens, Fisheye624):
        raise GeometryError(
            'guidance points = "released" are of a pinhole: the exo camera is a Fisheye624; use points = "pooled"'
        )
    fx, fy = lens.fx, lens.fy
    if isinstance(lens, KannalaBrandt):
        # Stated for the whole picture, whose height the view keeps; of its width the sides may have been cropped.
        scale = GOPRO_SIZE[0] / exo.height
        published = undistorted_focal(fy * scale, width=GOPRO_SIZE[1], height=GOPRO_SIZE[0], k=lens.k) / scale
        fx, fy = published * fx / fy, published
    return fx, fy, exo.width / 2, exo.height / 2


def _exo_rays(exo: Camera) -> Array:
    """[height, width, 3] with z = 1."""
    fx, fy, cx, cy = published_intrinsics(exo)
    pixels = exo.pixel_grid()
    return np.stack([(pixels[..., 0] - cx) / fx, (pixels[..., 1] - cy) / fy, np.ones(pixels.shape[:2])], -1)


def _ego_grid(canvas: JointCanvas) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Intrinsics [3, 3] and the cells' corners [h, w, 2] as (x, y), on the latent grid."""
    grid = canvas.latents
    if grid.height != grid.ego:
        raise GeometryError(
            "the published rays are turned by 90 degrees and need a square ego picture,"
            f" not {canvas.pixels.ego}x{canvas.pixels.height}"
        )
    scale = grid.ego / EGO_SIDE_PX
    f, c = EGO_FOCAL_PX * scale, EGO_CENTRE_PX * scale
    intrinsics = np.array([[f, 0, c], [0, f, c], [0, 0, 1]], np.float32)
    y, x = np.mgrid[: grid.height, : grid.ego].astype(np.float32)
    return intrinsics, np.stack([x, y], -1)


def _raw_turns(ego: Camera, instants: Sequence[int]) -> Array:
    """Rotations [f, 3, 3] from the axes of the sensor as it lies to the world."""
    return ego.world_from_camera[list(instants), :3, :3] @ UPRIGHT_FROM_RAW


def _pooled(canvas: JointCanvas, vectors: Tensor) -> Tensor:
    """[f, h, w, 3] of latent cells as [f, tokens, 3]: averaged, never normalised again, rounded to bf16."""
    means = F.avg_pool2d(vectors.float().permute(0, 3, 1, 2), canvas.patch[1:])
    return means.flatten(2).transpose(1, 2).to(torch.bfloat16).float()
