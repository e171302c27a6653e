"""The site in a real Chromium, from the disk: sort, filter, differences, cell, clip, frames in step, addresses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield found
        found.close()


@pytest.fixture
def page(browser, box_site: Path) -> Iterator:
    """A page that fails the test where a script breaks, a file is missing, or anything but the disk is asked."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url))
    yield page
    page.close()
    assert wrong == []


def names(page) -> list[str]:
    return [text.split()[0] for text in page.locator("#results tbody.competing tr:visible td.name button").all_inner_texts()]


def wait_for_frames(page, frame: int) -> None:
    """Until every video says by its own clock that it shows this frame."""
    page.wait_for_function(
        "frame => [...document.querySelectorAll('video')].every(video => video.dataset.frame === String(frame))", arg=frame
    )


def test_a_click_on_a_heading_sorts_and_the_address_brings_it_back(page, box_site):
    page.goto(f"{box_site.as_uri()}/index.html")
    assert sorted(names(page)) == ["ego-prior", "prior-inpaint"]
    heading = page.locator("#results th[data-metric=psnr]")
    heading.click()
    page.wait_for_function("location.hash.includes('sort=psnr')")
    cells = page.locator("tbody.competing td:nth-child(2)")
    values = [float(text) for text in cells.evaluate_all("cells => cells.map(cell => cell.dataset.sort)")]
    assert values == sorted(values, reverse=True)
    descending = names(page)
    heading.click()
    page.wait_for_function("location.hash.endsWith('ascending')")
    ascending = names(page)
    assert ascending == descending[::-1]
    page.goto("about:blank")
    page.goto(f"{box_site.as_uri()}/index.html#sort=psnr%3Aascending")
    page.wait_for_selector("th[aria-sort=ascending]")
    assert names(page) == ascending
    # rows that saw truth stay below, however one sorts
    assert page.locator("tbody.reference tr").count() == 2
    page.evaluate("location.hash = ''")
    page.wait_for_function("!document.querySelector('th[aria-sort]')")
    rows = page.locator("#results tbody.competing tr").evaluate_all("rows => rows.map(row => row.dataset.row)")
    assert rows == sorted(rows)


def test_a_name_opens_what_is_known_of_the_method(page, box_site):
    page.goto(f"{box_site.as_uri()}/index.html")
    page.locator("#results td.name button").first.click()
    card = page.locator("dl:popover-open")
    assert "exo view" in card.inner_text()
    page.keyboard.press("Escape")
    assert card.count() == 0


def test_filters_hide_rows_and_the_way_back_shows_them(page, box_site):
    page.goto(f"{box_site.as_uri()}/index.html")
    rows = page.locator("#results tbody tr:visible")
    assert rows.count() == 4
    page.check("#fair")
    assert rows.count() == 2
    page.check("#ours")
    assert rows.count() == 0
    page.go_back()
    page.wait_for_function("!document.getElementById('ours').checked")
    assert rows.count() == 2


def test_differences_to_a_row_are_those_of_the_paired_tests(page, box_site):
    page.goto(f"{box_site.as_uri()}/index.html")
    number = page.locator("#results tbody tr").filter(has_text="prior-inpaint").get_attribute("data-row")
    before = page.locator("#results tbody.competing").inner_text()
    values = {
        name: float(page.locator("#results tbody tr").filter(has_text=name).locator("td").nth(1).get_attribute("data-sort"))
        for name in ("prior-inpaint", "ego-prior")
    }
    page.select_option("#base", number)
    cell = page.locator("#results tbody tr").filter(has_text="ego-prior").locator("td").nth(1)
    shown = float(cell.inner_text().split("[")[0])
    assert shown == pytest.approx(values["ego-prior"] - values["prior-inpaint"], abs=0.006)
    assert page.locator("#results tbody tr").filter(has_text="prior-inpaint").locator("td").nth(1).inner_text() == "·"
    assert page.locator("#delta-note").is_visible()
    assert page.locator("#results.differences").count() == 1  # marks of values are no marks of differences
    page.select_option("#base", "")
    assert page.locator("#results tbody.competing").inner_text() == before


def test_a_cell_leads_to_its_metric_and_a_dot_to_its_clip(page, box_site):
    page.goto(f"{box_site.as_uri()}/index.html")
    page.locator("#results tbody.competing td a").first.click()
    page.wait_for_url("**/metric-psnr.html#row-*")
    assert page.locator("tr:target").count() == 1
    # a row has a dot for every clip
    links = page.locator("figure svg a").evaluate_all("all => all.map(a => a.href.baseVal)")
    assert links.count("clip-b1.html") == 4
    page.locator("#clips a").nth(1).click()
    page.wait_for_url("**/clip-b1.html*")
    page.go_back()
    page.wait_for_url("**/metric-psnr.html#row-*")


def test_all_players_show_the_same_frame(page, box_site):
    page.goto(f"{box_site.as_uri()}/all-pixels/clip-b0.html")
    assert page.locator("video").count() == 4
    wait_for_frames(page, 0)
    for frame in (1, 2, 3):
        page.keyboard.press("ArrowRight")
        wait_for_frames(page, frame)
    page.keyboard.press("ArrowLeft")
    wait_for_frames(page, 2)
    assert page.locator("#frame").inner_text() == "frame 2 of 17"
    assert page.evaluate("location.hash") == "#frame=2"
    page.goto("about:blank")
    page.goto(f"{box_site.as_uri()}/all-pixels/clip-b0.html#frame=16")
    wait_for_frames(page, 16)
    page.keyboard.press("ArrowRight")  # round
    wait_for_frames(page, 0)


def test_the_playhead_lies_on_the_frame_of_every_curve(page, box_site):
    page.goto(f"{box_site.as_uri()}/all-pixels/clip-b0.html#frame=16")
    page.wait_for_selector(".playhead", state="attached")
    for frame, point in ((16, -1), (0, 0)):
        page.evaluate("frame => { location.hash = `#frame=${frame}`; }", frame)
        page.wait_for_function("frame => document.getElementById('seek').value === String(frame)", arg=frame)
        heads = page.locator(".playhead").evaluate_all("all => all.map(line => Number(line.getAttribute('x1')))")
        curve = page.locator("#curves svg g[id^=line2d] path[clip-path]").last.get_attribute("d")
        x = [float(part.split()[0]) for part in curve.replace("\n", " ").replace("M", "L").split("L")[1:]]
        assert heads == pytest.approx([x[point]] * len(heads), abs=0.5)


def test_playing_moves_all_videos_together_and_pausing_sets_them_on_one_frame(page, box_site):
    page.goto(f"{box_site.as_uri()}/all-pixels/clip-b0.html")
    wait_for_frames(page, 0)
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelectorAll('video')[3].currentTime > 0.4")
    page.keyboard.press("Space")
    frame = int(page.locator("#seek").input_value())
    assert frame > 0
    wait_for_frames(page, frame)


def test_a_digit_shows_one_video_alone_and_again_all(page, box_site):
    page.goto(f"{box_site.as_uri()}/all-pixels/clip-b0.html")
    page.keyboard.press("2")
    assert page.locator("#players figure:visible").count() == 1
    assert "ego-prior" in page.locator("#players figure:visible").inner_text()
    page.keyboard.press("2")
    assert page.locator("#players figure:visible").count() == 4


def test_a_phone_scrolls_the_table_and_not_the_page(browser, box_site):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    for address in ("index.html", "all-pixels/clip-b0.html", "all-pixels/metric-psnr.html"):
        page.goto(f"{box_site.as_uri()}/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
    page.close()


def test_the_dark_page_has_light_words(browser, box_site):
    page = browser.new_page(color_scheme="dark")
    page.goto(f"{box_site.as_uri()}/all-pixels/metric-psnr.html")
    paper, ink, drawn = page.evaluate(
        """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
            getComputedStyle(document.querySelector('figure svg text')).fill]"""
    )
    light = [sum(int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]) for colour in (paper, ink, drawn)]
    assert light[0] < 150 < 500 < light[1]
    assert drawn == ink
    page.close()
