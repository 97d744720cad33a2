"""The root of every error Vitrine raises on purpose, and those of the feature store."""

from __future__ import annotations


class VitrineError(Exception):
    """Something a person must act on: where it is, what was expected, what was found, what to do."""

    def __init__(self, where: str, *, expected: str, found: str, remedy: str) -> None:
        self.where, self.expected, self.found, self.remedy = where, expected, found, remedy
        super().__init__(f"{where}: expected {expected}, found {found}. {remedy}")


class FeatureError(VitrineError):
    """A feature is defined or used against its contract."""


class FeatureSetMismatchError(VitrineError):
    """Vectors or a release were made by another feature set than this code defines."""

    def __init__(self, where: str, *, made_by: str, this_code: str) -> None:
        super().__init__(
            where,
            expected=f"feature set {this_code}",
            found=f"feature set {made_by}",
            remedy="Run the pipeline with this code, or serve with the code that made it.",
        )


class ArchiveError(VitrineError):
    """The archive lacks a partition or holds one that cannot be read."""


class OnlineStoreError(VitrineError):
    """The online store cannot be reached or holds something else than was written."""


class EngineError(VitrineError):
    """The chosen engine cannot be started, or not as it is told."""
