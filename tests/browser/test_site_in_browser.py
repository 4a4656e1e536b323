"""The site in a browser: three lessons are run for it, the others show their text.

Needs Debian's chromium (`apt-get install chromium`, which `.ci/run` does). On two idle cores the
build takes about a minute and the pages another one. Screenshots stay in outputs/site/.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from classroom.site import build_site

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "outputs" / "site"
LESSONS = ("03", "04", "11")  # which take few seconds to run and have few figures to draw
EXPLORERS = CHECKED = "notebooks/03_gradient_descent.html"
CHOICE = "notebooks/04_bilateral_filter.html"  # has a list to choose from
KINDS = (  # one page of each kind, for axe, which takes long; of a site that is built, all pages
    "index.html", EXPLORERS, "ledger.html", "glossary.html", "measurements.html",
    "reference/mathematics.html", "for_teachers.html", "teaching/90-minutes.html", "search.html",
)  # fmt: skip
BUILT = os.environ.get("STEADY_FRAMES_SITE")
PATIENCE = 120_000  # milliseconds until a busy machine counts as a broken one
WIDTHS = {
    "a phone": ("light", 360),
    "a phone in the dark": ("dark", 360),
    "200 % zoom": ("light", 640),
    "a desktop": ("light", 1280),
}
OPEN_ALL = "() => document.querySelectorAll('details').forEach(fold => { fold.open = true; })"
# A picture that is not there is an error of the page, not of its waiting.
LOAD_ALL = """() => Promise.allSettled([...document.images].map(image => {
    image.loading = 'eager';
    return image.decode();
}))"""
MATHS = "() => window.MathJax?.startup?.promise"
CUT = """kind => [...document.querySelectorAll(`${kind} pre`)]
    .map(each => each.scrollWidth > each.clientWidth + 1)"""
SHOWN = ".explorer-pictures img:not([hidden])"

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium")


@dataclass
class Visit:
    """What was seen of a page."""

    links: list[str]
    anchors: set[str]
    alts: list[tuple[str, str]]
    widths: dict[str, int]
    cut: list[bool]
    printed_cut: list[bool]
    errors: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def html(site_folder) -> Path:
    """The site's folder: one that is built already (STEADY_FRAMES_SITE), else a small one."""
    if BUILT:
        return Path(BUILT).resolve()
    return build_site(site_folder, only=LESSONS, patience=6)


@pytest.fixture(scope="module")
def url(html):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    root = [] if os.geteuid() else ["--no-sandbox"]  # chromium has no sandbox for root
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    SCREENSHOTS.mkdir(parents=True)
    with (
        playwright.sync_playwright() as driver,
        driver.chromium.launch(executable_path=CHROMIUM, args=root) as browser,
    ):
        yield browser


@pytest.fixture(params=["light", "dark"])
def page(browser, request):
    with browser.new_context(color_scheme=request.param) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        yield page


@pytest.fixture(scope="module")
def visits(browser, html, url) -> dict[str, Visit]:
    """Every page, opened once with all that is folded, at each width."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        errors: list[str] = []
        beyond: list[str] = []
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda r: errors.append(r.url) if r.status >= 400 else None)
        page.on("request", lambda r: None if is_here(r.url, url) else beyond.append(r.url))
        found = {}
        for name in pages(html):
            page.goto(f"{url}/{name}")
            found[name] = seen(page)
            found[name].errors, found[name].beyond = [*errors], [*beyond]
            errors.clear(), beyond.clear()
        return found


def pages(html: Path) -> list[str]:
    names = sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html"))
    return [name for name in names if not name.startswith("_static/")]


def is_here(address: str, url: str) -> bool:
    return address.startswith((url, "data:", "blob:"))


def seen(page) -> Visit:
    page.evaluate(OPEN_ALL)
    page.evaluate(LOAD_ALL)
    page.evaluate(MATHS)
    widths = {}
    for words, (theme, width) in WIDTHS.items():
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        widths[words] = page.evaluate("() => document.documentElement.scrollWidth") - width
    return Visit(
        page.evaluate("() => [...document.links].map(link => link.href)"),
        set(page.evaluate("() => [...document.querySelectorAll('[id]')].map(each => each.id)")),
        page.evaluate("() => [...document.images].map(i => [i.getAttribute('src'), i.alt])"),
        widths,
        page.evaluate(CUT, ".cell_input"),
        page.evaluate(CUT, ".cell_output"),
    )


def test_no_page_has_an_error(visits):
    assert {name: visit.errors for name, visit in visits.items() if visit.errors} == {}


def test_no_page_asks_another_host(visits):
    assert {name: visit.beyond for name, visit in visits.items() if visit.beyond} == {}


def test_every_picture_is_described_and_not_by_its_name(visits):
    assert len(visits[EXPLORERS].alts) > 20
    for name, visit in visits.items():
        for source, alt in visit.alts:
            assert len(alt.split()) > 2, f"{name}: {source} has alt {alt!r}"
            assert Path(source).stem not in alt


def test_every_link_within_the_site_leads_somewhere(visits, html, url):
    broken = []
    for name, visit in visits.items():
        for link in visit.links:
            address, anchor = urldefrag(link)
            target = unquote(urlsplit(address).path).lstrip("/")
            if not is_here(link, url):
                continue
            there = visits.get(target)
            if not (html / target).is_file() or (
                there and anchor and unquote(anchor) not in there.anchors
            ):
                broken.append((name, link))
    assert broken == []


@pytest.mark.parametrize("words", WIDTHS)
def test_no_page_scrolls_sideways(visits, words):
    wide = {name: visit.widths[words] for name, visit in visits.items()}
    assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}


def test_code_is_seen_whole_on_a_desktop(visits):
    cut = [each for visit in visits.values() for each in visit.cut]
    assert len(cut) > 100 and sum(cut) < 0.1 * len(cut)


def test_what_was_printed_is_seen_whole_on_a_desktop(visits):
    assert sum(len(visit.printed_cut) for visit in visits.values()) > 30
    assert [name for name, visit in visits.items() if any(visit.printed_cut)] == []


def test_search_finds_lambert(page, url):
    page.goto(f"{url}/search.html?q=Lambert")
    page.locator("#search-results li a").first.wait_for()
    assert "Lambert" in page.locator("#search-results").inner_text()


def test_arrow_keys_turn_an_explorer_over_and_the_other_sliders_go_back(page, url):
    page.goto(f"{url}/{EXPLORERS}")
    explorer = page.locator(".explorer").first
    sliders = explorer.locator("input[type=range]")
    first = explorer.locator(SHOWN).get_attribute("alt")
    sliders.nth(0).focus()
    page.keyboard.press("ArrowRight")
    second = explorer.locator(SHOWN).get_attribute("alt")
    assert second != first and explorer.locator(".explorer-words").inner_text() == second
    sliders.nth(1).focus()
    page.keyboard.press("ArrowLeft")
    assert explorer.locator(SHOWN).get_attribute("alt") not in (first, second)
    assert sliders.nth(0).input_value() == sliders.nth(0).get_attribute("data-start")


def test_an_explorer_with_a_list_to_choose_from_turns_over_by_keys(page, url):
    page.goto(f"{url}/{CHOICE}")
    explorer = page.locator(".explorer:has(select)").first
    choice = explorer.locator("select").first
    first = explorer.locator(SHOWN).get_attribute("alt")
    choice.focus()
    page.keyboard.press("ArrowUp")
    second = explorer.locator(SHOWN).get_attribute("alt")
    assert second != first and explorer.locator(".explorer-words").inner_text() == second
    page.keyboard.press("ArrowDown")
    assert explorer.locator(SHOWN).get_attribute("alt") == first


def test_the_words_beside_a_slider_are_what_its_figure_shows(page, url):
    page.goto(f"{url}/{EXPLORERS}")
    explorer = page.locator(".explorer").first
    explorer.locator("input").first.focus()
    page.keyboard.press("End")
    told = explorer.locator("output").first.inner_text()
    assert f"at {told} degrees" in explorer.locator(SHOWN).get_attribute("alt")
    assert explorer.locator("input").first.get_attribute("aria-valuetext") == told


def test_without_scripts_the_first_figure_stands(browser, url):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{url}/{EXPLORERS}")
        explorer = page.locator(".explorer").first
        assert explorer.locator("img:visible").count() == 1
        assert explorer.locator("input:visible").count() == 0


def test_an_exercise_opens_to_wrong_answers_with_their_reports_and_to_a_solution(page, url):
    page.goto(f"{url}/{CHECKED}")
    folds = page.locator("details.wrong-answers")
    assert folds.count() >= 3 and not folds.first.locator(".check-card").first.is_visible()
    folds.first.locator("summary").click()
    assert folds.first.locator(".check-card:visible").count() == 3
    assert "Not yet" in folds.first.locator(".check-card").first.inner_text()
    page.locator("details.solution summary").first.click()
    assert "return" in page.locator("details.solution").first.inner_text()


def test_a_link_to_a_claim_opens_its_row(page, url):
    page.goto(f"{url}/ledger.html#lemma_4_2")
    assert page.locator("#lemma_4_2").get_attribute("open") is not None
    assert page.locator("details.claim[open]").count() == 1


@pytest.mark.parametrize("name", pages(Path(BUILT)) if BUILT else KINDS)
def test_axe_finds_no_serious_fault(page, url, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core")
    page.goto(f"{url}/{name}")
    page.evaluate(OPEN_ALL)
    page.evaluate(LOAD_ALL)
    page.evaluate(MATHS)
    theme = page.evaluate("() => document.documentElement.dataset.theme")
    page.screenshot(path=SCREENSHOTS / f"{Path(name).stem}_{theme}.png")
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (fault["id"], [node["target"] for node in fault["nodes"]][:5])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []
