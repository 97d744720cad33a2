"""The demo shop, loaded when no business database is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.demo.shop import ensure_demo_shop
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.settings import Settings


@stage
def demo(_day: dt.date, settings: Settings) -> StageResult:
    """Load The Complete Journey into the work folder unless it is there or `database_url` names a shop."""
    loaded = ensure_demo_shop(settings)
    return StageResult((settings.workspace.demo_shop,) if loaded else (), int(loaded))
