"""A shop whose server keeps a binlog, and its archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pipeline.configuration import CONFIG_FOLDER
from tests.pipeline.sources.binlog.followed import FollowedShop
from tests.servers import binlog_server, fresh_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def binlog_database() -> Iterator[str]:
    """The URL of a fresh database on a server with a binlog, dropped afterwards."""
    with fresh_database(binlog_server().url) as url:
        yield url


@pytest.fixture
def binlog_mapping(tmp_path: Path) -> Callable[..., Path]:
    """`binlog_mapping(change)`: the demo shop's mapping in binlog mode, changed by a function."""

    def make(change: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
        content = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
        content["mode"] = "binlog"
        change(content)
        path = tmp_path / "binlog.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return make


@pytest.fixture
def followed(binlog_database, binlog_mapping, settings) -> Iterator[Callable[..., FollowedShop]]:
    """`followed(change, prepare=sql, **settings)`: a tiny shop that is read from its binlog, compared never."""
    shops: list[FollowedShop] = []

    def make(change=lambda _: None, *, prepare: tuple[str, ...] = (), **overrides: Any) -> FollowedShop:
        made = settings(
            database_url=binlog_database,
            source=binlog_mapping(change),
            evaluation={"horizon_days": 1, "holdout": "preceding"},
            **{"extract": {"reconcile_every": 0, "page_rows": 2}, **overrides},
        )
        shops.append(FollowedShop(binlog_database, made))
        shops[-1].run(*prepare)
        return shops[-1]

    yield make
    for shop in shops:
        shop.engine.dispose()
