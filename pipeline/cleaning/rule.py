"""What a rule of cleaning is, and what becomes of the rows that it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from feature_store.schema import Table
    from pipeline.cleaning.facts import Facts
    from pipeline.cleaning.masks import Mask

Effect = Literal["changed", "dropped", "quarantined"]


@dataclass(frozen=True)
class Rule:
    """One rule: `find` gives the rows it applies to; `mend` repairs them, without it they are taken out.

    A rule sees the rows of a table with helper columns: `partition_day` (days since 1970), and for tables that refer to
    them `order_row` and `item_row` (row in the facts, UNKNOWN where there is none).
    """

    name: str
    why: str
    find: Callable[[Table, pd.DataFrame, Facts], Mask]
    mend: Callable[[Table, pd.DataFrame, Mask, Facts], pd.DataFrame] | None = None
    waits: bool = False
    """Rows taken out lie in quarantine, because what they lack may still arrive."""
    fault: Literal["validity", "uniqueness", "references"] | None = None
    """The part of the quality score that rows found here speak against; none: they are no fault of the data."""

    @property
    def effect(self) -> Effect:
        if self.mend:
            return "changed"
        return "quarantined" if self.waits else "dropped"
