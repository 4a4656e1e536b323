"""What a cell showed, on a page: formulas for MathJax, files for pictures, no builder's traces."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from classroom.display import show
from classroom.site.outputs import cleaned, with_formulas
from classroom.site.pictures import Pictures
from course.claims import claim

ROOT = Path(__file__).parents[2]
new_output = nbformat.v4.new_output


@pytest.fixture
def pictures(tmp_path):
    return Pictures(tmp_path)


def page_of(pictures, *outputs):
    return cleaned(outputs, pictures, "figures")


def test_every_formula_of_a_card_is_marked_and_no_dollar_is_left():
    html = with_formulas(claim("lemma_4_3")._repr_html_())
    assert "$" not in html and html.count('<span class="math') > 3


def test_dollars_in_code_stay():
    assert with_formulas("<pre>a $b$</pre> $c$").startswith("<pre>a $b$</pre> <span")


def test_a_picture_becomes_a_file_with_the_same_pixels(pictures):
    image = Image.linear_gradient("L").convert("RGB")
    html = show(image, "From black to white.").data
    (output,) = page_of(pictures, new_output("display_data", data={"text/html": html}))
    (name,) = pictures.used
    assert f'src="figures/{name}"' in output.data["text/html"]
    assert Image.open(pictures.folder / name).tobytes() == image.tobytes()


def test_progress_bars_and_warnings_are_left_out(pictures):
    bar = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "0/1"}
    shown = page_of(
        pictures,
        new_output("display_data", data=bar),
        new_output("stream", name="stderr", text="10%|#"),
        new_output("stream", text="0.5"),
    )
    assert [output.text for output in shown] == ["0.5"]


def test_of_a_bar_that_was_printed_only_what_follows_it_is_left(pictures):
    pieces = ("before\n\rencode:  0%", "\rencode: 50%", "\r            \rafter\n")
    (shown,) = page_of(pictures, *(new_output("stream", text=piece) for piece in pieces))
    assert shown.text == "before\nafter\n"


@pytest.mark.parametrize("folder", [str(ROOT), sys.prefix])
def test_a_folder_of_this_machine_is_refused(pictures, folder):
    with pytest.raises(ValueError, match="a folder of this machine"):
        page_of(pictures, new_output("stream", text=f"read {folder}/x.py\n"))


def test_an_mp4_is_taken_out_as_it_is(pictures):
    html = pictures.taken_out('<video src="data:video/mp4;base64,AAAA"></video>', "figures")
    (name,) = pictures.used
    assert html == f'<video src="figures/{name}"></video>' and name.endswith(".mp4")
    assert (pictures.folder / name).read_bytes() == b"\0\0\0"


def test_a_picture_that_is_there_is_not_written_again(pictures):
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "PNG")
    name = pictures.keep(buffer.getvalue())
    (pictures.folder / name).write_bytes(b"kept")
    assert pictures.keep(buffer.getvalue()) == name
    assert (pictures.folder / name).read_bytes() == b"kept"
