"""One plan as a sheet to print: minute by minute, with questions, answers and wrong answers."""

from __future__ import annotations

from classroom.builder.source import Lesson
from classroom.teaching.needs import Part, closure, parts
from classroom.teaching.plans import Plan, Plans, left_out
from classroom.teaching.questions import (
    Question,
    Task,
    last_line,
    lead,
    misunderstanding,
    questions,
    tasks,
)
from classroom.teaching.room import before, open_by_then, opened, trouble
from classroom.teaching.steps import Step

NOTE = "<!-- generated from teaching/plans.toml and lessons/; edit there, then: make teaching -->\n"


def sheet(plan: Plan, plans: Plans) -> str:
    """Return the sheet of a plan as Markdown that can be read on a screen and printed."""
    blocks = [
        f"# {plan.title}",
        plan.purpose,
        before(plan),
        "## On one page",
        _table(plan, plans),
        *_steps(plan, plans),
        *_early(plan, plans),
        *_home(plan),
        *_misunderstandings(plan, plans),
        trouble(plan),
    ]
    return NOTE + "\n" + "\n\n".join(block.strip() for block in blocks if block) + "\n"


def clock(minute: int) -> str:
    """Return minutes after the beginning as 1:05."""
    return f"{minute // 60}:{minute % 60:02d}"


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
    in_lesson = step.lesson and not step.opens
    return f"{step.lesson.number:02d}: {step.title}" if in_lesson else step.title


def _seen(step: Step, plans: Plans) -> str:
    """Return what all should see at the end of a step, as the rest of "by then all ..."."""
    if not step.lesson:
        return ""
    if step.opens:
        return open_by_then(step)
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
        if step.opens:
            blocks.append(opened(step, plan))
        elif step.lesson:
            blocks += _section(step)
        else:
            blocks.append(step.text)
        if seen := _seen(step, plans):
            blocks.append(f"**By {clock(minute)} all** {seen}.")
    return blocks


def _section(step: Step) -> list[str]:
    """Return what a learner does in a section, what it is about, its questions and exercises.

    Questions and exercises stand in the order of the notebook.
    """
    blocks = [f"*{step.work}: at least {step.work.minutes:.1f} minutes.*"]
    told = lead(step.lesson, step.part)
    blocks += [told, step.text]
    placed = [(each.cell, _question(each, told)) for each in questions(step.lesson, step.part)]
    for task in tasks(step.lesson, step.part):
        placed.append((task.cell, _exercise(task, task.name in step.later)))
    return blocks + [block for _, block in sorted(placed, key=lambda each: each[0])]


def _question(question: Question, told: str) -> str:
    """Return a question with its answer, and before it what it points to, unless that is told."""
    when = "Ask before the cell runs." if question.is_prediction else "Ask the class."
    if question.before:
        when = f"Ask before the cell runs that ends in {_code(question.before)}"
    answer = question.answer or "(left open in the lesson)"
    after = f"{question.after}\n\n" if question.after not in told else ""
    return f"**{when}**\n\n{after}{question.text}\n\n{_quoted('**Answer.** ' + answer)}"


def _code(line: str) -> str:
    return f"`{line if len(line) <= 60 else line[:57] + '...'}`"


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


def _misunderstandings(plan: Plan, plans: Plans) -> list[str]:
    met = [lesson for lesson in plan.lessons().values() if plans.has_thought(plan, lesson)]
    found = [(lesson, misunderstanding(lesson)) for lesson in met]
    rows = [f"- *Lesson {lesson.number:02d}:* {_cell(text)}" for lesson, text in found if text]
    return ["## Usually misunderstood", "\n".join(rows)] if rows else []
