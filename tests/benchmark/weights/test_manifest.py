"""The manifest that ships, and what light code may read of it."""

from __future__ import annotations

import re
import subprocess
import sys

import msgspec
import pytest
import torchvision

from benchmark.weights import MANIFEST
from benchmark.weights.manifest import Package, Url, parsed

from .made import manifest_of, published


def test_what_comes_as_a_package_is_pinned_to_the_last_byte():
    packages = {spec.id: spec for spec in MANIFEST.values() if isinstance(spec.sources[0], Package)}
    assert set(packages) == {"i3d", "st-lpips-alex", "efficientnet-lite0"}
    for spec in packages.values():
        source = spec.sources[0]
        assert isinstance(source, Package)
        for digest in (source.archive_sha256, source.member_sha256, spec.converted_sha256):
            assert re.fullmatch("[0-9a-f]{64}", digest or "")
        assert source.version in source.archive
        assert spec.bytes == source.archive_bytes
        assert spec.open


def test_licences_that_restrict_are_fields_and_never_open():
    assert [spec.id for spec in MANIFEST.values() if spec.gated] == ["dinov3-vitl16"]
    assert [spec.id for spec in MANIFEST.values() if spec.non_commercial] == ["amt-s"]
    assert not [spec.id for spec in MANIFEST.values() if spec.open and (spec.gated or spec.non_commercial)]


@pytest.mark.parametrize("name", ["alexnet", "raft-things"])
def test_torchvision_still_knows_the_files_by_these_names(name):
    (source,) = MANIFEST[name].sources
    assert isinstance(source, Url)
    assert torchvision.models.get_weight(source.torchvision).url.endswith(f"/{source.file}")
    assert source.file.endswith(f"-{source.sha256_begins}.pth")


def test_an_unknown_field_is_named():
    with pytest.raises(msgspec.ValidationError, match="sha512"):
        parsed(manifest_of(*published(), more='sha512 = "x"\n'))


def test_listing_and_asking_what_is_there_import_no_network_library(tmp_path):
    code = (
        "import sys, pathlib\nfrom benchmark.weights import Shelf, MANIFEST\nfrom benchmark.weights.overview import listed\n"
        "shelf = Shelf(root=pathlib.Path(sys.argv[1]))\nassert len(listed(shelf)) == len(MANIFEST)\nshelf.missing(MANIFEST)\n"
        "print([m for m in ('torch', 'numpy', 'torchvision', 'huggingface_hub', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
