"""One file a recall source; `SOURCES` names them all.

The defaults were chosen on 2026-11-22 on The Complete Journey, weeks from 2017-10-09 and 2017-11-06. Numbers beside
them are differences in what a source finds of next week's purchases: where nothing else is said, of those new to the
user, among the first 200 new items that it offers, as a share of all purchases (about 0.06).
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from feature_store.registry import check_recall, code_id, registry
from pipeline.errors import SettingsError
from pipeline.recommender.recall.als import Als
from pipeline.recommender.recall.brand import Brand
from pipeline.recommender.recall.category import Category
from pipeline.recommender.recall.content import Content
from pipeline.recommender.recall.item2vec import Item2Vec
from pipeline.recommender.recall.itemcf import ItemCF
from pipeline.recommender.recall.new_items import NewItems
from pipeline.recommender.recall.personal import Personal
from pipeline.recommender.recall.popular import Popular
from pipeline.recommender.recall.price_band import PriceBand
from pipeline.recommender.recall.segment import Segment
from pipeline.recommender.recall.tag import Tag
from pipeline.recommender.recall.trending import Trending
from pipeline.recommender.recall.usercf import UserCF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.recommender.recall.source import RecallSource

SOURCES: Mapping[str, type[RecallSource]] = {
    source.name: source
    for source in (
        Personal,
        ItemCF,
        UserCF,
        Category,
        Popular,
        Tag,
        Brand,
        PriceBand,
        Segment,
        Trending,
        NewItems,
        Item2Vec,
        Als,
        Content,
    )
}

check_recall(registry(), SOURCES)  # a feature of a source that does not exist would be its default for ever


def configured(name: str, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - each source has a type of its own
    """The configuration of source `name`: its defaults, but for `values`.

    Raises:
        SettingsError: there is no such source, or `values` name or hold what it does not know.
    """
    if name not in SOURCES:
        raise SettingsError(
            f"recall source `{name}`",
            expected=f"one of {', '.join(SOURCES)}",
            found="none of that name",
            remedy="Mend `config/scenes.yaml`, or `recall` of the settings.",
        )
    config = SOURCES[name].config
    known = [field.name for field in fields(config)]
    try:
        return TypeAdapter(config).validate_python(values, extra="forbid")
    except ValueError as error:
        raise SettingsError(
            f"setting `recall.{name}`", expected=f"values for {', '.join(known)}", found=str(error), remedy="Mend it."
        ) from error


@cache
def recall_code() -> str:
    """The id of the code that fits and asks recall sources: their scores are features, and fill indexes of releases."""
    root = Path(__file__).parent
    return code_id(sorted(root.glob("*.py")), root)
