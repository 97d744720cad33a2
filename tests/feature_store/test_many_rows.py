"""Millions of training rows take the memory of their matrix, and little more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from feature_store.registry import ranker_features

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 2_000_000
BESIDE_MB = 400
"""What one part of the rows, its columns and its users' histories may take."""
PROGRAM = """
import sys
import numpy as np
from feature_store.catalog import build_catalog
from feature_store.history import build_history
from feature_store.matrix import ItemSide, Rows, UserSide, assemble
from feature_store.registry import ranker_features, registry, stored_features
from feature_store.schema import LEVELS

def peak():
    status = open("/proc/self/status").read().split()
    return int(status[status.index("VmHWM:") + 1]) / 1024

rows, random, asked = int(sys.argv[1]), np.random.default_rng(1), 1_509_926_400
users, items, events = rows // 100, 5_000, 40
groups = {level: [f"{level} {number % 50}" for number in range(items)] for level in LEVELS}
catalog = build_catalog([str(number) for number in range(items)], [""] * items, groups)

def values(entity, many):
    return random.random((many, len(stored_features(entity))), np.float32)

side = ItemSide(catalog, values("item", items), values("category", 50), values("brand", 50), catalog.text)
who = np.repeat(np.arange(users, dtype=np.int32), events)
when = asked - random.integers(1, 400 * 86_400, len(who))
what, ones = random.integers(0, items, len(who), np.int32), np.ones(len(who), np.float32)
past = build_history(who, what, when, np.zeros(len(who), np.uint8), ones, ones, users=users)
asking = UserSide(values("user", users), past, np.full(users, asked))
pairs = Rows(np.repeat(np.arange(users, dtype=np.int32), 100), random.integers(0, items, rows, np.int32))
names = ranker_features()
few = Rows(pairs.user[:500], pairs.item[:500])
first = assemble(names, registry(), side, asking, few)
before = peak()
matrix = assemble(names, registry(), side, asking, pairs)
assert matrix[:500].tobytes() == first.tobytes()
assert np.isfinite(matrix).all()
print(matrix.nbytes / 2**20, peak() - before)
"""


def test_beside_the_matrix_they_take_no_more_than_a_part_of_them_does() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(ROWS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    held, more = map(float, done.stdout.split())
    assert held == pytest.approx(ROWS * len(ranker_features()) * 4 / 2**20)
    assert more < held + BESIDE_MB
