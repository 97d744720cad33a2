"""`vitrine source check` and `init` where there is a Matomo, on SQLite and MariaDB."""

from __future__ import annotations

import hashlib

import pytest
import yaml

from pipeline.demo.shop import load_demo_shop
from pipeline.errors import SourceError
from pipeline.settings import Extract
from pipeline.sources.checking import check_source, first_mapping
from pipeline.sources.matomo.check import MATOMO, check_matomo
from pipeline.sources.matomo.mapping import MatomoMapping
from tests.pipeline.sources.matomo.installation import Installation


def told(matomo, **mapping):
    return {(each.table, each.column): each for each in check_matomo(matomo.url, matomo.mapping(**mapping), Extract())}


def sold(matomo, user="anna", order="1001"):
    """A Matomo in which everything that Vitrine reads was tracked."""
    for number, name in enumerate(("rec_position", "rec_request_id"), start=3):
        row = {"idcustomdimension": number, "idsite": 1, "name": name, "index": number, "scope": "action"}
        matomo.add("custom_dimensions", **row, active=1)
    visit = matomo.visit(user=user)
    matomo.view(visit, "A", "09:30")
    matomo.content(visit, "home", "A", "09:31")
    matomo.order(visit, order, {"A": (1, 1.0)})
    return matomo


def problems(found):
    return {key for key, each in found.items() if each.is_problem}


def hints(found):
    return {key[1]: each.hint for key, each in found.items() if each.found and each.hint}


def test_a_matomo_in_order_is_told_with_version_sites_and_what_was_seen_last(matomo):
    found = told(sold(matomo))
    assert problems(found) == set()
    assert found[MATOMO, "version"].sample == "5.2.0"
    assert found[MATOMO, "site 1"].sample == "Shop & Co, Europe/Paris, EUR"
    assert found[MATOMO, "site 1, dimension rec_position"].source == "custom_dimension_3"
    assert found["matomo_log_link_visit_action", "site 1, newest"].sample.startswith("2026-03-02 09:31:00")
    price = found["matomo_log_link_visit_action", "product_price"]
    assert (price.sample, price.null_share) == ("2.5", 0.5)
    assert len(found["matomo_log_visit", "idvisitor"].sample) == 16
    assert "custom_var_k5" in found["matomo_log_link_visit_action", ""].source
    silent = {"user_id", "idorder", "idgoal", "idaction_product_sku", "idaction_content_piece"}
    assert not silent & set(hints(found))


def test_a_site_that_is_not_there_and_one_that_is_not_read_are_named(install):
    matomo = install(sites=(1, 2))
    matomo.sites = (1, 9)
    found = told(matomo)
    assert problems(found) == {(MATOMO, "site 9")}
    assert "there are 1, 2" in found[MATOMO, "site 9"].hint
    assert "not read" in found[MATOMO, "site 2"].hint


def test_what_the_tracker_does_not_send_is_said(matomo):
    matomo.hit(matomo.visit())
    found = told(matomo)
    assert "setUserId" in hints(found)["user_id"]
    assert "setEcommerceView" in hints(found)["idaction_product_sku"]
    assert "no content tracking" in hints(found)["idaction_content_piece"]
    assert "no ecommerce data" in found["matomo_log_conversion", "site 1, newest"].hint
    assert "no active" in found[MATOMO, "site 1, dimension rec_request_id"].hint
    assert problems(found) == set()


def test_hashed_users_and_orders_cannot_be_joined(matomo):
    user, order = (hashlib.sha1(name, usedforsecurity=False).hexdigest() for name in (b"anna", b"1001"))
    found = hints(told(sold(matomo, user, order)))
    assert "anonymizeUserId" in found["user_id"]
    assert "anonymizeOrderId" in found["idorder"]


def test_a_core_without_plugins_says_what_it_lacks(install):
    matomo = install(version=3, with_plugins=False)
    found = told(matomo)
    assert problems(found) == set()
    absent = found["matomo_log_link_visit_action", ""]
    assert "idaction_content_piece" in absent.source
    assert "no content tracking" in absent.hint
    assert not found["matomo_custom_dimensions", ""].found


def test_a_wrong_prefix_a_missing_table_and_a_missing_column_are_problems(install):
    matomo = install(prefix="piwik_")
    (wrong,) = check_matomo(matomo.url, MatomoMapping(sites=(1,)), Extract())
    assert wrong.is_problem
    assert "there are tables of `piwik_`" in wrong.hint
    matomo.run("DROP TABLE {p}log_conversion_item")
    matomo.run("ALTER TABLE {p}log_conversion RENAME COLUMN buster TO other")
    found = told(matomo)
    assert problems(found) == {("piwik_log_conversion_item", ""), ("piwik_log_conversion", "buster")}


@pytest.mark.usefixtures("small_shop")
def test_the_check_of_the_shop_covers_matomo_when_there_is_one(settings, matomo):
    assert MATOMO not in {each.table for each in check_source(settings())}
    url = matomo.url.render_as_string(hide_password=False)
    found = check_source(settings(matomo_database_url=url))
    assert {"users", MATOMO, "matomo_log_visit"} <= {each.table for each in found}


def test_a_first_mapping_names_prefix_sites_slots_and_dimensions_and_can_be_used(install, settings):
    matomo = sold(install(prefix="wp_matomo_", sites=(1, 2)))
    matomo.run("UPDATE {p}site SET ecommerce = 0 WHERE idsite = 2")
    text = first_mapping(settings(database_url=matomo.url.render_as_string(hide_password=False)))
    mapping = MatomoMapping.model_validate(yaml.safe_load(text))
    assert mapping == MatomoMapping(prefix="wp_matomo_", sites=(1,))
    assert "#   2: Shop & Co, Europe/Paris (ecommerce off)" in text
    assert "There are home" in text
    assert "no action-scope" not in text


def test_where_a_shop_and_a_matomo_share_a_database_one_says_which(tmp_path, settings):
    url = f"sqlite:///{tmp_path / 'both.db'}"
    load_demo_shop(url, households=2)
    Installation(url, prefix="m_")
    made = settings(database_url=url)
    assert "tables:" in first_mapping(made)
    assert "m_" not in first_mapping(made).replace("item_", "")
    assert "prefix: m_" in first_mapping(made, matomo=True)
    with pytest.raises(SourceError, match="Matomo's tables"):
        first_mapping(settings(database_url=_only_shop(tmp_path)), matomo=True)


def _only_shop(folder):
    url = f"sqlite:///{folder / 'shop-alone.db'}"
    load_demo_shop(url, households=2)
    return url
