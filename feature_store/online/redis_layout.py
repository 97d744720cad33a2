"""The keys of the Redis store, and what Redis' errors mean to a person.

`{PREFIX}:current`                               the pointer: JSON of the version that readers see
`{PREFIX}:versions`                              set of versions whose keys may exist
`{PREFIX}:doomed`                                set of dead versions whose keys are being deleted
`{PREFIX}:writing:STEM`                          lives while somebody writes that version
`PREFIX:FEATURE_SET_ID:VERSION:u:{USER}`         one packed record
`PREFIX:h:{USER}`                                what they did since (`recent.py`), whatever the version

The braces are part of the key: a Cluster keeps together what has the same text between them, so that what is moved
together lies on one node, and a version's users on all of them.
A stem is `PREFIX:FEATURE_SET_ID:VERSION`, where VERSION is the version's name and a random mark, so that writing a day
again never touches what readers read.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from redis import exceptions

from feature_store.errors import OnlineStoreError
from feature_store.online.store import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUNNING = "Start Redis or mend VITRINE_ONLINE_STORE_URL; readers use the fallback meanwhile."
_AS_BEFORE = "Readers keep the version before."


@dataclass(frozen=True)
class Pointer:
    """What `{prefix}:current` says. `stem`: how the keys of the version begin."""

    version: Version
    stem: str

    def to_json(self) -> bytes:
        return json.dumps({**asdict(self.version), "stem": self.stem}).encode()


def read_pointer(place: str, raw: bytes) -> Pointer:
    """
    Raises:
        OnlineStoreError: the key holds something else than a pointer.
    """
    try:
        fields = json.loads(raw)
        stem = fields.pop("stem")
        return Pointer(Version(**fields), stem)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise OnlineStoreError(
            place,
            expected="a pointer to a version",
            found=repr(raw[:40]),
            remedy="Give the store a prefix of its own and sync again.",
        ) from error


def current_key(prefix: str) -> str:
    return f"{{{prefix}}}:current"


def versions_key(prefix: str) -> str:
    return f"{{{prefix}}}:versions"


def doomed_key(prefix: str) -> str:
    return f"{{{prefix}}}:doomed"


def writing_key(prefix: str, stem: str) -> str:
    return f"{{{prefix}}}:writing:{stem}"


def user_key(stem: str, user: str) -> str:
    return f"{stem}:u:{{{user}}}"


def history_key(prefix: str, user: str) -> str:
    return f"{prefix}:h:{{{user}}}"


def as_bytes(answer: bytes | str | None) -> bytes | None:
    """What Redis sent; redis-py types it as either."""
    return answer.encode() if isinstance(answer, str) else answer


def as_text(answer: bytes | str) -> str:
    return answer if isinstance(answer, str) else answer.decode()


@contextmanager
def clear_errors(place: str) -> Iterator[None]:
    """Say what Redis' errors mean for the store at `place`."""
    try:
        yield
    except (exceptions.RedisError, exceptions.RedisClusterException) as error:
        expected, remedy = _meaning(error)
        raise OnlineStoreError(
            place, expected=expected, found=str(error).rstrip(".") or type(error).__name__, remedy=remedy
        ) from error


def _meaning(error: Exception) -> tuple[str, str]:
    """What was expected, and what to do; redis-py hides a refused password behind a connection error."""
    match error.__cause__ if isinstance(error.__cause__, exceptions.RedisError) else error:
        case exceptions.OutOfMemoryError():
            return "room for a version beside the one in use", f"Raise `maxmemory`. {_AS_BEFORE}"
        case exceptions.ReadOnlyError():
            return (
                "a Redis that takes writes",
                f"Name the primary in VITRINE_ONLINE_STORE_URL, not a replica. {_AS_BEFORE}",
            )
        case exceptions.AuthenticationError() | exceptions.NoPermissionError():
            return (
                "a user who may read and write the store's keys",
                "Mend user or password in VITRINE_ONLINE_STORE_URL.",
            )
        case exceptions.ConnectionError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                "a server whose certificate is vouched for",
                "Name the file of its CA in VITRINE_ONLINE_STORE_URL: `?ssl_ca_certs=/path/ca.crt`.",
            )
        case (
            exceptions.ConnectionError()
            | exceptions.TimeoutError()
            | exceptions.ClusterDownError()
            | exceptions.RedisClusterException()
        ):
            return "a Redis that answers", _RUNNING
    return "a Redis that does what it is asked", f"See Redis' log. {_AS_BEFORE}"
