"""`egox-bench weights` from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.weights_at_hand import need_weights

COMMAND = str(Path(sys.executable).with_name("egox-bench"))


def weights(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([COMMAND, "weights", *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def test_the_list_says_what_is_missing_and_what_its_licence_forbids(tmp_path):
    text = weights("list", "--weights-dir", tmp_path).stdout
    assert next(line for line in text.splitlines() if line.startswith("amt-s")).split()[2] == "missing"
    assert "CC BY-NC 4.0 (non-commercial)" in text
    assert "DINOv3 licence (gated)" in text
    assert str(tmp_path) in text


def test_the_list_as_json_has_every_entry(tmp_path):
    entries = json.loads(weights("list", "--json", "--weights-dir", tmp_path).stdout)
    found = {entry["id"]: entry for entry in entries}
    assert found["i3d"]["pinned"] is True
    assert found["clip-vit-b32"]["sha256"] is None
    assert {entry["state"] for entry in entries} == {"missing"}


def test_offline_says_what_to_run_for_each_and_ends_with_2(tmp_path):
    done = weights("fetch", "--offline", "--weights-dir", tmp_path, code=2)
    for name in ("i3d", "st-lpips-alex", "efficientnet-lite0"):
        assert f"egox-bench weights fetch {name} --from DIR/{name}" in done.stderr
    assert done.stdout == ""


def test_a_file_from_elsewhere_needs_one_id(tmp_path):
    assert "--from takes one kind of weights at a time" in weights("fetch", "--from", tmp_path, code=2).stderr


def test_an_unknown_id_is_a_mistake_to_mend(tmp_path):
    for verb in ("fetch", "verify"):
        assert "did you mean 'i3d'" in weights(verb, "i3dd", "--weights-dir", tmp_path, code=2).stderr


def test_verify_ends_with_1_where_named_weights_are_missing_and_0_where_nothing_is_there(tmp_path):
    assert "missing  i3d" in weights("verify", "i3d", "--weights-dir", tmp_path, code=1).stdout
    assert "no weights are here" in weights("verify", "--weights-dir", tmp_path).stdout


@pytest.fixture
def lite0(tmp_path) -> Path:
    """A folder of weights with real ones, brought from the user's own."""
    folder = need_weights("efficientnet-lite0")["efficientnet-lite0"].parent
    weights("fetch", "efficientnet-lite0", "--from", folder, "--offline", "--weights-dir", tmp_path)
    return tmp_path


def test_verify_finds_a_single_wrong_bit(lite0):
    assert "here     efficientnet-lite0  sha256 00f3dca275c189aa (pinned)" in weights("verify", "--weights-dir", lite0).stdout
    with (lite0 / "efficientnet-lite0" / "weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        (last,) = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    (entry,) = json.loads(weights("verify", "--json", "--weights-dir", lite0, code=1).stdout)
    assert entry["state"] == "damaged"
    assert "run 'egox-bench weights fetch efficientnet-lite0'" in entry["why"]
