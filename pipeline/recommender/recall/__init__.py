"""One file a recall source; `SOURCES` names them all.

The defaults were chosen on 2026-11-22 on The Complete Journey, weeks from 2017-10-09 and 2017-11-06. Numbers beside
them are differences in what a source finds of next week's purchases: where nothing else is said, of those new to the
user, among the first 200 new items that it offers, as a share of all purchases (about 0.06).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from feature_store.registry import check_recall, code_id, registry
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

check_recall(registry(), SOURCES)  # a feature of a source that does not exist would be its default for ever


@cache
def recall_code() -> str:
    """The id of the code that fits and asks recall sources: their scores are features, and fill indexes of releases."""
    root = Path(__file__).parent
    return code_id(sorted(root.glob("*.py")), root)
