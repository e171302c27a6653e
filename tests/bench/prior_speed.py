"""Prints what the ego prior of a full-size clip costs: 49 frames at 448x448 from 49 depth maps of 784x448.

python tests/bench/prior_speed.py [--frames 49] [--parity-frames 3] [--threads 1]

The same clip is drawn by the default settings, and by PyTorch3D's (radius 5 px, 20 points a pixel, alpha compositing) from every
second pixel across and along, as the published renderer takes them, and from every pixel; the latter two draw a few frames only.
One thread, as the runner's workers have: beside other work torch's threads wait for each other, at many times the cost.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from egox.cameras import Camera, rigid
from egox.cameras.devices import GOPRO_SIZE, default_aria_lens, gopro_lens, plain_scaled
from egox.depth import DepthEstimate
from egox.prior import PYTORCH3D_PARITY, EgoPrior, Lifter, PointCloud, Renderer, build, ego_prior, render

HEIGHT, WIDTH, SIDE = 448, 784, 448
BUDGET_S, BUDGET_GIB = 20, 4
ROOM = np.array([[-3.0, -2.5, 0.0], [3.0, 3.5, 2.6]])
THINGS = np.array(
    [
        [[-0.6, 0.6, 0.0], [0.9, 1.3, 0.75]],
        [[-0.3, 0.8, 0.75], [0.0, 1.0, 1.0]],
        [[0.3, 0.75, 0.75], [0.6, 1.1, 0.85]],
        [[-2.9, 1.5, 0.0], [-2.3, 2.6, 1.9]],
        [[2.2, 0.0, 0.0], [2.9, 1.6, 0.9]],
    ]
)
"""A table with two boxes on it, a cupboard, a sideboard: (low, high) corners in metres, z up."""


def looking(eye: Any, target: Any) -> np.ndarray:
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return rigid(np.stack([right, np.cross(forward, right), forward], -1), eye)


def cameras(frames: int) -> tuple[Camera, Camera]:
    """A GoPro in the corner of the ceiling, and the head of somebody at the table."""
    lens = plain_scaled(gopro_lens(1760.0), 796 / GOPRO_SIZE[1], HEIGHT / GOPRO_SIZE[0]).cropped(6, 0)
    still = np.repeat(looking([2.3, -1.9, 1.7], [-0.2, 1.0, 0.8])[None], frames, 0)
    sway = 0.25 * np.sin(np.linspace(0, 2 * np.pi, frames))
    head = np.stack([looking([x, 0.0, 1.55], [0.2 + 0.5 * x, 1.4, 0.7]) for x in sway])
    exo = Camera(lens=lens, width=WIDTH, height=HEIGHT, world_from_camera=still)
    return exo, Camera(lens=default_aria_lens(SIDE), width=SIDE, height=SIDE, world_from_camera=head)


def reach(box: np.ndarray, eye: np.ndarray, rays: np.ndarray, *, inside: bool = False) -> np.ndarray:
    """Distance along each ray to a box, infinite where it misses; to its far side where the eye is inside."""
    with np.errstate(divide="ignore"):
        sides = np.stack([(corner - eye) / rays for corner in box])
    enters, leaves = sides.min(0).max(-1), sides.max(0).min(-1)
    return leaves if inside else np.where((enters < leaves) & (enters > 0), enters, np.inf)


def clip(exo: Camera, ego: Camera) -> tuple[np.ndarray, DepthEstimate]:
    """Pictures, and metric depth as a network has it: 20 % too small, half a percent of noise; a person of two boxes moves."""
    rng = np.random.default_rng(0)
    rays = exo.lens.unproject(exo.pixel_grid()) @ exo.world_from_camera[0, :3, :3].T
    eye, forward = exo.centres[0], exo.lens.unproject(exo.pixel_grid())[..., 2]
    room = np.minimum.reduce([reach(ROOM, eye, rays, inside=True), *(reach(box, eye, rays) for box in THINGS)])
    frames, depth = np.empty((len(exo), HEIGHT, WIDTH, 3), np.uint8), np.empty((len(exo), HEIGHT, WIDTH), np.float32)
    for frame, head in enumerate(ego.centres):
        body = np.array([head - [0.25, 0.2, head[2]], head + [0.25, 0.1, -0.25]])
        skull = np.array([head - [0.1, 0.2, 0.2], head + [0.1, 0.02, 0.12]])
        range_m = np.minimum.reduce([room, reach(body, eye, rays), reach(skull, eye, rays)])
        hit = eye + rays * range_m[..., None]
        waves = np.sin(3 * hit).sum(-1) + 0.5 * np.sin(17 * hit[..., ::-1]).sum(-1)
        paint = np.where((range_m < room)[..., None], [170, 90, 60], [120, 130, 140]) + 14 * waves[..., None]
        frames[frame] = np.clip(paint + 2 * rng.standard_normal(paint.shape, np.float32), 0, 255)
        depth[frame] = range_m * forward * 0.8 * (1 + 0.003 * rng.standard_normal() + 0.002 * rng.standard_normal(range_m.shape))
    return frames, DepthEstimate(metric_m=depth)


class Stages:
    """Seconds, calls and things made, by stage: wraps the functions that the prior calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.made: dict[str, int] = {}

    def watch(self, where: Any, name: str, count: Callable[[Any], int] = lambda result: 0) -> None:
        function = getattr(where, name)

        def timed(*args: Any, **settings: Any) -> Any:
            began = time.perf_counter()
            result = function(*args, **settings)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            self.made[name] = self.made.get(name, 0) + count(result)
            return result

        setattr(where, name, timed)


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def default_settings(exo: Camera, ego: Camera, pictures: np.ndarray, estimate: DepthEstimate) -> tuple[EgoPrior, float]:
    """The prior, and the seconds that a frame of it took."""
    stages = Stages()
    for name in ("motion_masks", "background_depth", "head_gauge", "floor_gauge", "fuse"):
        stages.watch(build, name)
    stages.watch(Lifter, "lift", len)
    stages.watch(render, "sample", lambda samples: len(samples.depth_m))
    stages.watch(render, "rasterize")
    began, cpu = time.perf_counter(), time.process_time()
    prior = ego_prior(pictures, estimate, exo, ego, up=np.array([0.0, 0.0, 1.0]))
    prepared, peak = time.perf_counter() - began, peak_gib()
    covered = [rendered.valid.mean() for rendered in prior.rendered()]
    total, cpu = time.perf_counter() - began, time.process_time() - cpu
    rendering = total - prepared
    print(
        f"default settings: {total:.1f} s of {BUDGET_S} ({cpu:.1f} s of CPU), {peak_gib():.2f} GiB of {BUDGET_GIB};"
        f" {np.mean(covered):.0%} of the pictures drawn"
    )
    print(f"  preparing {prepared:.1f} s, {peak:.2f} GiB; rendering {rendering:.1f} s = {rendering / len(exo):.3f} s a frame")
    print("  " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages.seconds.items()))
    for name, things in (("lift", "points"), ("sample", "samples")):
        made = stages.made[name]
        print(
            f"  {made / len(exo) / 1e3:.0f} thousand {things} a frame, {made / rendering / 1e6:.2f} million a second of rendering"
        )
    print(f"  {prior.scale}")
    return prior, total / len(exo)


def parity_settings(prior: EgoPrior, frames: int, every: int) -> float:
    """Seconds of a frame by PyTorch3D's settings, from every n-th pixel of the exo picture across and along."""
    rays = prior.exo.lens.unproject(prior.exo.pixel_grid()[::every, ::every])
    renderer = Renderer(prior.ego, PYTORCH3D_PARITY)
    began = time.perf_counter()
    for frame in range(frames):
        points = rays / rays[..., 2:] * prior.depth_m[frame, ::every, ::every, None]
        colours = prior.frames[frame, ::every, ::every].reshape(-1, 3)
        renderer.render(PointCloud.of_points(prior.exo.to_world(points, frame).reshape(-1, 3), colours), frame)
    return (time.perf_counter() - began) / frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=49)
    parser.add_argument("--parity-frames", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    exo, ego = cameras(args.frames)
    pictures, estimate = clip(exo, ego)
    print(f"{args.frames} frames of {WIDTH}x{HEIGHT} to {SIDE}x{SIDE}, {args.threads} threads, load {os.getloadavg()[0]:.1f}")
    prior, default_s = default_settings(exo, ego, pictures, estimate)
    for every in (2, 1):
        seconds = parity_settings(prior, min(args.parity_frames, args.frames), every)
        points = HEIGHT // every * (WIDTH // every)
        print(
            f"PyTorch3D's settings, {points / 1e3:.0f} thousand points a frame: {seconds:.2f} s a frame,"
            f" {seconds / default_s:.1f} times the default's; {points / seconds / 1e6:.2f} million points a second;"
            f" {peak_gib():.2f} GiB by now"
        )


if __name__ == "__main__":
    main()
