from __future__ import annotations

import os
import shutil

import pytest


def tool(name: str) -> str:
    """The path of a Prometheus tool; without it the test is skipped, or fails in CI, where nothing may be skipped."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing: .ci/run installs it")
    return path or pytest.skip(f"{name} is missing: apt-get install prometheus prometheus-alertmanager")


@pytest.fixture
def promtool() -> str:
    return tool("promtool")


@pytest.fixture
def amtool() -> str:
    return tool("amtool")
