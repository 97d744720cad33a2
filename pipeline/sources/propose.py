"""`vitrine source init`: a first mapping, guessed from the names, types and keys of a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from feature_store.schema import MAPPABLE_TABLES, SOURCE_TABLES, Table
from pipeline.sources.shop_words import CANCELLED, COLUMNS, DELETED, NAMING, OFF_SALE, PREFIXES, TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.sources.introspect import SeenTable

Seen = dict[str, "SeenTable"]
Distinct = Callable[[str, str], "Sequence[object]"]
"""The different values of (table, column), as many as a status may have."""
_OWNERS = {"user_id": "users", "item_id": "items", "order_id": "orders"}
"""Ids, and the canonical table whose rows they name."""
_STAMPS = ("created_at", "updated_at")
_COMPLETED = "completed"


@dataclass(frozen=True)
class Guess:
    """Where a canonical column may come from, in YAML's terms; none: nothing was found."""

    source: str | dict[str, object] | None
    why: str
    must_decide: bool = False


@dataclass
class Proposal:
    """A canonical table: the source table that looks like it, and a guess for each column."""

    name: str
    table: str
    columns: dict[str, Guess] = field(default_factory=dict)
    joins: dict[str, dict[str, object]] = field(default_factory=dict)
    deleted: str | None = None


def propose(seen: Seen, distinct: Distinct) -> list[Proposal]:
    """What each canonical table may be; one that no table looks like is not among them."""
    tables = _choose_tables(seen)
    return [_Guesser(name, seen, tables, distinct).proposal() for name in TABLES if name in tables]


def _choose_tables(seen: Seen) -> dict[str, str]:
    """Canonical table -> source table, by name and by how many columns are found in it; each table once, best first."""
    scores = sorted(
        ((_likeness(name, table), name, table.name) for name in TABLES for table in seen.values()),
        key=lambda score: (-score[0], score[1], score[2]),
    )
    chosen: dict[str, str] = {}
    for likeness, name, table in scores:
        if likeness > 0 and name not in chosen and table not in chosen.values():
            chosen[name] = table
    if "prices" not in chosen and "items" in chosen and _match(seen[chosen["items"]], COLUMNS["price"]):
        chosen["prices"] = chosen["items"]
    return chosen


def _likeness(name: str, table: SeenTable) -> float:
    """Above 0 only for a name that is known; then the earlier in the list and the more columns the better."""
    known = {_singular(word): position for position, word in enumerate(TABLES[name])}
    position = known.get(_singular(table.name))
    if position is None:
        return 0
    found = sum(bool(_match(table, COLUMNS[column])) for column in MAPPABLE_TABLES[name].columns)
    return 1 + found / len(MAPPABLE_TABLES[name].columns) - position / 100


def _plain(name: str) -> str:
    """`ps_Orders` and `tblOrders` are `orders`."""
    snake = _snake(name)
    prefix = next((prefix for prefix in PREFIXES if snake.startswith(prefix)), "")
    return snake[len(prefix) :].lstrip("_")


def _singular(name: str) -> str:
    """One form for `order_items` and `OrderItem`."""
    plain = _plain(name)
    if plain.endswith("ies"):
        return plain[:-3] + "y"
    return plain[:-1] if plain.endswith("s") and not plain.endswith("ss") else plain


def _match(table: SeenTable, words: Sequence[str]) -> str | None:
    """The table's column that is called by the first of `words` that any is called by."""
    plain = {_snake(column): column for column in table.columns}
    return next((plain[word] for word in words if word in plain), None)


def _snake(name: str) -> str:
    return "".join(
        f"_{letter.lower()}" if letter.isupper() and before.islower() else letter.lower()
        for before, letter in zip(" " + name, name, strict=False)
    )


class _Guesser:
    """Guesses for one canonical table."""

    def __init__(self, name: str, seen: Seen, tables: Mapping[str, str], distinct: Distinct) -> None:
        self.name, self.seen, self.tables, self.distinct = name, seen, tables, distinct
        self.canonical: Table = MAPPABLE_TABLES[name]
        self.table = seen[tables[name]]
        self.joins: dict[str, dict[str, object]] = {}

    def proposal(self) -> Proposal:
        columns = {column: self._guess(column) for column in self.canonical.columns}
        deleted = _match(self.table, DELETED) if self.canonical.gone else None
        return Proposal(self.name, self.table.name, columns, self.joins, deleted)

    def _guess(self, column: str) -> Guess:
        if column in _OWNERS:
            return self._id(column)
        if column in _STAMPS:
            return self._stamp(column)
        special: dict[str, Callable[[], Guess]] = {
            "refund_id": self._own_key,
            "line_number": self._line_number,
            "status": self._status,
            "amount": self._amount,
            "valid_from": self._valid_from,
            "available": partial(self._flag, "available"),
            "active": partial(self._flag, "active"),
        }
        return special[column]() if column in special else self._named(column)

    def _named(self, column: str) -> Guess:
        """By its name, or by the look-up table that its id points at."""
        if (found := _match(self.table, COLUMNS[column])) and self._fits(column, found):
            return Guess(found, self._about(found))
        if self.canonical.columns[column].type == "text" and (joined := self._looked_up(column)):
            return joined
        if column == "discount":
            return Guess({"constant": 0}, "no column tells of discounts", must_decide=True)
        return Guess(None, "nothing was found", must_decide=not self.canonical.columns[column].nullable)

    def _fits(self, column: str, found: str) -> bool:
        kind = self.table.columns[found].kind
        return self.canonical.columns[column].type == "text" or kind in {"number", "other"}

    def _looked_up(self, column: str) -> Guess | None:
        """`category_id` points at a table of categories with a name in it."""
        for word in COLUMNS[column]:
            near = _match(self.table, (f"{word}_id", f"id_{word}", f"{word}id"))
            if near is None:
                continue
            target = self.table.references.get(near) or self._table_called(word)
            if target is None:
                continue
            table, far = target
            if naming := _match(self.seen[table], NAMING):
                self.joins[column] = {"table": table, "by": {near: far}}
                return Guess(f"{column}.{naming}", f"looked up in {table}")
        return None

    def _table_called(self, word: str) -> tuple[str, str] | None:
        for table in self.seen.values():
            if _singular(table.name) in {_singular(word), f"{_singular(self.table.name)}_{_singular(word)}"}:
                key = table.key[0] if len(table.key) == 1 else _match(table, ("id", f"{word}_id"))
                return (table.name, key) if key else None
        return None

    def _id(self, column: str) -> Guess:
        """The table's own key, a foreign key, a column called like the other table's key, or by its name."""
        owner = self.tables.get(_OWNERS[column])
        if owner == self.table.name:
            return self._own_key(column)
        points = [near for near, (table, _) in self.table.references.items() if table == owner]
        if points:
            return Guess(points[0], f"points at {owner}")
        key = self.seen[owner].key if owner else ()
        if len(key) == 1 and key[0] in self.table.columns and key[0].lower() not in {"id", "entity_id"}:
            return Guess(key[0], f"called like the key of {owner}")
        if found := _match(self.table, (*COLUMNS[column], *([f"{_singular(owner)}_id"] if owner else []))):
            return Guess(found, self._about(found))
        return Guess(None, "nothing was found", must_decide=True)

    def _own_key(self, column: str = "refund_id") -> Guess:
        if len(self.table.key) == 1:
            return Guess(self.table.key[0], self._about(self.table.key[0]))
        if found := _match(self.table, (*COLUMNS[column], "id", "entity_id")):
            return Guess(found, self._about(found))
        return Guess(None, "no single column is the key", must_decide=True)

    def _line_number(self) -> Guess:
        if found := _match(self.table, COLUMNS["line_number"]):
            return Guess(found, self._about(found))
        if len(self.table.key) == 1 and self.table.columns[self.table.key[0]].kind == "number":
            return Guess(self.table.key[0], "the line's own key: any number that tells the lines of an order apart")
        ids = {guess.source for guess in (self._id("order_id"), self._id("item_id"))}
        rest = [column for column in self.table.key if column not in ids]
        if len(rest) == 1 and self.table.columns[rest[0]].kind == "number":
            return Guess(rest[0], "the rest of the key")
        item = self._id("item_id").source
        if isinstance(item, str) and item in self.table.key and self.table.columns[item].kind == "number":
            return Guess(item, "an order has one line per item")
        must = not self.canonical.columns["line_number"].nullable
        return Guess(None, "nothing tells the lines of an order apart", must_decide=must)

    def _status(self) -> Guess:
        found = _match(self.table, COLUMNS["status"])
        if found is None:
            joined = self._looked_up("status")
            if joined is None or not isinstance(joined.source, str):
                return Guess({"constant": _COMPLETED}, "no column tells cancelled orders", must_decide=True)
            table = self.joins["status"]["table"]
            return self._codes(joined.source, self.distinct(str(table), joined.source.partition(".")[2]))
        return self._codes(found, self.distinct(self.table.name, found))

    def _codes(self, source: str, codes: Sequence[object]) -> Guess:
        """What each code may mean; a person knows better."""
        words = sorted({str(code) for code in codes if code is not None})
        if set(words) <= {_COMPLETED, "cancelled"}:
            return Guess(source, "the words are the canonical ones")
        meanings = {word: "cancelled" if word.lower().startswith(CANCELLED) else _COMPLETED for word in words}
        return Guess(
            {"column": source, "values": meanings}, "which of these were not bought after all?", must_decide=True
        )

    def _flag(self, column: str) -> Guess:
        """Whether an item is on sale or an account open: 1 or 0, or words that a person must judge."""
        found = _match(self.table, COLUMNS[column])
        if found is None:
            return Guess(None, "nothing was found")
        told = [code for code in self.distinct(self.table.name, found) if code is not None]
        if any(isinstance(code, bytes) for code in told):
            return Guess({"expression": f"{found} + 0"}, f"{self._about(found)}, as a number")
        codes = {str(code) for code in told}
        if self.table.columns[found].kind != "text" and codes <= {"0", "1", "True", "False"}:
            return Guess(found, self._about(found))
        meanings = {code: "0" if code.lower().startswith(OFF_SALE) else "1" for code in sorted(codes)}
        what = "off sale" if column == "available" else "closed accounts"
        return Guess({"column": found, "values": meanings}, f"which of these are {what} (0)?", must_decide=True)

    def _amount(self) -> Guess:
        if found := _match(self.table, COLUMNS["amount"]):
            return Guess(found, self._about(found))
        price, quantity = _match(self.table, COLUMNS["price"]), _match(self.table, COLUMNS["quantity"])
        if price and quantity and self.name == "order_items":
            expression = f"{self.table.name}.{price} * {self.table.name}.{quantity}"
            return Guess({"expression": expression}, "is the price per piece, and after discounts?", must_decide=True)
        return Guess(None, "nothing was found", must_decide=True)

    def _valid_from(self) -> Guess:
        if found := _match(self.table, COLUMNS["valid_from"]):
            return Guess(found, self._about(found))
        changed = self._stamp("updated_at")
        return Guess(
            changed.source, "no history of prices: today's is taken to hold since this change", must_decide=True
        )

    def _stamp(self, column: str) -> Guess:
        """Its own column; the other stamp; or those of the order that a line or a refund belongs to."""
        if found := self._time(column):
            return Guess(found, self._about(found))
        other = self._time("updated_at" if column == "created_at" else "created_at")
        if other is not None and column == "created_at":
            return Guess(other, "no column says when it was made")
        if other is not None:
            return Guess(other, "no column says when a row changed: changes will not be seen", must_decide=True)
        return self._stamp_of_order(column)

    def _time(self, column: str) -> str | None:
        found = _match(self.table, COLUMNS[column])
        return found if found and self.table.columns[found].kind in {"time", "text"} else None

    def _stamp_of_order(self, column: str) -> Guess:
        link, orders = (
            self._id("order_id").source if "order_id" in self.canonical.columns else None,
            self.tables.get("orders"),
        )
        if (
            self.name in {"order_items", "refunds"}
            and isinstance(link, str)
            and orders
            and len(self.seen[orders].key) == 1
        ):
            guess = _Guesser("orders", self.seen, self.tables, self.distinct)._stamp(column)  # noqa: SLF001 -- its own kind
            if isinstance(guess.source, str):
                self.joins["of_order"] = {"table": orders, "by": {link: self.seen[orders].key[0]}}
                return Guess(f"of_order.{guess.source}", "the order's: a line has none of its own", must_decide=True)
        return Guess(None, "no column tells a time", must_decide=True)

    def _about(self, column: str) -> str:
        key = ", key" if self.table.key == (column,) else ""
        return f"{self.table.columns[column].type}{key}"


def unmatched(proposals: Sequence[Proposal]) -> list[str]:
    """Canonical tables that every shop must have and that no table looks like."""
    return [name for name in SOURCE_TABLES if name not in {proposal.name for proposal in proposals}]
