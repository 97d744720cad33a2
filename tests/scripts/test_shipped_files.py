"""Shell scripts pass shellcheck; the locks carry hashes, agree with each other and name no host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = REPOSITORY / "requirements"
SCRIPTS = [*sorted(REPOSITORY.glob("scripts/**/*.sh")), REPOSITORY / ".ci/run"]


def pinned(lock: str) -> dict[str, str]:
    lines = (LOCKS / f"{lock}.txt").read_text().splitlines()
    return dict(line.split(" ")[0].split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_pass_shellcheck_and_can_be_started(script: Path) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    found = subprocess.run([checker, "-x", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("lock", ["dev", "airflow", "pipeline", "serving", "uv"])
def test_every_pinned_package_has_a_hash_and_no_host_is_named(lock: str) -> None:
    text = (LOCKS / f"{lock}.txt").read_text()
    assert not re.search(r"://|--index|--find-links| @ ", text)
    for package in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in package, package.splitlines()[0]


@pytest.mark.parametrize(("small", "large"), [("serving", "pipeline"), ("pipeline", "airflow"), ("airflow", "dev")])
def test_smaller_locks_pin_the_same_versions(small: str, large: str) -> None:
    assert pinned(small).items() <= pinned(large).items()


@pytest.mark.parametrize("lock", ["dev", "airflow", "pipeline", "serving", "uv"])
def test_every_wanted_package_is_locked(lock: str) -> None:
    wanted = re.findall(r"^([A-Za-z][\w.-]*)", (LOCKS / f"{lock}.in").read_text(), re.MULTILINE)
    locked = {re.split(r"\[", name)[0].lower() for name in pinned(lock)}
    assert {name.lower() for name in wanted} <= locked
    assert wanted == sorted(wanted, key=str.lower)
