"""A Matomo to fill, on SQLite and on MariaDB."""

from __future__ import annotations

import pytest

from tests.pipeline.sources.matomo.installation import Installation


@pytest.fixture(params=["sqlite", "mariadb"])
def install(request, tmp_path):
    """`install(version=…, prefix=…)`: an empty Matomo."""
    if request.param == "sqlite":
        return lambda **how: Installation(f"sqlite:///{tmp_path / 'matomo.db'}", **how)
    url = request.getfixturevalue("mysql_database")
    return lambda **how: Installation(url, **how)


@pytest.fixture
def matomo(install):
    return install()
