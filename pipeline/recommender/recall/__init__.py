"""One file a recall source; `SOURCES` names them all."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.recommender.recall.source import RecallSource

SOURCES: Mapping[str, type[RecallSource]] = {}
