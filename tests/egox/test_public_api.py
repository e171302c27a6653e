"""What `egox` offers by name, and that importing it costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import egox

HEAVY = ("accelerate", "cv2", "diffusers", "numpy", "peft", "scipy", "torch", "transformers")


def test_importing_egox_imports_nothing_heavy():
    code = f"import json, sys, egox; dir(egox); print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == []


def test_reading_recipes_imports_no_torch():
    code = "import sys, egox; [egox.load_recipe(name) for name in egox.recipe_names()]; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", egox.__all__)
def test_every_public_name_is_what_its_module_calls_so(name: str):
    found = getattr(egox, name)
    assert found.__name__ == name
    assert found.__module__.startswith("egox.")
    assert found.__doc__
    assert name in dir(egox)


def test_a_name_that_is_not_offered_is_told_with_those_that_are():
    with pytest.raises(AttributeError, match=r"no attribute 'pipeline_of'; it offers .*EgoXPipeline"):
        egox.pipeline_of  # noqa: B018
