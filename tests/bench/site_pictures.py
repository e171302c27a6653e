"""The pictures of the page in docs/images, taken in headless Chromium of a site that `egox-bench publish` wrote.

python tests/bench/site_pictures.py site --clip sim_livingroom0093_1_671_719
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TABLE = "seen-mini"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("--clip", default="sim_livingroom0093_1_671_719")
    arguments = parser.parse_args()
    root = arguments.site.resolve().as_uri()
    wanted = (
        ("table", f"{TABLE}.html", (1500, 620), "light"),
        ("clip", f"{TABLE}/clip-{arguments.clip}.html#frame=8", (1360, 1060), "dark"),
        ("differences", f"{TABLE}.html#base=5", (1500, 560), "light"),
        ("metric", f"{TABLE}/metric-st-lpips.html", (1000, 760), "light"),
        ("phone", f"{TABLE}.html", (390, 720), "dark"),
    )
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for name, address, (width, height), scheme in wanted:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(f"{root}/{address}")
            page.wait_for_timeout(1500)  # videos to their frame
            page.screenshot(path=IMAGES / f"site-{name}.png")
            print(IMAGES / f"site-{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
