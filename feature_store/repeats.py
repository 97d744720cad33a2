"""What was ever bought: each user's purchases of one item, and the time from one to the next.

Purchases of one moment are one. What is known of a longer past is what was rolled up before a moment, with later
purchases added: counts, decimals and the bounds of time give the same whole in whichever parts they are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_store.tables import EXACT, SECONDS_PER_DAY, AsOf, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    import ibis.expr.types as ir

_PAIR = ["user_id", "item_id"]


class Pairs(AsOf):
    """Each user's purchases of one item since the archive begins, one row per user and item.

    `lines`, `quantity`, and the moments `first` and `last` (seconds since 1970 UTC) of the earliest and the latest of
    them; a pair lies within a window when `last` does.
    """

    moment = "last"

    def __init__(self, rows: ir.Table, as_of: int, shop_repeat_share: Value) -> None:
        super().__init__(rows, as_of)
        self.shop_repeat_share = shop_repeat_share

    def buyers(self, days: float | None = None) -> Value:
        """Users, for an item."""
        return self.rows.count(where=self.within(days))

    def lines(self) -> Value:
        """Order lines."""
        return self.rows["lines"].sum()

    def quantity(self) -> Value:
        """Pieces."""
        return self.rows["quantity"].sum().cast("float64")

    def days_since_last(self) -> Value:
        return (self.as_of - self.rows["last"].max()) / float(SECONDS_PER_DAY)

    def days_since_first(self) -> Value:
        return (self.as_of - self.rows["first"].min()) / float(SECONDS_PER_DAY)

    def repeat_share(self, prior_buyers: float) -> Value:
        """Share of buyers who bought again, as if `prior_buyers` more had been seen who do as the whole shop does."""
        again = self.rows.count(where=bought_again(self.rows))
        return (again + prior_buyers * self.shop_repeat_share) / (self.rows.count() + prior_buyers)


class Gaps(AsOf):
    """Each time a user bought an item again: one row with the `gap` in seconds since they bought it before."""

    def mean_days(self) -> Value:
        return self.rows["gap"].sum() / self.rows.count() / float(SECONDS_PER_DAY)

    def median_days(self) -> Value:
        return self.rows["gap"].median() / float(SECONDS_PER_DAY)


@dataclass(frozen=True)
class Ever:
    """pairs: user_id, item_id, lines, quantity, first, last;  gaps: item_id, gap."""

    pairs: ir.Table
    gaps: ir.Table


def bought_again(pairs: ir.Table) -> Value:
    """Whether the user bought the item at more than one moment."""
    return pairs["last"] > pairs["first"]


def ever(bought: ir.Table, past: Ever | None, keep: Callable[[str, ir.Table], ir.Table]) -> Ever:
    """Of purchases, and of what was rolled up of all that lie before the first of them."""
    import ibis

    before = bought["seconds"].lag().over(ibis.window(group_by=_PAIR, order_by="seconds"))
    lines = keep("lines", bought.select(*_PAIR, "seconds", "quantity", gap=bought["seconds"] - before))
    pairs = lines.group_by(_PAIR).aggregate(
        lines=lines.count(),
        quantity=lines["quantity"].cast(EXACT).sum().cast(EXACT),
        first=lines["seconds"].min(),
        last=lines["seconds"].max(),
    )
    gaps = lines.filter(lines["gap"] > 0).select("item_id", "gap")
    if past is None:
        return Ever(keep("pairs", pairs), keep("gaps", gaps))
    pairs = keep("later_pairs", pairs)
    again = past.pairs.inner_join(pairs, _PAIR, rname="{name}_later")
    between = again.select("item_id", gap=again["first_later"] - again["last"])
    return Ever(keep("pairs", _added(past.pairs, pairs)), keep("gaps", ibis.union(past.gaps, gaps, between)))


def _added(past: ir.Table, later: ir.Table) -> ir.Table:
    """`past` with the purchases of `later`, each of which comes after all of `past`."""
    import ibis

    both = past.outer_join(later, _PAIR, rname="{name}_later")
    sums = {
        name: (both[name].fill_null(0) + both[f"{name}_later"].fill_null(0)).cast(kind)
        for name, kind in (("lines", "int64"), ("quantity", EXACT))
    }
    keys = {name: ibis.coalesce(both[name], both[f"{name}_later"]) for name in _PAIR}
    first, last = ibis.coalesce(both["first"], both["first_later"]), ibis.coalesce(both["last_later"], both["last"])
    return both.select(**keys, **sums, first=first, last=last)
