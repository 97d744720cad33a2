"""What the ranker learned from is what it is asked with: the same matrix, bit for bit, on both ways.

One way is training's: the archive, the snapshot, `make_examples`. The other is serving's: the user's record, packed
into the online store's bytes and unpacked again, then `recommend`.
"""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.context import Context, context_of
from feature_store.days import end_of_day
from feature_store.online.packed import pack, unpack
from feature_store.registry import ranker_features
from pipeline.knowledge import Knowledge, learn, record_of
from pipeline.recommender.examples import make_examples
from pipeline.recommender.recall import SOURCES
from pipeline.recommender.recommend import Request, recommend
from pipeline.recommender.release import load_items, load_recall, save_arrays, save_items
from tests.feature_store.archive import TODAY, moment, open_shop, random_shop
from tests.pipeline.recommender.releases import ByFeature, release

SHOPS = (11, 12, 13)
SHORT_MEMORY = {"purchase": 20, "view": 3, "cart": 2, "click": 2, "impression": 2}
"""Events of each kind that the online store keeps of a user: fewer than the busiest have."""


@pytest.fixture(params=SHOPS)
def known(request, tmp_path, settings) -> Knowledge:
    """A random shop of 30 users and 60 items, as the pipeline learns it."""
    archive = open_shop(random_shop(request.param, baskets=300), tmp_path)
    found = learn(archive, TODAY, settings(online_history=SHORT_MEMORY))
    archive.close()
    return found


def at_home(known: Knowledge) -> Context:
    """Where training asks: the scene of the release in `asked_with`, on the shop's clock."""
    return context_of(np.array([known.snapshot.as_of]), scene="home", scenes=("home",))


def learned_from(known: Knowledge, user: int, scene) -> np.ndarray:
    """The rows that training makes of one user: everything that recall offers, with one item of it bought."""
    for bought in range(len(known.snapshot.item_side.catalog)):
        examples = make_examples(
            [(user, np.array([bought], np.int32))],
            history=known.history,
            user_values=known.snapshot.user_values,
            item_side=known.snapshot.item_side,
            recall=known.recall,
            scene=scene,
            asked_at=known.snapshot.as_of,
            features=ranker_features(),
            negatives=9999,
            generator=np.random.default_rng(0),
            context=at_home(known),
        )
        if len(examples.group):
            return examples.matrix
    return np.empty((0, len(ranker_features())), np.float32)


def asked_with(known: Knowledge, user: int, scene, released) -> np.ndarray:
    """The rows that serving scores for the same user, from the bytes that the online store holds."""
    record = unpack(pack(record_of(known.snapshot, known.history, user)))
    ranker = ByFeature()
    served = release(*released, {"home": scene}, ranker=ranker, features=ranker_features())
    recommend(Request(str(known.snapshot.users[user]), known.snapshot.as_of), served, record)
    return ranker.seen


@pytest.fixture
def released(known, tmp_path):
    """Items and recall indexes written and mapped into memory, as serving has them."""
    save_items(tmp_path / "items", known.snapshot.item_side)
    for name, source in known.recall.items():
        save_arrays(tmp_path / "recall" / name, source.arrays())
    return load_items(tmp_path / "items"), load_recall(tmp_path / "recall")


def test_training_and_serving_see_the_same_matrix(known, released, settings) -> None:
    scene = settings().scenes["home"]
    kept = {kind: np.diff(known.history.of_kind(kind).offsets).max() for kind in SHORT_MEMORY}
    assert kept == SHORT_MEMORY
    rows = 0
    for user in range(len(known.snapshot.users)):
        learned, asked = learned_from(known, user, scene), asked_with(known, user, scene, released)
        assert asked.shape == learned.shape
        assert asked.tobytes() == learned.tobytes()
        rows += len(asked)
    assert rows > 500


def test_everybody_trained_at_once_sees_the_same_matrix(known, released, settings) -> None:
    """All users in one call of `make_examples`, each alone at serving."""
    scene, everybody = settings().scenes["home"], np.arange(len(known.snapshot.users))
    offered = [asked_with(known, user, scene, released) for user in everybody]
    bought = np.arange(0, len(known.snapshot.item_side.catalog), 2, dtype=np.int32)
    examples = make_examples(
        [(int(user), bought) for user in everybody],
        history=known.history,
        user_values=known.snapshot.user_values,
        item_side=known.snapshot.item_side,
        recall=known.recall,
        scene=scene,
        asked_at=known.snapshot.as_of,
        features=ranker_features(),
        negatives=9999,
        generator=np.random.default_rng(0),
        context=at_home(known),
    )
    assert len(examples.group) == len(everybody)
    assert examples.matrix.tobytes() == np.concatenate(offered).tobytes()


def test_a_day_of_the_past_is_learned_as_it_was_served(tmp_path, settings) -> None:
    """Learned a week later from a longer archive, the matrix is the one that was served on the day."""
    shop, then = random_shop(14, baskets=300), moment(7).date()
    ours = settings(online_history=SHORT_MEMORY)
    on_the_day, later = open_shop(shop, tmp_path, then), open_shop(shop, tmp_path)
    served, learned = learn(on_the_day, then, ours), learn(later, then, ours)
    assert served.snapshot.as_of == learned.snapshot.as_of == end_of_day(then)
    side = (served.snapshot.item_side, served.recall)
    for user in range(len(served.snapshot.users)):
        asked = asked_with(served, user, ours.scenes["home"], side)
        assert asked.tobytes() == learned_from(learned, user, ours.scenes["home"]).tobytes()
    on_the_day.close()
    later.close()


@pytest.mark.slow
def test_scores_of_every_recall_source_are_the_same_on_both_ways(tmp_path, settings) -> None:
    """A scene that asks all of them, their indexes mapped from disk where serving asks."""
    recall = {name: {"quota": 30} for name in SOURCES}
    ours = settings(online_history=SHORT_MEMORY, scenes={"home": {"recall": recall}})
    archive = open_shop(random_shop(15, baskets=300), tmp_path)
    known = learn(archive, TODAY, ours)
    archive.close()
    save_items(tmp_path / "items", known.snapshot.item_side)
    for name, source in known.recall.items():
        save_arrays(tmp_path / "recall" / name, source.arrays())
    side = load_items(tmp_path / "items"), load_recall(tmp_path / "recall")
    assert set(side[1]) == set(SOURCES)
    for user in range(len(known.snapshot.users)):
        asked = asked_with(known, user, ours.scenes["home"], side)
        assert asked.tobytes() == learned_from(known, user, ours.scenes["home"]).tobytes()
