"""Events become what must be read again: keys of rows, keys of look-up rows, or a whole table."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline.sources.binlog.stream import RowChange, Statement, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.sources.binlog.stream import Event, Image
    from pipeline.sources.binlog.watched import Lookup, Watched

Values = tuple[Any, ...]
_COMPARABLE = (int, str, Decimal, dt.date)
"""Types of keys that mean the same in an event and in a query; a null is no key."""
_QUIET = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "GRANT", "REVOKE", "ANALYZE", "FLUSH"}
"""Statements that change no rows whatever they name."""
_WORD = re.compile(r"[\w$]+")


@dataclass
class Changes:
    """What happened to one canonical table."""

    keys: set[Values] = field(default_factory=set)
    """Of rows that were inserted, changed or deleted, in the source's own values, as `Watched.key` orders them."""
    lookups: dict[str, set[Values]] = field(default_factory=lambda: defaultdict(set))
    """Join -> values by which rows are joined to look-up rows that changed."""
    whole: str = ""
    """Why the table must be compared whole; empty: keys say everything."""

    def compare_whole(self, reason: str) -> None:
        self.whole = self.whole or reason
        self.keys.clear()
        self.lookups.clear()


class Collector:
    """Changes of the tables that it was made for, at most so many keys of each."""

    def __init__(self, watched: Sequence[Watched], schema: str, most: int) -> None:
        self.changes = {each.name: Changes() for each in watched}
        self._schema, self._most = schema.lower(), most
        self._rows_of: dict[str, list[tuple[Changes, Watched]]] = defaultdict(list)
        self._lookups_of: dict[str, list[tuple[Changes, str, Lookup]]] = defaultdict(list)
        self._children_of: dict[str, list[tuple[Changes, frozenset[str]]]] = defaultdict(list)
        self._named: dict[str, list[Changes]] = defaultdict(list)
        self._prepared: set[str] = set()
        for each in watched:
            changes = self.changes[each.name]
            self._rows_of[each.table].append((changes, each))
            for alias, lookup in each.lookups.items():
                self._lookups_of[lookup.table].append((changes, alias, lookup))
            for parent, columns in each.parents.items():
                self._children_of[parent].append((changes, columns))
            for table in {each.table, *(lookup.table for lookup in each.lookups.values())}:
                self._named[table.lower()].append(changes)

    def see(self, event: Event) -> None:
        """Take note of one event."""
        match event:
            case RowChange():
                self._row(event)
            case Statement():
                self._statement(event)
            case Unknown():
                self._all(f"events of kind {event.kind}, which cannot be read here")

    def _row(self, event: RowChange) -> None:
        images = [image for image in (event.before, event.after) if image is not None]
        for changes, each in self._rows_of[event.table]:
            self._add(changes, changes.keys, images, each.key.values(), each.table)
        for changes, alias, lookup in self._lookups_of[event.table]:
            if event.before is None or event.after is None or _differs(event.before, event.after, lookup.used):
                joined = [image for image in images if not _joins_nothing(image, lookup)]
                self._add(changes, changes.lookups[alias], joined, lookup.far, lookup.table)
        for changes, columns in self._children_of[event.table]:
            if event.after is None or (event.before is not None and _differs(event.before, event.after, columns)):
                changes.compare_whole(f"a foreign key passed on what happened to rows of `{event.table}`")

    def _add(
        self, changes: Changes, to: set[Values], images: Iterable[Image], columns: Iterable[str], table: str
    ) -> None:
        if changes.whole:
            return
        names = tuple(columns)
        for image in images:
            values = tuple(image.get(name) for name in names)
            if not all(isinstance(value, _COMPARABLE) for value in values):
                changes.compare_whole(f"events of `{table}` that do not tell {', '.join(names)}")
                return
            to.add(values)
        if len(to) > self._most:
            changes.compare_whole(f"more than {self._most:,} rows of `{table}` changed")

    def _statement(self, event: Statement) -> None:
        words = [word.lower() for word in _WORD.findall(event.text)]
        if not words or words[0].upper() in _QUIET:
            return
        if words[0] == "xa":
            self._distributed(event.text)
            return
        named = set(words)
        if words[0] == "drop" and words[1:2] in (["database"], ["schema"]) and self._schema in named:
            self._all("a DROP DATABASE")
        if event.schema.lower() == self._schema or self._schema in named:
            for table in named & self._named.keys():
                for changes in self._named[table]:
                    changes.compare_whole(f"a statement of kind {words[0].upper()} that names `{table}`")

    def _distributed(self, text: str) -> None:
        """An XA transaction shows its rows when it is prepared; they count when it is committed, maybe days later."""
        _, verb, identifier = (*text.split(maxsplit=2), "", "")[:3]
        if verb.upper() == "END":
            self._prepared.add(identifier)
        elif verb.upper() == "COMMIT" and identifier.removesuffix(" ONE PHASE") not in self._prepared:
            self._all("a distributed transaction that was prepared before")

    def _all(self, reason: str) -> None:
        for changes in self.changes.values():
            changes.compare_whole(reason)


def _differs(before: Image, after: Image, columns: frozenset[str] | None) -> bool:
    names = before.keys() | after.keys() if columns is None else columns
    return any(before.get(name) != after.get(name) for name in names)


def _joins_nothing(image: Image, lookup: Lookup) -> bool:
    """A null equals nothing; a column that the event left out may be anything."""
    return any(name in image and image[name] is None for name in lookup.far)
