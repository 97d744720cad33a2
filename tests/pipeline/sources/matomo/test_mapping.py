import pytest

from pipeline.errors import SettingsError, SourceError
from pipeline.sources.matomo.mapping import MatomoMapping, load_matomo_mapping
from pipeline.sources.matomo.reader import matomo_url


def test_the_shipped_mapping_says_what_is_the_default_anyway(settings):
    assert load_matomo_mapping(settings()) == MatomoMapping(sites=(1,))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sites: []", "sites"),
        ("sites: [1]\norders: both", "orders"),
        ("sites: [1]\nprefix: 'x; drop table'", "prefix"),
        ("sites: [1]\nslot: [home]", "slot"),
        ("sites: [1", "a YAML file"),
    ],
)
def test_a_wrong_mapping_names_its_key(settings, tmp_path, content, message):
    path = tmp_path / "matomo.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=message):
        load_matomo_mapping(settings(matomo_source=path))


def test_a_missing_mapping_is_named(settings, tmp_path):
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        load_matomo_mapping(settings(matomo_source=tmp_path / "none.yaml"))


def test_no_url_is_no_matomo_unless_the_demo_shop_has_a_storefront(settings):
    assert matomo_url(settings()) is None
    storefront = settings().workspace.demo_matomo
    storefront.parent.mkdir(parents=True)
    storefront.touch()
    assert str(storefront) in str(matomo_url(settings()))
    assert matomo_url(settings(database_url="mysql+pymysql://root@127.0.0.1/shop")) is None


def test_a_wrong_url_does_not_show_its_password(settings):
    with pytest.raises(SourceError) as caught:
        matomo_url(settings(matomo_database_url="mysql:/reader:secret@host"))
    assert "secret" not in str(caught.value)
