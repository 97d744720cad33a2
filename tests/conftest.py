"""What tests of several rooms share: settings in a folder of their own, a small shop, databases that go away again."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import redis

from pipeline.configuration import load_settings
from pipeline.demo.shop import load_demo_shop
from pipeline.settings import Settings
from tests.servers import fresh_database, mysql_url, redis_url

if TYPE_CHECKING:
    from pathlib import Path

SMALL_SHOP_HOUSEHOLDS = 60
MakeSettings = Callable[..., Settings]

hypothesis.settings.register_profile("shared machines", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("shared machines")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    """`settings(**overrides)`: the shipped settings with a work folder of this test; the environment has no say."""
    for name in [name for name in os.environ if name.startswith("VITRINE_") and not name.startswith("VITRINE_TEST_")]:
        monkeypatch.delenv(name)

    def make(**overrides: Any) -> Settings:
        return load_settings(arguments={"work_dir": tmp_path / "work", **overrides})

    return make


@pytest.fixture(scope="session")
def small_shop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo shop of 60 households, loaded once; never write into it."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    load_demo_shop(f"sqlite:///{path}", households=SMALL_SHOP_HOUSEHOLDS)
    return path


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
