"""The pages beside the sheets: an overview, what each section needs, and an invitation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from classroom.builder.source import Lesson
from classroom.teaching.needs import OPENING, parts
from classroom.teaching.plans import Plan, Plans, left_out
from classroom.teaching.sheet import NOTE

DOWNLOAD, DISK = "478 MB", "2.1 GB"
"""A learner's wheels, as `make wheelhouse LEARNER=1` prints, and their `.venv` once installed.

The README and deploy/README.md say the same, and a test compares them.
"""

HUB_SECONDS, HUB_MEMORY = 131, 695
"""Five learners at once on a hub: the last one's seconds for lesson 00, the largest one's MiB.

deploy/hub/README.md says how they were measured, and a test compares them.
"""

FREE, ENVIRONMENT = "3 GB", "with the CPU build of PyTorch"
"""Disk that is enough for `.venv`, pip's copy of the download, and the course itself."""


def overview(plans: Plans) -> str:
    """Return the first page: which plans there are, and the twelve weeks in a table."""
    short = [plan for plan in plans.plans if not plan.is_week]
    weeks = [plan for plan in plans.plans if plan.is_week]
    lines = ["| sheet | minutes | lessons | for whom |", "|---|---:|---|---|"]
    for plan in short:
        numbers = ", ".join(f"{lesson.number:02d}" for lesson in plan.lessons().values())
        lines.append(
            f"| [{plan.title}]({plan.name}.md) | {plan.minutes} | {numbers} | {plan.purpose} |"
        )
    rows = ["| week | together (90 minutes) | at home |", "|---|---|---|"]
    rows += [_week(plan) for plan in weeks]
    return _OVERVIEW.format(
        note=NOTE, plans="\n".join(lines), weeks="\n".join(rows),
        download=DOWNLOAD, seconds=HUB_SECONDS, memory=HUB_MEMORY,
    )  # fmt: skip


def _week(plan: Plan) -> str:
    taken = left_out(plan)
    minutes = sum(part.minutes for _, part in taken)
    later = sum(_later_minutes(plan).values())
    left = "; ".join(f"{lesson.number:02d} {part.title}" for lesson, part in taken)
    left = f"{left} ({minutes + later} min)" if left else f"exercises ({later} min)"
    return f"| [{plan.title}]({plan.name}.md) | {plan.purpose} | {left} |"


def _later_minutes(plan: Plan) -> dict[str, int]:
    from classroom.teaching.questions import tasks

    return {
        task.name: task.minutes
        for step in plan.steps
        if step.lesson
        for task in tasks(step.lesson, step.part)
        if task.name in step.later
    }


def sections(lessons: Iterable[Lesson], plans: Plans) -> str:
    """Return a table for each lesson: its sections, and which others each needs."""
    blocks = []
    for lesson in lessons:
        titles = [part.title for part in parts(lesson)]
        rows = ["| section | minutes | needs | for |", "|---|---:|---|---|"]
        for part, needed in zip(parts(lesson)[1:], plans.needs(lesson)[1:]):
            others = "; ".join(titles[number] for number in sorted(needed)) or "nothing"
            names = ", ".join(sorted(set().union(*needed.values()))) if needed else ""
            rows.append(f"| {part.title} | {part.minutes} | {others} | {names} |")
        free = sum(not needed for needed in plans.needs(lesson)[1:])
        told = f"{free} of {len(titles) - 1} sections need no other one."
        blocks.append(f"## {lesson.number:02d} {lesson.facts['title']}\n\n{told}\n")
        blocks.append("\n".join(rows) + "\n")
    assert OPENING == 0  # the opening is always run, and has no row
    return _SECTIONS.format(note=NOTE, tables="\n".join(blocks))


def invitation(measured: Mapping[str, dict]) -> str:
    """Return a text to send to those who will come; `measured` is what the lessons took."""
    peak = max((entry["memory_mib"] for entry in measured.values()), default=0)
    return _INVITATION.format(
        note=NOTE, free=FREE, disk=DISK, download=DOWNLOAD, environment=ENVIRONMENT, peak=peak
    )


_OVERVIEW = """{note}
# Sheets for a class

Run sheets, made from the lessons: minute by minute, what to ask and what the answer is, which
wrong answers come and what to say to them, what the fast ones do, what to do when a laptop fails.
Print the one that you need. [What each section needs](sections.md) helps to make a plan of your
own: write it into `plans.toml`, then `make teaching`. A plan that leaves out what it needs is
refused, with the name that is missing. `python -m classroom teaching --run` runs every plan with
only its own sections, each lesson in a kernel of its own. `make slides` makes slides for a
projector of every lesson, in `build/slides/`: its figures, its questions with their answers, and
its verdicts.
[Grading](grading.md) goes from the list of learners to the table of points.

Their minutes are planned. Every sheet counts the words, cells, questions and exercises of a
section, and a plan that gives it less than they take is refused. The sheet of 90 minutes was
followed once, minute by minute and with a clock, in JupyterLab, by somebody who had not seen it:
the welcome took 5 to 6 minutes where 3 were planned, the last words 4 where 3 were, lesson 02's
first section 10.5 of 12, lesson 10's six sections 20.5 of 28. The plan was mended accordingly. The
sheet of 45 minutes was followed likewise, without talk: no section was too short for the machine
and its words, and three slots are tight (the welcome, the first exercises, the last words). No real
class has been timed.

{plans}

To your learners, two weeks before: [the invitation](invitation.md). For a slow network,
`make wheelhouse LEARNER=1` fetches every package once ({download}), and
[each laptop installs from that folder](../deploy/README.md). Or nobody installs anything: on
[a hub](../deploy/hub/README.md) a browser is enough. Five learners at once ran lesson 00 there in
{seconds} seconds on two CPU cores, with {memory} MiB at the peak for the largest of them.

## Twelve weeks

A class of 90 minutes a week, and at home the minutes of the last column, for what is left out and
for exercises. Each week has a sheet.

{weeks}
"""

_SECTIONS = """{note}
# What each section needs

Read from the code: a section *needs* another one where it uses a name that the other one set last.
Imports count as nothing, since a plan's notebooks bring them along. What stands before the first
section always runs. The text of a section may refer to others that its code does not need.

{tables}"""

_INVITATION = """{note}
# The invitation

To send to learners two weeks before. Replace what stands in angle brackets.

---

Subject: <date>: please install one thing before you come

Hello,

on <date> at <place> we take a video editing method apart, on your own laptop. Please bring one,
with its charger, a pen and paper, and install the course at home: it is too large for the network
of the room. It downloads about as much as `make wheelhouse LEARNER=1` gathers: {download}.

**You need** a 64-bit laptop with Linux, macOS or Windows, Python 3.11 or newer, {free} of free disk
({disk} of it stay taken, {environment}), and 4 GB of memory; no lesson takes more than {peak} MiB
of it. No GPU, no account, and after the installation no network.

**Linux and macOS**, in a terminal, in the folder of the course:

```
make setup LEARNER=1
.venv/bin/python -m course doctor
```

**Windows**, in PowerShell, in the folder of the course (no WSL and no make are needed; Python comes
from python.org or the Microsoft Store):

```
py -3.11 -m venv .venv
.venv\\Scripts\\python -m pip install torch --index-url https://download.pytorch.org/whl/cpu
.venv\\Scripts\\python -m pip install ".[lessons]"
.venv\\Scripts\\python -m course doctor
```

(Another Python? `py --list` shows what you have; then write `py -3.12`, say.)

**Send in** what the last command prints, all of it, by <date>: each line should begin with `ok`.
If one begins with `PROBLEM`, do what it says; if that does not help, send it all the same, and we
look at it together.

The day before you get a zip file with the notebooks of the class. Unpack it in the folder of the
course: a folder with notebooks then lies there, beside `notebooks`. On the day you open JupyterLab
with `make lab`, on Windows with `.venv\\Scripts\\jupyter-lab`, in the folder of the course.

You should know some Python. <For 90 minutes and more: you have used PyTorch before.>

See you on <date>.

---

The commands for Windows were **not run** where the course is made: there is no Windows machine. The
code that they call is tested on Linux only. If you try them, please say how it went.
"""
