import datetime as dt

import pytest

from pipeline.demo.matomo_schema import matomo_tables
from pipeline.errors import SourceError
from tests.pipeline.sources.matomo.installation import (
    CATEGORY,
    DAY,
    KEYWORD,
    SKU,
    URL,
    Installation,
    at,
    visitor,
)

NEXT = DAY + dt.timedelta(days=1)


def kinds(events):
    return [(event["kind"], event["item_id"]) for event in events]


def test_a_product_view_is_told_by_its_sku_and_in_utc_whatever_zone_the_site_is_in(matomo):
    matomo.view(matomo.visit(), "A&B-1", "09:30", price=3.25)
    (view,) = matomo.events()
    assert (view["kind"], view["item_id"], view["price"], view["quantity"]) == ("view", "A&B-1", 3.25, 1.0)
    assert view["time"] == view["updated_at"] == dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.UTC)


def test_a_renamed_dictionary_entry_is_the_same_item(matomo):
    """A race gives one SKU two ids; items are known by the SKU's text."""
    visit = matomo.visit()
    first = matomo.view(visit, "A")
    matomo.hit(visit, "09:01", idaction_product_sku=matomo.action_id("A", SKU, again=True))
    assert {event["item_id"] for event in matomo.events()} == {"A"}
    assert len(matomo.events()) == 2
    assert first


def test_null_and_zero_both_mean_no_action(matomo):
    visit = matomo.visit()
    matomo.hit(visit, idaction_product_sku=0, idaction_product_cat=0, idaction_url=matomo.action_id("home", URL))
    matomo.hit(visit, "09:01", idaction_url=matomo.action_id("home", URL))
    found = matomo.read()
    assert found["matomo_events"] == found["matomo_facts"] == []


def test_actions_whose_name_was_purged_are_left_out(matomo):
    matomo.hit(matomo.visit(), idaction_product_sku=4711)
    assert matomo.events() == []


def test_a_login_counts_for_the_whole_visit(matomo):
    """The visit's row changes at login; rows of actions before it keep the old idvisitor."""
    visit = matomo.visit(who="device", user="anna@shop")
    matomo.view(visit, "A", "09:00", who="device")
    matomo.view(visit, "B", "09:10", who="anna@shop")
    events = matomo.events()
    assert {event["user_id"] for event in events} == {"anna@shop"}
    assert {event["visitor_id"] for event in events} == {visitor("anna@shop").hex()}


def test_without_login_the_visitor_is_sixteen_hex_digits(matomo):
    matomo.view(matomo.visit(who="device"), "A", who="device")
    (event,) = matomo.events()
    assert (event["user_id"], event["visitor_id"]) == (None, visitor("device").hex())


def test_a_purged_visit_leaves_the_actions_own_visitor(matomo):
    matomo.view(99, "A", who="gone")
    assert matomo.events()[0]["visitor_id"] == visitor("gone").hex()


def test_user_ids_and_keywords_are_unescaped_and_skus_and_categories_are_not(matomo):
    visit = matomo.visit(user="o&#039;neil &amp; co")
    matomo.view(visit, "A&amp;B")
    matomo.hit(visit, "09:01", idaction_name=matomo.action_id("salt &amp; pepper", KEYWORD), search_count=0)
    matomo.hit(visit, "09:02", idaction_product_cat=matomo.action_id("Home & Garden", CATEGORY))
    found = matomo.read()
    assert found["matomo_events"][0]["user_id"] == "o'neil & co"
    assert found["matomo_events"][0]["item_id"] == "A&amp;B"
    assert [fact["text"] for fact in found["matomo_facts"]] == ["salt & pepper", "Home & Garden"]


def test_searches_and_category_pages_are_facts_and_no_events(matomo):
    visit = matomo.visit()
    matomo.hit(visit, idaction_name=matomo.action_id("tea", KEYWORD), search_count=0, search_cat="drinks")
    matomo.hit(visit, "09:01", idaction_product_cat=matomo.action_id("Tea", CATEGORY), idaction_product_sku=0)
    matomo.view(visit, "A", "09:02", category="Tea")
    found = matomo.read()
    assert [(fact["kind"], fact["text"], fact["results"]) for fact in found["matomo_facts"]] == [
        ("search", "tea", 0),
        ("category", "Tea", None),
    ]
    assert kinds(found["matomo_events"]) == [("view", "A")]


def test_content_is_slot_impressions_and_clicks_with_their_positions(install):
    """Dimension `rec_position` lies in another column on each site (custom_dimensions.index)."""
    matomo = install(sites=(1, 2))
    for site, index in ((1, 3), (2, 1)):
        common = {"idsite": site, "scope": "action", "active": 1}
        matomo.add("custom_dimensions", idcustomdimension=7, name="rec_position", index=index, **common)
        matomo.add("custom_dimensions", idcustomdimension=8, name="other", index=4 - index, **common)
    one, two = matomo.visit(), matomo.visit(site=2)
    matomo.content(one, "home", "A", target="req-1", custom_dimension_3="2", custom_dimension_1="x")
    matomo.content(one, "home", "A", "09:01", clicked=True, target="req-1", custom_dimension_3="2")
    matomo.content(two, "home", "B", site=2, custom_dimension_1="5", custom_dimension_3="7")
    matomo.content(two, "home", "C", "09:03", site=2, custom_dimension_1="first")
    events = matomo.events()
    assert [(e["kind"], e["item_id"], e["slot"], e["position"]) for e in events] == [
        ("impression", "A", "home", 2),
        ("click", "A", "home", 2),
        ("impression", "B", "home", 5),
        ("impression", "C", "home", None),
    ]
    assert [event["request_id"] for event in events] == ["req-1", "req-1", None, None]


def test_an_order_is_its_lines_at_their_prices(matomo):
    visit = matomo.visit(user="u1")
    matomo.order(visit, "1001", {"A": (2, 1.5), "B": (1, 4.0)}, revenue=9.99)
    found = matomo.read()
    assert [(e["item_id"], e["quantity"], e["price"], e["order_id"]) for e in found["matomo_events"]] == [
        ("A", 2.0, 1.5, "1001"),
        ("B", 1.0, 4.0, "1001"),
    ]
    (basket,) = found["matomo_baskets"]
    assert (basket["kind"], basket["items"], basket["revenue"]) == ("order", 3, 9.99)


def test_revenue_is_not_cut_to_the_six_digits_that_mysql_prints(matomo):
    """log_conversion.revenue is FLOAT: 1234567.89 would be read as 1234570."""
    matomo.order(matomo.visit(), "1001", {"A": (1, 1.0)}, revenue=1234567.89)
    assert matomo.read()["matomo_baskets"][0]["revenue"] == pytest.approx(1234567.89, abs=0.02)


def test_lines_that_were_dropped_are_counted_and_not_bought(matomo):
    """deleted = 1: in the cart, but not in the order."""
    visit = matomo.visit()
    matomo.order(visit, "1001", {"A": (1, 1.0)})
    matomo.line(visit, "1001", "B", 1, 2.0, deleted=1, idsite=1, idvisitor=visitor("x"), server_time=at("09:10"))
    found = matomo.read()
    assert kinds(found["matomo_events"]) == [("purchase", "A")]
    assert found["matomo_baskets"][0]["dropped_lines"] == 1


def test_a_sku_with_two_ids_is_one_line_the_later_one(matomo):
    visit = matomo.visit()
    matomo.order(visit, "1001", {"A": (1, 1.0)})
    later = {"idsite": 1, "idvisitor": visitor("x"), "server_time": at("09:11")}
    matomo.line(visit, "1001", "A", 3, 1.0, again=True, **later)
    assert [(e["item_id"], e["quantity"]) for e in matomo.events()] == [("A", 3.0)]


def test_an_open_cart_is_its_lines_as_last_seen(matomo):
    matomo.cart(matomo.visit(), {"A": (2, 1.5)})
    found = matomo.read()
    assert kinds(found["matomo_events"]) == [("cart", "A")]
    assert (found["matomo_baskets"][0]["kind"], found["matomo_baskets"][0]["order_id"]) == ("cart", None)


def test_an_order_without_items_is_a_basket_without_events(matomo):
    matomo.order(matomo.visit(), "1001", {}, revenue=5.0)
    found = matomo.read()
    assert (found["matomo_events"], found["matomo_baskets"][0]["items"]) == ([], 0)


def test_order_ids_repeat_across_sites(install):
    matomo = install(sites=(1, 2))
    matomo.order(matomo.visit(), "777", {"A": (1, 1.0)})
    matomo.order(matomo.visit(site=2), "777", {"A": (1, 1.0)}, site=2)
    found = matomo.read()
    for name, key in (("matomo_baskets", "basket_id"), ("matomo_events", "event_id")):
        assert len({row[key] for row in found[name]}) == 2


def test_ordinary_goals_are_facts_and_no_orders(matomo):
    visit = matomo.visit()
    matomo.add("goal", idsite=1, idgoal=3, name="Letter &amp; news", deleted=1)
    goal = {"idvisit": visit, "idgoal": 3, "idsite": 1, "idvisitor": visitor("x"), "revenue": 2.5, "url": "u"}
    for buster in (0, 81):
        matomo.add("log_conversion", buster=buster, server_time=at("09:00"), **goal)
    found = matomo.read()
    assert found["matomo_baskets"] == found["matomo_events"] == []
    told = [(fact["kind"], fact["goal"], fact["text"], fact["revenue"]) for fact in found["matomo_facts"]]
    assert told == [("goal", 3, "Letter & news", 2.5)] * 2
    assert len({fact["fact_id"] for fact in found["matomo_facts"]}) == 2


def test_a_goals_number_means_another_goal_on_another_site_and_its_name_may_not_be_had(install):
    matomo = install(sites=(1, 2))
    for site in (1, 2):
        goal = {"idgoal": 3, "idsite": site, "idvisitor": visitor("x"), "revenue": 0, "url": "u", "buster": 0}
        matomo.add("log_conversion", idvisit=matomo.visit(site=site), server_time=at("09:00"), **goal)
    matomo.add("goal", idsite=2, idgoal=3, name="Contact")
    assert [fact["text"] for fact in matomo.read()["matomo_facts"]] == [None, "Contact"]
    matomo.run("DROP TABLE {p}goal")
    assert [(fact["goal"], fact["text"]) for fact in matomo.read()["matomo_facts"]] == [(3, None)] * 2


def test_the_visitor_of_the_moment_is_kept_beside_the_visits(matomo):
    visit = matomo.visit(user="anna@shop")
    matomo.view(visit, "A", who="cookie")
    (view,) = matomo.events()
    assert (view["visitor_id"], view["visitor_then"]) == (visitor("anna@shop").hex(), visitor("cookie").hex())


@pytest.mark.parametrize(("code", "name"), [(1, "direct"), (7, "social"), (8, "other"), (99, "other"), (None, None)])
def test_unknown_referrers_are_other(tmp_path, code, name):
    matomo = Installation(f"sqlite:///{tmp_path / 'matomo.db'}")
    matomo.visit(referer_type=code, config_device_type=1)
    (visit,) = matomo.read()["matomo_visits"]
    assert (visit["referrer"], visit["device"]) == (name, "smartphone")


def test_no_address_is_read(matomo):
    matomo.visit()
    assert not [column for column in matomo.read()["matomo_visits"][0] if "ip" in column.split("_")]


@pytest.mark.parametrize("version", [3, 4, 5])
def test_versions_and_plugins_differ_and_the_rest_is_read(install, version):
    """A bare core lacks every plugin's columns; custom prefix."""
    matomo = install(version=version, prefix="wp_matomo_", with_plugins=False)
    visit = matomo.visit()
    matomo.hit(visit)
    matomo.order(visit, "1001", {"A": (1, 1.0)})
    found = matomo.read()
    assert kinds(found["matomo_events"]) == [("purchase", "A")]
    assert found["matomo_visits"][0]["started_at"] is None


def test_matomo_3_kept_product_views_in_custom_variables(install):
    """Told by key, not by number; `_pkc` is a text or a JSON array."""
    matomo = install(version=3, prefix="piwik_")
    visit = matomo.visit()
    sku = {"custom_var_k3": "_pks", "custom_var_v3": "A"}
    matomo.hit(visit, **sku, custom_var_k2="_pkp", custom_var_v2="2.5", custom_var_k5="_pkc", custom_var_v5="Tea")
    matomo.hit(visit, "09:01", custom_var_k3="_pks", custom_var_v3="B", custom_var_k2="_pkp", custom_var_v2="free")
    matomo.hit(visit, "09:02", custom_var_k5="_pkc", custom_var_v5='["Audio & TV", "Hi-Fi"]')
    matomo.hit(visit, "09:03", custom_var_k3="colour", custom_var_v3="red")
    found = matomo.read()
    assert [(e["item_id"], e["price"]) for e in found["matomo_events"]] == [("A", 2.5), ("B", None)]
    assert [(fact["kind"], fact["text"]) for fact in found["matomo_facts"]] == [("category", "Audio & TV")]


@pytest.mark.parametrize("page_rows", [1, 2, 3, 7])
def test_pages_of_any_size_give_the_same_rows(matomo, page_rows):
    """Many rows share a second, and server_time goes backwards against idlink_va."""
    visits = [matomo.visit("09:00", who=f"w{number}") for number in range(5)]
    for number, time in enumerate(["09:03", "09:01", "09:01", "09:01", "09:00"]):
        matomo.view(visits[number], f"S{number}", time)
        matomo.order(visits[number], f"o{number}", {"A": (1, 1.0)}, "09:10")
        goal = {"idsite": 1, "idvisitor": visitor("x"), "url": "u", "buster": 0, "server_time": at("09:10")}
        matomo.add("log_conversion", idvisit=visits[number], idgoal=4, **goal)
    assert matomo.read(page_rows=page_rows) == matomo.read()
    assert len(matomo.events()) == 10


def test_only_the_mappings_sites_and_the_windows_rows_are_read(install):
    matomo = install(sites=(1, 2))
    matomo.view(matomo.visit(), "A", "00:00:00")
    matomo.view(matomo.visit(site=2), "B", site=2)
    matomo.view(matomo.visit(day=NEXT), "C", "00:00:00", day=NEXT)
    matomo.sites = (1,)
    assert kinds(matomo.events(days=1)) == [("view", "A")]


def test_a_wrong_prefix_a_missing_site_and_an_old_schema_are_named(install):
    matomo = install()
    matomo.prefix = "wrong_"
    with pytest.raises(SourceError, match=r"a table `wrong_site`.*matomo_log_visit"):
        matomo.read()
    matomo.prefix, matomo.sites = "matomo_", (1, 9)
    with pytest.raises(SourceError, match=r"a site 9 in Matomo.*the sites 1"):
        matomo.read()
    matomo.sites = (1,)
    matomo.run("ALTER TABLE {p}log_link_visit_action RENAME COLUMN server_time TO zeit")
    with pytest.raises(SourceError, match=r"matomo_log_link_visit_action.*`server_time`.*zeit"):
        matomo.read()


def test_the_schema_of_each_version_has_the_columns_that_tell_it_apart():
    def columns(version, table):
        return set(matomo_tables(version, "").tables[table].columns.keys())

    assert "custom_var_k5" in columns(3, "log_link_visit_action") - columns(4, "log_link_visit_action")
    assert "idaction_product_sku" in columns(4, "log_link_visit_action") - columns(3, "log_link_visit_action")
    assert "interaction_position" in columns(3, "log_link_visit_action") - columns(5, "log_link_visit_action")
    assert "visitor_seconds_since_last" in columns(4, "log_visit") - columns(3, "log_visit")
    assert columns(5, "log_conversion") - columns(4, "log_conversion") == {"pageviews_before"}
