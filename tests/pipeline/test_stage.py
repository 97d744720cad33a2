"""Stages are timed, and their disk errors are clear."""

from __future__ import annotations

import datetime as dt
import errno

import pytest

from pipeline.errors import StorageError
from pipeline.stage import StageResult, stage

DAY = dt.date(2017, 11, 5)


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


def test_products_take_one_thread_within_a_stage_however_many_cores_there_are(settings):
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    @stage
    def multiplying(_day, _settings):
        """A stage for the test."""
        return StageResult((), max(threads()))

    with threadpool_limits(2, user_api="blas"):
        assert multiplying(DAY, settings()).rows == 1
        assert threads() == {2}
