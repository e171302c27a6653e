"""A made-up takes.json of any size, with the shape of the real one: scenarios of very different size, places, wearers."""

from __future__ import annotations

import json
import random
import uuid
from pathlib import Path
from typing import Any

SCENARIOS = {
    "Basketball": 0.31,
    "Dance": 0.22,
    "Cooking": 0.14,
    "Climbing": 0.13,
    "Bike Repair": 0.1,
    "Health": 0.05,
    "Soccer": 0.03,
}


def crafted_take(
    number: int, *, scenario: str, place: int | None, capture: str, participant: int | None, seconds: float = 60.0, **changes: Any
) -> dict[str, Any]:
    """One take object; `changes` replace fields."""
    name = f"uni_{scenario.split()[0].lower()}_{number:04d}_2"
    cameras = [("aria01", True), *((f"cam{i:02d}", False) for i in range(1, 5))]
    videos = {
        cam: {("rgb" if ego else "0"): {"cam_id": cam, "relative_path": f"frame_aligned_videos/{cam}{'_214-1' * ego}.mp4"}}
        for cam, ego in cameras
    }
    return {
        "take_uid": str(uuid.UUID(int=random.Random(number).getrandbits(128))),
        "take_name": name,
        "root_dir": f"takes/{name}",
        "capture_uid": capture,
        "participant_uid": participant,
        "physical_setting_uid": place,
        "university_name": "uni",
        "parent_task_name": scenario,
        "duration_sec": seconds,
        "task_start_sec": 1.0,
        "task_end_sec": seconds - 1.0,
        "best_exo": "cam02" if number % 10 else None,
        "is_dropped": False,
        "validated": True,
        "capture": {
            "capture_uid": capture,
            "physical_setting_uid": place,
            "cameras": [{"cam_id": cam, "is_ego": ego} for cam, ego in cameras],
        },
        "frame_aligned_videos": {**videos, "best_exo": {"0": {"relative_path": None}}, "collage": {"0": {"relative_path": None}}},
        **changes,
    }


def crafted_takes(count: int, *, seed: int = 0, places: int = 40, wearers_stay: bool = True) -> list[dict[str, Any]]:
    """`count` takes. A place holds one scenario; with wearers_stay a wearer is seen in one place only."""
    rng = random.Random(seed)
    names, weights = list(SCENARIOS), list(SCENARIOS.values())
    home = [names[i % len(names)] if i < len(names) else rng.choices(names, weights)[0] for i in range(places)]
    found = []
    for number in range(count):
        place = number if number < places else rng.randrange(places)
        capture = f"capture-{place}-{rng.randrange(3)}"
        participant = place * 10 + rng.randrange(4) if wearers_stay else rng.randrange(count // 4)
        seconds = rng.choice([12.0, 30.0, 60.0, 200.0])
        found.append(
            crafted_take(number, scenario=home[place], place=place, capture=capture, participant=participant, seconds=seconds)
        )
    return found


def write_takes(folder: Path, takes: list[dict[str, Any]]) -> Path:
    """The folder, now with this takes.json in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "takes.json").write_text(json.dumps(takes))
    return folder
