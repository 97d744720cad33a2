"""The runbook names every error, and every command, option and section that it names exists."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import typer

import feature_store.errors
import pipeline.errors
from pipeline.cli import app

TEXT = (Path(__file__).resolve().parents[2] / "docs/runbook.md").read_text()
TABLE = TEXT[: TEXT.index("\n## ")]
ERRORS = [
    name
    for module in (feature_store.errors, pipeline.errors)
    for name, known in inspect.getmembers(module, inspect.isclass)
    if issubclass(known, Exception)
]


@pytest.mark.parametrize("name", sorted({*ERRORS}))
def test_every_error_is_in_the_table_by_its_name(name):
    assert f"`{name}`" in TABLE


def test_every_section_that_is_pointed_at_is_there():
    titles = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    places = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    pointed = re.findall(r"\(#([\w-]+)\)", TEXT)
    assert len(pointed) > 10
    assert [each for each in pointed if each not in places] == []


def test_every_command_and_option_exists():
    commands = typer.main.get_command(app).commands
    shown = re.findall(r"(?:`|^)vitrine ([a-z][^`#\n|]*)", TEXT, re.MULTILINE)
    assert len(shown) > 20
    for line in shown:
        name, *rest = line.split()
        assert name in commands, line
        known = commands[name]
        if rest and rest[0] in getattr(known, "commands", {}):
            known = known.commands[rest[0]]
        options = {option for parameter in known.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, line
