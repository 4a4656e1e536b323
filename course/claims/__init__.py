"""The ledger: every claim of the paper with its verdict, and the code that tries it.

The modules ``course.claims.section_*`` stand for the sections of the paper; each defines `CLAIMS`,
a tuple in the paper's order, and is found by its name.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache

from course.claims.claim import VERDICTS, Bound, Claim, Tightness, Violation

__all__ = ["VERDICTS", "Bound", "Claim", "Tightness", "Violation", "claim", "ledger"]

_LAST_PRELIMINARY = 17  # Eq. 18, Section 4.1, is the first one after the preliminaries


def ledger() -> list[Claim]:
    """Return all claims in the paper's order: Eqs. 1 to 17, Section 4, then figures and Section 5.

    Raises ValueError if two claims have one id.
    """
    return list(_by_id().values())


def claim(id: str) -> Claim:
    """Return the claim of this id, as "lemma_4_2"; raise ValueError with all ids else."""
    claims = _by_id()
    if id not in claims:
        raise ValueError(f"no claim {id!r}; the ledger has {', '.join(claims)}")
    return claims[id]


@cache
def _by_id() -> dict[str, Claim]:
    names = (module.name for module in pkgutil.iter_modules(__path__))
    claims = [
        one
        for name in sorted(name for name in names if name.startswith("section_"))
        for one in importlib.import_module(f"{__name__}.{name}").CLAIMS
    ]
    found = {one.id: one for one in sorted(claims, key=_place)}
    if len(found) < len(claims):
        ids = [one.id for one in claims]
        raise ValueError(f"claims share an id: {sorted({i for i in ids if ids.count(i) > 1})}")
    return found


def _place(one: Claim) -> int:
    """Eqs. 3 and 4 are judged with Section 4.1, which repeats them; they stand among the first."""
    match = re.fullmatch(r"equation_(\d+)", one.id)
    number = int(match[1]) if match else _LAST_PRELIMINARY + 1
    return min(number, _LAST_PRELIMINARY + 1)
