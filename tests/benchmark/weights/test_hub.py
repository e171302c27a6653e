"""Models of the hub: kept as a folder, compared with what the first fetch recorded."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.numpy import load_file, save_file

from benchmark.errors import UserError
from benchmark.weights import Shelf
from benchmark.weights.manifest import parsed
from benchmark.weights.record import read_record

MODEL = """
[net]
title = "Net"
purpose = "tests"
licence = "CC0-1.0"
gated = true
bytes = 1
format = "model"
[[net.sources]]
kind = "hub"
repository = "someone/net"
"""
FILE = MODEL.replace('"model"', '"torch"').replace("gated = true", "non_commercial = true") + 'file = "net.pth"\n'


def shelf_at(root: Path, text: str = MODEL, *, offline: bool = False) -> Shelf:
    return Shelf(root=root, offline=offline, manifest=parsed(text))


class FakeHub:
    """Gives the files of a folder that fit the patterns, as `snapshot_download` does; remembers what it was asked."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "0123abcd"
        self.folder.mkdir(parents=True)
        self.asked: list[dict[str, object]] = []
        self.refuses: Exception | None = None

    def __call__(self, repository: str, **named: object) -> str:
        self.asked.append({"repository": repository, **named})
        if self.refuses is not None:
            raise self.refuses
        return str(self.folder)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> FakeHub:
    fake = FakeHub(tmp_path / "hub")
    (fake.folder / "config.json").write_text('{"hidden_size": 2}')
    (fake.folder / "README.md").write_text("not wanted")
    (fake.folder / "tokenizer.json").write_text("{}")
    save_file({"weight": np.ones(3, np.float32)}, fake.folder / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake)
    return fake


def refusal(kind: type[Exception], status: int) -> Exception:
    response = httpx.Response(status, request=httpx.Request("GET", "https://hub.example/api"))
    return kind("refused\nRequest ID: 1", response=response)  # type: ignore[call-arg]


def test_a_model_is_a_folder_of_configuration_and_safetensors_with_its_revision(tmp_path, hub):
    shelf = shelf_at(tmp_path / "w")
    folder = shelf.fetch("net")
    assert folder == shelf.located("net") == tmp_path / "w" / "net"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "record.json"]
    record = read_record(folder)
    assert record is not None
    assert record.source["revision"] == "0123abcd"
    assert len(shelf.identity("net")) == 16


def test_no_pickle_is_asked_for_where_there_are_safetensors(tmp_path, hub):
    shelf_at(tmp_path / "w").fetch("net")
    (asked,) = hub.asked
    assert not [pattern for pattern in asked["allow_patterns"] if pattern.endswith((".bin", ".py", ".pth", "*"))]


def test_a_model_that_has_only_a_pickle_is_converted(tmp_path, hub):
    (hub.folder / "model.safetensors").unlink()
    torch.save({"weight": torch.full((3,), 2.0)}, hub.folder / "pytorch_model.bin")
    folder = shelf_at(tmp_path / "w").fetch("net")
    assert not (folder / "pytorch_model.bin").exists()
    assert load_file(folder / "model.safetensors")["weight"].tolist() == [2, 2, 2]


def test_every_file_of_a_model_is_checked(tmp_path, hub):
    folder = shelf_at(tmp_path / "w").fetch("net")
    (folder / "config.json").write_text('{"hidden_size": 3}')
    with pytest.raises(UserError, match=r"config.json: damaged .* run 'egox-bench weights fetch net'"):
        shelf_at(tmp_path / "w").located("net")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="damaged"):
        shelf_at(tmp_path / "w").missing(["net"])


def test_a_damaged_model_is_taken_again_at_the_revision_of_the_first_fetch(tmp_path, hub):
    folder = shelf_at(tmp_path / "w").fetch("net")
    (folder / "config.json").write_text("{}")
    shelf_at(tmp_path / "w").fetch("net")
    assert [asked["revision"] for asked in hub.asked] == [None, "0123abcd"]
    assert json.loads((folder / "config.json").read_text()) == {"hidden_size": 2}


def test_other_bytes_than_at_the_first_fetch_are_refused(tmp_path, hub):
    folder = shelf_at(tmp_path / "w").fetch("net")
    (folder / "config.json").write_text("{}")
    save_file({"weight": np.zeros(3, np.float32)}, hub.folder / "model.safetensors")
    with pytest.raises(UserError, match="the source gives other bytes now; to take them delete the folder"):
        shelf_at(tmp_path / "w").fetch("net")


def test_a_gated_model_without_a_login_says_how_to_get_it(tmp_path, hub):
    hub.refuses = refusal(GatedRepoError, 401)
    with pytest.raises(UserError) as caught:
        shelf_at(tmp_path / "w").fetch("net")
    assert "someone/net is given only to those who accepted its licence" in str(caught.value)
    assert "run 'hf auth login', then fetch it again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_repository_that_is_not_shown_is_one_sentence(tmp_path, hub):
    hub.refuses = refusal(RepositoryNotFoundError, 404)
    with pytest.raises(UserError, match=r"the model hub does not give someone/net .* 'hf auth login'"):
        shelf_at(tmp_path / "w").fetch("net")


def test_a_hub_that_cannot_be_reached_leads_to_the_way_by_hand(tmp_path, hub):
    hub.refuses = LocalEntryNotFoundError("no")
    with pytest.raises(UserError, match=r"the model hub cannot be reached.*weights fetch net --from DIR/net"):
        shelf_at(tmp_path / "w").fetch("net")


def test_offline_looks_only_into_the_hubs_own_cache(tmp_path, hub):
    shelf_at(tmp_path / "w", offline=True).fetch("net")
    assert [asked["local_files_only"] for asked in hub.asked] == [True]


def test_running_fetches_nothing_of_the_hub(tmp_path, hub):
    reasons = shelf_at(tmp_path / "w").fetch_open(["net"])
    assert reasons == ("weights missing, run 'egox-bench weights fetch net'",)
    assert hub.asked == []


def test_a_single_file_of_a_repository_becomes_one_file(tmp_path, hub):
    torch.save({"state_dict": {"weight": torch.ones(2)}}, hub.folder / "net.pth")
    path = shelf_at(tmp_path / "w", FILE).fetch("net")
    assert path.name == "weights.safetensors"
    assert hub.asked[0]["allow_patterns"] == ["net.pth"]
    assert load_file(path)["weight"].tolist() == [1, 1]


def test_a_model_folder_that_was_brought_here_is_taken(tmp_path, hub):
    folder = shelf_at(tmp_path / "w", offline=True).fetch("net", given=hub.folder)
    assert load_file(folder / "model.safetensors")["weight"].tolist() == [1, 1, 1]
    assert hub.asked == []


@pytest.mark.parametrize(("gone", "why"), [("config.json", "no config.json"), ("model.safetensors", "neither model.safetensors")])
def test_a_folder_that_is_no_model_is_refused(tmp_path, hub, gone, why):
    (hub.folder / gone).unlink()
    with pytest.raises(UserError, match=why):
        shelf_at(tmp_path / "w").fetch("net", given=hub.folder)
