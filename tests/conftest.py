"""What tests of several rooms share: settings in a folder of their own, a small shop, databases that go away again."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from pipeline.configuration import load_settings
from pipeline.demo.shop import load_demo_shop
from pipeline.settings import Settings
from tests.servers import fresh_database, mysql_url, redis_url

SMALL_SHOP_HOUSEHOLDS = 60
MakeSettings = Callable[..., Settings]
MadeOnce = Callable[[str, Callable[[Path], object]], Path]

LONGEST = (
    *("docs/test_readme", "docs/test_connect_your_shop", "pipeline/test_day_run", "pipeline/sources/test_histories"),
    *("dags/test_whole_run", "pipeline/test_full_disk", "pipeline/erasure/test_forget", "pipeline/test_cli"),
    *(
        "pipeline/evaluation/test_promotion",
        "pipeline/sources/binlog/test_binlog_histories",
        "docs/test_connect_matomo",
    ),
    *("pipeline/stages/test_matomo", "pipeline/stages/test_upkeep", "pipeline/demo/test_storefront"),
    *("pipeline/stages/test_clean", "pipeline/sources/test_files", "pipeline/stages/test_extract"),
    *("pipeline/recommender/test_availability", "pipeline/recommender/test_no_skew", "docker/test_images"),
)
"""The files with the most to do, first: begun last, one of them would keep one worker busy and the other idle."""

hypothesis.settings.register_profile("shared machines", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("shared machines")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`LONGEST`, then the files with the most tests; with --no-loadscope-reorder they are begun in this order."""
    place = {Path(__file__).parent / f"{name}.py": at for at, name in enumerate(LONGEST)}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (place.get(item.path, len(LONGEST)), -tests[item.path], item.path))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    """`settings(**overrides)`: the shipped settings with a work folder of this test; the environment has no say."""
    for name in [name for name in os.environ if name.startswith("VITRINE_") and not name.startswith("VITRINE_TEST_")]:
        monkeypatch.delenv(name)

    def make(**overrides: Any) -> Settings:
        return load_settings(arguments={"work_dir": tmp_path / "work", **overrides})

    return make


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """`made_once(name, make)`: a folder that the first worker who asks fills by `make(folder)`; all of them read it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"
    shared.mkdir(exist_ok=True)

    def folder_of(name: str, make: Callable[[Path], object]) -> Path:
        folder, whole = shared / name, shared / f"{name}.whole"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of one who failed half way
                folder.mkdir()
                make(folder)
                whole.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def small_shop_file(made_once: MadeOnce) -> Path:
    """The demo shop of 60 households, loaded once; never write into it."""

    def load(folder: Path) -> None:
        load_demo_shop(f"sqlite:///{folder / 'shop.db'}", households=SMALL_SHOP_HOUSEHOLDS)

    return made_once("small-shop", load) / "shop.db"


@pytest.fixture
def small_shop(small_shop_file: Path, settings: MakeSettings) -> Path:
    """A copy of the small shop where `settings()` looks for it; the test may change it."""
    target = settings().workspace.demo_shop
    target.parent.mkdir(parents=True)
    shutil.copyfile(small_shop_file, target)
    return target


@pytest.fixture
def mysql_database() -> Iterator[str]:
    """The URL of a fresh MySQL/MariaDB database, dropped afterwards."""
    with fresh_database(mysql_url()) as url:
        yield url


@pytest.fixture
def redis_prefix() -> Iterator[tuple[str, str]]:
    """(URL, prefix) of keys that are removed afterwards."""
    url, prefix = redis_url(), f"vitrine-test-{uuid.uuid4().hex[:12]}"
    yield url, prefix
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(f"*{prefix}*"):
            client.delete(key)
