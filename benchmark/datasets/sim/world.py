"""One take in one place: the still mesh, the exo cameras, and the moving mesh and head camera at any time."""

from __future__ import annotations

import numpy as np

from . import props
from .actor import Pose, Skeleton, eye, solve
from .body import body_models
from .build import Builder, Mesh
from .materials import Material, pick
from .motion import Motion
from .places import PlaceSpec
from .rig import ExoCamera, place_cameras
from .rooms import build_place
from .script import Script
from .shapes import Array, cushion, cylinder, frame, pose
from .takes import TAKE_S
from .tracer import Layer, Tracer

_RIG_STEP_S = 0.4
"""How finely the take is looked at for the cameras' distances."""


class World:
    """Everything that a take needs to be seen. Building it costs about two seconds; `move_to` and `ego_pose` are cheap."""

    def __init__(self, place: PlaceSpec, take: Script) -> None:
        self.place, self.take, self.motion = place, take, Motion(take)
        self.names: list[str] = ["nothing"]
        self.world_from_work = pose(*place.work[:3], yaw=place.work[3])
        self._materials: list[Material] = []
        builder = Builder(self._materials, self.names)
        lamps = build_place(place, builder)
        self.prop_ids: dict[int, int] = {}
        for index, prop in enumerate(take.props):
            if not prop.grasps:
                model = props.model(prop.kind, prop.seed)
                self.prop_ids[index] = builder.add(model, prop.kind, self.world_from_work @ prop.start)
        if take.seated:
            self._seat(builder)
        static = builder.mesh()
        self.first_moving_id = len(self.names)
        for index, prop in enumerate(take.props):
            if prop.grasps:
                self.names.append(prop.kind)
                self.prop_ids[index] = len(self.names) - 1
        self._body_id = len(self.names)
        self.names += ["person", "arms and hands", "head"]
        self.exo_cameras = self._rig(static)
        self._moving_mesh(0.0)  # registers the body's materials before the table of materials is made
        self.tracer = Tracer(static, self._materials, lamps)

    @property
    def moving_ids(self) -> tuple[int, ...]:
        """Instance ids of whatever can move in this take."""
        return tuple(range(self.first_moving_id, len(self.names)))

    def _seat(self, builder: Builder) -> None:
        rng = np.random.default_rng([23, self.place.seed])
        fabric, dark = pick(rng, "fabric", texture="weave", repeat_m=0.25), pick(rng, "dark")
        at = self.world_from_work @ pose(0, -0.32, 0.46 - self.place.work[2])
        parts = [
            (cushion((0.46, 0.44, 0.08), power=0.4), fabric),
            (cylinder(0.035, 0.44).moved(pose(z=-0.45)), dark),
            (cylinder(0.24, 0.03).moved(pose(z=-0.46)), dark),
            (cushion((0.42, 0.07, 0.4), power=0.4).moved(pose(0, -0.24, 0.36)), fabric),
        ]
        builder.add(parts, "chair", at)

    def _rig(self, static: Mesh) -> list[ExoCamera]:
        marks = np.array([[0, -0.15, 0.62], [0, 0.25, 0.08], [0.25, 0.15, 0.06], [-0.25, 0.15, 0.06], [0, -0.1, 0.3]])
        if self.take.seated:
            marks[0, 2] -= 0.1
        marks = marks @ self.world_from_work[:3, :3].T + self.world_from_work[:3, 3]
        return place_cameras(
            np.random.default_rng([19, self.place.seed, self.take.seed]),
            room=self.place.size,
            world_from_work=self.world_from_work,
            marks=marks,
            pelvis=np.stack([self._pelvis(t) for t in np.arange(0.0, TAKE_S, _RIG_STEP_S)]),
            blocked=Layer(static).blocked,
        )

    def _pelvis(self, t: float) -> Array:
        """World metres [3] of the actor's pelvis at time t."""
        return self.world_from_work[:3, :3] @ self.motion.pose(t).pelvis + self.world_from_work[:3, 3]

    def skeleton(self, t: float) -> tuple[Pose, Skeleton]:
        """The actor at time t (seconds) in the work frame."""
        body = self.motion.pose(t)
        return body, solve(self.take.look, body)

    def _moving_mesh(self, t: float) -> Mesh:
        builder = Builder(self._materials, self.names)
        body, skeleton = self.skeleton(t)
        for offset, (_, model) in enumerate(body_models(self.take.look, skeleton, body.hands)):
            builder.add(model, "", self.world_from_work, self._body_id + offset)
        for index, prop in enumerate(self.take.props):
            if prop.grasps:
                matrix = self.world_from_work @ self.motion.prop(index, t)
                builder.add(props.model(prop.kind, prop.seed), "", matrix, self.prop_ids[index])
        return builder.mesh()

    def move_to(self, t: float) -> None:
        """Put the actor and what it holds where they are at time t (seconds)."""
        self.tracer.move(self._moving_mesh(t))

    def ego_pose(self, t: float) -> Array:
        """world_from_camera 4x4 of the upright head camera, OpenCV axes."""
        _, skeleton = self.skeleton(t)
        head = skeleton.world_from_head
        right, forward, up = head[:3, 0], head[:3, 1], head[:3, 2]
        return self.world_from_work @ frame(eye(skeleton, self.take.look), right, -up, forward)

    def joints(self, t: float) -> dict[str, Array]:
        """Joint name to world metres [3]; left and right are the actor's."""
        _, skeleton = self.skeleton(t)
        out = {}
        for key, at in skeleton.joints.items():
            name = key if isinstance(key, str) else f"{'right' if key[1] > 0 else 'left'}_{key[0]}"
            out[name] = self.world_from_work[:3, :3] @ at + self.world_from_work[:3, 3]
        out["head"] = (self.world_from_work @ skeleton.world_from_head)[:3, 3]
        return out
