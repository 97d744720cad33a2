"""All features have one order and one id, which changes when what they compute may have changed."""

from __future__ import annotations

import pytest

from feature_store import registry as rooms
from feature_store.errors import FeatureError
from feature_store.registry import (
    check_inputs,
    check_recall,
    code_id,
    computing_modules,
    ranker_features,
    registry,
    stored_features,
)
from feature_store.spec import ENTITIES, request

CODE = '''"""What everybody did."""

LIMIT = 7
"""Days of a week."""


class Word:
    """A word."""

    field: int = 1
    """A field."""


def item_count(events):
    """Lines."""
    return events.lines(LIMIT)  # all of them
'''


@pytest.fixture
def identify(tmp_path):
    """`identify(code)`: the id of a file with that code."""

    def of(code: str, name: str = "item.py") -> str:
        path = tmp_path / name
        path.write_text(code)
        return code_id([path], tmp_path)

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# all of them", "# every one"),
        ('"""What everybody did."""', '"""Items."""'),
        ('"""Lines."""', '"""Order lines.\n\n    Source: purchases.\n    """'),
        ('"""Days of a week."""', '"""A week."""'),
        ('"""A word."""', ""),
        ('"""A field."""', '"""What it holds."""'),
        ("LIMIT = 7\n", "LIMIT = 7\n\n"),
        ("events.lines(LIMIT)", "events.lines(\n        LIMIT\n    )"),
    ],
)
def test_words_and_blanks_do_not_change_the_id(identify, old: str, new: str) -> None:
    assert old in CODE
    assert identify(CODE.replace(old, new)) == identify(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 7", "LIMIT = 8"),
        ("events.lines(LIMIT)", "events.baskets(LIMIT)"),
        ("def item_count", "def item_number"),
        ("(events)", "(prices)"),
        ("events.lines(LIMIT)", "'text'"),
    ],
)
def test_code_changes_the_id(identify, old: str, new: str) -> None:
    assert identify(CODE.replace(old, new)) != identify(CODE)


def test_the_name_of_a_file_is_code(identify) -> None:
    """Modules in order of name decide the order of features."""
    assert identify(CODE, "item.py") != identify(CODE, "product.py")


def test_the_id_of_this_code_is_the_same_in_every_call() -> None:
    rooms.feature_set_id.cache_clear()
    first = rooms.feature_set_id()
    rooms.feature_set_id.cache_clear()
    assert rooms.feature_set_id() == first


def test_every_stored_feature_lies_in_the_vector_of_its_entity() -> None:
    vectors = [feature.name for entity in ENTITIES for feature in stored_features(entity)]
    assert sorted(vectors) == sorted(name for name, feature in registry().items() if feature.kind == "stored")


def test_the_ranker_sees_every_feature_once() -> None:
    assert ranker_features() == tuple(registry())


def test_the_ranker_sees_no_score_of_a_source_that_nobody_asks() -> None:
    with_two, without = ranker_features(["itemcf", "als"]), ranker_features([])
    assert [name for name in with_two if name not in without] == ["itemcf_score", "als_score"]
    assert [name for name in registry() if name in with_two] == list(with_two)


def test_an_input_that_nobody_provides_is_named() -> None:
    @request(unit="1", default=0.0)
    def item_odd(item_line_count, item_lien_count):
        """Misspells one of its inputs."""
        return item_line_count / item_lien_count

    with pytest.raises(FeatureError, match=r"item_odd: .*`item_lien_count`"):
        check_inputs(registry() | {"item_odd": item_odd})


def test_features_scores_and_the_matrix_provide_inputs() -> None:
    @request(unit="1", default=0.0)
    def item_fine(item_line_count, recall_itemcf, same_brand, any_item, asked_at):
        """Names one input of each sort."""
        return item_line_count + recall_itemcf + same_brand.count() + any_item.count() + asked_at

    check_inputs(registry() | {"item_fine": item_fine})


def test_a_misspelt_recall_source_is_named() -> None:
    @request(unit="score", default=0.0)
    def item_odd_score(recall_itmecf):
        """Would be 0 for ever."""
        return recall_itmecf

    with pytest.raises(FeatureError, match=r"item_odd_score: .*recall_itemcf.*found `recall_itmecf`"):
        check_recall({"item_odd_score": item_odd_score}, ["personal", "itemcf"])


def test_the_id_covers_every_module_through_which_a_value_goes() -> None:
    names = {path.name for path in computing_modules()}
    assert {"user.py", "matrix.py", "snapshot.py", "offline.py", "catalog.py", "tables.py", "spark.py"} <= names
    assert not {"errors.py", "redis_reader.py", "packed.py"} & names
