"""Serving is told that there is a new release."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from pipeline.errors import ReloadError
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings

_TIMEOUT_SECONDS = 60


@stage
def reload(_day: dt.date, settings: Settings) -> StageResult:
    """POST to `serving.reload_url` and wait until it serves what the pointer names; without a URL nobody is told.

    Raises:
        ReloadError: serving cannot be reached or refuses the release; it goes on with the one it has.
    """
    url = settings.serving.reload_url
    if url is None:
        return StageResult((), 0, {"told": 0.0})
    request = urllib.request.Request(url, data=b"{}", headers={"Content-Type": "application/json"}, method="POST")  # noqa: S310 - from settings
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
            json.load(response)
    except urllib.error.HTTPError as error:
        raise ReloadError(
            url,
            expected="the new release loaded",
            found=f"{error.code}: {error.read().decode()[:500]}",
            remedy="Mend what it names, then POST to it again; until then the old release serves.",
        ) from error
    except (OSError, ValueError) as error:
        raise ReloadError(
            url,
            expected="an answer from serving",
            found=str(error),
            remedy="Start serving, or mend `serving.reload_url`; it finds the new release by itself at its next start.",
        ) from error
    return StageResult((), 1, {"told": 1.0})
