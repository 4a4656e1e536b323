"""What a sheet says of files and laptops: how the notebooks come to them, how one is opened."""

from __future__ import annotations

from classroom.teaching.needs import OPENING
from classroom.teaching.plans import Plan
from classroom.teaching.questions import lead
from classroom.teaching.steps import Step, has_code


def before(plan: Plan) -> str:
    """Return what is to be done before the class."""
    sees = "" if plan.is_week else " [The invitation](invitation.md) asks for what is needed."
    parts = [
        _MAKE.format(sees=sees, name=plan.name).strip(),
        _HAND_OUT.format(name=plan.name).strip(),
        f"Learners open {_notebooks(plan)} and run each from top to bottom: it runs without what "
        "is left out. Its headings have the minutes of this class. Run yours (in "
        f"`build/class/{plan.name}/solutions/`, with solutions and answers) once on the day "
        "before, and keep it open for the projector.",
        f"**In reserve: {plan.reserve} minutes**, for laptops that fail and questions that are "
        "good. Where there is no need, use them for an exercise that is marked as left for later.",
        _COUNTED.strip(),
    ]
    return "\n\n".join(parts)


def opened(step: Step, plan: Plan) -> str:
    """Return how a notebook is opened at this step, and what to say meanwhile."""
    slugs = [lesson.slug for lesson in plan.run_lessons()]
    here = slugs.index(step.lesson.slug)
    how = _FIRST.format(name=plan.name) if here == 0 else _LATER.format(last=slugs[here - 1])
    if has_code(step.lesson, step.part):
        how += "Then the first cell, the imports: some seconds, and no output.\n"
    words = step.text or lead(step.lesson, step.part)
    return f"{how.strip()}\n\nMeanwhile, in your own words:\n\n{words}" if words else how.strip()


def open_by_then(step: Step) -> str:
    """Return what all have at the end of an opening, as the rest of "by then all ..."."""
    assert step.part.number == OPENING
    run = ", its imports run" if has_code(step.lesson, step.part) else ""
    return f"have `{step.lesson.slug}.ipynb` before them{run}"


def trouble(plan: Plan) -> str:
    """Return the end of every sheet; a laptop waits for a pause only where the plan has one."""
    has_pause = any(step.title == "Pause" for step in plan.steps)
    return _TROUBLE.format(until="Leave it for the pause" if has_pause else "Leave it")


def _notebooks(plan: Plan) -> str:
    names = [f"`{lesson.slug}.ipynb`" for lesson in plan.run_lessons()]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and then {names[-1]}"


_MAKE = """
**Before.**{sees} Make the notebooks that hold just these sections (without make:
`python -m classroom teaching --notebooks {name}`):

```
make class PLAN={name}
```
"""

_HAND_OUT = """
`build/class/{name}.zip` holds those for learners, and no solutions. Send it the day before:
everybody unpacks it in the folder of the course, so that `{name}/` lies there, beside `notebooks/`.
"""

_COUNTED = """
Under each heading stands what a learner does in it, and the least time for that: 150 words a
minute, a minute and a half for a question with its answer, a minute for a row of sliders, 12
seconds for any other cell, and what the lesson gives an exercise. What is left of the slot is for
the machine and for talk.
"""

_FIRST = """
All start JupyterLab in the folder of the course. `make lab` shows the whole lesson 00: close that
tab; if it asks whether to save, *Discard*. In the list of files on the left, click on the folder
sign, then twice on `{name}`. To Jupyter's question about news the answer is *No*.
"""

_LATER = """
*File*, *Close and Shut Down Notebook*, *Ok* in `{last}.ipynb` first: an open notebook keeps
hundreds of megabytes. In the list on the left the next one stands below.
"""

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
5. **Not within three minutes?** {until}. The projector shows your own run, and
   `solutions/` has every answer.

Wrong answers are the first three of those that the check of an exercise knows, in the order of its
author. How often they occur was not counted. The card says the same to an answer that returns the
same; to one that is only like it, it shows an input that fails.
"""
