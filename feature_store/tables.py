"""What a stored feature sees of a canonical table: rows before the end of the day, and the words to aggregate them.

Values are Ibis expressions, so the same definition runs on DuckDB and on Spark. Every word takes `days`, the window
that ends with the day; without it the word looks at everything before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # definitions are imported by serving, which has no Ibis
    import ibis.expr.types as ir

Value: TypeAlias = Any
"""An Ibis aggregate; Ibis' own types are not checked here."""

SECONDS_PER_DAY = 86_400
_EXACT = "decimal(38, 6)"
"""Floats are summed as decimals: a sum of floats depends on the order in which threads bring them."""


class AsOf:
    """Rows of a table as of the end of a day."""

    def __init__(self, table: ir.Table, as_of: int) -> None:
        self.table, self.as_of = table, as_of

    @property
    def age_days(self) -> Value:
        """Days from the row's moment to the end of the day, above 0."""
        return (self.as_of - self.table["seconds"]) / float(SECONDS_PER_DAY)

    def within(self, days: float | None) -> Value:
        """Whether the row lies in the last `days`; None (everything) for no window."""
        return None if days is None else self.table["seconds"] >= self.as_of - int(days * SECONDS_PER_DAY)

    def between(self, first: float, last: float) -> Value:
        """Whether the row is at least `first` and less than `last` days old."""
        return (self.age_days > first) & (self.age_days <= last)


class Purchases(AsOf):
    """Purchases before the end of the day, one row per order line."""

    def baskets(self, days: float | None = None) -> Value:
        """Distinct baskets."""
        return self.table["basket_id"].nunique(where=self.within(days))

    def buyers(self, days: float | None = None) -> Value:
        """Distinct users."""
        return self.table["user_id"].nunique(where=self.within(days))

    def items(self, days: float | None = None) -> Value:
        """Distinct items."""
        return self.table["item_id"].nunique(where=self.within(days))

    def lines(self, days: float | None = None) -> Value:
        """Order lines."""
        return self.table.count(where=self.within(days))

    def quantity(self, days: float | None = None) -> Value:
        """Pieces."""
        return self._sum("quantity", days)

    def spent(self, days: float | None = None) -> Value:
        """Money paid."""
        return self._sum("value", days)

    def discount(self, days: float | None = None) -> Value:
        """Money taken off."""
        return self._sum("discount", days)

    def discount_share(self, days: float | None = None) -> Value:
        """Money taken off as a share of the regular price; none where nothing was sold."""
        regular = self.spent(days) + self.discount(days)
        return self.discount(days) / regular.nullif(0)

    def _sum(self, column: str, days: float | None) -> Value:
        return self.table[column].cast(_EXACT).sum(where=self.within(days)).cast("float64")

    def days_since_last(self) -> Value:
        return self.age_days.min()

    def days_since_first(self) -> Value:
        return self.age_days.max()


class Pairs(AsOf):
    """Each user's purchases of one item before the end of the day, one row per user and item.

    `baskets`, and the moments `first` and `last` (seconds since 1970 UTC) of the earliest and the latest of them.
    """

    def repeat_share(self, prior_buyers: float, prior_share: float) -> Value:
        """Share of buyers who bought again, as if `prior_buyers` more had been seen of whom `prior_share` did."""
        again = self.table.count(where=self.table["baskets"] > 1)
        return (again + prior_buyers * prior_share) / (self.table.count() + prior_buyers)

    def mean_gap_days(self) -> Value:
        """Days between two purchases of the same user, on average over all gaps; none where nobody bought again."""
        gaps = (self.table["baskets"] - 1).sum()
        return (self.table["last"] - self.table["first"]).sum() / gaps.nullif(0) / float(SECONDS_PER_DAY)


class Prices(AsOf):
    """The price list: one row for each change before the end of the day."""

    def latest(self) -> Value:
        """The price in force at the end of the day; of two in one second the later by its microseconds."""
        return self.table["price"].argmax(self.table["valid_from"])

    def mean(self, days: float | None = None) -> Value:
        """Mean of the prices that came into force."""
        # Not `mean`: engines differ in the digits that they keep of a mean of decimals.
        total = self.table["price"].cast(_EXACT).sum(where=self.within(days)).cast("float64")
        return total / self.changes(days).nullif(0)

    def changes(self, days: float | None = None) -> Value:
        """How many prices came into force."""
        return self.table.count(where=self.within(days))


class Promotions(AsOf):
    """Promotions planned before the end of the day, one row per item, kind and beginning, over or still to come."""

    def coming(self, kind: str, days: float) -> Value:
        """Part of the `days` after the day, times the part of the shop, in which one of `kind` runs."""
        return self._running(kind, self.as_of, self.as_of + int(days * SECONDS_PER_DAY))

    def past(self, kind: str, days: float) -> Value:
        """The same of the `days` that end with the day."""
        return self._running(kind, self.as_of - int(days * SECONDS_PER_DAY), self.as_of)

    def _running(self, kind: str, start: int, end: int) -> Value:
        seconds = (self.table["ends"].clip(upper=end) - self.table["starts"].clip(lower=start)).clip(lower=0)
        reached = (self.table["reach"] * seconds).cast(_EXACT)
        return reached.sum(where=self.table["kind"] == kind).cast("float64") / (end - start)
