"""Every command of docs/connect-your-shop.md, against a German shop on MariaDB with the grants of the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.foreign_shop import make_foreign_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "choose-a-password"
FIRST_RUN = "vitrine run"


def blocks(language: str) -> list[str]:
    text = (REPOSITORY / "docs" / "connect-your-shop.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def shop(mysql_database: str) -> Iterator[sa.URL]:
    """The shop with a customer base of 25, and the user that the page makes, under a name of this test."""
    make_foreign_shop(mysql_database, households=25)
    url = sa.make_url(mysql_database)
    user = f"v{(url.database or '')[-12:]}"
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in "".join(blocks("sql")).split(";"):
            if statement.strip():
                own = statement.replace("'vitrine'", f"'{user}'").replace("shop.", f"{url.database}.")
                connection.exec_driver_sql(own.replace("%", "%%"))
    try:
        yield url.set(username=user, password=PASSWORD)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP USER '{user}'@'%%'")


def follow(commands: list[str], shop: sa.URL, home: Path) -> subprocess.CompletedProcess[str]:
    """What a reader's shell does; the page's database is this test's."""
    script = "\n".join(commands)
    named = re.compile(r"mysql\+pymysql://[^\"]+")
    assert named.search(script)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", named.sub(shop.render_as_string(hide_password=False), script)],
        cwd=REPOSITORY,
        env={**clean, "HOME": str(home), "PATH": path, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )


def test_a_foreign_shop_is_connected_by_the_page_alone(shop: sa.URL, tmp_path: Path) -> None:
    done = follow([block for block in blocks("sh") if FIRST_RUN not in block], shop, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "DECIDE: which of these were not bought after all?" in done.stdout
    assert "A run can read this shop." in done.stdout
    assert "the other tables are still missing" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    found = json.loads((tmp_path / "my-shop" / "check.json").read_text())
    assert {each["table"] for each in found} == {"users", "items", "prices", "orders", "order_items", "changes"}
    assert not any(each["is_problem"] for each in found)


def test_every_block_of_the_page_is_of_a_kind_that_is_followed() -> None:
    text = (REPOSITORY / "docs" / "connect-your-shop.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^ *```(.+)$", text, re.MULTILINE)) == {"sh", "sql", "ini"}, "ini: what a server is set to"


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_the_first_run_makes_a_release(shop: sa.URL, tmp_path: Path) -> None:
    done = follow(blocks("sh")[: 1 + [FIRST_RUN in block for block in blocks("sh")].index(True)], shop, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "20171105-" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert PASSWORD not in (tmp_path / "my-shop" / "config.txt").read_text()
