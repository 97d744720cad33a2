"""What a stored feature sees of a canonical table: rows before the end of the day, and the words to aggregate them.

Values are Ibis expressions, so the same definition runs on DuckDB and on Spark. Every word takes `days`, the window
that ends with the day; without it the word looks at everything before.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # definitions are imported by serving, which has no Ibis
    from collections.abc import Callable

    import ibis.expr.types as ir

Value: TypeAlias = Any
"""An Ibis aggregate; Ibis' own types are not checked here."""

SECONDS_PER_DAY = 86_400
EXACT = "decimal(38, 6)"
"""Floats are summed as decimals: a sum of floats depends on the order in which threads bring them."""
FINE = "decimal(38, 12)"
"""The same where digits count: n ln n, or lines times a part of a week."""


def since(events: ir.Table, moment: float) -> ir.Table:
    """The events of a moment (seconds since 1970 UTC) and later."""
    first = dt.datetime.fromtimestamp(math.ceil(moment), dt.UTC)
    return events.filter(events["time"] >= first)  # whole files are left out by `time`, by `seconds` none


class AsOf:
    """Rows of a table as of the end of a day.

    `reach` is how many days back the words looked that were asked so far: what a snapshot must read of the past.
    `moment` names the column that says when a row happened.
    """

    moment = "seconds"

    def __init__(self, rows: ir.Table, as_of: int, reach: float = 0.0) -> None:
        self.rows, self.as_of, self.reach = rows, as_of, reach

    @property
    def table(self) -> ir.Table:
        """All rows, for what has no word yet; a snapshot that uses it reads the whole past."""
        self._look_back(None)
        return self.rows

    @property
    def age_days(self) -> Value:
        """Days from the row's moment to the end of the day, above 0."""
        self._look_back(None)
        return (self.as_of - self.rows[self.moment]) / float(SECONDS_PER_DAY)

    def within(self, days: float | None) -> Value:
        """Whether the row lies in the last `days`; None (everything) for no window."""
        self._look_back(days)
        return None if days is None else self.rows[self.moment] >= self.as_of - int(days * SECONDS_PER_DAY)

    def _look_back(self, days: float | None) -> None:
        self.reach = max(self.reach, math.inf if days is None else days)


class Purchases(AsOf):
    """Purchases before the end of the day, one row per order line. `Pairs` knows cheaper what was ever bought, and how
    many bought an item of late.

    whole: days -> one row on the purchases of everybody in the last days, towards which shares are smoothed: `baskets`,
    `lines`, `pairs` of a user and an item, and `discount_share`
    """

    def __init__(self, rows: ir.Table, as_of: int, whole: Callable[[float], ir.Table]) -> None:
        super().__init__(rows, as_of)
        self.whole = whole

    def baskets(self, days: float | None = None) -> Value:
        """Distinct baskets."""
        return self.rows["basket_id"].nunique(where=self.within(days))

    def buyers(self, days: float | None = None) -> Value:
        """Distinct users."""
        return self.rows["user_id"].nunique(where=self.within(days))

    def items(self, days: float | None = None) -> Value:
        """Distinct items."""
        return self.rows["item_id"].nunique(where=self.within(days))

    def lines(self, days: float | None = None) -> Value:
        """Order lines."""
        return self.rows.count(where=self.within(days))

    def quantity(self, days: float | None = None) -> Value:
        """Pieces."""
        return self._sum("quantity", days)

    def spent(self, days: float | None = None) -> Value:
        """Money paid."""
        return self._sum("value", days)

    def discount(self, days: float | None = None) -> Value:
        """Money taken off."""
        return self._sum("discount", days)

    def basket_share(self, days: float) -> Value:
        """Share of the shop's baskets that held one."""
        return self.baskets(days) / self.whole(days)["baskets"].as_scalar().nullif(0)

    def discount_share(self, days: float, prior_lines: float) -> Value:
        """Money taken off as a share of the regular price, as if `prior_lines` more had been sold, each with the whole
        shop's share; none where nothing was sold.
        """
        lines, off = self.lines(days), self.discount(days)
        share = off / (self.spent(days) + off).nullif(0)
        return (share * lines + prior_lines * self.whole(days)["discount_share"].as_scalar()) / (lines + prior_lines)

    def variety(self, days: float, prior_lines: float) -> Value:
        """Different items per line, for a user, as if `prior_lines` more had been as different as each user's of the
        whole shop are; none where nothing was sold.
        """
        lines, whole = self.lines(days), self.whole(days)
        shop = whole["pairs"].as_scalar() / whole["lines"].as_scalar().nullif(0)
        return (self.items(days) + prior_lines * shop) / (lines.nullif(0) + prior_lines)

    def _sum(self, column: str, days: float | None) -> Value:
        return self.rows[column].cast(EXACT).sum(where=self.within(days)).cast("float64")


class Prices(AsOf):
    """The price list: one row for each change before the end of the day."""

    def latest(self) -> Value:
        """The price in force at the end of the day; of two in one second the later by its microseconds."""
        return self.rows["price"].argmax(self.rows["valid_from"])

    def mean(self, days: float | None = None) -> Value:
        """Mean of the prices that came into force."""
        # Not `mean`: engines differ in the digits that they keep of a mean of decimals.
        total = self.rows["price"].cast(EXACT).sum(where=self.within(days)).cast("float64")
        return total / self.changes(days).nullif(0)

    def changes(self, days: float | None = None) -> Value:
        """How many prices came into force."""
        return self.rows.count(where=self.within(days))


class Promotions(AsOf):
    """Promotions planned before the end of the day, one row per item, kind and beginning, over or still to come."""

    def coming(self, kind: str, days: float) -> Value:
        """Part of the `days` after the day, times the part of the shop, in which one of `kind` runs."""
        return self._running(kind, self.as_of, self.as_of + int(days * SECONDS_PER_DAY))

    def past(self, kind: str, days: float) -> Value:
        """The same of the `days` that end with the day."""
        return self._running(kind, self.as_of - int(days * SECONDS_PER_DAY), self.as_of)

    def _running(self, kind: str, start: int, end: int) -> Value:
        seconds = (self.rows["ends"].clip(upper=end) - self.rows["starts"].clip(lower=start)).clip(lower=0)
        reached = (self.rows["reach"] * seconds).cast(EXACT)
        return reached.sum(where=self.rows["kind"] == kind).cast("float64") / (end - start)
