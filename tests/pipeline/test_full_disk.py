"""A disk that fills up in any stage gives one clear error and leaves everything good as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from pipeline.day_run import STAGES
from tests.pipeline.conftest import DAY

ON_A_SMALL_DISK = """
import datetime as dt, json, os, shutil, sys
from pathlib import Path
from feature_store.errors import VitrineError
from pipeline.day_run import load_stage
from pipeline.configuration import load_settings
from tests.pipeline.test_day_run import content

source, disk, stage, day, room = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
shutil.copytree(source, disk / "work")
before = content(disk / "work")
with open(disk / "ballast", "wb") as ballast:
    ballast.write(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize - room))
settings = load_settings(arguments={**json.loads(sys.argv[6]), "work_dir": disk / "work"})
try:
    load_stage(stage)(dt.date.fromisoformat(day), settings)
    error = None
except VitrineError as caught:
    error = str(caught)
after = content(disk / "work")
lost = {path for path in before if after.get(path) != before[path]}
print(json.dumps({"error": error, "lost": sorted(lost)}))
"""
ROOM = 60_000
"""Bytes left on the disk: enough to begin, too little to finish."""
QUIET = ("demo", "validate", "audit", "evaluate", "reload")
"""Stages that find room even there: they write nothing, or little beside what they wrote before."""


@pytest.fixture(scope="session")
def _own_mounts() -> None:
    """A mount that nobody else sees needs user namespaces."""
    if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False).returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no user namespaces here: a full disk cannot be made")


@pytest.mark.usefixtures("_own_mounts")
@pytest.mark.slow
@pytest.mark.parametrize("stage", [name for name in STAGES if name not in QUIET])
def test_a_full_disk_is_named_and_nothing_is_lost(finished_run, tmp_path, stage):
    """Run on a finished work folder whose disk has no room left; extract and clean are made to start from nothing."""
    source = tmp_path / "source"
    shutil.copytree(finished_run.folder / (f"before-{stage}" if stage in ("extract", "clean") else "work"), source)
    if stage == "publish":
        shutil.rmtree(source / "releases")
    disk = tmp_path / "disk"
    disk.mkdir()
    program = [
        sys.executable,
        "-c",
        ON_A_SMALL_DISK,
        source,
        disk,
        stage,
        DAY,
        ROOM,
        json.dumps(finished_run.overrides),
    ]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
         'mount -t tmpfs -o size=400m tmpfs "$0" && exec "$@"', str(disk), *map(str, program)],
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["lost"] == []
    assert found["error"] is not None, "it found room"
    assert "full" in found["error"]
    assert "Free space" in found["error"] or "room" in found["error"]
