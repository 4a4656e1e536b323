"""The command line: ``python -m course edit | finetune | render | doctor | ledger``."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress

from course.commands.stopping import STOPPED, leave, message, stoppable, told


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 2 with one clear line on standard error."""
    # Broken pipe: nobody reads on, so there is no reason to complain.
    with suppress(BrokenPipeError), stoppable() as stop, warnings.catch_warnings():
        warnings.showwarning = _in_one_line
        name = "course"
        try:
            from course.commands.parsing import parser  # here, where it can be stopped

            options = parser(description=__doc__).parse_args(arguments)
            name = f"course {options.command}"
            return options.run(options) or 0
        except KeyboardInterrupt:
            return told(STOPPED)
        except Exception as error:
            if isinstance(error, BrokenPipeError):
                raise
            line = STOPPED if stop.asked else message(error, name)
            if line is None:  # a fault of ours: where it happened helps to mend it
                raise
            return told(line)
    return 0


def _in_one_line(text: Warning | str, *where: object, **more: object) -> None:
    from tqdm import tqdm  # above the bars, if there are any

    tqdm.write(f"note: {text}", file=sys.stderr)  # where in our code it was said helps nobody here


if __name__ == "__main__":
    leave(main())
