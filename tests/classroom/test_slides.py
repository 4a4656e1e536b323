"""What of a lesson becomes a slide: nothing empty, nothing twice, no answer before its question."""

from __future__ import annotations

import base64
import io
import re
from types import SimpleNamespace

import nbformat
import pytest
from PIL import Image

from classroom.site.pictures import Pictures
from classroom.slides.choose import LONG, MOST, deck
from classroom.slides.shown import FIGURE, LINES

v4 = nbformat.v4
LESSON = SimpleNamespace(number=1, facts={"title": "A lesson", "paper": "Eq. 1"})
QUESTION = "**Predict.** Is it so?"


@pytest.fixture
def slides(tmp_path):
    """Return a function that makes a deck of Markdown texts and code cells: kinds and texts."""

    def made(*cells) -> list[tuple[str, str]]:
        cells = [v4.new_markdown_cell(c) if isinstance(c, str) else c for c in cells]
        found = deck(LESSON, v4.new_notebook(cells=cells), Pictures(tmp_path))
        return [(c.metadata["slideshow"]["slide_type"], c.source) for c in found.cells[1:]]

    return made


def code(source: str = "1", markup: str = ""):
    outputs = [v4.new_output("display_data", {"text/html": markup})] if markup else []
    return v4.new_code_cell(source, outputs=outputs)


def answer(text: str):
    return v4.new_markdown_cell(text, metadata={"tags": ["answer"]})


def printed(text: str):
    return v4.new_code_cell("1", outputs=[v4.new_output("stream", name="stdout", text=text)])


def picture(width: int = 4, height: int = 4) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="A black box." src="data:image/png;base64,{data}">'


def test_a_figure_that_comes_first_stands_beside_the_heading(slides):
    [(kind, text)] = slides("## Colour (2 min)\n\nLook.", code(markup=picture()))
    assert kind == "slide" and text.startswith(f"## Colour\n\n{FIGURE}") and "black box" in text


def test_a_question_that_comes_first_stands_beside_the_heading(slides):
    (_, first), (_, below) = slides(f"## Colour (2 min)\n\n{QUESTION}", answer("No."))
    assert first.startswith("## Colour") and QUESTION in first and "**Answer.** No." in below


def test_a_section_of_points_shows_them_and_parts_them_between_two(slides):
    items = [f"- Point {n}. {'word ' * 40}" for n in range(9)]
    pages = slides("## What you learned (1 min)\n\n" + "\n".join(items) + "\n\nNext: more.")
    assert len(pages) > 1 and all("Point" in text and len(text) < MOST + 200 for _, text in pages)
    assert sum(text.count("- Point") for _, text in pages) == 9
    assert "Next" not in pages[-1][1]


def test_a_section_that_begins_with_code_has_the_text_below_it(slides):
    [(_, text)] = slides("## Weights (2 min)", code("print(1)"), "They are 860 million.")
    assert "They are 860 million." in text


def test_what_stands_below_a_question_is_not_shown_before_it(slides):
    pages = slides(f"## Colour (2 min)\n\n{QUESTION}", code(markup=picture()), "It is so.")
    assert not any("It is so." in text for _, text in pages)


def test_a_claim_is_shown_once_with_its_verdict_and_then_why(slides):
    cell = code('card = claim("lemma_4_2")\ncard')
    texts = [text for _, text in slides("## Bound (2 min)\n\nLook.", cell, cell)]
    assert [sum(word in text for text in texts) for word in ("Verdict:", "Why.")] == [1, 1]


def test_a_figure_is_shown_once_in_its_section(slides):
    cells = [code(markup=picture())] * 2
    assert len(slides("## Move (2 min)\n\nMove it.", *cells)) == 1


def test_what_answers_a_question_is_shown_and_other_numbers_are_not(slides):
    pages = slides(
        "## Count (2 min)\n\nLook.", printed("1"), QUESTION, printed("a < 2"), answer("2.")
    )
    assert ["<pre" in text for _, text in pages] == [False, False, True, False]
    assert "a &lt; 2" in pages[2][1]


def test_more_lines_than_a_slide_holds_are_not_shown(slides):
    text = "\n".join("word" for _ in range(LINES + 1))
    assert not any(
        "<pre" in page for _, page in slides(f"## A (1 min)\n\n{QUESTION}", printed(text))
    )


def test_the_words_of_a_low_figure_stand_below_it(slides):
    cells = code(markup=picture(60, 10)), code(markup=picture(60, 40))
    (_, low), (_, high) = slides("## Film (2 min)\n\nLook.", *cells)
    assert "A black box." in low.partition('class="words"')[2] and "words" not in high


def test_a_picture_too_high_for_a_slide_goes_over_several_from_its_top_to_its_bottom(slides):
    pages = slides("## Table (2 min)", code(markup=picture(860, 950)))
    places = [int(re.search(r"object-position: 0 (\d+)%", text)[1]) for _, text in pages]
    assert places == [0, 50, 100] and "Part 3 of 3." in pages[-1][1]
    film, figure = picture(1178, 818), picture(640, 560)
    whole = slides("## Table (2 min)", code(markup=film), code(markup=figure))
    assert len(whole) == 2 and not any("Part" in text for _, text in whole)


def test_a_long_text_is_set_smaller_and_code_and_links_are_left_out(slides):
    text = f"**Predict.** {'Is it so, or not? ' * 30}[Where](a.ipynb)?"
    [(_, made)] = slides(f"## Long (2 min)\n\n{text}", code("secret = 1"))
    assert len(text) > LONG and 'class="question long"' in made
    assert "secret" not in made and "a.ipynb" not in made


@pytest.mark.parametrize(
    ("width", "kind"),
    [(56, "printed"), (57, "printed wide"), (80, "printed wide dense"), (81, "printed wide")],
)
def test_a_table_is_set_as_large_as_its_longest_line_lets_it(slides, width, kind):
    pages = slides(f"## A (1 min)\n\n{QUESTION}", printed("x" * width))
    assert f'<pre class="{kind}">' in pages[-1][1]


def test_columns_of_a_table_come_nearer_and_stay_columns(slides):
    pages = slides(f"## A (1 min)\n\n{QUESTION}", printed("a      b b\n1    222\n"))
    assert ">a    b b&#10;1  222</pre>" in pages[-1][1]


def test_a_first_paragraph_brings_its_list_along_and_never_a_question(slides):
    [(_, listed)] = slides("## A (1 min)\n\nThere are two.\n\n- One.\n- Two.\n\nMore.")
    assert "- Two." in listed and "More" not in listed
    (_, lead), (_, asked) = slides(f"## A (1 min)\n\nThe bound:\n\n{QUESTION}")
    assert QUESTION not in lead and QUESTION in asked
