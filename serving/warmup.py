"""A release's first requests, made before anybody waits for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.recommender.recommend import Request, recommend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.recommender.release import Release

GOLDEN = "golden_requests.jsonl"


def warm_up(release: Release, folder: Path) -> int:
    """Answer the requests recorded in the release, and one from somebody new in every scene; how many there were.

    Maps the arrays into memory and lets ONNX Runtime allocate, so that the first shopper does not wait for it.
    A request that cannot be answered raises whatever stopped it.
    """
    number = 0
    for request in _requests(release, folder):
        recommend(request, release, None)
        number += 1
    return number


def _requests(release: Release, folder: Path) -> Iterator[Request]:
    path = folder / GOLDEN
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        yield Request(**json.loads(line))
    for scene in release.scenes:
        yield Request("", release.manifest.as_of, scene=scene)
