"""Errors as HTTP: the only place that knows which status a domain error becomes."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from feature_store.errors import FeatureSetMismatchError, VitrineError
from pipeline.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)


class ServingError(VitrineError):
    """A request that cannot be answered as asked."""


class NothingToServeError(ServingError):
    """No release is loaded, and not even a popular list was found."""


class UnknownReleaseError(ServingError):
    """A reload names a release that does not exist."""


class UnknownSceneError(ServingError):
    """The release in use has no such scene."""


_STATUS: dict[type[VitrineError], int] = {
    NothingToServeError: 503,
    UnknownReleaseError: 404,
    UnknownSceneError: 422,
    ReleaseError: 409,
    FeatureSetMismatchError: 409,
}
_INTERNAL = 500


def json_response(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")


def describe(error: VitrineError) -> dict[str, str]:
    """The error as an answer: what a person needs to act on it."""
    return {
        "error": type(error).__name__,
        "where": error.where,
        "expected": error.expected,
        "found": error.found,
        "remedy": error.remedy,
    }


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(VitrineError, _domain_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _domain_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, VitrineError)  # noqa: S101 - registered for nothing else
    if isinstance(error, UnknownSceneError):
        return _invalid([{"field": "scene", "reason": f"must be {error.expected}, not {error.found}"}])
    return json_response(describe(error), _STATUS.get(type(error), _INTERNAL))


async def _invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    return _invalid([{"field": _field(problem["loc"]), "reason": _reason(problem)} for problem in error.errors()])


def _invalid(fields: list[dict[str, str]]) -> Response:
    return json_response({"error": "InvalidRequest", "fields": fields}, 422)


def _field(location: Sequence[object]) -> str:
    """`("body", "exclude", 3)` -> `exclude.3`; the whole body is `body`."""
    if len(location) > 1 and not (location[0] == "body" and isinstance(location[1], int)):
        location = location[1:]
    else:
        location = location[:1]
    return ".".join(str(part) for part in location)


def _reason(problem: dict[str, Any]) -> str:
    """Pydantic's own words, in a sentence about the field."""
    known = {
        "missing": "is missing",
        "extra_forbidden": "is not a field of this request",
        "json_invalid": f"is not JSON: {problem.get('ctx', {}).get('error', '')}",
    }
    return known.get(problem["type"], re.sub(r"^\w+ should", "must", str(problem["msg"]))).rstrip(": ")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return json_response({"error": str(error.detail)}, error.status_code, dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request failed", exc_info=error, extra={"path": request.url.path})
    return json_response({"error": "InternalError", "remedy": "See the server's log."}, _INTERNAL)
