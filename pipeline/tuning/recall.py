"""Quotas of recall sources that find most within a number of candidates, on weeks before a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from pipeline.blas import products_on_one_thread
from pipeline.errors import SettingsError
from pipeline.knowledge import fit_source
from pipeline.tuning.offers import ask_everybody, bought_after, known_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.settings import Settings
    from pipeline.tuning.offers import Offers

LEAST = {"popular": 50}
"""What a source keeps whatever the weeks say: the judged users all have a history, newcomers have only this list."""


@dataclass(frozen=True)
class Tuned:
    """Quotas, and what they find on the weeks on which they were chosen, beside those in use."""

    scene: str
    quotas: Mapping[str, int]
    recall: float
    candidates: float
    recall_now: float
    candidates_now: float
    cuts: Sequence[dt.date]
    budget: int
    step: int
    data: str

    def comment(self, today: dt.date) -> str:
        """How the quotas were found, in one line of prose for each fact."""
        weeks = ", ".join(str(cut + dt.timedelta(days=1)) for cut in reversed(self.cuts))
        return (
            f"{today}, data of {self.data}, weeks from {weeks}: by `vitrine tune recall`, from nothing in steps of\n"
            f"{self.step} where recall per candidate grew most, up to {self.budget} candidates a user: recall "
            f"{self.recall:.4f} with {self.candidates:.0f}\n"
            f"candidates, before {self.recall_now:.4f} with {self.candidates_now:.0f}."
        )


@products_on_one_thread()
def tune_recall(
    day: dt.date, scene: str, names: Sequence[str], settings: Settings, *, weeks: int, budget: int, step: int
) -> Tuned:
    """Quotas of `names` for `scene`, chosen on the `weeks` horizons that end with `day`, and on nothing after it.

    Raises:
        EmptyDayError: in one of the weeks nobody who was known bought anything.
        SettingsError: there is no such source.
    """
    now = {name: recall.quota for name, recall in settings.scenes[scene].recall.items()}
    cuts = [day - (week + 1) * settings.horizon for week in range(weeks)]
    asked = [_offers(cut, sorted({*names, *now}), settings, depth=max(budget, *now.values())) for cut in cuts]
    quotas = greedy(asked, names, budget=budget, step=step)
    return Tuned(
        scene,
        quotas,
        _mean([offers.recall(quotas) for offers in asked]),
        _mean([offers.candidates(quotas) for offers in asked]),
        _mean([offers.recall(now) for offers in asked]),
        _mean([offers.candidates(now) for offers in asked]),
        cuts,
        budget,
        step,
        settings.source.stem,
    )


def _offers(cut: dt.date, names: Sequence[str], settings: Settings, depth: int) -> Offers:
    known = known_at(cut, settings)
    sources = {name: fit_source(name, known.snapshot, known.history, settings) for name in names}
    return ask_everybody(known, sources, bought_after(cut, settings), depth=depth)


def greedy(weeks: Sequence[Offers], names: Sequence[str], *, budget: int, step: int) -> dict[str, int]:
    """Quotas from nothing, growing by `step` where the mean recall of the `weeks` grows most for each candidate added,
    until a user has `budget` candidates on average or nothing more is found; sources that never grow are left out.
    """
    quotas = {name: LEAST[name] for name in names if name in LEAST}
    while growing := {name: grown for name in names if (grown := _growth(weeks, quotas, name, step))[0] > 0}:
        fitting = {name: gain / added for name, (gain, added, total) in growing.items() if total <= budget}
        if not fitting:
            break
        best = max(fitting, key=lambda name: fitting[name])
        quotas[best] = quotas.get(best, 0) + step
    return {name: quotas[name] for name in names if name in quotas}


def _growth(weeks: Sequence[Offers], quotas: Mapping[str, int], name: str, step: int) -> tuple[float, float, float]:
    """Recall and candidates that `step` more of the source add, and the candidates there are then."""
    gains, added, totals = [], [], []
    for offers in weeks:
        before, more = offers.offered(quotas), offers.place[name] < quotas.get(name, 0) + step
        new = more & ~before
        gains.append(float(offers.worth[new].sum()))
        added.append(float(new.sum()) / len(offers.wanted))
        totals.append(float((more | before).sum()) / len(offers.wanted))
    return _mean(gains), _mean(added), _mean(totals)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def block(tuned: Tuned, today: dt.date, weights: Mapping[str, float] | None = None) -> str:
    """The quotas as they stand in `scenes.yaml` below the scene, with how they were found; `weights` stay."""
    lines = [*(f"  # {line}" for line in tuned.comment(today).splitlines()), "  recall:"]
    for name, quota in tuned.quotas.items():
        weight = f", weight: {weights[name]}" if weights and name in weights else ""
        lines.append(f"    {name}: {{quota: {quota}{weight}}}")
    return "\n".join(lines) + "\n"


def put_into(text: str, tuned: Tuned, today: dt.date) -> str:
    """The text of a `scenes.yaml` with the scene's `recall`, and the comment above it, replaced; all else stays.

    Raises:
        SettingsError: the scene does not stand there as a block with `recall` indented by two spaces.
    """
    lines = text.splitlines(keepends=True)
    starts = [at for at, line in enumerate(lines) if line.rstrip() == f"{tuned.scene}:"]
    of_scene = range(starts[0] + 1, _end(lines, starts[0], indent=0)) if starts else range(0)
    recall = [at for at in of_scene if lines[at].rstrip() == "  recall:"]
    if not recall:
        raise SettingsError(
            "scenes.yaml",
            expected=f"`{tuned.scene}:` and below it `recall:`, indented by two spaces",
            found="none",
            remedy="Put the proposal there by hand.",
        )
    first, last = recall[0], _end(lines, recall[0], indent=2)
    while lines[first - 1].startswith("  #"):
        first -= 1
    expected = yaml.safe_load(text)
    before = expected[tuned.scene]["recall"]
    weights = {name: of["weight"] for name, of in before.items() if "weight" in of}
    changed = "".join([*lines[:first], block(tuned, today, weights), *lines[last:]])
    expected[tuned.scene]["recall"] = {
        name: {"quota": quota, **({"weight": weights[name]} if name in weights else {})}
        for name, quota in tuned.quotas.items()
    }
    if yaml.safe_load(changed) != expected:
        raise SettingsError(
            "scenes.yaml", expected="plain YAML", found="more than this can edit", remedy="Edit it by hand."
        )
    return changed


def _end(lines: Sequence[str], start: int, indent: int) -> int:
    """The first line after `start` that is neither empty nor indented by more than `indent`."""
    for at in range(start + 1, len(lines)):
        if lines[at].strip() and len(lines[at]) - len(lines[at].lstrip()) <= indent:
            return at
    return len(lines)
