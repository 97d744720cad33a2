"""Simulated visits: who opened what when. A visit depends on the seed and on its own name alone, so that a day can be
made by itself and any number of times.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.demo.storefront_baskets import Assortment, Basket, Lines
    from pipeline.demo.storefront_truth import Truth

Login = Literal["start", "midway", "never"]
HitKind = Literal["page", "view", "category", "search", "impression", "click"]
BEFORE_MIDNIGHT, OPEN_UNTIL = dt.timedelta(minutes=35), 8
"""When an overnight visit begins, and the hour before which its order must be."""
KEEP_ALIVE = dt.timedelta(minutes=25)
"""A visit ends after 30 minutes of nothing."""
KEYWORDS = ("milk", "bread & butter", "coffee", "soap", "gluten-free")
_SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Hit:
    """One row of the log to be."""

    time: dt.datetime
    kind: HitKind
    text: str = ""
    """SKU, category or keyword."""
    position: int = 0
    logged_in: bool = False
    late: bool = False


@dataclass
class Visit:
    """One visit, or the evening or morning half of an overnight one."""

    name: str
    household: str
    login: Login
    device: int
    referrer: int
    hits: list[Hit] = field(default_factory=list)
    cart: Lines = field(default_factory=dict)
    cart_time: dt.datetime | None = None
    basket: Basket | None = None
    """What is ordered at the end; an evening half has none."""
    signed_up: dt.datetime | None = None
    """When the visit reached the goal *Newsletter*."""
    continues: bool = False
    """Whether this is the morning half: the visit and its cart are in the log already."""

    @property
    def logged_in_at_last(self) -> bool:
        """Whether the visit's row names the user by now."""
        return any(hit.logged_in for hit in self.hits)


def visits_of(day: dt.date, shop: Assortment, truth: Truth) -> list[Visit]:
    """The visits whose rows are written when the clock reaches the end of `day`."""
    made: list[Visit] = []
    for basket in shop.by_day.get(day, ()):
        maker = _Maker(f"order-{basket.order_id}", basket.household, shop, truth)
        made.append(maker.morning(basket) if maker.is_overnight(basket) else maker.buying(basket))
        browsing = _Maker(f"browse-{basket.order_id}", basket.household, shop, truth)
        if browsing.random.random() < truth.browsing:
            made.append(browsing.browsing(day))
    for basket in shop.by_day.get(day + dt.timedelta(days=1), ()):
        maker = _Maker(f"order-{basket.order_id}", basket.household, shop, truth)
        if maker.is_overnight(basket):
            made.append(maker.evening(basket))
    households = sorted({basket.household for baskets in shop.by_day.values() for basket in baskets})
    for number in range(truth.bots_per_day if households else 0):
        maker = _Maker(f"bot-{day}-{number}", households[day.toordinal() % len(households)], shop, truth)
        made.append(maker.bot(day))
    return made


class _Maker:
    """Draws one visit. The same draws are made in the same order for both halves of an overnight visit."""

    def __init__(self, name: str, household: str, shop: Assortment, truth: Truth) -> None:
        self.random = random.Random(f"{truth.seed}:{name}")  # noqa: S311 - a simulation, not a secret
        self.name, self.household, self.shop, self.truth = name, household, shop, truth
        draw = self.random.random()
        starts, midway = truth.login_at_start, truth.login_at_start + truth.login_midway
        self.login: Login = "start" if draw < starts else "midway" if draw < midway else "never"
        self.device, self.referrer = self.random.choice((0, 0, 1, 1, 1, 2)), self.random.choice((1, 1, 2, 3, 6, 7, 8))
        self._overnight = self.random.random()

    def is_overnight(self, basket: Basket) -> bool:
        return basket.time.hour < OPEN_UNTIL and self._overnight < self.truth.overnight

    def buying(self, basket: Basket) -> Visit:
        """A visit that ends with the order; nothing of it lies before midnight."""
        visit = self._visit()
        midnight = dt.datetime.combine(basket.time.date(), dt.time())
        hits = list(self._shopping(basket, basket.time))
        earlier = hits[-1].time - basket.time + dt.timedelta(seconds=90)
        moved = [self._at(hit, max(hit.time - earlier, midnight)) for hit in hits]
        visit.hits = self._with_login(moved)
        self._fill_cart(visit, basket)
        visit.cart_time, visit.basket = max(basket.time - dt.timedelta(seconds=60), midnight), basket
        return self._with_goal(visit)

    def evening(self, basket: Basket) -> Visit:
        """The first half of an overnight visit: everything up to the cart. A login midway is in the morning."""
        visit = self._visit()
        start = dt.datetime.combine(basket.time.date(), dt.time()) - BEFORE_MIDNIGHT
        last = start + BEFORE_MIDNIGHT - dt.timedelta(minutes=6)
        hits = [self._at(hit, min(hit.time, last)) for hit in self._shopping(basket, start)]
        visit.hits = [self._logged_in(hit, to=self.login == "start") for hit in hits]
        self._fill_cart(visit, basket)
        visit.cart_time = last + dt.timedelta(minutes=1)
        return self._with_goal(visit)

    def morning(self, basket: Basket) -> Visit:
        """The second half: pages that keep the visit open, perhaps a login, and the order."""
        visit = self.evening(basket)
        visit.continues, visit.basket, visit.hits, visit.signed_up = True, basket, [], None
        midnight = dt.datetime.combine(basket.time.date(), dt.time())
        time = midnight + dt.timedelta(minutes=10)
        while time < basket.time:
            visit.hits.append(Hit(time, "page", logged_in=self.login != "never"))
            time += KEEP_ALIVE
        if not visit.hits:
            visit.hits.append(Hit(midnight, "page", logged_in=self.login != "never"))
        return visit

    def browsing(self, day: dt.date) -> Visit:
        """A visit without an order, at any time of the day."""
        visit = self._visit()
        start = dt.datetime.combine(day, dt.time()) + dt.timedelta(seconds=self.random.randrange(23 * 3600))
        visit.hits = self._with_login(list(self._shopping(None, start)))
        if self.random.random() < self.truth.open_cart:
            skus = self.random.sample(self.shop.skus, k=min(2, len(self.shop.skus)))
            visit.cart = {sku: (1, self.shop.prices[sku]) for sku in skus}
            visit.cart_time = visit.hits[-1].time + 30 * _SECOND
        return self._with_goal(visit)

    def bot(self, day: dt.date) -> Visit:
        """A scraper with a customer's login: a product page every half second."""
        visit = self._visit()
        visit.login = "start"
        start = dt.datetime.combine(day, dt.time(12)) + dt.timedelta(seconds=self.random.randrange(3600))
        for number in range(self.truth.bot_pages):
            sku = self.shop.skus[self.random.randrange(len(self.shop.skus))]
            visit.hits.append(Hit(start + (number // 2) * _SECOND, "view", sku, logged_in=True))
        return visit

    def _visit(self) -> Visit:
        return Visit(self.name, self.household, self.login, self.device, self.referrer)

    def _with_goal(self, visit: Visit) -> Visit:
        """Drawn apart, so that goals change nothing else of a visit."""
        draw = random.Random(f"{self.truth.seed}:goal:{self.name}").random()  # noqa: S311 - a simulation, not a secret
        visit.signed_up = visit.hits[-1].time if draw < self.truth.newsletter else None
        return visit

    def _shopping(self, basket: Basket | None, time: dt.datetime) -> Iterator[Hit]:
        """What is opened, shown and clicked from `time` on, before a cart is filled."""
        pace = self.random
        yield Hit(time, "page")
        clicked = []
        for position, sku in enumerate(self._list(basket), start=1):
            yield Hit(time, "impression", sku, position)
            liking = self.truth.click_wanted if basket and sku in basket.lines else self.truth.click_other
            if pace.random() < self.truth.attention(position) * liking:
                clicked.append((position, sku))
        for position, sku in clicked:
            time += pace.randrange(5, 20) * _SECOND
            yield Hit(time, "click", sku, position)
            yield Hit(time + _SECOND, "view", sku)
        if pace.random() < 0.2:  # noqa: PLR2004 - of visits search
            time += pace.randrange(5, 30) * _SECOND
            yield Hit(time, "search", pace.choice(KEYWORDS))
        looked_at = [sku for sku in basket.lines if pace.random() < self.truth.view_before_purchase] if basket else []
        looked_at += [self._popular() for _ in range(pace.randrange(0, 4))]
        for sku in looked_at:
            time += pace.randrange(8, 40) * _SECOND
            if pace.random() < 0.1:  # noqa: PLR2004 - of pages are reached through their category
                yield Hit(time - 4 * _SECOND, "category", self.shop.categories[sku])
            yield Hit(time, "view", sku, late=pace.random() < self.truth.late)
        yield Hit(time + 3 * _SECOND, "page")

    def _list(self, basket: Basket | None) -> list[str]:
        """What the slot shows: different items, at most one of them in the basket."""
        others: list[str] = []
        while len(others) < self.truth.positions:
            sku = self._popular()
            if sku not in others and not (basket and sku in basket.lines):
                others.append(sku)
        if basket and self.random.random() < self.truth.wanted:
            others[self.random.randrange(self.truth.positions)] = self.random.choice(sorted(basket.lines))
        return others

    def _popular(self) -> str:
        """Any item, the often bought more often: the rank is a uniform number squared."""
        return self.shop.skus[int(len(self.shop.skus) * self.random.random() ** 2)]

    def _fill_cart(self, visit: Visit, basket: Basket) -> None:
        visit.cart = dict(basket.lines)
        if self.random.random() < self.truth.drop_before_order:
            extra = self._popular()
            visit.cart.setdefault(extra, (1, self.shop.prices[extra]))

    def _with_login(self, hits: list[Hit]) -> list[Hit]:
        """Midway is after the first half of the pages."""
        first = {"start": 0, "midway": len(hits) // 2, "never": len(hits)}[self.login]
        return [self._logged_in(hit, to=number >= first) for number, hit in enumerate(hits)]

    @staticmethod
    def _at(hit: Hit, time: dt.datetime) -> Hit:
        return Hit(time, hit.kind, hit.text, hit.position, hit.logged_in, hit.late)

    @staticmethod
    def _logged_in(hit: Hit, *, to: bool) -> Hit:
        return Hit(hit.time, hit.kind, hit.text, hit.position, to, hit.late)
