"""Every command of docs/connect-matomo.md, against a Matomo on MariaDB with the grants of the page."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.demo.shop import load_demo_shop
from pipeline.demo.storefront import make_storefront
from pipeline.demo.storefront_truth import Truth
from pipeline.workspace import partition_days

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "choose-a-password"
HOUSEHOLDS = 20


def blocks(language: str) -> list[str]:
    text = (REPOSITORY / "docs" / "connect-matomo.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def matomo(mysql_database):
    """A Matomo, and the user that the page makes, under a name of this test."""
    first, last = dt.date(2017, 1, 8), dt.date(2017, 1, 12)
    make_storefront(mysql_database, households=HOUSEHOLDS, first=first, through=last, truth=Truth())
    url = sa.make_url(mysql_database)
    user = f"m{(url.database or '')[-12:]}"
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in "".join(blocks("sql")).split(";"):
            own = statement.replace("'vitrine'", f"'{user}'").replace("matomo.", f"{url.database}.")
            if own.strip():
                connection.exec_driver_sql(own.replace("%", "%%"))
    try:
        yield url.set(username=user, password=PASSWORD).render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP USER '{user}'@'%%'")


@pytest.fixture
def home(tmp_path):
    (tmp_path / "work" / "demo").mkdir(parents=True)
    load_demo_shop(f"sqlite:///{tmp_path / 'work' / 'demo' / 'shop.db'}", households=HOUSEHOLDS)
    return tmp_path


def follow(commands, home):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    own = {"HOME": str(home), "PATH": path, "COLUMNS": "160", "VITRINE_WORK_DIR": str(home / "work")}
    own["VITRINE_EVALUATION__HORIZON_DAYS"] = "2"
    script = ["bash", "-euo", "pipefail", "-c", "\n".join(commands)]
    return subprocess.run(script, cwd=REPOSITORY, env={**clean, **own}, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_reader_who_follows_the_page_has_events(matomo, home):
    commands = [re.sub(r"mysql\+pymysql://[^\"]+", matomo, block) for block in blocks("sh")]
    done = follow(commands, home)
    assert done.returncode == 0, done.stderr
    for table in ("matomo_events", "matomo_facts", "matomo_baskets", "matomo_visits", "events"):
        assert dt.date(2017, 1, 10) in partition_days(home / "work" / "raw", table)


@pytest.mark.slow
def test_without_a_matomo_the_demos_storefront_does(home):
    done = follow(blocks("sh demo"), home)
    assert done.returncode == 0, done.stderr
    assert (home / "work" / "demo" / "truth.json").exists()
    assert dt.date(2017, 1, 12) in partition_days(home / "work" / "raw", "matomo_events")
