"""The README's three commands do what it says, on the real data, with a newcomer's empty work folder."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]


def commands() -> list[str]:
    """The lines of the README's first shell block, without their comments."""
    block = re.search(r"```sh\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    assert block
    return [line.split("   #")[0].strip() for line in block.group(1).splitlines()]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    work = tmp_path_factory.mktemp("newcomer") / "work"
    return {**clean, "VITRINE_WORK_DIR": str(work), "VITRINE_SERVING__PORT": str(port), "COLUMNS": "160"}


@pytest.fixture(scope="module")
def finished(environment: dict[str, str]) -> str:
    """What the first command prints."""
    program = ["sh", "-c", commands()[0]]
    done = subprocess.run(
        program, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=1500
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def serving(finished: str, environment: dict[str, str]) -> Iterator[None]:
    """The second command, running."""
    assert finished
    with subprocess.Popen(commands()[1].split(), cwd=REPOSITORY, env=environment) as process:
        yield
        process.terminate()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_first_command_makes_a_release_that_beats_every_baseline(finished, environment) -> None:
    assert "Next purchases of 1,304 users" in finished
    metrics = next(Path(environment["VITRINE_WORK_DIR"]).glob("evaluation/day=*/metrics.json"))
    models = json.loads(metrics.read_text())["models"]
    release = models.pop("release")
    assert models
    assert all(release["ndcg@20"] > baseline["ndcg@20"] for baseline in models.values())


@pytest.mark.slow
@pytest.mark.usefixtures("serving")
def test_the_third_command_gets_a_list(environment) -> None:
    question = commands()[2].replace("localhost:8000", f"127.0.0.1:{environment['VITRINE_SERVING__PORT']}")
    deadline = time.monotonic() + 60
    answer = ""
    while '"items"' not in answer and time.monotonic() < deadline:  # until the release is loaded it says so
        answer = subprocess.run(["sh", "-c", question], capture_output=True, text=True, check=False).stdout
        time.sleep(0.2)
    items = json.loads(answer)["items"]
    assert len(items) == 20
    assert all(item["title"] and item["sources"] for item in items)
