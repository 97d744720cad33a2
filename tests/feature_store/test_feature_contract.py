"""What every feature promises; a new one is tested by being in the registry."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from feature_store.context import Context, context_of
from feature_store.history import History, build_history
from feature_store.layout import layout_of
from feature_store.matrix import EVERY_INPUT, MOMENT_INPUTS, PAIR_INPUTS, SEEN_INPUT, ItemSide, Rows, UserSide, assemble
from feature_store.occurrences import Occurrences, ages, occurrences
from feature_store.registry import feature_set_id, ranker_features, registry
from feature_store.schema import EVENT_KINDS
from feature_store.session import Session, session
from feature_store.spec import ENTITIES
from feature_store.taste import tastes
from tests.feature_store.archive import (
    DAY,
    NOW,
    TODAY,
    Shop,
    event,
    item,
    known,
    moment,
    open_shop,
    price,
    promotion,
    shifted_by,
    user,
)

FEATURES = registry()
RECALL = sorted(
    {name.removeprefix("recall_") for f in FEATURES.values() for name in f.inputs if name.startswith("recall_")}
)
MOMENTARY = ("session", "context", "content")
"""What a request feature is about when it is about none of the entities."""
POOL = 2000
SHIFT = dt.timedelta(weeks=3)
SHARE = re.compile(r"_(share|rate|variety)(_|$)")
SMOOTHED = re.compile(r"[Ss]moothed as if (two|five|seven|ten|20) more .*\bshop\b")
NO_ESTIMATE = re.compile(r"Not an estimate: [^.]{20}")
SIZES = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 129, 500, 1000, 1999)
"""Around the widths of vector instructions, whose last rows take another path."""


def read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True)
class World:
    """Everything that features look at, and the pairs to describe."""

    items: ItemSide
    users: UserSide
    rows: Rows

    def column(self, name: str) -> np.ndarray:
        return assemble([name], FEATURES, self.items, self.users, self.rows)[:, 0]

    def at(self, rows: np.ndarray) -> World:
        """Some of the pairs, with nobody else's history around them: as a request or another batch sees them."""
        people, user_rows = np.unique(self.rows.user[rows], return_inverse=True)
        asked_at, context = self.users.asked_at[people].astype(np.int64), self.users.context
        where = context and Context(*(read_only(getattr(context, f.name)[people]) for f in fields(Context)))
        users = UserSide(self.users.values[people], self.users.history.take(people), asked_at, where)
        recall = {name: scores[rows] for name, scores in self.rows.recall.items()}
        return World(self.items, users, Rows(user_rows.astype(np.int32), self.rows.item[rows], recall))


def pairs(seed: int, users: int, items: int) -> Rows:
    """Random pairs; each source offered about half of the items."""
    random = np.random.default_rng(seed)
    scores = {name: random.gamma(2, 3, POOL).astype(np.float32) for name in RECALL}
    for column in scores.values():
        column[random.random(POOL) < 0.5] = np.nan
    chosen = random.integers(0, users, POOL, np.int32), random.integers(0, items, POOL, np.int32)
    return Rows(
        read_only(chosen[0]), read_only(chosen[1]), {name: read_only(column) for name, column in scores.items()}
    )


def frozen(history: History) -> History:
    return History(*(read_only(getattr(history, column.name)) for column in fields(History)))


@pytest.fixture(scope="module")
def real(snapshot, history) -> World:
    """The random shop as its archive and its snapshot tell it, in arrays that nobody can write into."""
    side = snapshot.item_side
    items = replace(
        side, **{name: read_only(getattr(side, name)) for name in ("items", "categories", "brands", "text")}
    )
    users = UserSide(read_only(snapshot.user_values), frozen(history), read_only(np.full(history.users, NOW)))
    return World(items, users, pairs(2, history.users, len(side.catalog)))


def invented(seed: int, real: World) -> World:
    """Another past: users with none to 600 events, many at one moment, who each ask at a moment and a place of their
    own, some of them in the middle of a visit.
    """
    random = np.random.default_rng(seed)
    users = real.users.history.users
    counts = random.permutation(np.r_[0, 0, 1, 2, 600, random.integers(0, 90, users - 5)])
    owner = np.repeat(np.arange(users), counts)
    asked_at = NOW + random.integers(0, 3 * DAY, users)
    ago = (random.integers(1, 200 * 24, len(owner)) // 7 * 7 + 1) * 3600
    today = random.random(len(owner)) < 0.1
    ago[today] = random.integers(1, 7200, today.sum()) // 5 * 5 + 1
    past = build_history(
        owner,
        random.integers(0, len(real.items.catalog), len(owner)),
        asked_at[owner] - ago,
        np.where(random.random(len(owner)) < 0.7, 0, random.integers(0, len(EVENT_KINDS), len(owner))),
        random.choice([1.0, 2.0, 0.317], len(owner)),
        random.gamma(2, 2, len(owner)),
        users=users,
    )
    context = context_of(asked_at, timezone="America/New_York")
    places = (read_only(random.integers(0, 4, users).astype(np.int32)) for _ in range(2))
    where = Context(read_only(context.clock), *places)
    users_side = UserSide(real.users.values, frozen(past), read_only(asked_at), where)
    return World(real.items, users_side, pairs(seed, users, len(real.items.catalog)))


@pytest.fixture(scope="module")
def worlds(real) -> list[World]:
    return [real, invented(3, real), invented(4, real)]


@pytest.fixture(params=list(FEATURES))
def name(request) -> str:
    return request.param


def frozen_arrays(seen):
    """A copy of Occurrences or a Session whose arrays are read-only."""
    arrays = {f.name: getattr(seen, f.name) for f in fields(seen)}
    return replace(seen, **{name: read_only(array) for name, array in arrays.items() if isinstance(array, np.ndarray)})


def moment_input(world: World, name: str) -> np.ndarray | Session:
    users, rows = world.users, world.rows
    context = users.context or context_of(users.asked_at)
    if name == "session":
        groups = world.items.catalog.all_groups
        return frozen_arrays(session(users.history, users.asked_at, groups, rows.user, rows.item))
    if name == "item_text":
        return read_only(world.items.text[rows.item])
    if name == "user_text":
        return read_only(tastes(users.history, users.asked_at, world.items.text)[rows.user])
    if name == "asked_at":
        return read_only(users.asked_at[rows.user].astype(np.float64))
    if name.startswith("shop_"):
        rhythm = world.items.rhythm
        shares = rhythm.on_weekday(context.clock) if "weekday" in name else rhythm.near_hour(context.clock)
        return read_only(shares[rows.user])
    return read_only(getattr(context, name)[rows.user])


def inputs(world: World, name: str) -> list[np.ndarray | Occurrences | Session]:
    """What the feature's function is called with, read-only as far as arrays can be."""
    found: list[np.ndarray | Occurrences | Session] = []
    groups = {f"same_{level}": rows for level, rows in world.items.catalog.all_groups.items()}
    groups["any_item"] = groups["same_any"]
    for needed in FEATURES[name].inputs:
        if needed in PAIR_INPUTS:
            past = world.users.history
            aged = ages(past, world.users.asked_at)
            seen = occurrences(past, aged, groups[needed], world.rows.user, world.rows.item)
            found.append(frozen_arrays(seen))
        elif needed in MOMENT_INPUTS:
            found.append(moment_input(world, needed))
        elif needed.startswith(SEEN_INPUT):
            at = layout_of(FEATURES).positions[needed.removeprefix(SEEN_INPUT)]
            found.append(read_only(world.items.items[moment_input(world, "session").item, at]))
        elif needed.startswith(EVERY_INPUT):
            at = layout_of(FEATURES).positions[needed.removeprefix(EVERY_INPUT)]
            found.append(read_only(world.items.items[:, at]))
        elif needed.startswith("recall_"):
            found.append(world.rows.recall[needed.removeprefix("recall_")])
        else:
            found.append(read_only(world.column(needed)))
    return found


def test_there_are_at_least_ninety_and_the_ranker_sees_seventy_of_them() -> None:
    assert len(registry()) >= 90
    assert len(ranker_features()) >= 70
    assert len(set(ranker_features())) == len(ranker_features())


def test_it_says_what_it_means_in_what_unit_and_where_it_comes_from(name: str) -> None:
    feature = FEATURES[name]
    assert re.search(r"\bSource: [^.]+\.$", feature.description.strip())
    assert feature.unit.strip()


def test_a_share_is_smoothed_towards_the_shops_or_says_why_it_is_no_estimate(name: str) -> None:
    """Of a few observations nearly every share is 0 or 1, which says how few there were, and little else."""
    feature = FEATURES[name]
    if SHARE.search(name) or (feature.unit, feature.range) == ("ratio", (0.0, 1.0)):
        meaning = " ".join(feature.description.split())
        assert SMOOTHED.search(meaning) or NO_ESTIMATE.search(meaning)


def test_its_name_is_of_the_pattern_and_begins_with_its_entity(name: str) -> None:
    feature = FEATURES[name]
    assert feature.name == name
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", name)
    if feature.kind == "stored":
        assert name.startswith(f"{feature.entity}_")
    else:
        assert name.split("_", maxsplit=1)[0] in (*ENTITIES, *MOMENTARY) or name.endswith("_score")


def test_its_default_lies_in_its_range(name: str) -> None:
    low, high = FEATURES[name].range
    assert low <= FEATURES[name].default <= high


def test_it_is_float32_finite_and_within_its_range(name: str, worlds: list[World]) -> None:
    low, high = FEATURES[name].range
    for world in worlds:
        column = world.column(name)
        assert (column.dtype, column.shape) == (np.float32, (POOL,))
        assert np.isfinite(column).all()
        assert low <= column.min()
        assert column.max() <= high


def test_it_says_something(name: str, worlds: list[World]) -> None:
    """A column that never changes is a mistake in its definition, or in this suite's shop."""
    assert any(len(np.unique(world.column(name))) > 1 for world in worlds)


def test_the_same_inputs_give_the_same_bytes(name: str, worlds: list[World]) -> None:
    for world in worlds:
        assert world.column(name).tobytes() == world.column(name).tobytes()


def test_it_never_writes_into_an_input(name: str, worlds: list[World]) -> None:
    """Asked twice with the very same arrays, which raise when written into, it says the same."""
    feature = FEATURES[name]
    if feature.kind == "request":
        given = inputs(worlds[1], name)
        with np.errstate(divide="ignore", invalid="ignore"):
            first = np.array(feature.compute(*given))
            assert np.array(feature.compute(*given)).tobytes() == first.tobytes()


def test_a_row_alone_is_the_row_in_a_batch(name: str, worlds: list[World]) -> None:
    for seed, world in enumerate(worlds):
        column = world.column(name)
        for row in np.random.default_rng(seed).choice(POOL, 25, replace=False):
            assert world.at(np.array([row])).column(name).tobytes() == column[row].tobytes()


def test_many_rows_are_described_a_part_at_a_time_as_all_at_once(worlds: list[World], monkeypatch) -> None:
    wholes = [assemble(list(FEATURES), FEATURES, world.items, world.users, world.rows) for world in worlds]
    monkeypatch.setattr("feature_store.matrix._AT_ONCE", 37)
    for world, whole in zip(worlds, wholes, strict=True):
        parts = assemble(list(FEATURES), FEATURES, world.items, world.users, world.rows)
        assert parts.tobytes() == whole.tobytes()


def test_a_batch_of_any_size_and_order_says_the_same_of_a_row(name: str, worlds: list[World]) -> None:
    for seed, world in enumerate(worlds):
        column, random = world.column(name), np.random.default_rng(seed)
        for size in SIZES:
            rows = random.choice(POOL, size, replace=False)
            assert world.at(rows).column(name).tobytes() == column[rows].tobytes()


def test_the_order_of_rows_does_not_matter(name: str, worlds: list[World]) -> None:
    for world in worlds:
        column, order = world.column(name), np.random.default_rng(5).permutation(POOL)
        recall = {source: scores[order] for source, scores in world.rows.recall.items()}
        shuffled = World(world.items, world.users, Rows(world.rows.user[order], world.rows.item[order], recall))
        assert shuffled.column(name).tobytes() == column[order].tobytes()


def test_where_nothing_is_known_it_is_its_default(name: str, real: World, snapshot) -> None:
    """A user who never did anything and an item that nobody ever bought, of which no source knows anything.

    That it is listed, and since when, is known of every item; and when everybody comes, of the shop.
    """
    if name in ("item_days_listed", "user_weekday_basket_share", "user_hour_basket_share"):
        return
    nobody = np.flatnonzero(snapshot.users == "nobody").astype(np.int32)
    unsold = real.items.catalog.rows_of_ids(["unsold"])
    unknown = replace(real, rows=Rows(nobody, unsold))
    assert unknown.column(name).tolist() == [np.float32(FEATURES[name].default)]


def test_no_rows_give_no_values(name: str, real: World) -> None:
    assert real.at(np.empty(0, np.int64)).column(name).shape == (0,)


@pytest.fixture(scope="module")
def told_later(shop: Shop, tmp_path_factory) -> World:
    """Today as it looks when the archive goes on: the same pairs, after a week more of everything."""
    later = Shop(
        list(shop.events),
        list(shop.items),
        list(shop.users),
        list(shop.prices),
        list(shop.visits),
        list(shop.promotions),
    )
    random = np.random.default_rng(6)
    for ago in np.r_[0.0, -random.random(200) * 7]:  # the first at the very end of the day
        who, what = f"user {random.integers(30)}", f"item {random.integers(60)}"
        later.events.append(event(who, what, float(ago), value=77.0, quantity=7.0, discount=7.0))
    later.events += [event("nobody", "unsold", -1), event("new", "item 1", -2), event("user 1", "novelty", -2)]
    later.visits += [event(f"user {n}", f"item {n}", -random.random() * 7, kind="view") for n in range(30)]
    later.users.append(user("new", -1))
    later.items.append(item("novelty", "new category", days_ago=-1))
    later.prices += [price(f"item {number}", 99.0, -number / 10) for number in range(60)]
    later.promotions += [
        promotion(f"item {number}", "advertised", -3.5, 3, updated_at=moment(-number / 10)) for number in range(60)
    ]
    archive = open_shop(later, tmp_path_factory.mktemp("later"), moment(-7).date())
    snapshot, history = known(archive, TODAY)
    archive.close()
    users = UserSide(snapshot.user_values, history, np.full(history.users, NOW))
    return World(snapshot.item_side, users, pairs(2, history.users, len(snapshot.item_side.catalog)))


def test_what_happens_later_changes_nothing(name: str, real: World, told_later: World) -> None:
    assert told_later.column(name).tobytes() == real.column(name).tobytes()


@pytest.fixture(scope="module")
def shifted(shop: Shop, tmp_path_factory) -> World:
    """The same shop as if everything had happened three weeks later, as it looks three weeks later."""
    folder = tmp_path_factory.mktemp("shifted")
    archive = open_shop(shifted_by(shop, SHIFT), folder, TODAY + SHIFT)
    snapshot, history = known(archive, TODAY + SHIFT)
    archive.close()
    users = UserSide(snapshot.user_values, history, np.full(history.users, NOW + int(SHIFT.total_seconds())))
    return World(snapshot.item_side, users, pairs(2, history.users, len(snapshot.item_side.catalog)))


def test_everything_shifted_by_weeks_is_described_alike(name: str, real: World, shifted: World) -> None:
    """Only how long ago something was counts: a feature that knows a date would know what came after it."""
    assert shifted.column(name).tobytes() == real.column(name).tobytes()


@pytest.fixture(scope="module")
def shuffled(shop: Shop, tmp_path_factory) -> World:
    """The same shop told in another order: rows within partitions, and keys that name events."""
    random = np.random.default_rng(8)
    told = Shop(*([rows[at] for at in random.permutation(len(rows))] for rows in vars(shop).values()))
    names = random.permutation(len(told.events) + len(told.visits))
    for number, row in zip(names, [*told.events, *told.visits], strict=True):
        row["event_id"] = f"event {number}"
    archive = open_shop(told, tmp_path_factory.mktemp("shuffled"))
    snapshot, history = known(archive)
    archive.close()
    users = UserSide(snapshot.user_values, history, np.full(history.users, NOW))
    return World(snapshot.item_side, users, pairs(2, history.users, len(snapshot.item_side.catalog)))


def test_everything_told_in_another_order_is_described_alike(name: str, real: World, shuffled: World) -> None:
    """Neither the order of rows in the archive nor what they are called says anything."""
    assert shuffled.column(name).tobytes() == real.column(name).tobytes()


def test_what_happens_after_the_asking_changes_nothing(name: str, real: World) -> None:
    """Events that reach a user's history after the moment of asking are cut off by `before`."""
    past = real.users.history
    random = np.random.default_rng(7)
    users, extra = past.users, 300
    going_on = build_history(
        np.r_[past.user, random.integers(0, users, extra)],
        np.r_[past.item, random.integers(0, len(real.items.catalog), extra)],
        np.r_[past.time, NOW + random.integers(0, 9 * DAY, extra)],
        np.r_[past.kind, np.zeros(extra, np.uint8)],
        np.r_[past.quantity, np.ones(extra, np.float32)],
        np.r_[past.value, np.ones(extra, np.float32)],
        users=users,
    )
    later = replace(real, users=replace(real.users, history=going_on.before(NOW)))
    assert later.column(name).tobytes() == real.column(name).tobytes()


def test_the_feature_set_has_a_short_stable_name() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", feature_set_id())
