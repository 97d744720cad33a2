"""What audits found, kept for the gate: one file an audit below `audits/`, good for the features that it looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from feature_store.registry import feature_set_id
from pipeline.atomic import write_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from pipeline.settings import Settings


def keep_result(audit: str, day: dt.date, facts: Mapping[str, float], settings: Settings) -> None:
    """Write down what `audit` of `day` measured (`leaks`, `skew_share`), in place of what it found before."""
    result = {"audit": audit, "day": str(day), "feature_set": feature_set_id(), "facts": dict(facts)}
    write_text(settings.workspace.audits / f"{audit}.json", json.dumps(result, indent=1) + "\n")


def kept_facts(settings: Settings) -> dict[str, float]:
    """Everything that audits of this feature set last found; what was found of other features says nothing of these."""
    found: dict[str, float] = {}
    for path in sorted(settings.workspace.audits.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result["feature_set"] == feature_set_id():
            found |= result["facts"]
    return found
