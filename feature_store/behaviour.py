"""What stored features see of behaviour beyond single rows: from looking to buying, how wide a taste is, and where an
item's price stands on its shelf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.schema import PURCHASE
from feature_store.tables import FINE, SECONDS_PER_DAY, AsOf, Value

if TYPE_CHECKING:
    import ibis.expr.types as ir

LOOKED = ("view", "click")
"""Kinds of event by which a user looks at an item."""
LOOK_DAYS = 28
"""Days of behaviour that rates of looking and buying are of."""
MIX_DAYS = 91
"""Days of purchases that a user's taste is of."""
RETURN_DAYS = 90
"""Days of purchases and refunds that rates of giving back are of: within those of a taste, so that a snapshot need
read no more of the past for them.
"""


class Looks(AsOf):
    """Who had to do with which item in the last 28 days: one row per user and item.

    `looked`, `carted` and `bought` are 1 or 0; `shop_<what>_of_<whom>` is the whole shop's share.
    """

    def lookers(self) -> Value:
        """Users who looked."""
        return self.rows["looked"].sum()

    def share(self, what: str, whom: str, prior_users: float) -> Value:
        """Share of the users `whom` who also did `what`, as if `prior_users` more had done as the whole shop does;
        none where there was no such user.
        """
        users = self.rows[whom].sum()
        did = (self.rows[what] * self.rows[whom]).sum()
        shop = self.rows[f"shop_{what}_of_{whom}"].max()
        return (did + prior_users * shop) / (users.nullif(0) + prior_users)


class Returns(AsOf):
    """What was bought or given back in the last 90 days: one row per item of a basket, of its latest moment.

    `given_back` is 1 or 0; `shop_rate` is the whole shop's share.
    """

    def rate(self, prior_lines: float) -> Value:
        """Share that was given back, as if `prior_lines` more had been as in the whole shop; none where none was."""
        given = self.rows["given_back"].sum() + prior_lines * self.rows["shop_rate"].max()
        return given / (self.rows.count() + prior_lines)


class Mix(AsOf):
    """How a user's order lines of the last 91 days spread over groups of items: one row per user and group.

    `shop_share` is the group's part of the whole shop's lines.
    """

    def entropy(self) -> Value:
        """Of the groups' shares, in nats, to the millionth, beyond which engines' logarithms differ: 0 for one group
        only, more for many alike.
        """
        lines = self.rows["lines"]
        total = lines.sum()
        weighted = (lines * lines.cast("float64").ln()).cast(FINE).sum().cast("float64")
        spread = total.cast("float64").ln() - weighted / total
        return (spread > 0).ifelse(spread, 0.0).round(6)

    def largest_share(self, prior_lines: float) -> Value:
        """The largest of the groups' shares, as if `prior_lines` more had spread as the whole shop's do."""
        lines = self.rows["lines"]
        return (lines + prior_lines * self.rows["shop_share"]).max() / (lines.sum() + prior_lines)


class Shelf(AsOf):
    """Each item's price in force among those of its category: one row per item."""

    def price_rank(self) -> Value:
        """Share of the category's other prices that are lower: 0 the cheapest, 1 the dearest."""
        return self.rows["rank"].max()


class Listed(AsOf):
    """The catalogue: one row per item."""

    def days_listed(self) -> Value:
        return self.age_days.max()

    def stock(self) -> Value:
        """Pieces that are there; a shop that took orders for more has none."""
        return self.rows["stock"].clip(lower=0).max()


def looks(events: ir.Table, as_of: int) -> Looks:
    """Of events before the end of the day."""
    import ibis

    recent = events.filter(events["seconds"] >= as_of - LOOK_DAYS * SECONDS_PER_DAY)
    kind = recent["kind"]
    did = {"looked": kind.isin(LOOKED), "carted": kind == "cart", "bought": kind == PURCHASE}
    rows = recent.group_by("user_id", "item_id").aggregate(
        **{name: whether.any().cast("int64") for name, whether in did.items()}
    )
    everywhere = ibis.window()
    shares = {
        f"shop_{what}_of_{whom}": (rows[what] * rows[whom]).sum().over(everywhere)
        / rows[whom].sum().over(everywhere).nullif(0)
        for what, whom in (("carted", "looked"), ("bought", "looked"), ("bought", "carted"))
    }
    return Looks(rows.mutate(**shares), as_of, reach=LOOK_DAYS)


def returns(bought: ir.Table, refunds: ir.Table, as_of: int) -> Returns:
    """Of purchases and refunds before the end of the day; what came back whole is among the refunds alone."""
    import ibis

    columns = ["user_id", "item_id", "basket_id", "seconds"]
    kept, given = (rows.select(*columns, given_back=ibis.literal(n)) for n, rows in enumerate((bought, refunds)))
    lines = ibis.union(kept, given)
    recent = lines.filter(lines["seconds"] >= as_of - RETURN_DAYS * SECONDS_PER_DAY)
    rows = recent.group_by("user_id", "item_id", "basket_id").aggregate(
        seconds=recent["seconds"].max(), given_back=recent["given_back"].max()
    )
    shop_rate = rows["given_back"].mean().over(ibis.window())
    return Returns(rows.mutate(shop_rate=shop_rate), as_of, reach=RETURN_DAYS)


def mix(bought: ir.Table, group: str, as_of: int) -> Mix:
    """Of purchases before the end of the day, which carry `group`; lines of items without one are left out."""
    import ibis

    recent = bought.filter(bought["seconds"] >= as_of - MIX_DAYS * SECONDS_PER_DAY, bought[group] != "")
    shop = recent.group_by(group).aggregate(shop_lines=recent.count())
    shares = shop.select(group, shop_share=shop["shop_lines"] / shop["shop_lines"].sum().over(ibis.window()))
    rows = recent.group_by("user_id", group).aggregate(lines=recent.count()).inner_join(shares, group)
    return Mix(rows, as_of, reach=MIX_DAYS)


def shelf(prices: ir.Table, items: ir.Table, as_of: int) -> Shelf:
    """Of prices before the end of the day; `items` carries item_id and category."""
    import ibis

    latest = prices.group_by("item_id").aggregate(price=prices["price"].argmax(prices["valid_from"]))
    rows = latest.inner_join(items, "item_id")
    rank = ibis.percent_rank().over(ibis.window(group_by="category", order_by="price"))
    return Shelf(rows.mutate(rank=rank), as_of)
