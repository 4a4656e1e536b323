"""The ledger as a table: text, Markdown, JSON, and the command that prints and writes them."""

from __future__ import annotations

import json
import math

import pytest

from course.__main__ import main
from course.claims import Violation, claim, ledger, table

FEW = [claim("equation_4"), claim("lemma_4_2"), claim("lemma_4_5")]


@pytest.fixture(scope="module")
def rows() -> list[table.Row]:
    return list(table.rows(FEW, seed=1, budget=2))


def test_a_row_holds_what_its_claim_measures(rows):
    assert [row.id for row in rows] == [one.id for one in FEW]
    assert rows[1].violation == FEW[1].counterexample()
    assert rows[1].tightness == FEW[1].search(1, 2)
    assert rows[2].violation is None and rows[2].repaired is None


def test_every_claim_has_a_row():
    assert [row.id for row in table.rows(search=False)] == [one.id for one in ledger()]


def test_the_text_has_one_line_a_claim_and_counts_the_verdicts(rows):
    lines = table.text(rows).splitlines()
    assert len(lines) == 2 + len(FEW) + 2
    assert "10 > 2" in lines[3] and "holds as printed: 1" in lines[-1]


def test_every_line_of_the_markdown_table_has_as_many_cells(rows):
    lines = [line for line in table.markdown(rows).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(FEW) and len({line.count("|") for line in lines}) == 1


def test_markdown_links_lead_where_they_are_told(rows):
    notebooks = {"temporal_loss": "02_temporal_loss"}
    assert "[02_temporal_loss](02_temporal_loss.ipynb)" in table.markdown(rows, notebooks=notebooks)
    assert "](" not in table.markdown(rows)


def test_json_holds_all_fields_and_reads_back(rows):
    first = json.loads(table.json_text(rows))[0]
    assert first["id"] == "equation_4" and first["violation"]["left"] == pytest.approx(0.2)
    assert set(first) == set(table.Row.__dataclass_fields__)


def test_json_writes_no_infinity(rows):
    from dataclasses import replace

    odd = replace(rows[1], violation=Violation(math.inf, 1.0, "here"))
    assert json.loads(table.json_text([odd]))[0]["violation"]["left"] is None


def test_a_budget_below_one_is_refused_before_anything_runs():
    with pytest.raises(ValueError, match="budget must be 1"):
        table.rows(FEW, budget=0)


# The command


def test_the_command_prints_the_table_and_writes_both_files(tmp_path, capsys):
    markdown, data = tmp_path / "new" / "ledger.md", tmp_path / "ledger.json"
    arguments = ["ledger", "--no-search", "--markdown", str(markdown), "--json", str(data)]
    assert main(arguments) == 0
    assert "lemma_4_2" in capsys.readouterr().out
    assert "Lemma 4.2" in markdown.read_text(encoding="utf-8")
    assert len(json.loads(data.read_text(encoding="utf-8"))) == len(ledger())


def test_a_place_that_cannot_be_written_is_told_before_the_searches(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["ledger", "--json", str(tmp_path / "file" / "ledger.json")]) == 2
    captured = capsys.readouterr()
    assert "choose another --json" in captured.err and not captured.out


def test_a_budget_below_one_is_one_clear_line(capsys):
    assert main(["ledger", "--budget", "0"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
