"""A ranker judged at its cut: who is asked, what they then bought, and everything that is measured of the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.schema import PURCHASE
from pipeline.evaluation.auc import auc, own_aucs
from pipeline.evaluation.contenders import Asked, ask, baseline_lists
from pipeline.evaluation.examples import examples_of
from pipeline.evaluation.judgement import AUC, CHAMPION, RELEASE, Truth, headline, judgement, sources_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog
    from pipeline.knowledge import Knowledge
    from pipeline.settings import Settings

    Bought = Mapping[str, Mapping[str, float]]
    """User -> item -> money, of the judged days."""
    ItemLists = NDArray[np.int32]

UNKNOWN = ""
"""Value of an attribute that the table of users leaves empty."""


@dataclass(frozen=True)
class Judged:
    """What was measured. `report`: as in metrics.json; `examples`: a few lists with names, of nobody named;
    users: (users,) ids of those who were asked; lists: model -> (users, k); milliseconds: of one list, mean.
    """

    report: dict[str, Any]
    examples: list[dict[str, Any]]
    users: NDArray[np.str_]
    lists: dict[str, ItemLists]
    truth: Truth
    milliseconds: float


def judged_users(known: Knowledge, bought: Bought) -> NDArray[np.int64]:
    """Rows of the users with purchases before the cut and after it."""
    return np.flatnonzero(_active(known) & _buying(known, bought))


def judged(
    known: Knowledge,
    bought: Bought,
    *,
    ranker: Path,
    champion: Path | None,
    attributes: Mapping[str, Mapping[str, str]],
    settings: Settings,
) -> Judged:
    """The release of `ranker` beside the champion's ranker and the baselines, on the same users and days.

    bought: at least one of `judged_users` must have bought something. attributes: column -> user -> value
    """
    users = judged_users(known, bought)
    catalog, purchases = known.snapshot.item_side.catalog, known.history.of_kind(PURCHASE)
    truth = truth_of(known, users, bought, attributes)
    asked = ask(RELEASE, known, ranker, users, settings)
    lists = {RELEASE: asked.lists}
    scored = {RELEASE: asked}
    if champion is not None:
        scored[CHAMPION] = ask(CHAMPION, known, champion, users, settings)
        lists[CHAMPION] = scored[CHAMPION].lists
    if settings.evaluation.baselines:
        lists |= baseline_lists(known, users, settings)
    aucs = {model: _own_aucs(of, truth) for model, of in scored.items()}
    report = judgement(lists, truth, catalog, purchases, aucs, as_of=known.snapshot.as_of, seed=settings.seed)
    for model, of in scored.items():
        report["models"][model] |= _auc(of, truth)
    report["groups"] |= _strangers(known, bought, ranker, settings)
    report["sources"] = sources_of(asked.lists, asked.proposed, truth)
    examples = examples_of(asked, truth, catalog)
    return Judged(report, examples, known.snapshot.users[users], lists, truth, 1000 * float(asked.seconds.mean()))


def truth_of(
    known: Knowledge, users: NDArray[np.int64], bought: Bought, attributes: Mapping[str, Mapping[str, str]]
) -> Truth:
    """What each of these users, rows of the snapshot, took on the judged days."""
    catalog, purchases = known.snapshot.item_side.catalog, known.history.of_kind(PURCHASE)
    ids = [str(known.snapshot.users[user]) for user in users]
    return Truth(
        [_rows(catalog, bought[user]) for user in ids],
        [np.array([bought[user][item] for item in sorted(bought[user])]) for user in ids],
        np.array([len(np.unique(purchases.of(int(user)).time)) for user in users], np.int64),
        {column: np.array([values.get(user, UNKNOWN) for user in ids]) for column, values in attributes.items()},
    )


def _bought_of(asked: Asked, truth: Truth) -> list[NDArray[np.bool_]]:
    """Of each user's ranking, which items were bought."""
    return [np.isin(ranking.items, items) for ranking, items in zip(asked.rankings, truth.items, strict=True)]


def _own_aucs(asked: Asked, truth: Truth) -> NDArray[np.float64]:
    return own_aucs([ranking.scores for ranking in asked.rankings], _bought_of(asked, truth))


def _auc(asked: Asked, truth: Truth) -> dict[str, float]:
    """Over all users at once; empty where everything that was offered was bought, or nothing."""
    scores = np.concatenate([ranking.scores for ranking in asked.rankings])
    found = auc(scores, np.concatenate(_bought_of(asked, truth)))
    return {} if np.isnan(found) else {AUC: found}


def _active(known: Knowledge) -> NDArray[np.bool_]:
    """(users,) whether each had bought anything at the cut."""
    return np.asarray(np.diff(known.history.of_kind(PURCHASE).offsets) > 0)


def _buying(known: Knowledge, bought: Bought) -> NDArray[np.bool_]:
    return np.array([str(user) in bought for user in known.snapshot.users], bool)


def _strangers(known: Knowledge, bought: Bought, ranker: Path, settings: Settings) -> dict[str, dict[str, float]]:
    """The release for users of whom no purchase was known at the cut, and for those of whom nothing was."""
    rows = np.flatnonzero(~_active(known) & _buying(known, bought))
    unseen = sorted(set(bought) - set(known.snapshot.users.tolist()))
    groups = {
        "known, nothing bought before": (rows, [str(known.snapshot.users[row]) for row in rows]),
        "never seen before": (np.full(len(unseen), -1), unseen),
    }
    catalog, found = known.snapshot.item_side.catalog, {}
    for name, (asking, users) in groups.items():
        if users:
            # Whoever nobody knows gets one list: it is asked for once.
            alike = (asking < 0).all()
            answers = ask(f"release to the {name}", known, ranker, asking[:1] if alike else asking, settings).lists
            lists = np.repeat(answers, len(users), axis=0) if alike else answers
            found[name] = headline(lists, [_rows(catalog, bought[user]) for user in users])
    return found


def _rows(catalog: Catalog, items: Mapping[str, float]) -> NDArray[np.int32]:
    """Rows of what a user took; an item the catalog does not know yet has a number of its own below -1."""
    rows = catalog.rows_of_ids(sorted(items))
    return np.where(rows >= 0, rows, -2 - np.arange(len(rows), dtype=np.int32))
