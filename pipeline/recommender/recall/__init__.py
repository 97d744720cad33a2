"""One file a recall source; `SOURCES` names them all."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.recommender.recall.category import Category
from pipeline.recommender.recall.itemcf import ItemCF
from pipeline.recommender.recall.personal import Personal
from pipeline.recommender.recall.popular import Popular
from pipeline.recommender.recall.source import RecallSource
from pipeline.recommender.recall.usercf import UserCF

SOURCES: Mapping[str, type[RecallSource]] = {
    source.name: source for source in (Personal, ItemCF, UserCF, Category, Popular)
}
