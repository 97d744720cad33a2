"""What commands print is as wide as whoever reads it now can see."""

from __future__ import annotations

import pytest
from rich.table import Table

from pipeline.console import WIDE, out


@pytest.fixture
def wide_table():
    table = Table(*(f"column number {number}" for number in range(12)))
    table.add_row(*["a name of some length"] * 12)
    return table


def test_columns_are_those_of_now_not_of_the_import(wide_table, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out.print("word " * 20)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40
    monkeypatch.setenv("COLUMNS", "400")
    out.print(wide_table)
    assert capsys.readouterr().out.count("a name of some length") == 12


def test_nothing_is_cut_in_a_file_or_a_pipe(wide_table, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    out.print(wide_table)
    assert "column number 11" in capsys.readouterr().out
    assert out.width == WIDE
