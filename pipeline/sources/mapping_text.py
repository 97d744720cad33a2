"""A proposal as the text of a mapping file: every guess with its reason, every decision that a person must make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from feature_store.schema import MAPPABLE_TABLES
from pipeline.sources.propose import Guess, Proposal, unmatched

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.sources.introspect import SeenTable

DECIDE = "DECIDE"
_GONE = {"items": "an item where it is set is off sale", "users": "an account where it is set is closed"}
_HEAD = """\
# A first mapping of {name}, guessed by `vitrine source init` from names, types and keys.
# Lines with {decide} wait for you; the others deserve a look. Then: `vitrine source check --mapping` and this file.
# What each canonical column means: feature_store/schema.py. What may be written: docs/connect-your-shop.md.
name: {quoted}              # watermarks are kept under this name
timezone: UTC           # {decide}: of columns without a zone, e.g. Europe/Paris

tables:
"""


def mapping_text(name: str, proposals: Sequence[Proposal], seen: dict[str, SeenTable]) -> str:
    """The file. What was not found stands there as a comment, so that reading the file names it."""
    blocks = [_HEAD.format(name=name, quoted=_flow(name), decide=DECIDE)]
    blocks += ["\n".join(_table(proposal, seen)) + "\n\n" for proposal in proposals]
    blocks += [_unmatched(table, seen) for table in unmatched(proposals)]
    return "".join(blocks).rstrip() + "\n"


def _table(proposal: Proposal, seen: dict[str, SeenTable]) -> Iterable[str]:
    yield f"  {proposal.name}:"
    yield f"    table: {_flow(proposal.table)}"
    if proposal.deleted:
        gone = _GONE.get(proposal.name, "a row where it is set counts for nothing")
        yield f"    deleted: {_flow(proposal.deleted)}   # {gone}"
    if proposal.joins:
        yield "    joins:"
        yield from (f"      {alias}: {_flow(join)}" for alias, join in proposal.joins.items())
    yield "    columns:"
    lines = [_column(proposal.name, column, guess) for column, guess in proposal.columns.items()]
    width = min(max(len(text) for text, _ in lines), 60)
    yield from (f"      {text:{width}}   # {remark}" for text, remark in lines)
    yield f"      # {proposal.table} has: {', '.join(seen[proposal.table].columns)}"


def _column(table: str, column: str, guess: Guess) -> tuple[str, str]:
    remark = f"{DECIDE}: {guess.why}" if guess.must_decide else guess.why
    if guess.source is None:
        nullable = MAPPABLE_TABLES[table].columns[column].nullable
        return f"# {column}:", f"{remark}; may be left out" if nullable else remark
    return f"{column}: {_flow(guess.source)}", remark


def _unmatched(table: str, seen: dict[str, SeenTable]) -> str:
    return f"  # {table}:   # {DECIDE}: no table looks like it; there are {', '.join(sorted(seen)) or 'none'}\n"


def _flow(value: Any) -> str:  # noqa: ANN401 -- anything that YAML can say
    """On one line, quoted where YAML needs it."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).removesuffix("...\n").strip()
