"""Reports as one HTML file each: no script, no network, readable on a phone, in the dark and on paper."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2330;--soft:#5b6472;--line:#d9dee6;--back:#fff;--tile:#f4f6f9;
--good:#1a7f37;--warn:#9a6700;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa4b2;--line:#343b46;--back:#14181e;--tile:#1d232c;
--good:#4ac26b;--warn:#d4a72c;--bad:#ff7b72}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:64rem;margin:0 auto;
padding:2rem 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{color:var(--soft);margin:.25rem 0 1rem}
.tiles{display:flex;flex-wrap:wrap;gap:.75rem}.tile{background:var(--tile);border-radius:.5rem;padding:.6rem .9rem}
.tile b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}.tile span{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}td{font-variant-numeric:tabular-nums}
svg{width:100%;max-width:42rem;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--soft)}.axis{stroke:var(--line)}.line{fill:none;stroke-width:2}
.whisker{stroke:var(--ink);stroke-width:1.5}
.c0{stroke:#2f6fde;fill:#2f6fde}.c1{stroke:#d9822b;fill:#d9822b}.c2{stroke:#2e9e6b;fill:#2e9e6b}
.c3{stroke:#9b59b6;fill:#9b59b6}.side{display:flex;flex-wrap:wrap;gap:1.5rem}.side>div{flex:1 1 18rem}
.good b{color:var(--good)}.warn b{color:var(--warn)}.bad b{color:var(--bad)}
"""


@dataclass(frozen=True)
class Tile:
    """One number at the head of a page."""

    name: str
    value: str
    mood: Literal["", "good", "warn", "bad"] = ""


def page(title: str, says: str, tiles: Iterable[Tile], parts: Iterable[tuple[str, str]]) -> str:
    """A page of a title, a sentence, numbers, and parts of (heading, HTML made by `table`)."""
    head = "".join(
        f'<div class="tile {tile.mood}"><b>{html.escape(tile.value)}</b><span>{html.escape(tile.name)}</span></div>'
        for tile in tiles
    )
    body = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f'<p>{html.escape(says)}</p><div class="tiles">{head}</div>{body}</body></html>\n'
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of text as a table; everything in it is escaped."""
    cells = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    names = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{cells}</tbody></table></div>'
