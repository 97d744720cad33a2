"""`vitrine demo shop` and `vitrine demo advance`, as a shell calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

from pipeline.demo.shop import load_demo_shop


@pytest.fixture
def vitrine(tmp_path):
    """The command in a work folder of its own, with the business database of five households."""
    work = tmp_path / "work"
    (work / "demo").mkdir(parents=True)
    load_demo_shop(f"sqlite:///{work / 'demo' / 'shop.db'}", households=5)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments],
            env={**clean, "VITRINE_WORK_DIR": str(work), "COLUMNS": "160"},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    run.work = work
    return run


@pytest.mark.parametrize("where", ["a file", "MariaDB"])
def test_a_storefront_is_made_and_its_clock_moved(vitrine, where, request):
    place = () if where == "a file" else ("--matomo-url", request.getfixturevalue("mysql_database"))
    made = vitrine("demo", "shop", "--households", "5", "--days", "3", "--to", "2017-01-05", *place)
    assert made.returncode == 0, made.stderr
    assert "simulated through 2017-01-05" in made.stdout.replace("\n", " ")
    truth = json.loads((vitrine.work / "demo" / "truth.json").read_text())
    assert "SIMULATED" in truth["label"]
    moved = vitrine("demo", "advance", "--to", "2017-01-06", *place)
    assert moved.returncode == 0, moved.stderr
    assert json.loads((vitrine.work / "demo" / "truth.json").read_text())["clock"] == "2017-01-06"
    url = place[-1] if place else f"sqlite:///{vitrine.work / 'demo' / 'matomo.db'}"
    with sa.create_engine(url, poolclass=sa.pool.NullPool).connect() as connection:
        last = connection.exec_driver_sql("SELECT MAX(server_time) FROM matomo_log_link_visit_action").scalar()
        assert str(last).startswith("2017-01-06")
        assert "SIMULATED" in connection.exec_driver_sql("SELECT name FROM matomo_site").scalar()


def test_what_cannot_be_done_is_one_line_that_says_what_to_do(vitrine):
    missing = vitrine("demo", "advance", "--to", "2017-01-06")
    assert missing.returncode == 1
    assert "vitrine demo shop" in missing.stderr
    assert missing.stderr.count("\n") == 1
    assert not (vitrine.work / "demo" / "matomo.db").exists()
