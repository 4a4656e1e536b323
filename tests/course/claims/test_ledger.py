"""Properties that every claim of the ledger has, whichever section it is from."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from classroom import contents
from course.claims import VERDICTS, Bound, Claim, Tightness, Violation, claim, ledger

CLAIMS = ledger()
TRIED = [one for one in CLAIMS if one.search]


@pytest.fixture(scope="module")
def found() -> dict[str, list[Tightness]]:
    """What two seeds find, by id; computed once."""
    return {one.id: [one.search(seed=seed, budget=4) for seed in (0, 1)] for one in TRIED}


def ids(one: Claim) -> str:
    return one.id


@pytest.mark.parametrize("one", CLAIMS, ids=ids)
def test_counterexamples_violate_and_only_failing_claims_have_one(one):
    if one.verdict == "holds":
        assert one.counterexample is None
        return
    if one.counterexample:
        violation = one.counterexample()
        assert violation.left > violation.right and violation.where


@pytest.mark.parametrize("one", CLAIMS, ids=ids)
def test_counterexamples_are_the_same_each_time(one):
    if one.counterexample:
        assert one.counterexample() == one.counterexample()


@pytest.mark.parametrize("one", TRIED, ids=ids)
def test_no_search_breaks_its_bound(one, found):
    for tightness in found[one.id]:
        assert 0 < tightness.ratio <= 1 + 1e-9, tightness


@pytest.mark.parametrize("one", TRIED, ids=ids)
def test_a_bound_is_reached_or_the_gap_is_told(one, found):
    reached = max(tightness.ratio for tightness in found[one.id])
    assert reached >= 0.99 or one.gap, reached


@pytest.mark.parametrize("one", TRIED, ids=ids)
def test_the_same_seed_finds_the_same(one, found):
    assert one.search(0, 4) == found[one.id][0]


@pytest.mark.parametrize("one", CLAIMS, ids=ids)
def test_texts_have_paired_dollar_signs_and_braces(one):
    for text in (one.statement, one.reason, one.repaired or "", one.gap):
        assert text.count("$") % 2 == 0 and text.count("{") == text.count("}"), text
    formula = one.bound.formula if one.bound else ""
    assert "$" not in formula and formula.count("{") == formula.count("}")


@pytest.mark.parametrize("one", CLAIMS, ids=ids)
def test_every_lesson_that_is_named_is_named_in_full(one):
    assert one.lesson in contents.slugs()


def test_ids_are_unique_and_in_the_papers_order():
    names = [one.id for one in CLAIMS]
    assert len(set(names)) == len(names)
    equations = [int(m[1]) for n in names if (m := re.fullmatch(r"equation_(\d+)", n))]
    preliminary = [number for number in equations if number <= 17]
    assert preliminary == sorted(preliminary)
    pattern = r"(?:theorem|lemma|corollary)_4_(\d+)"
    numbered = [int(m[1]) for n in names if (m := re.fullmatch(pattern, n))]
    assert numbered == sorted(numbered) and {1, 2, 3, 4, 5} <= set(numbered)


def test_a_claim_is_found_by_its_id_and_an_unknown_one_lists_all():
    assert claim("lemma_4_2").title.startswith("Lemma 4.2")
    with pytest.raises(ValueError, match="lemma_9_9.*theorem_4_1.*lemma_4_5"):
        claim("lemma_9_9")


def test_a_changed_ledger_does_not_change_the_next_one():
    ledger().clear()
    assert ledger() == CLAIMS


# Cards


@pytest.mark.parametrize("one", CLAIMS, ids=ids)
def test_a_card_says_its_verdict_in_words(one):
    words = VERDICTS[one.verdict]
    assert words in str(one) and words in one._repr_html_()
    assert one.title in str(one) and len(repr(one)) < 80


def test_a_card_measures_the_counterexample_when_it_is_shown():
    calls = []
    measured = replace(
        claim("lemma_4_2"), counterexample=lambda: calls.append(1) or Violation(7.5, 2.0, "here")
    )
    assert "7.5 > 2: here" in str(measured) and len(calls) == 1


def test_a_card_shows_signs_of_html_as_they_are():
    odd = replace(claim("lemma_4_5"), title="a < b & c", reason="<script>")
    assert "a &lt; b &amp; c" in odd._repr_html_() and "<script>" not in odd._repr_html_()


# Claims that do not fit together


def a_violation() -> Violation:
    return Violation(2.0, 1.0, "here")


BARE = {"id": "x", "title": "X", "source": "Eq. 0", "statement": "s", "reason": "r"}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"verdict": "true"}, "wanted one of holds"),
        ({"verdict": "holds", "reason": ""}, "must all be filled in"),
        ({"verdict": "holds", "counterexample": a_violation}, "has no counterexample"),
        ({"verdict": "holds", "repaired": "no"}, "no repaired statement"),
        ({"verdict": "repaired", "repaired": "so"}, "wants a counterexample"),
        ({"verdict": "repaired", "counterexample": a_violation}, "wants the repaired statement"),
        ({"verdict": "false"}, "wants a counterexample"),
        ({"verdict": "false", "counterexample": a_violation, "repaired": "so"}, "is 'repaired'"),
        ({"verdict": "holds", "bound": Bound("1", lambda: 1.0)}, "come together"),
        ({"verdict": "holds", "search": lambda: Tightness(1.0, "")}, "come together"),
    ],
)
def test_a_claim_refuses_fields_that_do_not_fit_its_verdict(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        Claim(**{**BARE, **fields})


def test_a_bound_is_called_for_its_number():
    assert claim("theorem_4_1").bound(5, 0.5) == 32.0
    assert math.isclose(claim("equation_4").bound(6), 3.2)
