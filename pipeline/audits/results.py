"""What audits found, kept for the gate: one file an audit below `audits/`, good for the features that it looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from feature_store.registry import feature_set_id
from pipeline.atomic import write_text
from pipeline.recommender.recall import recall_code

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from pipeline.settings import Settings

AUDITS = ("leaks", "skew")


def keep_result(audit: str, day: dt.date, facts: Mapping[str, float], settings: Settings) -> None:
    """Write down what `audit` of `day` measured (`leaks`, `skew_share`), in place of what it found before.

    facts: empty where it was asked and could not measure anything
    """
    result = {"audit": audit, "day": str(day), **_looked_at(settings), "facts": dict(facts)}
    write_text(settings.workspace.audits / f"{audit}.json", json.dumps(result, indent=1) + "\n")


def kept(audit: str, settings: Settings) -> dict[str, float] | None:
    """What `audit` last found of these features; None: it was not asked, or only of others, which says nothing of
    these.
    """
    path = settings.workspace.audits / f"{audit}.json"
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    facts: dict[str, float] = result["facts"]
    return facts if all(result.get(name) == value for name, value in _looked_at(settings).items()) else None


def kept_facts(settings: Settings) -> dict[str, float]:
    """Everything that audits of these features last found."""
    return {name: value for audit in AUDITS for name, value in (kept(audit, settings) or {}).items()}


def _looked_at(settings: Settings) -> dict[str, Any]:
    """What makes a ranker's features: their code, and that of recall (its scores are features) and its sources."""
    return {
        "feature_set": feature_set_id(),
        "recall_code": recall_code(),
        "recall_sources": list(settings.recall_sources),
    }
