"""One plan as a sheet to print: minute by minute, with questions, answers and wrong answers."""

from __future__ import annotations

from classroom.builder.source import Lesson
from classroom.teaching.needs import Part, closure, parts
from classroom.teaching.plans import Plan, Plans, Step, left_out
from classroom.teaching.questions import Task, last_line, lead, misunderstanding, questions, tasks

NOTE = "<!-- generated from teaching/plans.toml and lessons/; edit there, then: make teaching -->\n"


def sheet(plan: Plan, plans: Plans) -> str:
    """Return the sheet of a plan as Markdown that can be read on a screen and printed."""
    blocks = [
        f"# {plan.title}",
        plan.purpose,
        _before(plan),
        "## On one page",
        _table(plan, plans),
        *_steps(plan, plans),
        *_early(plan, plans),
        *_home(plan),
        *_misunderstandings(plan),
        _TROUBLE,
    ]
    return NOTE + "\n" + "\n\n".join(block.strip() for block in blocks if block) + "\n"


def clock(minute: int) -> str:
    """Return minutes after the beginning as 1:05."""
    return f"{minute // 60}:{minute % 60:02d}"


def _before(plan: Plan) -> str:
    open_on = _notebooks(plan)
    sees = "" if plan.is_week else " [The invitation](invitation.md) asks for what is needed."
    return (
        f"**Before.**{sees} Make the notebooks that hold just these sections:\n\n"
        f"```\nmake class PLAN={plan.name}\n```\n\n"
        f"They come to `build/class/{plan.name}/`, those for learners and, in `solutions/`, those "
        f"with solutions and answers. Learners open {open_on} and run each from top to bottom: it "
        "runs without what is left out. Run yours once on the day before, and keep it open for the "
        f"projector.\n\n**In reserve: {plan.reserve} minutes**, for "
        "laptops that fail and questions that are good. Where there is no need, use them for an "
        "exercise that is marked as left for later."
    )


def _notebooks(plan: Plan) -> str:
    names = [f"`{lesson.slug}.ipynb`" for lesson in plan.run_lessons()]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and then {names[-1]}"


def _table(plan: Plan, plans: Plans) -> str:
    lines = ["| from | to | what | by then all |", "|---|---|---|---|"]
    minute = 0
    for step in plan.steps:
        end = minute + step.minutes
        lines.append(f"| {clock(minute)} | {clock(end)} | {_name(step)} | {_seen(step, plans)} |")
        minute = end
    lines.append(f"| {clock(minute)} | {clock(plan.minutes)} | in reserve | |")
    return "\n".join(lines)


def _name(step: Step) -> str:
    return f"{step.lesson.number:02d}: {step.part.title}" if step.lesson else step.title


def _seen(step: Step, plans: Plans) -> str:
    """Return what all should see at the end of a step, as the rest of "by then all ..."."""
    if not step.lesson:
        return ""
    if words := plans.sees.get(step.lesson.name, {}).get(step.part.title):
        return f"see {words}"
    if line := last_line(step.lesson, step.part):
        return f"have run the cell that ends in `{line}`".replace("|", "\\|")
    return ""


def _steps(plan: Plan, plans: Plans) -> list[str]:
    blocks, minute = ["## Minute by minute"], 0
    for step in plan.steps:
        blocks.append(f"### {clock(minute)} {_name(step)} ({step.minutes} min)")
        minute += step.minutes
        blocks.append(step.text)
        if not step.lesson:
            continue
        blocks.append(lead(step.lesson, step.part))
        for question in questions(step.lesson, step.part):
            kind = "Ask before the cell runs" if question.is_prediction else "Ask the class"
            answer = question.answer or "(left open in the lesson)"
            blocks.append(f"**{kind}.** {question.text}\n\n{_quoted('**Answer.** ' + answer)}")
        for task in tasks(step.lesson, step.part):
            blocks.append(_exercise(task, task.name in step.later))
        if seen := _seen(step, plans):
            blocks.append(f"**By {clock(minute)} all** {seen}.")
    return blocks


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _exercise(task: Task, is_later: bool) -> str:
    when = "left for later" if is_later else f"{task.minutes} min"
    lines = [
        f"**Exercise `{task.name}`** ({when}, difficulty {task.difficulty} of 3): *{task.title}*",
        "",
        "```python",
        task.solution,
        "```",
        "",
        "| they wrote | say |",
        "|---|---|",
        *(f"| {wrong.name} | {_cell(wrong.say)} |" for wrong in task.wrong),
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _early(plan: Plan, plans: Plans) -> list[str]:
    """Say what those do meanwhile who are done: exercises left for later, sections left out."""
    later = [(step, name) for step in plan.steps for name in step.later]
    out = left_out(plan)
    if not later and not out:
        return []
    blocks = ["## For those who are done early"]
    if later:
        rows = [f"- `{name}`, in *{_name(step)}*" for step, name in later]
        blocks.append("Exercises that are in their notebook, and that the class leaves out:")
        blocks.append("\n".join(rows))
    if out:
        blocks.append(
            "Sections that the class leaves out. Open the whole notebook in `notebooks/`, click on "
            "the section's heading, choose *Run*, *Run All Above Selected Cell*, and go on from "
            "there. The last column says which sections it builds on; *nothing* means that it can "
            "be read at once."
        )
        rows = ["| lesson | section | minutes | builds on |", "|---|---|---:|---|"]
        rows += [
            f"| {lesson.slug} | {part.title} | {part.minutes} | {_needed(lesson, part, plans)} |"
            for lesson, part in out
        ]
        blocks.append("\n".join(rows))
    return blocks


def _needed(lesson: Lesson, part: Part, plans: Plans) -> str:
    """Return the titles of the sections that a section needs, directly or not."""
    titles = {each.number: each.title for each in parts(lesson)[1:]}
    found = sorted(closure(plans.needs(lesson), [part.number]) - {0, part.number})
    return "; ".join(titles[number] for number in found) or "nothing"


def _home(plan: Plan) -> list[str]:
    """Say what is done at home after a week's class, and what is handed in."""
    if not plan.is_week:
        return []
    rows = [
        f"- {lesson.slug}: {part.title} ({part.minutes} min)" for lesson, part in left_out(plan)
    ]
    points = [
        f"`{task.name}` ({task.difficulty})"
        for lesson in plan.run_lessons()
        for task in tasks(lesson)
    ]
    return [
        "## At home, before the next week",
        "In the whole notebooks of `notebooks/`:",
        "\n".join(rows) or "- what was left for later",
        "**Handed in** (points in brackets): " + ", ".join(points) + ".",
    ]


def _misunderstandings(plan: Plan) -> list[str]:
    found = [(lesson, misunderstanding(lesson)) for lesson in plan.lessons().values()]
    rows = [f"- *Lesson {lesson.number:02d}:* {_cell(text)}" for lesson, text in found if text]
    return ["## Usually misunderstood", "\n".join(rows)] if rows else []


_TROUBLE = """
## When a laptop fails

1. **Pairs.** Whoever's laptop fails moves to the neighbour's. Nothing is lost: predictions are
   made on paper.
2. **A cell ends in a red error.** *Kernel*, *Restart Kernel and Run up to Selected Cell*. Most
   errors are a cell that was left out.
3. **`ModuleNotFoundError`.** The notebook runs in another Python. *Kernel*, *Change Kernel*; or
   close JupyterLab and start it with `make lab` (Windows: `.venv\\Scripts\\jupyter-lab`).
4. **Something else.** `python -m course doctor` in a terminal says what to do, a line for each
   fault.
5. **Not within three minutes?** Leave it for the pause. The projector shows your own run, and
   `solutions/` has every answer.

Wrong answers are the first three of those that the check of an exercise knows, in the order of its
author. How often they occur was not counted.
"""
