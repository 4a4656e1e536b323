"""Properties of the sheets for teachers: what sections need, which plans are refused, what runs."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest
from lesson_texts import write_course

from classroom.__main__ import main
from classroom.builder.build import read_lessons, read_measured
from classroom.teaching import write_notebooks, write_sheets
from classroom.teaching.cut import cut, is_prefix, run
from classroom.teaching.fit import fit
from classroom.teaching.minutes import Work, count_words, work
from classroom.teaching.needs import closure, imports_left_out, names, needs, parts
from classroom.teaching.pages import DISK, DOWNLOAD, FREE, HUB_MEMORY, HUB_SECONDS
from classroom.teaching.plans import FILE, left_out, read_plans
from classroom.teaching.questions import lead, questions, tasks
from classroom.teaching.sheet import _section, sheet
from classroom.teaching.steps import TO_OPEN

ROOT = Path(__file__).parents[2]
LESSONS = read_lessons(ROOT)
PLANS = read_plans(ROOT, LESSONS)
SHORT = [plan for plan in PLANS.plans if not plan.is_week]
for_each_lesson = pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda x: x.slug)
for_each_plan = pytest.mark.parametrize("plan", PLANS.plans, ids=lambda plan: plan.name)

CHAIN = """---
kernelspec: {display_name: Python 3, language: python, name: python3}
steady_frames: {title: Chain, minutes: 9, objectives: [see], paper: Eq. 3, prerequisites: [],
  limit_seconds: 30}
---

Words.

## One (2 min)

```{code-cell} ipython3
import math

first = [1]
for item in first:
    double = lambda x: 2 * x + len(first)
```

## Two (2 min)

**Predict.** How many?

```{code-cell} ipython3
second = math.floor(2.5)
```

+++ {"tags": ["answer"]}

Two.

+++

## Three (2 min)

```{code-cell} ipython3
first.append(second)
```

## Four (3 min)

```{code-cell} ipython3
print(math.pi, [item for item in first])
```
"""
PLAN = """
[[plan]]
name = "short"
title = "Short"
minutes = {minutes}
purpose = "To try."
steps = [
  {{ title = "Welcome", minutes = 1, text = "Hello." }},
  {{ lesson = "chain", sections = {sections}, later = {later}, minutes = {{ {slots} }} }},
]
"""


@pytest.fixture
def chain(tmp_path):
    """A folder with one lesson of four sections, and its lesson."""
    write_course(tmp_path, CHAIN, "chain")
    return tmp_path, read_lessons(tmp_path)["00_chain"]


def plan(folder: Path, sections: list[str], minutes: int = 10, later: tuple = (), slots: str = ""):
    text = PLAN.format(minutes=minutes, sections=sections, later=list(later), slots=slots)
    (folder / "teaching").mkdir(exist_ok=True)
    (folder / FILE).write_text(text)
    return read_plans(folder, read_lessons(folder))


# What sections need.


@pytest.mark.parametrize(
    ("source", "uses", "sets"),
    [
        ("x = 1\ny = x + z", {"z"}, {"x", "y"}),
        ("for i in rows:\n    print(i)", {"rows"}, {"i"}),
        ("def f(a):\n    return a + shift + f(a - 1)", {"shift"}, {"f"}),
        ("[k for k in rows if k > least]", {"rows", "least"}, set()),
        ("x = x + 1", {"x"}, {"x"}),
        ("x += 1", {"x"}, {"x"}),
        ("with opened(p) as q:\n    q.read()", {"opened", "p"}, {"q"}),
        ("import torch\ntorch.eye(n)", {"n"}, set()),
        ("try:\n    go()\nexcept ValueError as e:\n    print(e)", {"go"}, {"e"}),
        ("f'{value:.{digits}f}'", {"value", "digits"}, set()),
    ],
)
def test_names_are_read_in_the_order_in_which_python_runs_them(source, uses, sets):
    found = names(source)
    assert (found.uses, found.sets) == (uses, sets)


def test_a_name_that_is_changed_leads_to_its_last_change(chain):
    _, lesson = chain
    assert needs(lesson) == [{}, {}, {}, {1: {"first"}, 2: {"second"}}, {3: {"first"}}]


def test_needs_of_needs_are_needed(chain):
    assert closure(needs(chain[1]), [4]) == {0, 1, 2, 3, 4}


def test_an_import_is_no_need_and_a_cut_brings_it(chain):
    assert imports_left_out(chain[1], {2}) == ["import math"]
    assert imports_left_out(chain[1], {1, 2}) == []


@for_each_lesson
def test_a_section_needs_only_what_stands_before_it(lesson):
    assert all(other < number for number, found in enumerate(needs(lesson)) for other in found)


# Plans.


def test_a_gap_is_refused_with_the_name_and_the_section_that_defines_it(chain):
    with pytest.raises(ValueError, match="'Three' needs second, from 'Two', which is left out"):
        plan(chain[0], ["One", "Three"])


def test_a_cut_that_lacks_a_name_says_which_and_who_defines_it(chain):
    with pytest.raises(ValueError, match="second is missing, which 'Two' defines"):
        run(chain[1], {1, 3})


def test_what_no_name_tells_can_be_noted(chain):
    (chain[0] / "teaching").mkdir()
    hidden = '[hidden_needs.chain]\n"Two" = ["One"]\n'
    text = PLAN.format(minutes=9, sections=["Two"], later=[], slots="")
    (chain[0] / FILE).write_text(hidden + text)
    with pytest.raises(ValueError, match="'Two' needs what it does, from 'One'"):
        read_plans(chain[0], read_lessons(chain[0]))


@pytest.mark.parametrize(
    ("sections", "options", "message"),
    [
        (["One", "Tow"], {}, "no section 'Tow'; the nearest is 'Two'"),
        (["Two", "One"], {}, "turns back within lesson chain"),
        (["One", "Two"], {"minutes": 4}, "takes 7 minutes, 3 more than it has"),
        (["One"], {"later": ("double",)}, "later names double"),
        (["One"], {"slots": '"Two" = 3'}, "minutes names Two, which no section"),
        (["One", "Two"], {"slots": '"Two" = 1'}, "1 minutes are too short for 'Two', which has"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(chain, sections, options, message):
    with pytest.raises(ValueError, match=message):
        plan(chain[0], sections, **options)


def test_a_sheet_counts_minutes_and_puts_the_answer_under_its_question(chain):
    plans = plan(chain[0], ["One", "Two"])
    text = sheet(plans.plans[0], plans)
    assert "| 0:05 | 0:07 | 00: Two | have run the cell that ends in `second = " in text
    assert "How many?\n\n> **Answer.** Two." in text and "In reserve: 3 minutes" in text
    assert "| 00_chain | Three | 2 | One; Two |" in text


# Minutes.


@pytest.mark.parametrize(
    ("text", "n_words"),
    [
        ("Two words.", 2),
        ("A [link](01_two_words.ipynb) more.", 3),
        ("Here $a + b = c$ is one.", 4),
        ("<details><summary>Hint</summary>\n\nFolded away.\n\n</details>", 0),
    ],
)
def test_a_formula_is_one_word_and_what_is_folded_is_none(text, n_words):
    assert count_words(text) == n_words


def test_the_work_of_a_section_is_counted_without_its_answers(chain):
    two = work(chain[1], parts(chain[1])[2])
    assert two == Work(words=6, cells=1, explorers=0, questions=1, exercises=0)
    assert str(two) == "6 words to read, 1 cell to run, 1 question"


def test_an_exercise_left_for_later_takes_no_time_and_no_words():
    lesson = LESSONS["02_temporal_loss"]
    part = next(part for part in parts(lesson) if part.title == "What the loss cannot see")
    whole, rest = work(lesson, part), work(lesson, part, ("invisible_flicker",))
    assert (whole.exercises, rest.exercises) == (5, 0) and rest.words < whole.words


def test_a_plan_may_give_a_section_other_minutes_than_the_lesson(chain):
    made = plan(chain[0], ["One", "Two"], slots='"Two" = 3').plans[0]
    assert [step.minutes for step in made.steps] == [1, 2, 2, 3]


@for_each_plan
def test_no_section_has_less_time_than_its_work_takes(plan):
    taught = [step for step in plan.steps if step.lesson and not step.opens]
    assert all(step.minutes >= step.work.minutes for step in taught)


@for_each_plan
def test_every_notebook_is_opened_before_its_first_section_and_has_time_for_it(plan):
    opened = [step for step in plan.steps if step.opens]
    assert [step.lesson for step in opened] == plan.run_lessons()
    assert all(step.minutes >= TO_OPEN + step.work.minutes for step in opened)
    firsts = [next(s for s in plan.steps if s.lesson is step.lesson) for step in opened]
    assert firsts == opened


# The plans of the repository.


def test_the_sheets_of_the_repository_are_up_to_date():
    assert write_sheets(check=True) == [], "run: python -m classroom teaching"


def test_there_are_sheets_for_three_lengths_and_for_twelve_weeks():
    assert [plan.minutes for plan in SHORT] == [45, 90, 180]
    assert len(PLANS.plans) - len(SHORT) == 12


@for_each_plan
def test_every_plan_keeps_minutes_in_reserve(plan):
    assert plan.reserve >= 3


def test_the_twelve_weeks_leave_no_section_out_for_good():
    weeks = [plan for plan in PLANS.plans if plan.is_week]
    shown = {(name, n) for plan in weeks for name, cut in plan.cuts().items() for n in cut}
    home = {(lesson.name, part.number) for plan in weeks for lesson, part in left_out(plan)}
    code = {
        (lesson.name, part.number)
        for lesson in LESSONS.values()
        if lesson.name != "on_a_gpu"  # no class has a GPU each
        for part in parts(lesson)[1:]
        if any(cell.kind == "code" for cell in lesson.cells[part.first : part.end])
        and part.title != "What you learned"
    }
    assert code - shown - home == set()


@for_each_lesson
def test_every_question_has_its_answer_on_the_sheet(lesson):
    asked = [question for part in parts(lesson) for question in questions(lesson, part)]
    assert asked and all(question.answer for question in asked)


@for_each_lesson
def test_every_exercise_has_three_wrong_answers_and_a_solution_on_the_sheet(lesson):
    found = tasks(lesson)
    assert found or lesson.name == "on_a_gpu"
    assert all(len(task.wrong) == 3 and task.solution for task in found)


@for_each_lesson
def test_no_markup_of_the_lesson_leaks_into_a_sheet(lesson):
    texts = [lead(lesson, part) for part in parts(lesson)[1:]]
    assert not [text for text in texts if re.search(r"\{lesson:|\+\+\+|```|<details", text)]


SECTIONS = {
    (lesson.slug, *sorted(plan.cuts()[lesson.name]))
    for plan in SHORT
    for lesson in plan.run_lessons()
    if not is_prefix(plan.cuts()[lesson.name])
}
# What one plan runs, and another runs and then goes on, runs once.
CUTS = [cut for cut in sorted(SECTIONS)
        if not any(other != cut == other[: len(cut)] for other in SECTIONS)]  # fmt: skip


@pytest.mark.parametrize("slug_and_sections", CUTS, ids=str)
def test_a_short_plan_runs_with_only_its_own_sections(slug_and_sections):
    slug, *sections = slug_and_sections
    notebook = run(LESSONS[slug], sections)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


def test_the_notebooks_of_a_plan_hold_its_sections_and_no_others(tmp_path):
    paths = write_notebooks("90-minutes", tmp_path / "class")
    *paths, packed = paths
    assert len(paths) == 8
    learners = [f"90-minutes/{path.name}" for path in paths if path.parent.name == "class"]
    assert ZipFile(packed).namelist() == learners and packed.parent == tmp_path
    texts = {path: "".join(c.source for c in nbformat.read(path, 4).cells) for path in paths}
    edit, solved = (
        tmp_path / "class" / folder / "10_video_edit.ipynb" for folder in ("", "solutions")
    )
    assert "## 6. Similarity along" in texts[edit] and "## 7. The adapter" not in texts[edit]
    assert "<summary>Answer</summary>" in texts[solved] and "Answer<" not in texts[edit]
    assert ".ipynb)" not in "".join(texts.values())
    assert "slugs())" not in "".join(texts.values()), "the table links to what is not there"


def test_the_notebook_of_a_class_tells_the_class_and_not_the_lesson():
    plan, lesson = SHORT[1], LESSONS["02_temporal_loss"]
    fit(notebook := cut(lesson, plan.cuts()[lesson.name]), lesson, plan)
    text = "\n".join(cell.source for cell in notebook.cells)
    slots = [step.minutes for step in plan.steps if step.lesson is lesson]
    assert f"{sum(slots)} minutes of this class; the whole lesson {lesson.facts['minutes']}" in text
    assert f"## What the loss cannot see ({slots[-1]} min)" in text
    assert "**Left for later.** *About 5 minutes" in text and text.count("Left for later") == 1
    assert notebook.cells[-1].source.startswith("Next: `10_video_edit.ipynb` of this class")


def test_a_misunderstanding_is_told_only_to_a_class_that_meets_it():
    lesson = LESSONS["02_temporal_loss"]
    met = {plan.name for plan in PLANS.plans if lesson.name in plan.lessons()}
    told = {p.name for p in PLANS.plans if p.name in met and PLANS.has_thought(p, lesson)}
    assert met - told >= {"90-minutes", "180-minutes"}
    assert all("Convex" in sheet(p, PLANS) for p in PLANS.plans if p.name in told)


def test_a_lead_takes_its_list_along_and_may_stand_below_a_cell():
    verdicts, clip = LESSONS["11_ledger"], LESSONS["10_video_edit"]
    assert "**ill_typed**" in lead(verdicts, parts(verdicts)[1])
    assert lead(clip, parts(clip)[1]).startswith("A video file holds pixels")


def test_a_question_brings_along_the_paragraph_that_it_points_to_and_no_heading():
    asked = questions(lesson := LESSONS["00_start_here"], parts(lesson)[4])
    assert asked[0].text.startswith("You can move both") and "edges can jump" in asked[0].after
    asked = [q for lesson in LESSONS.values() for p in parts(lesson) for q in questions(lesson, p)]
    assert not any(question.after.startswith(("#", "<")) for question in asked)


def test_a_question_names_the_cell_that_must_wait():
    asked = questions(lesson := LESSONS["00_start_here"], parts(lesson)[4])
    assert [question.before[:9] for question in asked] == ['explore("', 'f"mean si']


@for_each_plan
def test_a_sheet_has_questions_and_exercises_in_the_order_of_the_notebook(plan):
    for step in plan.steps:
        if step.lesson and not step.opens:
            text = "\n".join(_section(step))
            placed = [(each.cell, each.text) for each in questions(step.lesson, step.part)]
            placed += [
                (each.cell, f"**Exercise `{each.name}`**") for each in tasks(step.lesson, step.part)
            ]
            found = [text.index(words) for _, words in sorted(placed)]
            assert found == sorted(found), step.title


@for_each_plan
def test_a_laptop_waits_for_a_pause_only_where_there_is_one(plan):
    has_pause = any(step.title == "Pause" for step in plan.steps)
    assert ("for the pause" in sheet(plan, PLANS)) == has_pause


def test_a_cut_keeps_the_whole_of_what_it_keeps():
    lesson = LESSONS["02_temporal_loss"]
    whole, part = cut(lesson, range(len(parts(lesson)))), cut(lesson, {2})
    assert len(whole.cells) == len(lesson.cells) + 1
    assert {cell.source for cell in part.cells} <= {cell.source for cell in whole.cells}


def test_the_invitation_says_what_the_readme_and_the_measurements_say():
    text = (ROOT / "teaching" / "invitation.md").read_text()
    peak = max(entry["memory_mib"] for entry in read_measured(ROOT).values())
    assert f"{peak} MiB" in text and f"{FREE} of free" in text and f"{DISK} of it" in text
    assert f"{DOWNLOAD} and {DISK}." in (ROOT / "README.md").read_text()
    assert f"{DISK} of disk" in (ROOT / "docs/site/index.md").read_text()
    deploy = (ROOT / "deploy/README.md").read_text()
    assert f"| the folder | {DOWNLOAD} |" in deploy and f"on the disk | {DISK} |" in deploy
    assert (
        "not run" in text and "make" not in text[text.index("py -3.11") : text.index("py --list")]
    )


@pytest.mark.parametrize("page", ["teaching/README.md", "docs/site/for_teachers.md"])
def test_teachers_find_the_folder_of_packages_and_the_hub_with_its_measured_figures(page):
    told = {p: " ".join((ROOT / p).read_text().split()) for p in (page, "deploy/hub/README.md")}
    assert DOWNLOAD in told[page] and "deploy/README.md" in told[page]
    assert "deploy/hub/README.md" in told[page]
    for text in told.values():
        assert f" {HUB_SECONDS} seconds " in text and f" {HUB_MEMORY} MiB at the peak" in text


def test_the_command_names_what_is_out_of_date(chain, monkeypatch, capsys):
    plan(chain[0], ["One", "Two"])
    monkeypatch.setattr("classroom.__file__", str(chain[0] / "classroom" / "__init__.py"))
    assert main(["teaching", "--check"]) == 1 and "short.md" in capsys.readouterr().out
    assert main(["teaching"]) == 0 and main(["teaching", "--check"]) == 0
    assert main(["teaching", "--notebooks", "long"]) == 2
    assert "no plan is called 'long'; there are short" in capsys.readouterr().err


def test_what_somebody_wrote_by_hand_stays_among_the_sheets(chain):
    plan(chain[0], ["One", "Two"])
    page = chain[0] / "teaching" / "grading.md"
    page.write_text("# Grading")
    assert page not in write_sheets(chain[0]) and page.is_file()
