import numpy as np

from pipeline.recommender.recall.tag import Tag, TagConfig, tags_of_items
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

TITLES = ["Green Tea 500 g", "green soap", "Black tea", "soap", ""]
SHOP = catalog([""] * 5, titles=TITLES)
SALES = history((0, 0, 3), (1, 1, 3), (2, 1, 3), (3, 2, 3), (4, 3, 3), (5, 4, 3), users=6)


def offered(*events, config=TagConfig()):  # noqa: B008 - frozen
    return Tag.fit(SALES, SHOP, NOW, config).candidates(asker(*events), 9).items.tolist()


def test_words_are_tags_but_sizes_and_units_are_none():
    """Tags in the order of the titles in which they first stand: black, tea, green, soap."""
    black, tea, green, soap = np.eye(4)
    expected = [green + tea, green + soap, black + tea, soap, 0 * tea]
    assert np.array_equal(tags_of_items(SHOP).toarray(), expected)


def test_names_of_groups_are_tags_of_their_level():
    shop = catalog(["a", "a", ""], brands=["a", "", ""], titles=["", "", ""])
    assert tags_of_items(shop).toarray().sum(axis=1).tolist() == [3, 2, 0]


def test_items_that_share_a_tag_are_offered_and_no_others():
    assert set(offered((3, 1))) == {1, 3}
    assert set(offered((2, 1))) == {0, 2}
    assert offered((4, 1)) == []


def test_of_one_tag_the_items_that_most_want():
    assert offered((3, 1), config=TagConfig(items_per_tag=1)) == [1]
