"""Lesson 02 in real JupyterLab: what a learner's own browser shows, clicks and keys included.

Needs Debian's chromium (`apt-get install chromium`, which `.ci/run` does) and Playwright's client.
The screenshots stay in outputs/browser/ to be looked at.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from classroom.builder.build import notebooks, read_lessons
from classroom.exercises import get

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "02_temporal_loss.ipynb"
SCREENSHOTS = ROOT / "outputs" / "browser"
EXERCISE = "loss_of_clip"
RIGHT = """import torch

def loss_of_clip(features):
    rows = features.flatten(1)
    similarities = torch.nn.functional.cosine_similarity(rows[:-1], rows[1:])
    return (similarities[1:] - similarities[:-1]).square().sum() / (len(features) - 1)
"""
WRONG = RIGHT.replace("sum() / (len(features) - 1)", "mean()")  # T-2 differences, divisor T-1
MISCONCEPTION = "mean_over_differences"

PATIENCE = 420_000  # milliseconds until a busy machine counts as a broken one
CELL = ".jp-Notebook .jp-Cell"
THEMES = ("JupyterLab Light", "JupyterLab Dark")
TROUBLE = ", ".join(  # what an error, a warning or a dead widget looks like
    f'.jp-Notebook [data-mime-type="application/vnd.jupyter.{kind}"]'
    for kind in ("error", "stderr")
)

# WCAG's contrast of an element's text with what lies behind it, half-clear layers put together.
CONTRAST = """element => {
    const parse = text => {
        const [r, g, b, a = 1] = text.match(/[0-9.]+/g).map(Number);
        return { rgb: [r, g, b], a };
    };
    const over = (top, below) => below.map((value, i) => top.a * top.rgb[i] + (1 - top.a) * value);
    const layers = [];
    for (let node = element; node; node = node.parentElement)
        layers.unshift(parse(getComputedStyle(node).backgroundColor));
    const behind = layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
    const text = over(parse(getComputedStyle(element).color), behind);
    const light = rgb => rgb.map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const [dark, bright] = [light(text), light(behind)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
}"""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium")


@functools.cache
def built() -> bytes:
    """The lesson as the builder makes it: in the file itself somebody may have worked."""
    return notebooks(ROOT, read_lessons(ROOT))[NOTEBOOK]


def run_all(page, url: str) -> None:
    """Open the notebook, run all of it, and wait until the last cell has its number."""
    page.goto(f"{url}/lab/tree/{NOTEBOOK.name}")
    page.locator(CELL).first.wait_for(timeout=PATIENCE)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=PATIENCE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    wait_until_idle(page)


def wait_until_idle(page) -> None:
    # A cell whose input is folded away, as Colab's, shows nothing here.
    prompts = ".jp-Notebook .jp-CodeCell .jp-InputPrompt"
    done = f"""() => [...document.querySelectorAll({prompts!r})]
        .filter(prompt => prompt.textContent)
        .every(prompt => /\\[[0-9]+\\]/.test(prompt.textContent))"""
    page.wait_for_function(done, timeout=PATIENCE)


def place_of(pattern: str, tag: str = "") -> int:
    """Return where the first code cell with these words (and this tag) stands among all cells."""
    for index, cell in enumerate(json.loads(built())["cells"]):
        tagged = not tag or tag in cell["metadata"].get("tags", [])
        if cell["cell_type"] == "code" and tagged and re.search(pattern, "".join(cell["source"])):
            return index
    raise AssertionError(f"{NOTEBOOK.name} has no code cell with {pattern!r} tagged {tag!r}")


def check_place() -> int:
    return place_of(rf'check\("{EXERCISE}"', "check")


def answer(page, text: str) -> str:
    """Type an answer as a learner does, run it and its check, and return the card's words."""
    stub = place_of(rf"def {EXERCISE}\b", "exercise")
    card = page.locator(CELL).nth(check_place())
    page.locator(CELL).nth(stub).locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)
    before = card.locator(".jp-InputPrompt").text_content().strip()
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(
        '([cell, before]) => !["[*]:", before].includes(cell.textContent.trim())',
        arg=[card.locator(".jp-InputPrompt").element_handle(), before],
    )
    wait_until_idle(page)
    return card.locator(".jp-OutputArea").inner_text()


def picture(page):
    """Return the picture below the first slider."""
    return page.locator(".jp-OutputArea:has([role=slider]) img").first


@pytest.fixture(scope="module")
def requests() -> list[str]:
    """The addresses beyond this machine that the page has asked for."""
    return []


@pytest.fixture(scope="module")
def page(jupyterlab, requests):
    """The lesson in a browser, after all of its cells have run."""
    root = [] if os.geteuid() else ["--no-sandbox"]  # chromium has no sandbox for root
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    with (
        playwright.sync_playwright() as driver,
        driver.chromium.launch(executable_path=CHROMIUM, args=root) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE / 4)
        page.on("request", lambda r: requests.append(r.url) if beyond(r.url) else None)
        try:
            run_all(page, jupyterlab)
        except playwright.Error:
            keep(page, "0_where_it_stopped")
            raise
        yield page


def beyond(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def set_theme(page, theme: str) -> None:
    command = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    page.evaluate(command, theme)
    light = str("Light" in theme).lower()
    page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")


def keep(page, name: str, cell: int | None = None) -> None:
    """Keep a screenshot of the page, or of one cell."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    target = page if cell is None else page.locator(CELL).nth(cell)
    target.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_a_fresh_lesson_runs_without_an_error(page):
    keep(page, "1_all_cells_have_run")
    assert page.locator(TROUBLE).all_inner_texts() == []


def test_an_unanswered_exercise_is_not_called_wrong(page):
    card = page.locator(CELL).nth(check_place()).locator(".jp-OutputArea").inner_text()
    keep(page, "2_not_attempted", check_place())
    assert "not attempted" in card.lower()


def test_a_wrong_answer_is_told_what_it_shows(page):
    card = answer(page, WRONG)
    keep(page, "3_wrong", check_place())
    (hint,) = (m.hint for m in get(EXERCISE).misconceptions if m.name == MISCONCEPTION)
    assert hint in card


def test_a_right_answer_passes(page):
    card = answer(page, RIGHT)
    keep(page, "4_right", check_place())
    assert "passed" in card.lower()


def test_an_arrow_key_on_a_slider_changes_the_picture_and_its_words(page):
    before = [picture(page).get_attribute(name) for name in ("src", "alt")]
    page.locator(".jp-Notebook [role=slider]").first.focus()
    keep(page, "5_before_the_slider_moves", place_of(r"explore\("))
    page.keyboard.press("ArrowRight")
    playwright.expect(picture(page)).not_to_have_attribute("src", before[0])
    keep(page, "6_after_the_slider_has_moved", place_of(r"explore\("))
    assert picture(page).get_attribute("alt") != before[1]


def test_a_picture_that_changes_is_told_to_readers_of_the_screen(page):
    region = picture(page).evaluate_handle("image => image.closest('[aria-live=polite]')")
    before = picture(page).get_attribute("alt")
    page.locator(".jp-Notebook [role=slider]").first.press("ArrowRight")
    playwright.expect(picture(page)).not_to_have_attribute("alt", before)
    assert region.evaluate("region => region.querySelector('img').alt") != before


@pytest.mark.parametrize("theme", THEMES)
def test_the_cards_can_be_read_in_every_theme(page, theme):
    set_theme(page, theme)
    keep(page, f"7_{theme}_card", check_place())
    keep(page, f"8_{theme}_explorer", place_of(r"explore\("))
    words = page.locator(CELL).nth(check_place()).locator(".jp-RenderedHTML p")
    assert min(words.nth(i).evaluate(CONTRAST) for i in range(words.count())) >= 4.5


def test_every_slider_has_a_name(page):
    handles = page.locator(".jp-Notebook [role=slider]")
    names = [handles.nth(i).get_attribute("aria-label") for i in range(handles.count())]
    assert names and all(names)


def test_the_lesson_asks_nothing_of_the_network(page, requests):
    assert requests == []


def test_a_saved_lesson_opens_the_next_day_with_its_pictures(page, jupyterlab):
    # The last of these tests, since it ends the kernel.
    kept = picture(page).get_attribute("src")
    page.evaluate("async () => await window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("async () => await window.jupyterapp.serviceManager.sessions.shutdownAll()")
    page.goto(f"{jupyterlab}/lab/workspaces/next-day/tree/{NOTEBOOK.name}")
    words = page.locator(".jp-OutputArea:has(.explorer-help)").first
    words.wait_for(state="attached", timeout=PATIENCE)
    hidden = words.locator(".jupyter-widgets").first
    playwright.expect(hidden).to_have_css("font-size", "0px", timeout=PATIENCE)
    keep(page, "9_the_next_day", place_of(r"explore\("))
    assert words.locator("img").first.get_attribute("src") == kept
