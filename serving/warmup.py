"""A release's first requests, made before anybody waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.recommender.golden import read_golden
from pipeline.recommender.recommend import Request, recommend

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.recommender.release import Release


def warm_up(release: Release, folder: Path) -> int:
    """Answer the requests recorded in the release, and one from somebody new in every scene; how many there were.

    Maps the arrays into memory and lets ONNX Runtime allocate, so that the first shopper does not wait for it.
    A request that cannot be answered raises whatever stopped it.
    """
    nobody = [(Request("", release.manifest.as_of, scene=scene), None) for scene in release.scenes]
    asked = [*read_golden(folder), *nobody]
    for request, record in asked:
        recommend(request, release, record)
    return len(asked)
