"""A bucket of either kind, reached by the environment of the test alone."""

import os

import pytest

from tests.oss_server import Oss
from tests.s3_server import S3

_READ = ("OSS_", "AWS_", "S3_")
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture
def variables(monkeypatch):
    """The environment without a word about stores."""
    for name in [name for name in os.environ if name.startswith(_READ) or name in _PROXIES]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def oss(variables):
    with Oss() as server:
        found_by(server, variables)
        yield server


@pytest.fixture
def s3(variables):
    with S3() as server:
        found_by(server, variables)
        yield server


def found_by(server, variables):
    for name, value in server.variables.items():
        variables.setenv(name, value)
