"""An item among those of its subcategory, a group that has no features of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.tables import FINE, SECONDS_PER_DAY, AsOf, Promotions, Value

if TYPE_CHECKING:
    import ibis.expr.types as ir

SIBLING_DAYS = 91
"""Days of purchases that an item is compared by."""
COMING_DAYS = 7
"""Days whose promotions are looked at."""


class Siblings(AsOf):
    """One row per item: `subcategory_share` of the shop's baskets, and by kind of promotion what rivals have of it."""

    def subcategory_share(self) -> Value:
        """Share of the shop's baskets that held the item's subcategory."""
        return self.rows["subcategory_share"].max()

    def rivals_share(self, kind: str) -> Value:
        """Of the shop's lines in the subcategory the share of other items, each times how much a promotion of the
        `kind` is coming for it; none where nothing was sold.
        """
        return self.rows[f"rivals_{kind}"].max()


def siblings(bought: ir.Table, promotions: Promotions, items: ir.Table, shop_baskets: Value, as_of: int) -> Siblings:
    """Of purchases before the end of the day, which carry `subcategory`, as `items` do; both name one "" for none.

    shop_baskets: how many the whole shop had in the last `SIBLING_DAYS`
    """
    import ibis

    kinds = ("advertised", "displayed")
    recent = bought.filter(bought["seconds"] >= as_of - SIBLING_DAYS * SECONDS_PER_DAY)
    held = recent.group_by("subcategory").aggregate(baskets=recent["basket_id"].nunique())
    sold = recent.group_by("item_id").aggregate(lines=recent.count())
    coming = promotions.rows.group_by("item_id").aggregate(
        **{kind: promotions.coming(kind, COMING_DAYS) for kind in kinds}
    )
    rows = items.left_join(sold, "item_id").drop("item_id_right").left_join(coming, "item_id").drop("item_id_right")
    lines = ibis.coalesce(rows["lines"], 0)
    promoted = {kind: (lines * ibis.coalesce(rows[kind], 0.0)).cast(FINE) for kind in kinds}
    rows = rows.select("item_id", "subcategory", lines=lines, **promoted)
    shelf = ibis.window(group_by="subcategory")
    total = rows["lines"].sum().over(shelf).nullif(0)
    rivals = {f"rivals_{kind}": (rows[kind].sum().over(shelf) - rows[kind]).cast("float64") / total for kind in kinds}
    rows = rows.mutate(**rivals).left_join(held, "subcategory")
    shares = rows.select("item_id", *rivals, subcategory_share=rows["baskets"] / shop_baskets.nullif(0))
    return Siblings(shares, as_of, reach=SIBLING_DAYS)
