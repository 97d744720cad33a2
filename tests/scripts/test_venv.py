"""The scripts make their environment once, find it ready afterwards, and repair what was interrupted.

`fake_python` stands for Python and uv, so that nothing is installed; the last test installs for real.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).with_name("fake_python")


class Clone:
    """A small copy of the repository in which the scripts run."""

    def __init__(self, folder: Path) -> None:
        self.root, self.calls_file = folder / "clone", folder / "calls"
        self.commands = folder / "commands"
        self.commands.mkdir()
        for name in ("python3.11", "python3"):
            shutil.copy(FAKE, self.commands / name)
        shutil.copytree(REPOSITORY / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("bench"))
        (self.root / "pyproject.toml").write_text("[project]\n")
        (self.root / "requirements").mkdir()
        for lock in ("uv", "pipeline", "dev"):
            (self.root / "requirements" / f"{lock}.txt").write_text("lock 1\n")

    def start(self, command: str, **environment: str) -> subprocess.Popen[str]:
        path = f"{self.commands}:{os.environ['PATH']}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.root,
            env={**inherited, "PATH": path, "CALLS": str(self.calls_file), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(command, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def ensure(self, **environment: str) -> tuple[int, list[str]]:
        """Exit code, and the calls made since the last `ensure`."""
        self.calls_file.write_text("")
        code, _, _ = self.run(ENSURE, **environment)
        return code, self.calls_file.read_text().splitlines()


ENSURE = "set -euo pipefail; source scripts/venv.sh; ensure_venv .venv requirements/pipeline.txt"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_the_first_call_installs_with_hashes_only(clone: Clone) -> None:
    code, calls = clone.ensure()
    assert code == 0
    assert "python3.11 -m venv .venv" in calls
    installs = [call for call in calls if " install " in call or " sync " in call]
    assert len(installs) == 3
    assert all("--require-hashes" in call for call in installs[:2])
    assert "--compile-bytecode" in installs[1]
    assert installs[2].endswith("--no-deps --no-build-isolation --editable .")


def test_the_second_call_starts_nothing_but_a_version_check(clone: Clone) -> None:
    clone.ensure()
    assert clone.ensure() == (0, ["python --version"])


def test_a_changed_lock_is_installed_into_the_same_environment(clone: Clone) -> None:
    clone.ensure()
    (clone.root / "requirements/pipeline.txt").write_text("lock 2\n")
    _, calls = clone.ensure()
    assert any(call.startswith("uv pip sync") for call in calls)
    assert not any("-m venv" in call for call in calls)


def test_an_interrupted_install_is_made_anew(clone: Clone) -> None:
    code, _ = clone.ensure(FAILS="--editable")
    assert code != 0
    code, calls = clone.ensure()
    assert code == 0
    assert "python3.11 -m venv .venv" in calls


def test_a_moved_clone_is_made_anew_because_scripts_hold_their_path(clone: Clone) -> None:
    clone.ensure()
    clone.root = clone.root.rename(clone.root.with_name("moved"))
    _, calls = clone.ensure()
    assert "python3.11 -m venv .venv" in calls


def test_two_calls_at_once_install_once(clone: Clone) -> None:
    both = [clone.start(ENSURE) for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
    assert [process.returncode for process in both] == [0, 0]
    assert clone.calls_file.read_text().count("-m venv") == 1


def test_pip_installs_when_uv_cannot(clone: Clone) -> None:
    code, calls = clone.ensure(FAILS="uv pip sync")
    assert code == 0
    assert any(call.endswith("--require-hashes -r requirements/pipeline.txt") and "-m pip" in call for call in calls)


@pytest.mark.parametrize(
    ("environment", "index"),
    [
        ({}, "of uv's own choice"),
        ({"PIP_SAYS": "https://configured.test/simple"}, "https://configured.test/simple"),
        ({"PIP_INDEX_URL": "https://named.test/simple"}, "https://named.test/simple"),
    ],
)
def test_uv_asks_the_index_that_pip_asks(clone: Clone, environment: dict[str, str], index: str) -> None:
    _, calls = clone.ensure(**environment)
    assert f"index {index}" in calls


def test_without_python_311_the_error_says_so(clone: Clone) -> None:
    code, _, err = clone.run(ENSURE, FAILS="-c import sys")
    assert code != 0
    assert "Python 3.11 is needed" in err


@pytest.mark.parametrize(
    ("script", "program", "arguments"),
    [
        ("run_pipeline.sh", ".venv/bin/vitrine", "run --sync-only --day 2017-11-05"),
        (
            "test.sh",
            ".venv-dev/bin/python",
            "-m pytest -n 2 --dist loadfile --no-loadscope-reorder -m not slow --sync-only --day 2017-11-05",
        ),
    ],
)
def test_arguments_pass_through_from_any_folder(clone: Clone, script: str, program: str, arguments: str) -> None:
    folder, lock = (".venv", "pipeline") if script == "run_pipeline.sh" else (".venv-dev", "dev")
    clone.run(f"source scripts/venv.sh; ensure_venv {folder} requirements/{lock}.txt")
    (clone.root / program).write_text(
        '#!/bin/sh\ncase "$*" in --version) echo "Python 3.11.0" ;; *) echo "$PWD: $*" ;; esac\n'
    )
    (clone.root / program).chmod(0o755)
    code, out, err = clone.run(f"cd / && {clone.root}/scripts/{script} --sync-only --day 2017-11-05")
    assert (code, out) == (0, f"{clone.root}: {arguments}\n"), err


@pytest.mark.slow
def test_a_real_environment_is_ready_at_the_second_call_in_less_than_a_second(clone: Clone) -> None:
    for name in ("pyproject.toml", "requirements", "feature_store", "pipeline", "monitoring", "serving", "config"):
        source, target = REPOSITORY / name, clone.root / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    (clone.root / "README.md").touch()
    shutil.rmtree(clone.commands)
    ensure = "set -e; source scripts/venv.sh; ensure_venv .venv requirements/serving.txt"
    configured = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_"))}
    code, _, err = clone.run(f"{ensure}; .venv/bin/python -c 'import feature_store, numpy'", **configured)
    assert code == 0, err
    started = time.monotonic()
    assert clone.run(ensure)[0] == 0
    assert time.monotonic() - started < 1
