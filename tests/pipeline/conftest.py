"""One whole run of a small shop, made once and copied by the tests that need what it leaves."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from ibis.expr.operations import PhysicalTable

from feature_store.definitions import item as items
from feature_store.registry import feature_set_id, registry
from feature_store.spec import stored
from pipeline.configuration import load_settings
from pipeline.day_run import STAGES, load_stage
from pipeline.demo.shop import load_demo_shop

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings
    from tests.conftest import MadeOnce

DAY = dt.date(2017, 11, 5)
SMALL: dict[str, Any] = {"training": {"weeks": 2, "lightgbm": {"trees": 10, "min_rows_per_leaf": 20}}}
"""Enough to rank, quick to train."""


@dataclass(frozen=True)
class FinishedRun:
    """The work folder after the pass of `DAY`, and as it was before each stage."""

    folder: Path
    overrides: dict[str, Any]

    def copy(self, target: Path, before: str | None = None, **overrides: Any) -> Settings:
        """Settings of a copy of the work folder below `target`, finished or as it was before a stage."""
        shutil.copytree(self.folder / (f"before-{before}" if before else "work"), target / "work")
        return load_settings(arguments={**self.overrides, **overrides, "work_dir": target / "work"})


@pytest.fixture(scope="session")
def finished_run(made_once: MadeOnce) -> FinishedRun:
    """A shop of 25 households through every stage."""
    return FinishedRun(made_once("finished", _run), SMALL)


def _run(folder: Path) -> None:
    settings = load_settings(arguments={**SMALL, "work_dir": folder / "work"})
    settings.workspace.demo_shop.parent.mkdir(parents=True)
    load_demo_shop(f"sqlite:///{settings.workspace.demo_shop}", households=25)
    for name in STAGES:
        shutil.copytree(folder / "work", folder / f"before-{name}")
        load_stage(name)(DAY, settings)


@pytest.fixture
def planted(monkeypatch):
    """A stored feature that undoes the cut at the end of the day; in the registry during one test only."""

    @stored(entity="item", unit="days", default=0.0, range=(-1000.0, 1000.0))
    def item_days_to_the_end(events):
        """Days until the last event of the archive."""
        everything = events.table.op().find(PhysicalTable)[0].to_expr()
        return (everything["seconds"].max().as_scalar() - events.as_of) / 86_400

    monkeypatch.setattr(items, "item_days_to_the_end", item_days_to_the_end, raising=False)
    registry.cache_clear()
    feature_set_id.cache_clear()
    yield "item_days_to_the_end"
    monkeypatch.undo()
    registry.cache_clear()
    feature_set_id.cache_clear()
