"""What can stop a day, each with what a person should do about it."""

from __future__ import annotations

from feature_store.errors import VitrineError


class PipelineError(VitrineError):
    """A stage cannot do its work."""


class SettingsError(PipelineError):
    """Settings are missing, unknown or of the wrong type."""


class SourceError(PipelineError):
    """A source cannot be reached, or lacks a table or a column that the mapping names."""


class UnreachableError(SourceError):
    """A database does not answer, or went away and did not come back."""


class PositionLostError(SourceError):
    """The binlog cannot be read from the place up to which it was read: purged, of another server, or damaged."""


class EmptyDayError(PipelineError):
    """A day that should have rows has none."""


class DayOutsideDataError(PipelineError):
    """The day lies before or after what the source or the archive holds."""


class DataContractError(PipelineError):
    """Rows break a contract: names table, column, rule, count and the first bad rows."""


class DataQualityError(DataContractError):
    """A day that keeps every contract and is still not good enough to learn from: names the worst parts."""


class SkewError(PipelineError):
    """Serving ranked by other values than training would have made."""


class LeakError(PipelineError):
    """A feature knows what nobody could know when it is asked: names each and how it was found."""


class LockedError(PipelineError):
    """Another run holds the lock of this day for longer than this run may wait."""


class StorageError(PipelineError):
    """The disk is full, read-only or fails."""


class ReleaseError(PipelineError):
    """A release folder is incomplete or was changed after it was published."""


class RecallMismatchError(ReleaseError):
    """A release's model learnt from recall scores that other code made than this."""

    def __init__(self, where: str, *, made_by: str, this_code: str) -> None:
        super().__init__(
            where,
            expected=f"recall code {this_code}",
            found=f"recall code {made_by}",
            remedy="Run the pipeline with this code, or serve with the code that made it.",
        )


class ReloadError(PipelineError):
    """Serving could not be told of a release, or refused it."""


class ObjectStoreError(SourceError):
    """An object store cannot be reached, refuses, or holds something else than was written."""


class RestoreError(PipelineError):
    """There is no copy, or what is here is newer than it, or of another shop."""
