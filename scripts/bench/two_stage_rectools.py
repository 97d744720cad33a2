"""Lists of RecTools' two-stage model: python two_stage_rectools.py SHOP LISTS CHOICE.

SHOP:   an .npz of `two_stage.py`: purchases up to the cut and whom to ask
LISTS:  the .npy that is written, (users, size) items
CHOICE: fields of `Choice` that differ from what is chosen, as JSON
"""

# ruff: noqa: ANN401, ARG002 - RecTools says what its hooks are given

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from rectools import Columns
from rectools.dataset import Dataset
from rectools.model_selection import TimeRangeSplitter
from rectools.models import ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PopularModel
from rectools.models.base import ModelBase
from rectools.models.ranking import (
    CandidateFeatureCollector,
    CandidateGenerator,
    CandidateRankingModel,
    CatBoostReranker,
    PerUserNegativeSampler,
    Reranker,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

THREADS, SEED = 2, 0
WINDOWS_DAYS = (7, 28, 91)
PAIR, USER, ITEM, TARGET = Columns.UserItem, Columns.User, Columns.Item, Columns.Target
warnings.simplefilter("ignore")


@dataclass(frozen=True)
class Choice:
    """What was chosen on the validation weeks."""

    own: int = 300
    knn: int = 100
    als: int = 50
    popular: int = 50
    """Candidates of each generator; 0 leaves it out."""
    ranker: str = "lambdarank"
    """`lambdarank` and `binary` of LightGBM, `yetirank` and `logloss` of CatBoost."""
    trees: int = 200
    rate: float = 0.05
    leaves: int = 15
    negatives: int = 100
    weeks: int = 1
    """How long the split-off time is whose purchases are the ranker's target."""
    groups: bool = True
    """Whether the ranker also sees what the household buys of the item's categories and brand."""


class OwnItems(ModelBase):
    """The user's own items by weight: RecTools brings no generator for what is bought again."""

    recommends_for_warm = recommends_for_cold = False

    def _fit(self, dataset: Dataset) -> None:
        pass

    def _recommend_u2i(
        self, user_ids: NDArray[np.int64], dataset: Dataset, k: int, filter_viewed: bool, *_: Any
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        weights = dataset.get_user_item_matrix(include_weights=True)[user_ids]
        users, items, scores = [], [], []
        for user, (start, end) in zip(user_ids, pairwise(weights.indptr), strict=True):
            best = start + np.argsort(-weights.data[start:end], kind="stable")[:k]
            users.append(np.full(len(best), user))
            items.append(weights.indices[best])
            scores.append(weights.data[best])
        return np.concatenate(users), np.concatenate(items), np.concatenate(scores)


def generators(choice: Choice) -> list[CandidateGenerator]:
    """What proposes items, bought before or not; scores and ranks are features."""
    als = AlternatingLeastSquares(factors=64, iterations=15, random_state=SEED, num_threads=THREADS)
    models = [
        (OwnItems(), choice.own),
        (ImplicitItemKNNWrapperModel(CosineRecommender(K=50, num_threads=THREADS)), choice.knn),
        (ImplicitItemKNNWrapperModel(BM25Recommender(K=20, num_threads=THREADS)), choice.knn),
        (ImplicitALSWrapperModel(als), choice.als),
        (PopularModel(popularity="n_users", period=pd.Timedelta(days=30)), choice.popular),
    ]
    return [CandidateGenerator(model, size, keep_ranks=True, keep_scores=True) for model, size in models if size]


class Features(CandidateFeatureCollector):
    """Counts and recency of pair, user and item as of the end of the purchases at hand."""

    def __init__(self, groups: dict[str, NDArray[np.int32]]) -> None:
        self.groups = groups

    def _lines(self, dataset: Dataset) -> pd.DataFrame:
        lines = dataset.get_raw_interactions()
        end = lines[Columns.Datetime].max().ceil("D")
        age = (end - lines[Columns.Datetime]).dt.total_seconds() / 86_400
        return lines.assign(
            age=age,
            decayed=np.exp2(-age / 90),
            lately=np.exp2(-age / 30),
            **{f"last_{days}": age < days for days in WINDOWS_DAYS},
            **{name: of_item[lines[ITEM]] for name, of_item in self.groups.items()},
        )

    def _get_user_features(self, users: Any, dataset: Dataset, fold_info: Any) -> pd.DataFrame:
        by = self._lines(dataset).groupby(USER)
        return by.agg(
            user_lines=("age", "size"),
            user_baskets=(Columns.Datetime, "nunique"),
            user_items=(ITEM, "nunique"),
            user_decayed=("decayed", "sum"),
            user_lines_28d=("last_28", "sum"),
            user_days_since_last=("age", "min"),
            user_days_since_first=("age", "max"),
        ).reset_index()

    def _get_item_features(self, items: Any, dataset: Dataset, fold_info: Any) -> pd.DataFrame:
        lines = self._lines(dataset)
        features = lines.groupby(ITEM).agg(
            item_lines=("age", "size"),
            item_buyers=(USER, "nunique"),
            item_decayed=("decayed", "sum"),
            item_lines_7d=("last_7", "sum"),
            item_lines_28d=("last_28", "sum"),
            item_lines_91d=("last_91", "sum"),
            item_days_since_last=("age", "min"),
            item_days_since_first=("age", "max"),
        )
        features["item_lines_per_buyer"] = features["item_lines"] / features["item_buyers"]
        return features.reset_index()

    def _get_user_item_features(self, useritem: pd.DataFrame, dataset: Dataset, fold_info: Any) -> pd.DataFrame:
        lines = self._lines(dataset)
        pairs = lines.groupby(PAIR).agg(
            pair_count=("age", "size"),
            pair_decayed=("decayed", "sum"),
            pair_lately=("lately", "sum"),
            pair_count_28d=("last_28", "sum"),
            pair_days_since_last=("age", "min"),
            pair_days_since_first=("age", "max"),
        )
        gap = (pairs["pair_days_since_first"] - pairs["pair_days_since_last"]) / (pairs["pair_count"] - 1)
        pairs["pair_mean_gap"] = gap.where(pairs["pair_count"] > 1)
        pairs["pair_days_over_gap"] = pairs["pair_days_since_last"] / pairs["pair_mean_gap"]
        found = useritem[PAIR].merge(pairs.reset_index(), on=PAIR, how="left")
        for name, of_item in self.groups.items():
            found[name] = of_item[found[ITEM]]
            own = lines.groupby([USER, name]).agg(
                **{
                    f"{name}_count": ("age", "size"),
                    f"{name}_decayed": ("decayed", "sum"),
                    f"{name}_last": ("age", "min"),
                }
            )
            found = found.merge(own.reset_index(), on=[USER, name], how="left").drop(columns=name)
        return found


class Negatives(PerUserNegativeSampler):
    """What is bought twice in the target's time is one example, not two."""

    def sample_negatives(self, train: pd.DataFrame) -> pd.DataFrame:
        return super().sample_negatives(train.drop_duplicates(PAIR))


class LambdaRank(Reranker):
    """LightGBM asks for each user's rows together, and how many they are."""

    def prepare_fit_kwargs(self, candidates_with_target: pd.DataFrame) -> dict[str, Any]:
        rows = candidates_with_target.sort_values(PAIR)
        return {**super().prepare_fit_kwargs(rows), "group": rows.groupby(USER).size().to_numpy()}


def reranker(choice: Choice) -> Reranker:
    if choice.ranker in ("lambdarank", "binary"):
        from lightgbm import LGBMClassifier, LGBMRanker

        of_lists = choice.ranker == "lambdarank"
        model = (LGBMRanker if of_lists else LGBMClassifier)(
            n_estimators=choice.trees,
            learning_rate=choice.rate,
            num_leaves=choice.leaves,
            min_child_samples=100,
            colsample_bytree=0.5,
            subsample=0.7,
            subsample_freq=1,
            random_state=SEED,
            n_jobs=THREADS,
            verbose=-1,
        )
        return (LambdaRank if of_lists else Reranker)(model)
    from catboost import CatBoostClassifier, CatBoostRanker

    common = {
        "iterations": choice.trees,
        "learning_rate": choice.rate,
        "depth": 6,
        "random_seed": SEED,
        "thread_count": THREADS,
        "verbose": False,
        "allow_writing_files": False,
    }
    of_lists = choice.ranker == "yetirank"
    return CatBoostReranker(
        CatBoostRanker(loss_function="YetiRank", **common) if of_lists else CatBoostClassifier(**common)
    )


def main() -> None:
    shop, choice = np.load(sys.argv[1]), Choice(**json.loads(sys.argv[3]))
    age = (shop["as_of"] - shop["time"]) / 86_400
    bought = pd.DataFrame(
        {
            USER: shop["user"],
            ITEM: shop["item"],
            Columns.Weight: np.exp2(-age / 90),
            Columns.Datetime: pd.to_datetime(shop["time"], unit="s"),
        }
    )
    model = CandidateRankingModel(
        generators(choice),
        splitter=TimeRangeSplitter(f"{7 * choice.weeks}D", filter_already_seen=False),
        reranker=reranker(choice),
        sampler=Negatives(choice.negatives, SEED),
        feature_collector=Features({name: shop[name] for name in shop["groups"]} if choice.groups else {}),
    )
    # As many of the same item in one basket are one line.
    dataset = Dataset.construct(bought.drop_duplicates([USER, ITEM, Columns.Datetime]))
    model.fit(dataset)
    found = model.recommend(shop["asked"], dataset, k=int(shop["size"]), filter_viewed=False)
    lists = np.full((len(shop["asked"]), int(shop["size"])), -1, np.int32)
    row = pd.Series(np.arange(len(lists)), index=shop["asked"])
    lists[row[found[USER]].to_numpy(), found[Columns.Rank] - 1] = found[ITEM]
    np.save(sys.argv[2], lists)


if __name__ == "__main__":
    main()
