"""One file a recall source; `SOURCES` names them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.recommender.recall.category import Category
from pipeline.recommender.recall.itemcf import ItemCF
from pipeline.recommender.recall.personal import Personal
from pipeline.recommender.recall.popular import Popular
from pipeline.recommender.recall.usercf import UserCF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.recommender.recall.source import RecallSource

SOURCES: Mapping[str, type[RecallSource]] = {
    source.name: source for source in (Personal, ItemCF, UserCF, Category, Popular)
}
