"""Stages are timed, their disk errors are clear, and a day has one run at a time."""

from __future__ import annotations

import datetime as dt
import errno
import subprocess
import sys

import pytest

from pipeline.errors import LockedError, StorageError
from pipeline.stage import StageResult, day_lock, stage

DAY = dt.date(2017, 11, 5)

HOLDER = """
import datetime as dt, sys
from pathlib import Path
from pipeline.settings import load_settings
from pipeline.stage import day_lock
with day_lock(dt.date(2017, 11, 5), load_settings(arguments={"work_dir": Path(sys.argv[1])})):
    print("held", flush=True)
    sys.stdin.read()
"""


@stage
def counting(_day, _settings):
    """A stage for the test."""
    return StageResult((), 3, {"things": 3.0})


@stage
def big(_day, _settings):
    """Needs 300 MB for a moment."""
    return StageResult((), len(bytearray(300_000_000)))


def test_a_result_knows_stage_day_seconds_and_memory(settings):
    result = counting(DAY, settings())
    assert (result.stage, result.day, result.rows, result.counts) == ("counting", DAY, 3, {"things": 3.0})
    assert result.seconds > 0
    assert result.peak_memory_bytes > 1_000_000


def test_peak_memory_is_the_stages_own(settings):
    before = counting(DAY, settings()).peak_memory_bytes
    assert big(DAY, settings()).peak_memory_bytes > before + 250_000_000
    assert counting(DAY, settings()).peak_memory_bytes < before + 100_000_000


@pytest.mark.parametrize(
    ("code", "trouble"),
    [(errno.ENOSPC, "a full disk"), (errno.EROFS, "a read-only disk"), (errno.EDQUOT, "a used-up quota")],
)
def test_what_the_disk_says_becomes_clear(settings, code, trouble):
    @stage
    def writing(_day, _settings):
        """A stage for the test."""
        raise OSError(code, "as the kernel says it")

    with pytest.raises(StorageError, match=f"stage writing: expected room to write below .*work, found {trouble}"):
        writing(DAY, settings())


def test_other_operating_system_errors_stay_what_they_are(settings):
    @stage
    def connecting(_day, _settings):
        """A stage for the test."""
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    with pytest.raises(ConnectionRefusedError):
        connecting(DAY, settings())


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
