"""A small lesson that is right, as text, for tests that break it."""

from __future__ import annotations

from pathlib import Path

from classroom.builder.source import lesson_path
from classroom.contents import FILE, read_contents

KNOWN = ("double", "half")

FRONT = """---
kernelspec: {display_name: Python 3, language: python, name: python3}
steady_frames:
  title: Tiny
  minutes: 9
  objectives: [see it]
  paper: Eq. 3
  prerequisites: []
  limit_seconds: 30
---
"""

OPENING = """
Some words.

## Two arrows (2 min)

![An arrow that points up.](../docs/arrow.png)

[The next section](#Your-turn-(7-min)), [the web](https://example.org/a), [first](00_tiny.ipynb).

```{code-cell} ipython3
:tags: [keep]

1 + 1
```
"""

NAMED_EXERCISE = """
+++

### Exercise: {name}

<details><summary>Hint 1</summary>one</details>
<details><summary>Hint 2</summary>two</details>

```{{code-cell}} ipython3
:tags: [exercise]
:minutes: 1
:difficulty: {difficulty}

def {name}(*arguments):
    ### BEGIN SOLUTION
    return get("{name}").reference(*arguments)
    ### END SOLUTION
```

```{{code-cell}} ipython3
:tags: [check]

check("{name}", {name})
```
"""
"""A cell pair for an exercise of the course, by its name and difficulty."""

EXERCISE = """
+++

### Exercise: Twice as much

Double a number.

<details><summary>Hint 1</summary>

How often does it go in?

</details>
<details><summary>Hint 2</summary>

Add it to itself.

</details>

```{code-cell} ipython3
:tags: [exercise]
:minutes: 4
:difficulty: 2

def double(x):
    \"\"\"Return two times x.\"\"\"
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION
```

```{code-cell} ipython3
:tags: [check]

check("double", double)
```
"""

TINY = FRONT + OPENING + "\n## Your turn (7 min)\n" + EXERCISE


def write_course(root: Path, text: str = TINY, name: str = "tiny") -> Path:
    """Add a lesson, last in the contents, and the picture that it shows; return the folder."""
    for folder in (f"lessons/{name}", "docs"):
        (root / folder).mkdir(exist_ok=True, parents=True)
    (root / "docs" / "arrow.png").write_bytes(b"")
    (root / lesson_path(name)).write_text(text)
    known = read_contents(root) if (root / "lessons" / FILE).exists() else []
    write_contents(root, *dict.fromkeys([*known, name]))
    return root


def write_contents(root: Path, *names: str) -> None:
    """Write the table of contents."""
    (root / "lessons" / FILE).write_text(f"lessons = {list(names)}\n")


def line_of(text: str, part: str) -> int:
    """Return the line, from 1, in which a part of a text begins."""
    return text[: text.index(part)].count("\n") + 1
