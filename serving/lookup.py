"""What is known of a user: from the online store, or from its fallback, or nothing."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from feature_store.online.connect import first_answer, open_reader
from monitoring.names import STORE_ERRORS, STORE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.errors import VitrineError
    from feature_store.online.store import Found, OnlineReader, Version
    from pipeline.settings import Settings
    from serving.telemetry import Telemetry

log = logging.getLogger(__name__)


def open_readers(settings: Settings) -> list[OnlineReader]:
    """The online store, and behind it the SQLite file in the work folder when that is not the store itself."""
    urls = dict.fromkeys((settings.online_url, settings.online_file_url))
    bounds = settings.online_history.bounds()
    return [open_reader(url, settings.online_prefix, settings.serving.online_timeout_ms, bounds) for url in urls]


class UserLookup:
    """Asks the readers in turn, counts what fails, and says once when the store goes away and once when it is back."""

    def __init__(self, readers: Sequence[OnlineReader], telemetry: Telemetry) -> None:
        self._readers, self._telemetry = readers, telemetry
        self._failing = False

    async def find(self, user_id: str) -> tuple[Found | None, str]:
        """What is known of the user (None: nobody answered), and why the answer is less than it could be."""
        start = time.perf_counter()
        found, errors = await first_answer(self._readers, user_id)
        self._telemetry.observe(STORE_SECONDS, time.perf_counter() - start)
        self._notice(errors)
        if not errors:
            return found, ""
        answered = len(errors) < len(self._readers)
        return found, f"online store failed: {'the fallback answered' if answered else 'default vector, no history'}"

    async def version(self) -> Version | None:
        """The store's current version.

        Raises:
            OnlineStoreError: the store (not its fallback) cannot be read.
        """
        return await self._readers[0].version()

    async def close(self) -> None:
        for reader in self._readers:
            await reader.close()

    def _notice(self, errors: Sequence[VitrineError]) -> None:
        if errors:
            self._telemetry.count(STORE_ERRORS, len(errors))
        if bool(errors) != self._failing:
            self._failing = bool(errors)
            if errors:
                log.warning("online store failed", extra={"reasons": [str(error) for error in errors]})
            else:
                log.info("online store is back")
