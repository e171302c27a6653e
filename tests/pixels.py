"""A protocol of the four metrics that need nothing but pixels, on the mini canvas."""

from pathlib import Path

from benchmark.protocols import load_protocol

PATH = Path(__file__).parent / "protocols" / "pixels.toml"
PIXELS = load_protocol(PATH)
