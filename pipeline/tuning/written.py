"""Choices that were found by search, written into a settings file with how they were found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.tuning.ranker import Tuned

_WIDTH = 116
MARK = "`vitrine tune ranker`"


def found_by(tuned: Tuned, today: dt.date) -> str:
    """One sentence: when, how, and by how much they are better, or that they are as before."""
    weeks = ", ".join(str(week) for week in tuned.weeks)
    if tuned.best == tuned.present:
        return (
            f"{today}, {MARK}: none of {tuned.trials} trials was better by ndcg@20 on the weeks after {weeks} than what"
            f" stood here: {tuned.present_ndcg:.4f}."
        )
    d = tuned.difference
    return (
        f"{today}, {MARK}: best of {tuned.trials} trials by ndcg@20 on the weeks after {weeks}:"
        f" {tuned.ndcg:.4f} against {tuned.present_ndcg:.4f} before"
        f" (difference {d.value:+.4f}, interval {d.low:+.4f} to {d.high:+.4f}, itself chosen on these weeks)."
    )


def with_choices(text: str, section: str, choices: dict[str, Any], how: str) -> str:
    """The YAML `text` with `training.<section>` set to `choices`, below a comment; the rest keeps its bytes."""
    values = yaml.safe_dump(choices, default_flow_style=True, sort_keys=False, width=10_000).strip()
    block = "".join(f"  # {line}\n" for line in _wrapped(how)) + f"  {section}: {values}\n"
    lines = _without(text, section)
    at = next((number for number, line in enumerate(lines) if re.match(r"training:\s*(#.*)?$", line)), None)
    if at is None:
        return f"{''.join(lines)}training:\n{block}"
    return "".join([*lines[: at + 1], block, *lines[at + 1 :]])


def _without(text: str, section: str) -> list[str]:
    """The lines of a file without `training.<section>` and the comment that an earlier search left above it."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    kept: list[str] = []
    inside = training = False
    for line in lines:
        if line.strip() and not line.startswith((" ", "#")):
            training = line.startswith("training:")
        inside = (inside and (line.startswith("   ") or not line.strip())) or (
            training and line.startswith(f"  {section}:")
        )
        if training and line.startswith(f"  {section}:"):
            while kept and kept[-1].startswith("  #"):
                kept.pop()
        if not inside:
            kept.append(line)
    return kept


def _wrapped(sentence: str) -> list[str]:
    lines, line = [], ""
    for word in sentence.split():
        if len(line) + len(word) >= _WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]
