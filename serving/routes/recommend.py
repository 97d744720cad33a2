"""`POST /api/v1/recommend`."""

from __future__ import annotations

import re
import uuid

from fastapi import APIRouter, Request, Response

from serving.answering import answer
from serving.errors import json_response
from serving.schemas import ErrorResponse, InvalidRequestResponse, RecommendRequest, RecommendResponse
from serving.service import service_of

router = APIRouter()
_HEADER = "X-Request-ID"
_PLAIN = re.compile(r"[\w.:-]{1,100}", re.ASCII)


@router.post(
    "/api/v1/recommend",
    response_model=RecommendResponse,
    responses={422: {"model": InvalidRequestResponse}, 503: {"model": ErrorResponse}},
)
async def recommend(body: RecommendRequest, request: Request) -> Response:
    """A list of items for a user, best first. Always a list while any release was ever published."""
    service = service_of(request)
    request_id = _request_id(request)
    listed = await answer(body, request_id, service)
    known = listed.known
    version, recent = (known.version, known.recent) if known else ("", b"")
    service.exposures.add(request_id, listed.request, listed.release, version, recent, listed.answer)
    content = {
        "request_id": request_id,
        "release": listed.release,
        "user_id": body.user_id,
        "scene": body.scene,
        "items": listed.answer.items,
        "degrade_level": listed.answer.degrade_level,
        "degrade_reason": listed.answer.degrade_reason,
    }
    return json_response(content, headers={_HEADER: request_id})


def _request_id(request: Request) -> str:
    """The caller's own id when it is a plain word, so that it can be found in both logs; a new one otherwise."""
    given = request.headers.get(_HEADER, "")
    return given if _PLAIN.fullmatch(given) else uuid.uuid4().hex
