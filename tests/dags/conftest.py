"""Airflow for the tests of this folder: a home of its own, a migrated SQLite, no examples, nothing that calls out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # Airflow's own deprecations are not ours to mend


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set before Airflow is imported for the first time: it reads its configuration at import."""
    home = tmp_path_factory.mktemp("airflow")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_HOME", str(home))
        environment.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(REPOSITORY / "dags"))
        environment.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        environment.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{home / 'airflow.db'}")
        environment.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(home / "logs"))
        environment.setenv("AIRFLOW__USAGE_DATA_COLLECTION__ENABLED", "False")
        from airflow.utils.db import initdb

        initdb()
        yield home
