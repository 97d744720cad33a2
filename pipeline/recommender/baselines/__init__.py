"""One file a baseline; `BASELINES` are computed beside every release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.recommender.baselines.als import AlsLists
from pipeline.recommender.baselines.frequency import FrequencyLists
from pipeline.recommender.baselines.itemknn import ItemKnnLists
from pipeline.recommender.baselines.popular import PopularLists
from pipeline.recommender.baselines.tifuknn import TifuKnnLists
from pipeline.recommender.baselines.upcf import UpCfLists

if TYPE_CHECKING:
    from pipeline.recommender.baselines.lists import Baseline

BASELINES: tuple[Baseline, ...] = (
    PopularLists(),
    FrequencyLists(),
    FrequencyLists(half_life_days=30.0),
    FrequencyLists(half_life_days=90.0),
    AlsLists(),
    ItemKnnLists(),
    TifuKnnLists(),
    UpCfLists(),
)
