"""Weeks of training examples from the archive: lists that were shown, or what recall would have offered."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from feature_store.context import context_of
from feature_store.registry import ranker_features
from feature_store.schema import PURCHASE
from pipeline.knowledge import Knowledge, happened, learn, purchased, rng
from pipeline.recommender.examples import Examples, Outcome, make_examples
from pipeline.recommender.ranker.choices import TARGETS
from pipeline.recommender.ranker.multitask import MONEY
from pipeline.recommender.shown import came_of, lists_shown, make_shown_examples
from pipeline.workspace import partition_days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.offline import Archive
    from pipeline.settings import Settings

SCENE = "home"
"""The scene whose recall makes the examples."""
_EVERY = 1_000_000
"""More negatives than anybody is offered."""


def moments(cut: dt.date, settings: Settings) -> list[dt.date]:
    """The days at whose end examples are asked, latest first: each has a whole horizon up to the cut behind it."""
    return [cut - (week + 1) * settings.horizon for week in range(settings.training.weeks)]


def week_of_examples(
    archive: Archive, moment: dt.date, settings: Settings, *, future: Archive | None = None
) -> Examples:
    """Examples of the horizon after `moment`: the lists that were shown in it where a log tells of enough, else what
    recall would have offered at the end of `moment`. What was bought is looked up in `future`, where another archive
    than the one to learn from is given.
    """
    known = learn(archive, moment, settings)
    if settings.training.examples != "recall":
        shown = _shown(archive, known, moment, settings)
        if shown is not None:
            return shown
    bought = purchased(future or archive, moment + dt.timedelta(days=1), moment + settings.horizon)
    return _offered(known, _askers(known, bought), moment, settings, _outcomes(archive, known, moment, settings))


def held_out_week(archive: Archive, cut: dt.date, settings: Settings) -> Examples:
    """Every candidate of some users in the week before the training weeks, whether they bought anything or not; no
    rows where calibration is off or the archive does not go back so far.
    """
    training = settings.training
    moment = cut - (training.weeks + 1) * settings.horizon
    days = partition_days(settings.workspace.clean, "events")
    if training.calibration == "none" or not days or days[0] > moment:
        nothing = np.empty((0, len(ranker_features(settings.recall_sources))), np.float32)
        return Examples(nothing, np.empty(0, np.int8), np.empty(0, np.int32))
    return whole_week(archive, moment, settings, askers=training.calibration_askers)[0]


def whole_week(
    archive: Archive, moment: dt.date, settings: Settings, *, askers: int, buyers: bool = False
) -> tuple[Examples, NDArray[np.int64]]:
    """Every candidate of some users at the end of `moment`, drawn evenly among those with purchases (`buyers`: who
    bought in the horizon after it too), and how many items each then bought, offered or not, (askers,).
    """
    known = learn(archive, moment, settings)
    bought = purchased(archive, moment + dt.timedelta(days=1), moment + settings.horizon)
    active = np.flatnonzero(np.diff(known.history.of_kind(PURCHASE).offsets) > 0)
    wanted = np.array([len(bought.get(str(known.snapshot.users[user]), ())) for user in active], np.int64)
    if buyers:
        active, wanted = active[wanted > 0], wanted[wanted > 0]
    drawn = np.unique(np.linspace(0, len(active) - 1, min(askers, len(active))).astype(int))
    rows = dict(_askers(known, bought))
    chosen = [(int(user), rows.get(int(user), np.empty(0, np.int32))) for user in active[drawn]]
    return _offered(known, chosen, moment, settings, negatives=_EVERY, everybody=True), wanted[drawn]


def _offered(
    known: Knowledge,
    askers: list[tuple[int, np.ndarray]],
    moment: dt.date,
    settings: Settings,
    outcomes: dict[str, dict[int, Outcome]] | None = None,
    *,
    negatives: int | None = None,
    everybody: bool = False,
) -> Examples:
    return make_examples(
        askers,
        history=known.history,
        user_values=known.snapshot.user_values,
        item_side=known.snapshot.item_side,
        recall=known.recall,
        scene=settings.scenes[SCENE],
        asked_at=known.snapshot.as_of,
        features=ranker_features(settings.recall_sources),
        negatives=negatives or settings.training.negatives_per_user,
        generator=rng(settings, "train", str(moment)),
        context=context_of(
            np.array([known.snapshot.as_of]), timezone=settings.timezone, scene=SCENE, scenes=tuple(settings.scenes)
        ),
        outcomes=outcomes,
        everybody=everybody,
    )


def _askers(known: Knowledge, bought: dict[str, dict[str, float]]) -> list[tuple[int, np.ndarray]]:
    """Users known at the moment who bought something afterwards, with the rows of what they bought."""
    return [(row, outcome.items) for row, outcome in _by_row(known, bought).items()]


def _by_row(known: Knowledge, events: dict[str, dict[str, float]]) -> dict[int, Outcome]:
    """What `events` (user -> item -> money) tell of known users, by rows, in the order of the users' ids."""
    catalog, users = known.snapshot.item_side.catalog, known.snapshot.users
    found = {}
    for user, items in events.items():
        row = int(np.searchsorted(users, user))
        if row < len(users) and users[row] == user:
            names = sorted(items)
            rows = catalog.rows_of_ids(names)
            money = np.array([items[name] for name in names], np.float32)[rows >= 0]
            order = np.argsort(rows[rows >= 0], kind="stable")
            found[row] = Outcome(rows[rows >= 0][order], money[order])
    return found


def _outcomes(
    archive: Archive, known: Knowledge, moment: dt.date, settings: Settings
) -> dict[str, dict[int, Outcome]] | None:
    """Everything beside purchases that a ranker of several targets learns from."""
    if settings.training.ranker != "multitask":
        return None
    first, last = moment + dt.timedelta(days=1), moment + settings.horizon
    made = {MONEY: _by_row(known, purchased(archive, first, last))}
    for kind in ("click", "cart"):
        of = _by_row(known, happened(archive, kind, first, last))
        made[kind] = {row: Outcome(each.items, np.ones(len(each.items), np.float32)) for row, each in of.items()}
    return {name: made[name] for name in TARGETS if name in made}


def _shown(archive: Archive, known: Knowledge, moment: dt.date, settings: Settings) -> Examples | None:
    """Examples of the lists shown in the horizon after `moment` that teach something; None without a log of enough."""
    start, end = settings.end_of(moment), settings.end_of(moment + settings.horizon)
    log = archive.impressions(start, end)
    if log is None:
        return None
    training, catalog, users = settings.training, known.snapshot.item_side.catalog, known.snapshot.users
    rows = log.to_pydict()
    ids = np.array(rows["user_id"], np.str_)
    at = np.minimum(np.searchsorted(users, ids), len(users) - 1)
    lists = lists_shown(
        np.where(users[at] == ids, at, -1),
        catalog.rows_of_ids(rows["item_id"]),
        np.array(rows["seconds"], np.int64),
        np.array(rows["position"], np.float32),
        _numbers(rows),
    )
    everything = archive.history(catalog, users, end)
    seconds = training.outcome_hours * 3600
    bought, money = came_of(lists, everything.of_kind(PURCHASE), seconds)
    targets = {kind: came_of(lists, everything.of_kind(kind), seconds)[0] for kind in ("click", "cart")}
    label = (bought > 0).astype(np.int8)
    happy = label > 0
    if training.ranker == "multitask":
        happy = happy | (targets["click"] > 0) | (targets["cart"] > 0)
    liked = np.bincount(lists.list_of[happy], minlength=len(lists.group))
    teaching = np.flatnonzero((liked > 0) & (liked < lists.group))
    if training.examples == "auto" and len(teaching) < training.fewest_shown:
        return None
    if len(teaching) > training.most_shown:
        teaching = np.sort(rng(settings, "shown", str(moment)).choice(teaching, training.most_shown, replace=False))
    mine = np.isin(lists.list_of, teaching)
    return make_shown_examples(
        lists.take(teaching),
        {MONEY: money[mine], **{kind: (count[mine] > 0).astype(np.float32) for kind, count in targets.items()}},
        label[mine],
        history=everything,
        bounds=settings.online_history.bounds(),
        user_values=known.snapshot.user_values,
        item_side=known.snapshot.item_side,
        recall=known.recall,
        scene=settings.scenes[SCENE],
        scene_name=SCENE,
        scenes=tuple(settings.scenes),
        timezone=settings.timezone,
        features=ranker_features(settings.recall_sources),
    )


def _numbers(rows: dict[str, list[object]]) -> np.ndarray:
    """(n,) one number a request; where the log names none, what one user saw in one slot at one moment is one."""
    names = [
        str(request) if request is not None else f"{user}|{slot}|{seconds}"
        for request, user, slot, seconds in zip(
            rows["request_id"], rows["user_id"], rows["slot"], rows["seconds"], strict=True
        )
    ]
    return np.unique(np.array(names, np.str_), return_inverse=True)[1].astype(np.int64)
