"""The slides in a browser: three lessons on a projector of 1280 x 720 pixels.

Needs Debian's chromium, and npm once, for reveal.js. STEADY_FRAMES_SLIDES names slides that are
built already. Screenshots stay in outputs/slides/.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest

from classroom.slides import build_slides

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "outputs" / "slides"
LESSONS = ("03", "04", "11")  # which the test of the site runs too
PATIENCE = 120_000  # milliseconds until a busy machine counts as a broken one
SMALLEST = 28  # pixels, for text that the last row reads
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
READY = "() => window.MathJax?.startup?.promise?.then(() => window.Reveal.isReady())"
# What stands on the slide that is shown: how far it goes beyond the edges, and its letters.
SEEN = """() => {
  const slide = Reveal.getCurrentSlide(), scale = Reveal.getScale();
  const boxes = [...slide.querySelectorAll('*')].filter(e => !e.closest('mjx-assistive-mml, svg'))
    .map(e => e.getBoundingClientRect()).filter(b => b.width && b.height);
  const letters = [...slide.querySelectorAll('p, li, h1, h2, td, th, code, pre')]
    .filter(e => e.textContent.trim() && e.getClientRects().length)
    .map(e => parseFloat(getComputedStyle(e).fontSize));
  const images = [...slide.querySelectorAll('img, video')];
  return {
    over: Math.max(0, ...boxes.map(b => Math.max(-b.top, -b.left, b.bottom - innerHeight,
      b.right - innerWidth))) / scale,
    smallest: Math.min(99, ...letters),
    words: images.map(i => i.getAttribute('alt') || i.getAttribute('aria-label') || ''),
    blank: images.filter(i => i.tagName == 'IMG' && !i.naturalWidth).length,
    bare: ![...slide.querySelectorAll('p:not(.where), li, pre, img, video')].some(
      e => e.textContent.trim() || e.getClientRects().length),
    text: slide.innerText.trim(), raw: slide.innerText.includes('$'),
    at: JSON.stringify(Reveal.getIndices()),
  };
}"""

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium")


@pytest.fixture(scope="module")
def slides(tmp_path_factory, site_folder) -> Path:
    """The slides' folder: one that is built already, else three lessons."""
    if built := os.environ.get("STEADY_FRAMES_SLIDES"):
        return Path(built).resolve()
    if not shutil.which("npm") and not any((ROOT / "build" / "npm").glob("*.tgz")):
        pytest.skip("needs reveal.js, which npm fetches: apt-get install npm")
    folder = tmp_path_factory.mktemp("slides")
    return build_slides(folder, only=LESSONS, site=site_folder, patience=6)


@pytest.fixture(scope="module")
def shown(slides) -> dict:
    """Every slide of every lesson, gone through by the space bar; errors and requests elsewhere."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    root = [] if os.geteuid() else ["--no-sandbox"]  # chromium has no sandbox for root
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    SCREENSHOTS.mkdir(parents=True)
    handler = functools.partial(Quiet, directory=str(slides))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        playwright.sync_playwright() as driver,
        driver.chromium.launch(executable_path=CHROMIUM, args=root) as browser,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(PATIENCE)
        url, faults, found = f"http://127.0.0.1:{server.server_port}", [], {}
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda r: r.url.startswith((url, "data:")) or faults.append(r.url))
        for path in sorted(slides.glob("[0-9]*.html")):
            page.goto(f"{url}/{path.name}")
            page.evaluate(READY)
            found[path.stem] = [*_gone_through(page, path.stem)]
        page.goto(f"{url}/index.html")
        links = page.evaluate("() => [...document.links].map(link => link.href.split('/').pop())")
        server.shutdown()
    return {"slides": found, "faults": faults, "links": links}


def _gone_through(page, name: str):
    total = page.evaluate("() => Reveal.getTotalSlides()")
    for number in range(total):
        page.evaluate("() => Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
        yield page.evaluate(SEEN) | {"n": number}
        page.screenshot(path=SCREENSHOTS / f"{name}_{number:02d}.png")
        page.keyboard.press("Space")


def each(shown):
    for name, slides in shown["slides"].items():
        yield from ((f"{name} {slide['n']}", slide) for slide in slides)


def test_no_slide_has_an_error_or_asks_another_host(shown):
    assert shown["faults"] == []


def test_no_slide_is_a_heading_alone(shown):
    assert [name for name, slide in each(shown) if slide["bare"]] == []


def test_nothing_goes_beyond_the_edge_of_a_slide(shown):
    assert {name: slide["over"] for name, slide in each(shown) if slide["over"] > 1} == {}


def test_the_last_row_can_read_every_word(shown):
    small = {name: slide["smallest"] for name, slide in each(shown)}
    assert {name: size for name, size in small.items() if size < SMALLEST} == {}


def test_every_figure_is_there_and_has_words(shown):
    assert sum(len(slide["words"]) for _, slide in each(shown)) >= 10
    for name, slide in each(shown):
        assert slide["blank"] == 0, name
        assert all(len(words.split()) > 2 for words in slide["words"]), name


def test_formulas_are_set(shown):
    assert [name for name, slide in each(shown) if slide["raw"]] == []


def test_the_space_bar_goes_through_all_slides(shown):
    for name, slides in shown["slides"].items():
        assert len({slide["at"] for slide in slides}) == len(slides) > 5, name


def test_the_index_leads_to_every_lesson(shown):
    assert shown["links"] == [f"{name}.html" for name in shown["slides"]]
