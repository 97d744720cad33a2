"""Matomo's numbers and spellings in plain words."""

from __future__ import annotations

import html
import json

_REFERRERS = {1: "direct", 2: "search", 3: "website", 6: "campaign", 7: "social"}
_DEVICES = [
    "desktop",
    "smartphone",
    "tablet",
    "feature_phone",
    "console",
    "tv",
    "car",
    "smart_display",
    "camera",
    "media_player",
    "phablet",
    "smart_speaker",
    "wearable",
    "peripheral",
]
"""By `config_device_type`."""
SKU, CATEGORY, KEYWORD, CONTENT_NAME, CONTENT_PIECE, CONTENT_TARGET = 5, 7, 8, 13, 14, 15
"""`log_action.type`."""


def referrer(code: int | None) -> str | None:
    """`log_visit.referer_type`; newer Matomos add channels, which are `other` until they are named here."""
    return None if code is None else _REFERRERS.get(code, "other")


def device(code: int | None) -> str | None:
    """`log_visit.config_device_type`; NULL is a device that Matomo did not recognise."""
    if code is None:
        return None
    return _DEVICES[code] if 0 <= code < len(_DEVICES) else "other"


def unescaped(text: str | None) -> str | None:
    """Titles, user ids, keywords and event texts are stored HTML-escaped; SKUs, categories and URLs are not."""
    return html.unescape(text) if text else None


def visitor(idvisitor: bytes) -> str:
    """`BINARY(8)` as the 16 hex digits that Matomo's cookies and API show.

    >>> visitor(bytes.fromhex("00ff1020aabbccdd"))
    '00ff1020aabbccdd'
    """
    return bytes(idvisitor).hex()


def first_category(text: str | None) -> str | None:
    """`_pkc`: one category, or a JSON array of up to five.

    >>> first_category('["Audio", "Hi-Fi"]'), first_category("Audio")
    ('Audio', 'Audio')
    """
    if not text or not text.startswith("["):
        return text or None
    try:
        categories = json.loads(text)
    except ValueError:
        return text
    return str(categories[0]) if categories else None
