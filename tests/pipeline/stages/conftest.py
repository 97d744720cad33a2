"""A small archive to start from: the shop of 60 households, extracted, cleaned and validated up to 2017-01-12."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.configuration import load_settings
from pipeline.stages.clean import clean
from pipeline.stages.extract import extract
from pipeline.stages.validate import validate
from tests.pipeline.stages.archives import DAY, EVALUATION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.settings import Settings
    from tests.conftest import MadeOnce


@pytest.fixture
def short(settings: Callable[..., Settings]) -> Callable[..., Settings]:
    """Settings whose runs read two days after their day."""
    return lambda **overrides: settings(**EVALUATION, **overrides)


@pytest.fixture(scope="session")
def archived_work(small_shop_file: Path, made_once: MadeOnce) -> Path:
    """A work folder after extract, clean and validate of DAY; never write into it."""

    def run(folder: Path) -> None:
        work = folder / "work"
        (work / "demo").mkdir(parents=True)
        shutil.copyfile(small_shop_file, work / "demo" / "shop.db")
        made = load_settings(arguments={"work_dir": work, **EVALUATION})
        for stage in (extract, clean, validate):
            stage(DAY, made)

    return made_once("archived", run) / "work"


@pytest.fixture
def archive(archived_work: Path, short: Callable[..., Settings]) -> Settings:
    """Settings of a copy of that work folder, which the test may change."""
    made = short()
    shutil.copytree(archived_work, made.work_dir)
    return made
