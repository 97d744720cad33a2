"""A day has one run at a time, and a run that died holds nothing."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest

from pipeline.errors import LockedError
from pipeline.locks import day_lock

DAY = dt.date(2017, 11, 5)

HOLDER = """
import datetime as dt, sys
from pathlib import Path
from pipeline.configuration import load_settings
from pipeline.locks import day_lock
with day_lock(dt.date(2017, 11, 5), load_settings(arguments={"work_dir": Path(sys.argv[1])})):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(settings):
    """Another process that holds the day."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(settings().work_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_says_who_holds_the_day(settings, holder):
    with pytest.raises(LockedError, match=f'"pid": {holder.pid}'), day_lock(DAY, settings()):
        pass


def test_another_day_is_free(settings, holder):
    assert holder.poll() is None
    with day_lock(DAY + dt.timedelta(days=1), settings()):
        pass


def test_a_second_run_waits_when_told_to(settings, holder):
    holder.stdin.close()  # the holder ends, sooner or later within the wait
    with day_lock(DAY, settings(lock_wait_seconds=30)):
        holder.wait(timeout=30)


def test_a_killed_run_holds_nothing(settings, holder):
    holder.kill()
    holder.wait()
    with day_lock(DAY, settings()):
        pass


def test_what_killed_runs_of_the_day_left_is_cleared_away(settings):
    space = settings().workspace
    left = space.features(DAY).parent / f".tmp-{space.features(DAY).name}-1a2b"
    other = left.with_name(left.name.replace("05", "06"))
    for folder in (left, other):
        folder.mkdir(parents=True)
    with day_lock(DAY, settings()):
        assert (left.exists(), other.exists()) == (False, True)
