"""What a stored feature gets for each name that its parameter may have, and how far back into the past it looks."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Protocol

from feature_store.behaviour import LOOK_DAYS, Listed, looks, mix, returns, shelf
from feature_store.errors import FeatureError
from feature_store.registry import stored_features
from feature_store.repeats import Ever, Gaps, Pairs, bought_again
from feature_store.rhythm import baskets_of_hours
from feature_store.schema import PURCHASE, TABLES, UNSEEN
from feature_store.siblings import SIBLING_DAYS, siblings
from feature_store.spec import ENTITIES, Entity, Feature
from feature_store.tables import EXACT, SECONDS_PER_DAY, AsOf, Prices, Promotions, Purchases, Value, since

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import ibis.expr.types as ir

KEYS: Mapping[Entity, str] = {"user": "user_id", "item": "item_id", "category": "category", "brand": "brand"}
_WHOLE = ("pairs", "gaps", "prices", "promotions", "shelf", "listed")
"""What a snapshot has of the whole past whichever events it reads."""


class Source(Protocol):
    """The tables of an archive."""

    items: ir.Table
    prices: ir.Table
    promotions: ir.Table
    events: ir.Table
    refunds: ir.Table

    def ever(self, as_of: int) -> Ever:
        """What was ever bought."""

    def keep(self, name: str, rows: ir.Table) -> ir.Table:
        """Rows of an expression, computed once."""


@dataclass(frozen=True)
class Views:
    """The tables of `source` as of a moment; of order lines only the last `reach` days."""

    source: Source
    as_of: int
    reach: float

    def of(self, name: str, key: str) -> AsOf:
        """What a feature gets for the parameter `name`, with the column `key` to group its rows by.

        Raises:
            FeatureError: there is no table of that name.
        """
        view = self._view(name)
        if key in view.rows.columns:
            return view
        view = copy.copy(view)
        view.rows = self._with(view.rows, key)
        return view

    def _view(self, name: str) -> AsOf:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> AsOf:
        as_of, items = self.as_of, self.source.items
        views: dict[str, Callable[[], AsOf]] = {
            "purchases": lambda: Purchases(self._recent, as_of, self._whole),
            "pairs": lambda: Pairs(self._ever.pairs, as_of, self._repeat_share),
            "gaps": lambda: Gaps(self._ever.gaps, as_of),
            "category_mix": lambda: mix(self._recent, "category", as_of),
            "brand_mix": lambda: mix(self._recent, "brand", as_of),
            "returns": lambda: self._kept("returns", returns(self._recent, self._before(self.source.refunds), as_of)),
            "looks": lambda: self._kept("looks", looks(self._last(LOOK_DAYS), as_of)),
            "events": lambda: AsOf(self._events, as_of),
            "prices": lambda: Prices(self._before(self.source.prices), as_of),
            "promotions": lambda: self._promotions,
            "shelf": lambda: shelf(self._before(self.source.prices), items.select("item_id", "category"), as_of),
            "listed": lambda: Listed(items, as_of),
            "siblings": self._siblings,
        }
        if name not in views:
            raise FeatureError(
                name, expected=f"one of {', '.join(views)}", found=f"`{name}`", remedy="Mend the parameter's name."
            )
        return views[name]()

    @cached_property
    def _made(self) -> dict[str, AsOf]:
        return {}

    def _kept(self, name: str, view: AsOf) -> AsOf:
        view.rows = self.source.keep(name, view.rows)
        return view

    def _before(self, rows: ir.Table) -> ir.Table:
        return rows.filter(rows["seconds"] < self.as_of)

    @property
    def _promotions(self) -> Promotions:
        return Promotions(self._before(self.source.promotions), self.as_of)

    @property
    def _events(self) -> ir.Table:
        return self._before(self.source.events)

    @cached_property
    def _recent(self) -> ir.Table:
        """Purchases with category and brand, cut where the windows end, so that it does not matter how many more events
        the archive holds.
        """
        recent = self._last(self.reach)
        bought = recent.filter(recent["kind"] == PURCHASE).drop("kind", "time")
        return self.source.keep("recent", self._with(bought, "category", "brand"))

    def _last(self, days: float) -> ir.Table:
        return self._events if math.isinf(days) else since(self._events, self.as_of - days * SECONDS_PER_DAY)

    @cached_property
    def _ever(self) -> Ever:
        return self.source.ever(self.as_of)

    @cached_property
    def _repeat_share(self) -> Value:
        """Of all pairs of a user and an item that they bought, the share in which they bought it again."""
        pairs = self._ever.pairs
        return pairs.aggregate(share=pairs.count(where=bought_again(pairs)) / pairs.count()).as_scalar()

    def _whole(self, days: float) -> ir.Table:
        """One row on the purchases of everybody in the last days (`Purchases.whole`)."""
        if days not in self._wholes:
            start = self.as_of - int(days * SECONDS_PER_DAY)
            recent = self._recent.filter(self._recent["seconds"] >= start)
            pairs = self._ever.pairs.filter(self._ever.pairs["last"] >= start)
            spent, off = (recent[name].cast(EXACT).sum().cast("float64") for name in ("value", "discount"))
            whole = recent.aggregate(
                baskets=recent["basket_id"].nunique(),
                lines=recent.count(),
                discount_share=off / (spent + off).nullif(0),
            )
            whole = whole.cross_join(pairs.aggregate(pairs=pairs.count()))
            self._wholes[days] = self.source.keep(f"whole_{days:g}".replace(".", "_"), whole)
        return self._wholes[days]

    @cached_property
    def _wholes(self) -> dict[float, ir.Table]:
        return {}

    def _siblings(self) -> AsOf:
        import ibis

        items = self.source.items
        named = items.select("item_id", subcategory=ibis.coalesce(items["subcategory"], ""))
        baskets = self._whole(SIBLING_DAYS)["baskets"].as_scalar()
        return siblings(self._with(self._recent, "subcategory"), self._promotions, named, baskets, self.as_of)

    def baskets_of_hours(self, ahead: int) -> ir.Table:
        """When the shop sells (`rhythm`), by a clock that is so many seconds ahead of UTC."""
        return baskets_of_hours(self._recent, self.as_of, ahead)

    def _with(self, rows: ir.Table, *levels: str) -> ir.Table:
        """The rows with the groups of each one's item at some levels."""
        import ibis

        joined = rows.left_join(self.source.items.select("item_id", *levels), "item_id").drop("item_id_right")
        return joined.mutate(**{level: ibis.coalesce(joined[level], "") for level in levels})


def by_source(entity: Entity) -> dict[str, list[Feature]]:
    """The stored features of an entity by the table they look at."""
    groups: dict[str, list[Feature]] = {}
    for feature in stored_features(entity):
        groups.setdefault(feature.inputs[0], []).append(feature)
    return groups


def reach_days() -> float:
    """How many days before the end of its own a snapshot looks at single events; infinite when some feature asks for
    all of them.
    """
    return max(_reach(stored_features(entity)) for entity in ENTITIES)


@cache
def _reach(features: tuple[Feature, ...]) -> float:
    views, reach = Views(_NoRows(), 0, math.inf), 0.0
    for feature in features:
        name = feature.inputs[0]
        view = views.of(name, KEYS[feature.entity or "user"])
        feature.compute(view)
        reach = max(reach, 0.0 if name in _WHOLE else view.reach)
    return reach


class _NoRows:
    """Tables that are never read, to see what definitions ask of them."""

    def __init__(self) -> None:
        import ibis

        types = {"text": "string", "integer": "int64", "real": "float64", "time": "timestamp('UTC')"}
        for name in ("items", "prices", "events"):
            columns = {column: types[spec.type] for column, spec in TABLES[name].columns.items()}
            setattr(self, name, ibis.table({**columns, "seconds": "int64"}, name=name))
        self.events = self.refunds = self.events.drop(*UNSEEN)
        moments = dict.fromkeys(("seconds", "starts", "ends"), "int64")
        self.promotions = ibis.table(
            {"item_id": "string", "kind": "string", "reach": "float64", **moments}, "promotions"
        )

    items: ir.Table
    prices: ir.Table
    events: ir.Table
    refunds: ir.Table

    def ever(self, as_of: int) -> Ever:  # noqa: ARG002 - as an archive's
        import ibis

        counts = dict.fromkeys(("lines", "first", "last"), "int64")
        pairs = {"user_id": "string", "item_id": "string", "quantity": "decimal(38, 6)", **counts}
        return Ever(ibis.table(pairs, "pairs"), ibis.table({"item_id": "string", "gap": "int64"}, "gaps"))

    def keep(self, name: str, rows: ir.Table) -> ir.Table:  # noqa: ARG002 - as an archive's
        return rows
