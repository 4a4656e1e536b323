"""What the build refuses, and the line that it names."""

from __future__ import annotations

import re

import pytest
from lesson_texts import EXERCISE, KNOWN, TINY, line_of, write_course

from classroom.builder import build

CHECK = '\n```{code-cell} ipython3\n:tags: [check]\n\ncheck("double", double)\n```\n'
HINT = "<details><summary>Hint 2</summary>\n\nAdd it to itself.\n\n</details>\n"
STUB = "def double(x):"
HEADING = "### Exercise: Twice"
PICTURE = "![An arrow that points up.]"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
CELL = "1 + 1"

# What is changed, into what, the part of the changed lesson whose line is named, and the words.
FAULTS = {
    "no check": (CHECK, "", STUB, "without a check"),
    "text before the check": (CHECK, "\nWell.\n" + CHECK, STUB, "without a check"),
    "a check for nothing": (CELL, 'check("double", double)', 'check("double"', "without its line"),
    "no tag at the check": (":tags: [check]\n", "", STUB, "without a check"),
    "a check with a message": ("double)\n```", 'double, "x")\n```', "check(", "nothing else"),
    "one hint": (HINT, "", HEADING, "two folded hints"),
    "three hints": (HINT, HINT + HINT, HEADING, "two folded hints"),
    "an empty hint": ("Add it to itself.\n", "", HEADING, "two folded hints"),
    "an open hint": (
        "<details><summary>Hint 1",
        "<details open><summary>Hint 1",
        HEADING,
        "folded",
    ),
    "an unclosed hint": ("\n</details>\n\n```", "\n\n```", HEADING, "folded hints"),
    "no minutes": (":minutes: 4\n", "", STUB, "':minutes: 8'; found None"),
    "minutes in words": (":minutes: 4", ":minutes: four", STUB, "':minutes: 8'; found 'four'"),
    "no difficulty": (":difficulty: 2\n", "", STUB, "':difficulty: 1', 2 or 3; found None"),
    "difficulty 4": (":difficulty: 2", ":difficulty: 4", STUB, "found 4"),
    "no text": ("### Exercise: Twice as much", "### Twice as much", STUB, "without its text"),
    "no cell": (":tags: [exercise]\n", "", HEADING, "with ':tags: [exercise]'; it is not"),
    "an unknown exercise": ('check("double"', 'check("treble"', "check(", "does not know 'treble'"),
    "another function": ("def double", "def twice", "check(", "must have one name"),
    "another argument": ("double)\n```", "half)\n```", "check(", "must have one name"),
    "no end mark": ("    ### END SOLUTION\n", "", BEGIN, "without ### END SOLUTION"),
    "no begin mark": ("    ### BEGIN SOLUTION\n", "", END, "without ### BEGIN SOLUTION"),
    "no marks": (f"    {BEGIN}\n    return x + x\n    {END}\n", "    1\n", STUB, "between"),
    "nested marks": (
        "    return x + x",
        f"    {BEGIN}\n    return x",
        f"{BEGIN}\n    return",
        "inside",
    ),
    "a misspelt mark": ("# END SOLUTION", "# END SOLUTON", "### END SOLUTON", "misspelt"),
    "a mark in lower case": ("# BEGIN SOLUTION", "# begin solution", "### begin", "misspelt"),
    "a mark with two signs": (BEGIN, "## BEGIN SOLUTION", "## BEGIN", "misspelt"),
    "an empty solution": ("    return x + x\n", "", END, "nothing in it"),
    "a mark elsewhere": (CELL, f"{BEGIN}\n{CELL}\n{END}", BEGIN, "outside a cell"),
    "no objectives": ("  objectives: [see it]\n", "", "steady_frames", "objectives"),
    "empty objectives": ("[see it]", "[]", "  objectives", "objectives"),
    "no title": ("  title: Tiny\n", "", "steady_frames", "title"),
    "no front matter minutes": ("  minutes: 9\n", "", "steady_frames", "minutes, a whole number"),
    "no limit": ("  limit_seconds: 30\n", "", "steady_frames", "limit_seconds"),
    "an unknown fact": ("  title", "  mood: good\n  title", "  mood", "does not know mood"),
    "a wrong sum": ("  minutes: 9", "  minutes: 10", "  minutes", "9 minutes together"),
    "a section without minutes": (" (2 min)", "", "## Two arrows", "must end in its minutes"),
    "a longer exercise": (":minutes: 4", ":minutes: 8", STUB, "in a section of 7 minutes"),
    "a title in the text": ("Some words.", "# Tiny", "# Tiny", "front matter"),
    "no alt text": ("An arrow that points up.", "", "![](", "without alt text"),
    "no alt in html": (PICTURE, '<img src="../docs/arrow.png">\n', "<img", "without alt text"),
    "an empty alt in html": (
        PICTURE,
        '<img alt="" src="../docs/arrow.png">',
        "<img",
        "without alt",
    ),
    "pyplot": (CELL, "import matplotlib.pyplot as plt", "import matplotlib", "without alt text"),
    "pyplot otherwise": (CELL, "from matplotlib import pyplot", "from matplotlib", "without alt"),
    "plt.show": (CELL, "x = 1\nplt.show()", "plt.show()", "without alt text"),
    "a bare figure": (CELL, "course.similarity_figure(1)", "course.sim", "show(course.similarity"),
    "a named figure": (
        CELL,
        "from lessons.cosine_similarity.figures import arrows\nf = arrows(1)\nf",
        "f\n```",
        "show(f)",
    ),
    "a displayed figure": (CELL, "display(arrow_figure(1))\nx = 1", "display(", "bare figure"),
    "an image": (CELL, "Image('a.png')", "Image(", "without alt text"),
    "html in code": (CELL, "HTML('<img src=a.png>')", "HTML(", "without alt text"),
    "no python": (CELL, "x = = 1", "x = =", "no Python"),
    "a cell that may raise": (":tags: [keep]", ":tags: [raises-exception]", CELL, "may raise"),
    "a missing picture": ("arrow.png", "arow.png", PICTURE, "docs/arow.png is no file"),
    "a missing lesson": ("(00_tiny.ipynb)", "(02_gone.ipynb)", "[The next", "there is no lesson"),
    "a missing file": ("(00_tiny.ipynb)", "(../README.md)", "[The next", "README.md is no file"),
    "a missing heading": ("#Your-turn-(7-min)", "#Our-turn", "[The next", "nearest: #Your-turn"),
    "a heading elsewhere": ("(00_tiny.ipynb)", "(00_tiny.ipynb#Gone)", "[The next", "no heading"),
    "no target": ("(00_tiny.ipynb)", "()", "[The next", "no target"),
    "no reference": ("[first](00_tiny.ipynb)", "[first][one]", "[The next", "no target"),
    "half an address": ("https://example.org/a", "https:///a", "[The next", "no web address"),
    "an address with a slip": (
        "https://example.org/a",
        "htps://example.org",
        "[The next",
        "no web",
    ),
    "a path from the root": (
        "(00_tiny.ipynb)",
        "(/00_tiny.ipynb)",
        "[The next",
        "from the notebook",
    ),
    "out of the course": ("(00_tiny.ipynb)", "(../../a)", "[The next", "../../a is no file"),
    "an html link": ("[first](00_tiny.ipynb)", '<a href="x.md">a</a>', "[The next", "x.md is no"),
    "a second exercise": (
        "\n## Your turn (7 min)\n",
        "\n## Your turn (7 min)\n" + EXERCISE,
        None,
        "second",
    ),
}


def refusal(root, known=KNOWN) -> list[str]:
    with pytest.raises(ValueError) as caught:
        build(root, known=known)
    assert not (root / "notebooks").exists() and not (root / "solutions").exists()
    return str(caught.value).splitlines()


def test_the_lesson_that_the_others_break_is_right(tmp_path):
    assert len(build(write_course(tmp_path), known=KNOWN)) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_with_file_and_line(tmp_path, fault):
    old, new, named, words = FAULTS[fault]
    text = TINY.replace(old, new, 1)
    assert text != TINY
    lines = refusal(write_course(tmp_path, text))
    number = line_of(text, named) if named else text.count("\n") - 1
    assert any(
        line.startswith(f"lessons/tiny/lesson.md:{number}: ") and words in line for line in lines
    )


def test_all_faults_of_all_lessons_are_listed_in_order(tmp_path):
    text = TINY.replace(":minutes: 4\n", "").replace("An arrow that points up.", "")
    root = write_course(write_course(tmp_path, text), "no front matter\n", "bad")
    lines = refusal(root)
    places = [re.match(r"lessons/(\w+)/lesson\.md:(\d+): ", line) for line in lines]
    assert all(places) and {place[1] for place in places} == {"tiny", "bad"}
    assert sum(place[1] == "tiny" for place in places) == 2
    order = [(("tiny", "bad").index(place[1]), int(place[2])) for place in places]
    assert order == sorted(order)


def test_an_exercise_belongs_to_one_lesson(tmp_path):
    root = write_course(write_course(tmp_path), TINY, "again")
    (line,) = refusal(root)
    assert line.startswith(f"lessons/again/lesson.md:{line_of(TINY, STUB)}: ")
    assert "double is in lessons/tiny/lesson.md" in line


def test_a_lesson_is_named_in_small_letters_and_without_its_number(tmp_path):
    lines = refusal(write_course(tmp_path, TINY.replace("(00_tiny.ipynb)", "(#Tiny)"), "1_Tiny"))
    (line,) = lines
    assert line.startswith("lessons/1_Tiny/lesson.md:1: the folder of a lesson must be named like")


def test_a_lost_front_matter_is_told_with_the_way_back(tmp_path):
    text = re.sub(r"steady_frames:\n(  .*\n)+", "", TINY)
    (line,) = [line for line in refusal(write_course(tmp_path, text)) if "front matter" in line]
    assert "git checkout lessons/tiny/lesson.md" in line and "notebook_metadata_filter" in line


def test_a_number_that_no_lesson_has_is_refused(tmp_path):
    text = TINY.replace("Some words", "As lesson {lesson:gone} says")
    (line,) = refusal(write_course(tmp_path, text))
    assert line.startswith(f"lessons/tiny/lesson.md:{line_of(text, 'As lesson')}: no lesson is")


@pytest.mark.parametrize("part", [":difficulty: [", "steady_frames: ["])
def test_a_lesson_that_cannot_be_read_is_refused_by_name(tmp_path, part):
    text = TINY.replace(part.split(" ")[0] + (" 2" if "diff" in part else ""), part)
    assert refusal(write_course(tmp_path, text))[0].startswith("lessons/tiny/lesson.md:")


def test_formulas_and_code_are_no_links(tmp_path):
    text = TINY.replace("Some words.", "Take $[a](b)$ and `[c](d)`.\n\n$$[e][f]$$")
    assert len(build(write_course(tmp_path, text), known=KNOWN)) == 2


def test_a_measurement_that_was_edited_by_hand_is_refused(tmp_path):
    root = write_course(tmp_path)
    (root / "lessons" / "measured.json").write_text('{"tiny": {"seconds": "few"}}')
    assert "lessons/measured.json:1: " in refusal(root)[0]
