"""One page about a release: what it is measured by, beside what, and what the gate said."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.evaluation.judgement import CHAMPION, HEADLINE, OWN_AUC, RELEASE, SIZE
from pipeline.evaluation.tables import business_rows
from pipeline.pages.charts import Bar, bar_chart, line_chart
from pipeline.pages.page import Tile, page, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Report = Mapping[str, Any]

METRICS = (
    f"recall@{SIZE}",
    f"ndcg@{SIZE}",
    f"hit@{SIZE}",
    "mrr",
    f"map@{SIZE}",
    f"gmv_recall@{SIZE}",
    f"gmv_ndcg@{SIZE}",
    "auc",
    "gauc",
    f"coverage@{SIZE}",
    f"novelty@{SIZE}",
    f"diversity@{SIZE}",
    f"popularity_lift@{SIZE}",
)
OF_GROUPS = (HEADLINE, f"recall@{SIZE}", OWN_AUC)
DIFFERENCES = (HEADLINE, f"recall@{SIZE}", "mrr", f"gmv_ndcg@{SIZE}", OWN_AUC)
FEATURES = 25
NONE = "-"


@dataclass(frozen=True)
class Ranker:
    """What training wrote beside the ranker. importance: feature -> share; explanation, calibration: as in their files,
    empty where there is none.
    """

    importance: Mapping[str, float]
    explanation: Mapping[str, Any]
    calibration: Mapping[str, Any]


def report_page(
    report: Report,
    *,
    examples: Sequence[Mapping[str, Any]],
    business: Mapping[str, Any],
    ranker: Ranker,
    release: str | None,
    decision: Mapping[str, Any] | None,
) -> str:
    """The page of an evaluation (metrics.json). `release`: its name once published."""
    first, last = report["judged"]
    says = (
        f"{report['users']:,} users with purchases before {first} who bought again up to {last}; each was asked by the"
        f" function that serving calls. Learned from everything up to {report['cut']}."
    )
    parts = [
        ("Gate", _gate(decision, release)),
        ("Beside its rivals", _models(report)),
        ("Differences", _differences(report)),
        (f"{HEADLINE} with its interval", _bars(report)),
        ("By length of the list", _curves(report)),
        ("Groups of users and items", _groups(report["groups"])),
        *((f"By {column} of users", _groups(values)) for column, values in report.get("segments", {}).items()),
        (f"Recommendation slots, {business.get('from')} to {business.get('to')}", _business(business)),
        ("Where listed items came from", _sources(report.get("sources", {}))),
        ("What the ranker looks at", _importance(ranker.importance)),
        ("What moves a score", _contributions(ranker.explanation)),
        ("How far a score is a probability", _calibration(ranker.calibration)),
        ("Examples", "".join(_example(each) for each in examples)),
    ]
    return page(f"Evaluation, {report['day']}", says, _tiles(report, decision), [part for part in parts if part[1]])


def _tiles(report: Report, decision: Mapping[str, Any] | None) -> list[Tile]:
    models, best = report["models"], report["best_baseline"]
    tiles = [Tile(f"{HEADLINE} of the release", f"{models[RELEASE][HEADLINE]:.4f}")]
    if best is not None:
        ratio = models[RELEASE][HEADLINE] / max(models[best][HEADLINE], 1e-12)
        tiles.append(Tile(f"times the best baseline, {best}", f"{ratio:.3f}", "good" if ratio > 1 else "warn"))
    mood: Literal["good", "bad"] = "good" if decision and decision["promoted"] else "bad"
    word = "goes into use" if decision and decision["promoted"] else "refused"
    return [*tiles, Tile("gate", word, mood) if decision else Tile("gate", "not asked yet")]


def _gate(decision: Mapping[str, Any] | None, release: str | None) -> str:
    if decision is None:
        return _says("The gate is asked when the release is published.")
    against = f", judged against {decision['champion']}" if decision["champion"] else ", the first of its shop"
    forced = decision.get("forced")
    told = f" A person overruled the gate on {forced['at']}: {forced['why']}" if forced else ""
    rows = [
        [each["rule"], "holds" if each["holds"] else "BROKEN", _value(each.get("value")), each["reason"]]
        for each in decision["findings"]
    ]
    return _says(f"Release {release}{against}.{told}") + table(["rule", "", "value", "why"], rows)


def _value(value: float | None) -> str:
    return NONE if value is None else f"{value:.4g}"


def _models(report: Report) -> str:
    models = report["models"]
    rows = [[name, *(_value(values.get(name)) for values in models.values())] for name in METRICS]
    return table(["metric", *models], [row for row in rows if set(row[1:]) != {NONE}])


def _differences(report: Report) -> str:
    named = {CHAMPION: f"champion {report['champion']}", "best_baseline": f"best baseline {report['best_baseline']}"}
    rows = []
    for rival, metrics in report["differences"].items():
        for name in (each for each in DIFFERENCES if each in metrics):
            value, low, high = metrics[name]
            rows.append([f"release to {named[rival]}", name, f"{value:+.4f}", f"{low:+.4f} to {high:+.4f}"])
    return table(["difference", "metric", "mean", "95 % interval"], rows) if rows else ""


def _bars(report: Report) -> str:
    intervals = report.get("model_intervals", {})
    bars = [
        Bar(model, value, low, high, {RELEASE: 0, CHAMPION: 1}.get(model, 2))
        for model, (value, low, high) in ((model, each[HEADLINE]) for model, each in intervals.items())
    ]
    return bar_chart(bars, says=f"{HEADLINE} of every model")


def _curves(report: Report) -> str:
    curves = report.get("curves", {})
    if not curves:
        return ""
    charts = [
        _says(name)
        + line_chart({model: curve[name] for model, curve in curves.items()}, x="places of the list", y=name)
        for name in ("ndcg", "recall")
    ]
    return f'<div class="side">{"".join(f"<div>{chart}</div>" for chart in charts)}</div>'


def _groups(groups: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [name or "(not told)", f"{each['users']:,}", *(_value(each.get(metric)) for metric in OF_GROUPS)]
        for name, each in groups.items()
    ]
    return table(["group", "users", *OF_GROUPS], rows) if rows else ""


def _business(report: Report) -> str:
    if "all" not in report:
        return ""
    says = _says(
        f"What was shown before this release, by Matomo. A purchase belongs to the last click on the item in the"
        f" {report['attribution_hours']:g} hours before it."
    )
    return says + "".join(table(head, rows) for head, *rows in business_rows(report))


def _sources(sources: Mapping[str, Mapping[str, float]]) -> str:
    if not sources:
        return ""
    rows = [[name, *(f"{each[what]:.1%}" for what in ("listed", "alone", "found"))] for name, each in sources.items()]
    bars = [Bar(name, each["listed"]) for name, each in sources.items()]
    return bar_chart(bars, says="share of listed items by recall source") + table(
        ["recall source", "offered of what is listed", "offered alone", "offered of what was bought of it"], rows
    )


def _importance(importance: Mapping[str, float]) -> str:
    top = sorted(importance.items(), key=lambda each: -each[1])[:FEATURES]
    if not top:
        return ""
    rest = sum(importance.values()) - sum(value for _, value in top)
    return bar_chart([Bar(name, value) for name, value in top], says="share of the importance by feature") + _says(
        f"Share of what the ranker learned, of trees the gain of their splits; the other {len(importance) - len(top)}"
        f" features have {rest:.1%} together."
    )


def _contributions(explanation: Mapping[str, Any]) -> str:
    """SHAP values: the features that move scores most, and which way."""
    told = list(explanation.get("features", {}).items())[:FEATURES]
    rows = [
        [name, _value(each["size"]), *(_band(band) for band in (each["bands"][0], each["bands"][-1]))]
        for name, each in told
        if each["bands"]
    ]
    says = (
        f"What each feature adds to a row's score, of {explanation.get('rows', 0):,} rows in the mean: SHAP values of"
        " trees and lines; of networks what the score loses when the feature is as usual; of a blend their sum."
    )
    head = ["feature", "mean size", "the fifth of lowest values adds", "the fifth of highest values adds"]
    return _says(says) + table(head, rows) if rows else ""


def _band(band: Mapping[str, float]) -> str:
    return f"{band['contribution']:+.4g} (around {band['value']:.4g})"


def _calibration(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return ""
    points = [(each["expected"], each["happened"]) for each in calibration["reliability"]]
    chart = line_chart({"bought": points}, x="expected probability", y="part that was bought", diagonal=True)
    return chart + _says(
        f"By {calibration['method']} on rows that the ranker was not trained on; on the straight line what was expected"
        f" happened. The mean distance from it is {calibration['expected_calibration_error']:.4g}."
    )


def _example(each: Mapping[str, Any]) -> str:
    listed = [
        [str(place), item["title"], ", ".join(item["sources"]), "bought" if item["bought"] else ""]
        for place, item in enumerate(each["listed"], start=1)
    ]
    bought = [[item["title"] or "(new in the shop)", "listed" if item["listed"] else ""] for item in each["bought"]]
    return (
        _says(f"A user with {each['baskets']} baskets before, who then bought {each['bought_items']} different items.")
        + f'<div class="side"><div>{table(["", "listed", "offered by", ""], listed)}</div>'
        + f"<div>{table(['bought, the dearest first', ''], bought)}</div></div>"
    )


def _says(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
