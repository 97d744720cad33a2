"""What tests of the first three stages share: their day, changes to databases, fingerprints, runs that are killed."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.settings import Settings

DAY = date(2017, 1, 10)
EVALUATION = {"evaluation": {"horizon_days": 2}}
"""Runs of DAY read two more days, to judge on."""

_KILLED_RUN = """
import datetime, os, signal, sys
from pipeline.configuration import load_settings
from pipeline.stages.{stage} import {stage}
renames = 0
def kill_at_rename(event, arguments):
    global renames
    if event == "os.rename":
        renames += 1
        if renames == {renames}:
            os.kill(os.getpid(), signal.SIGKILL)
made = load_settings(arguments={{"work_dir": {work!r}, "evaluation": {{"horizon_days": 2}}}})
sys.addaudithook(kill_at_rename)
{stage}(datetime.date.fromisoformat("{day}"), made)
"""


def run_killed(stage: str, settings: Settings, renames: int) -> None:
    """Run a stage of DAY in a process of its own that dies by SIGKILL when about to put its n-th file in place."""
    code = _KILLED_RUN.format(stage=stage, work=str(settings.work_dir), renames=renames, day=DAY)
    repository = Path(__file__).resolve().parents[3]
    run = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr


@contextmanager
def changed(database: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file to change; committed at the end."""
    connection = sqlite3.connect(database)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def fingerprints(*folders: Path) -> dict[str, str]:
    """SHA-256 of every file below the folders, by path."""
    return {
        f"{folder.name}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def archive_of(made: Settings) -> dict[str, str]:
    return fingerprints(made.workspace.raw, made.workspace.clean)
