"""The command `vitrine features`: what there is, and one feature explained from its code to its weight in the model."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.configuration import load_settings
from pipeline.console import out
from pipeline.errors import SettingsError
from pipeline.recommender.ranker.explanation import QUARTILES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from feature_store.spec import Feature
    from pipeline.settings import Settings

app = typer.Typer()


@app.command()
def features(
    name: Annotated[str | None, typer.Argument(help="Explain one feature; the same as --explain.")] = None,
    explain: Annotated[str | None, typer.Option(help="Definition, statistics and importance of one feature.")] = None,
    entity: Annotated[
        str | None, typer.Option(help="Only those of user, item, category, brand, or candidate (request features).")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only stored or request features.")] = None,
    family: Annotated[str | None, typer.Option(help="Only those of one module of definitions, as `affinity`.")] = None,
    unit: Annotated[str | None, typer.Option(help="Only those of this unit, as `days`.")] = None,
) -> None:
    """List the features, all or by entity, kind, family and unit, or explain one."""
    from feature_store.registry import feature_set_id, registry

    known, wanted = registry(), explain or name
    if wanted is not None and wanted not in known:
        raise SettingsError(
            "feature", expected="a feature of this list: `vitrine features`", found=wanted, remedy="Check the name."
        )
    if wanted is not None:
        _explain(known[wanted], load_settings())
        return
    asked = {"entity": entity, "kind": kind, "family": family, "unit": unit}
    chosen = [feature for feature in known.values() if _is_of(feature, asked)]
    table = Table(title=f"Feature set {feature_set_id()}: {len(chosen)} features", title_justify="left")
    for column in ("feature", "kind", "entity", "unit", "meaning"):
        table.add_column(column)
    for feature in chosen:
        meaning = feature.description.splitlines()[0]
        table.add_row(feature.name, feature.kind, entity_of(feature), feature.unit, meaning)
    out.print(table)


def family_of(feature: Feature) -> str:
    """The module of `definitions/` in which it stands."""
    return feature.compute.__module__.rsplit(".", 1)[-1]


def entity_of(feature: Feature) -> str:
    """What it has one value for: a request feature has one for each candidate."""
    return feature.entity or "candidate"


def _is_of(feature: Feature, asked: dict[str, str | None]) -> bool:
    facts = {"entity": entity_of(feature), "kind": feature.kind, "family": family_of(feature), "unit": feature.unit}
    return all(value is None or facts[name] == value for name, value in asked.items())


def _explain(feature: Feature, settings: Settings) -> None:
    low, high = feature.range
    about = f"{feature.kind}, one for each {entity_of(feature)}, {feature.unit}, default {feature.default:g}"
    out.print(f"[bold]{feature.name}[/] ({about})")
    out.print(f"{feature.description}\nfrom {', '.join(feature.inputs)}; between {low:g} and {high:g}", markup=False)
    out.print(inspect.getsource(feature.compute), markup=False, highlight=False)
    for line in (_statistics(feature, settings), _importance(feature, settings), _contributions(feature, settings)):
        out.print(line, markup=False)


def _statistics(feature: Feature, settings: Settings) -> str:
    if feature.kind == "request":
        return _training_statistics(feature, settings)
    folder = _latest(settings.workspace.root / "features")
    if folder is None:
        return "no statistics: there is no snapshot yet"
    import pyarrow.parquet as pq

    table = pq.read_table(folder / f"{feature.entity}.parquet")
    if feature.name not in table.column_names or not table.num_rows:
        return f"no statistics: the snapshot {folder.name} does not hold it"
    return f"snapshot {folder.name}: {describe(table[feature.name].to_numpy(), feature.default)}"


def _training_statistics(feature: Feature, settings: Settings) -> str:
    """Of a request feature, which is nowhere stored: as the model's training rows had it."""
    told = _explained(settings)
    quartiles = told.get("features", {}).get(feature.name, {}).get("quartiles")
    if quartiles is None:
        return "no statistics: a request feature is computed when somebody asks, and no model was trained on it yet"
    return f"{told['rows']} training rows: {_quartiles(quartiles)}"


def describe(values: NDArray[np.float32], default: float) -> str:
    """Count, how many are the default (nothing known), and least, quartiles and greatest."""
    import numpy as np

    shares = np.quantile(values, QUARTILES)
    missing = int((values == np.float32(default)).sum())
    return f"{len(values)} values, {missing} missing (the default), {_quartiles(shares)}"


def _quartiles(shares: Iterable[float]) -> str:
    names = ("min", "25 %", "median", "75 %", "max")
    return ", ".join(f"{name} {share:g}" for name, share in zip(names, shares, strict=True))


def _importance(feature: Feature, settings: Settings) -> str:
    folder = _latest(settings.workspace.root / "train")
    if folder is None:
        return "no importance: there is no model yet"
    gains = json.loads((folder / "schema.json").read_text(encoding="utf-8"))["importance"]
    if feature.name not in gains:
        return f"no importance: the model of {folder.name} does not know it"
    rank = 1 + sum(gain > gains[feature.name] for gain in gains.values())
    share = gains[feature.name] / (sum(gains.values()) or 1)
    return f"model {folder.name}: {share:.2%} of all gain, place {rank} of {len(gains)}"


def _contributions(feature: Feature, settings: Settings) -> str:
    """What the feature adds to scores, by its value: the SHAP summary that training left."""
    told = _explained(settings).get("features", {})
    if feature.name not in told:
        return "no contributions: no model explained it"
    own = told[feature.name]
    bands = ", ".join(f"{band['contribution']:+.3g} at {band['value']:g}" for band in own["bands"])
    return f"moves a score by {own['size']:.3g} in the mean; from low to high values: {bands}"


def _explained(settings: Settings) -> dict[str, Any]:
    """What the last training left about its model; empty where there was none."""
    folder = _latest(settings.workspace.root / "train")
    path = folder / "explanation.json" if folder else None
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path and path.is_file() else {}


def _latest(parent: Path) -> Path | None:
    return max(parent.glob("day=*"), default=None)
