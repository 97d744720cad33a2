"""Takes events of users into the online store in Redis, between two syncs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from feature_store.errors import OnlineStoreError
from feature_store.online.recent import KEEP_SECONDS, RECENT, Bounds, Event, rows_by_user
from feature_store.online.redis_address import Address, async_client, close
from feature_store.online.redis_layout import clear_errors, history_key
from feature_store.schema import EVENT_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

_APPEND = f"""
local size, kinds, keep = {RECENT.itemsize}, {len(EVENT_KINDS)}, {KEEP_SECONDS}
local held, rows, known, added = redis.call('GET', KEYS[1]) or '', {{}}, {{}}, 0
local function take(text, from_caller)
  for at = 1, #text, size do
    local row = text:sub(at, at + size - 1)
    local id = row:sub(1, 8)
    if not known[id] then
      known[id] = true
      rows[#rows + 1] = {{struct.unpack('<I4', row, 17), row:byte(size) + 1, row}}
      added = added + from_caller
    end
  end
end
take(held, 0)
take(ARGV[1], 1)
if added == 0 then return 0 end
table.sort(rows, function(one, other)
  if one[1] ~= other[1] then return one[1] > other[1] end
  return one[3] > other[3]
end)
local kept, count = {{}}, {{}}
for _, row in ipairs(rows) do
  count[row[2]] = (count[row[2]] or 0) + 1
  if row[1] + keep >= rows[1][1] and count[row[2]] <= tonumber(ARGV[1 + row[2]]) then kept[#kept + 1] = row[3] end
end
redis.call('SET', KEYS[1], table.concat(kept), 'EX', keep)
return added
"""
"""`recent.appended`, where nobody else can write in between. Rows carry their id first, the time at byte 17, the kind
at the end; the arguments are new rows, and the bound of every kind."""


class RedisHistory:
    """Appends below `prefix` of the Redis at `address`; one round trip whatever the number of users."""

    def __init__(self, address: Address, prefix: str, timeout_ms: int, bounds: Bounds) -> None:
        self._place, self._prefix, self._seconds = address.place, prefix, timeout_ms / 1000
        self._client = async_client(address, self._seconds)
        self._bounds = [bounds.get(kind, 0) for kind in EVENT_KINDS]

    async def append(self, events: Sequence[Event]) -> int:
        """As `OnlineHistory.append`."""
        pipe: Any = self._client.pipeline(transaction=False)  # redis-py types the two kinds of pipeline apart
        for user, rows in rows_by_user(events).items():
            pipe.eval(_APPEND, 1, history_key(self._prefix, user), rows.tobytes(), *self._bounds)
        try:
            with clear_errors(self._place):
                async with asyncio.timeout(self._seconds):
                    return sum(await pipe.execute())
        except TimeoutError as error:
            limit = f"an answer within {self._seconds * 1000:.0f} ms"
            raise OnlineStoreError(
                self._place, expected=limit, found="none", remedy="Send the events again: none is taken twice."
            ) from error

    async def close(self) -> None:
        await close(self._client)
