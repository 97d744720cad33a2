"""One policy of trying again for every store: what can pass is tried a few times with growing pauses."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import ObjectStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.sources.objectstore.store import Access

T = TypeVar("T")
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5
CONFLICT, NOT_FOUND = 409, 404
_SERVER_ERROR, _TOO_MANY, _NOT_IMPLEMENTED = 500, 429, 501
_CHECK = "Check endpoint, region, credentials, the bucket's policy and the network."


@dataclass(frozen=True)
class Trouble:
    """What a store said instead of an answer. Signatures and headers, which full answers repeat, are left out.

    status: of the HTTP answer, 0 when there was none. passes: whether another try may find it gone.
    """

    status: int
    code: str
    message: str
    request: str = ""
    passes: bool = False

    @classmethod
    def of_status(
        cls, status: int, code: str, message: str, request: str = "", *, passing: frozenset[str] = frozenset()
    ) -> Trouble:
        """No answer, an overloaded or failing server, and the codes of `passing` may pass; other refusals do not."""
        refused = 0 < status < _SERVER_ERROR and status != _TOO_MANY
        passes = code in passing or not (refused or status == _NOT_IMPLEMENTED)
        return cls(status, code, message, request, passes)


class RefusedError(ObjectStoreError):
    """The store answered, and its answer is no."""

    def __init__(self, status: int, told: ObjectStoreError) -> None:
        self.status, self.told = status, told
        super().__init__(told.where, expected=told.expected, found=told.found, remedy=told.remedy)


@dataclass(frozen=True)
class Retries:
    """How one bucket's requests are tried.

    errors: what its library raises. explain: what such an error means. remedies: by code, what to do about it.
    """

    url: str
    access: Access
    errors: tuple[type[Exception], ...]
    explain: Callable[[Exception], Trouble]
    remedies: Mapping[str, str]

    def tried(self, key: str, action: Callable[[], T]) -> T:
        """The answer, at the latest of `ATTEMPTS` tries; refusals are not tried again.

        Raises:
            RefusedError: the store says no.
            ObjectStoreError: there was no sound answer.
        """
        for attempt in range(ATTEMPTS):
            try:
                return action()
            except self.errors as error:
                trouble = self.explain(error)
                if not trouble.passes:
                    raise RefusedError(trouble.status, self._told(key, trouble)) from None
                if attempt == ATTEMPTS - 1:
                    raise self._told(key, trouble) from None
            self.access.pause(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 -- spreads retries
        raise AssertionError

    def _told(self, key: str, trouble: Trouble) -> ObjectStoreError:
        found = f"{trouble.status} {trouble.code}: {trouble.message}" if trouble.code else trouble.message
        at = f" at {self.access.endpoint}" if self.access.endpoint else ""
        return ObjectStoreError(
            f"{self.url}/{key}{at}",
            expected="an answer",
            found=found + (f" (request {trouble.request})" if trouble.request else ""),
            remedy=self.remedies.get(trouble.code, _CHECK),
        )
