"""What was measured as tables: of weeks and of what slots earned, for the terminal and, as rows of text, for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COUNTS = ("impressions", "users", "clicks", "purchases", "gmv")
_RATES = {
    "ctr": "clicked of shown",
    "cart_rate": "in a cart or bought, of shown",
    "cvr": "bought of clicked",
    "gmv_per_thousand": "gmv per thousand shown",
}


def weeks_table(report: Mapping[str, Any]) -> Table:
    """ndcg@20 of the release and of every baseline, one row a model and one column a week, their means, and how sure
    the difference is.
    """
    weeks, means, best, metric = report["weeks"], report["means"], report["best_baseline"], "ndcg@20"
    table = Table(title=f"{metric} by week, trained anew before each", title_justify="left")
    table.add_column("judged", no_wrap=True)
    for first, last in (week["judged"] for week in weeks):
        table.add_column(f"{first[:4]}\n{first[5:]} …\n{last[5:]}", justify="right")
    table.add_column("mean", justify="right")
    for model, metrics in means.items():
        cells = (f"{week['models'][model][metric]:.4f}" for week in weeks)
        table.add_row(model, *cells, f"{metrics[metric]:.4f}")
    table.add_section()
    if best:
        values = ({model: metrics[metric] for model, metrics in week["models"].items()} for week in weeks)
        ratios = (of["release"] / of[week["best_baseline"]] for of, week in zip(values, weeks, strict=True))
        table.add_row("release / best", *(f"{ratio:.3f}" for ratio in ratios), f"{report['ratio'][metric]:.3f}")
    table.add_row("users", *(f"{week['users']:,}" for week in weeks), "")
    table.add_row("seconds", *(f"{week['seconds']:.0f}" for week in weeks), "")
    value, low, high = report["release"][metric]
    told = f"release {value:.4f} ({low:.4f} to {high:.4f})"
    if best:
        value, low, high = report["difference"][metric]
        told += f"; {value:+.4f} ({low:+.4f} to {high:+.4f}) against {best}, the best baseline of the mean"
    table.caption = f"{told}; 95 % of 1,000 draws of users with all their weeks"
    return table


def off_policy_table(report: Mapping[str, Any]) -> Table:
    """The click rate of what was shown, and what that of the release would have been by each estimate."""
    table = Table(title=f"Clicked of shown, {report['from']} … {report['to']}, explored places", title_justify="left")
    for name in ("", "estimate", "95 %"):
        table.add_column(name, justify="right" if name else "left")
    rates = {"shown": "logged", **{f"{report['release']}, {name}": name.lower() for name in ("SNIPS", "DR", "IPS")}}
    for name, key in rates.items():
        value, low, high = report[key]
        table.add_row(name, f"{value:.2%}", f"{low:.2%} to {high:.2%}")
    value, low, high = report["difference"]
    table.add_section()
    table.add_row("difference, SNIPS", f"{100 * value:+.2f} points", f"{100 * low:+.2f} to {100 * high:+.2f}")
    table.caption_justify = "left"
    table.caption = (
        f"{report['requests']:,} requests of {report['users']:,} users, {report['rows']:,} places with"
        f" {report['clicks']:,} clicks; {report['same']:,} of them showed what the release would, with"
        f" {report['clicks_of_same']:,} clicks: worth {report['effective_rows']:,.0f} rows.\n"
        f"The log could have shown {report['covered'][0]:.0%} of what the release would; of the rest IPS counts no"
        " click, SNIPS as many as of this, DR what its model says."
    )
    for why, count in report["aside"].items():
        table.caption += f"\n{count:,} requests left aside: {why}"
    return table


def business_tables(report: Mapping[str, Any]) -> list[Table]:
    """What slots earned: one table of the whole, one of each column by which it is told apart."""
    tables: list[Table] = []
    for head, *rows in business_rows(report):
        table = Table(title=None if tables else f"Recommendation slots, {report['from']} … {report['to']}")
        table.title_justify = "left"
        for number, column in enumerate(head):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    return tables


def business_rows(report: Mapping[str, Any]) -> list[list[list[str]]]:
    """The same as text: of each table a head, and one row a value; nothing shown: one table without rows."""
    sides = report.get("release", {})
    parts = {"all": {"all": report["all"]} if "all" in report else {}, **report.get("by", {})}
    if sides:
        parts["release"] = {f"{name} {sides['day']}": sides[name] for name in ("before", "after") if name in sides}
    return [[[name, *_COUNTS, *_RATES.values()], *(_row(*each) for each in of.items())] for name, of in parts.items()]


def _row(value: str, part: Mapping[str, Any]) -> list[str]:
    counts = (f"{part[count]:,.2f}" if count == "gmv" else f"{part[count]:,}" for count in _COUNTS)
    return [value, *counts, *(_rate(part.get(rate), money=rate == "gmv_per_thousand") for rate in _RATES)]


def _rate(interval: Sequence[float | None] | None, *, money: bool) -> str:
    if interval is None or interval[0] is None:
        return ""
    value, low, high = (each or 0.0 for each in interval)
    return f"{value:,.2f} ({low:,.2f}-{high:,.2f})" if money else f"{value:.2%} ({low:.2%}-{high:.2%})"
