"""The guide's features work as they stand there, each added to one module and to nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feature_store.definitions import cross
from feature_store.definitions import item as items
from feature_store.matrix import Rows, UserSide, assemble
from feature_store.registry import feature_set_id, registry, stored_features
from tests.feature_store.archive import NOW, TODAY, Shop, event, known, open_shop, price, random_shop

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = (REPOSITORY / "docs" / "add-a-feature.md").read_text(encoding="utf-8")
PUT = re.findall(r"Put this into `(definitions/\w+\.py)`:\n\n```python\n(.*?)```", GUIDE, flags=re.DOTALL)
"""(file, what is put into it)"""
BLOCKS = [block for _, block in PUT]
ADDED = {"item_spent_14d", "item_spent_over_price_14d"}


@pytest.fixture
def added(monkeypatch):
    """The registry with the guide's blocks at the end of the modules that it names."""
    before = feature_set_id(), set(registry())
    for module, block in zip((items, cross), BLOCKS, strict=True):
        scope = dict(vars(module))
        exec(f"from __future__ import annotations\n{block}", scope)  # noqa: S102 - our own guide
        for name in set(scope) - set(vars(module)) - {"annotations"}:
            monkeypatch.setattr(module, name, scope[name], raising=False)
    registry.cache_clear()
    yield set(registry()) - before[1]
    monkeypatch.undo()
    registry.cache_clear()
    assert (feature_set_id(), set(registry())) == before


def test_a_stored_and_a_request_feature_of_the_guide(added, tmp_path) -> None:
    assert added == ADDED
    shop = Shop([event("anna", "milk", 3, value=6.0), event("bert", "milk", 20)], prices=[price("milk", 2.0, 30)])
    archive = open_shop(shop, tmp_path)
    snapshot, history = known(archive)
    archive.close()
    side = snapshot.item_side
    at = [feature.name for feature in stored_features("item")].index("item_spent_14d")
    assert side.items[side.catalog.rows_of_ids(["milk"])[0], at] == 6
    rows = Rows(np.zeros(1, np.int32), side.catalog.rows_of_ids(["milk"]))
    asking = UserSide(snapshot.user_values[:1], history.of(0), np.array([NOW]))
    assert assemble(["item_spent_over_price_14d"], registry(), side, asking, rows).tolist() == [[3.0]]


def sources(folder: Path) -> dict[str, bytes]:
    """Everything that somebody wrote, below a copy of the repository."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def of_the_guide(line: str) -> list[str]:
    """A command of the guide as this test's Python runs it; of the contract tests those of the guide's features."""
    program, *arguments = line.split()
    python = [sys.executable, "-B"]
    if program == "scripts/test.sh":
        chosen = " or ".join(f"[{name}]" for name in sorted(ADDED))
        return [*python, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-k", chosen, *arguments]
    run = "import sys; from pipeline.cli import main; sys.exit(main())"
    return [*python, *({"vitrine": ["-c", run], "python": []}[program]), *arguments]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_who_follows_the_guide_in_a_copy_edits_one_file_a_feature_and_every_command_succeeds(tmp_path) -> None:
    copy = tmp_path / "copy"
    for name in ("config", "docs", "feature_store", "monitoring", "pipeline", "scripts", "tests"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    before = sources(copy)
    for file, block in PUT:
        with (copy / "feature_store" / file).open("a", encoding="utf-8") as module:
            module.write(f"\n\n{block}")
    random_shop(21, users=25, items=40, baskets=700).write(tmp_path / "work" / "clean")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VITRINE_", "PYTEST_"))}
    own = {"PYTHONPATH": str(copy), "VITRINE_WORK_DIR": str(tmp_path / "work"), "VITRINE_DAY": str(TODAY)}
    commands = GUIDE.partition("## See it")[2].split("```")[1].strip()
    said = {}
    for line in commands.splitlines():
        done = subprocess.run(
            of_the_guide(line), cwd=copy, env={**clean, **own}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (line, done.stdout[-2_000:], done.stderr[-2_000:])
        said[line] = done.stdout
    explained, tested, audited, _ = said.values()
    assert "return purchases.spent(14)" in explained
    assert re.search(r"\d\d passed", tested)
    assert "none knows the future" in audited
    after = sources(copy)
    assert after.keys() == before.keys()
    edited = {f"feature_store/{file}" for file, _ in PUT}
    assert {name for name, text in after.items() if text != before[name]} == {*edited, "docs/features.md"}
    assert all(f"`{name}`" in after["docs/features.md"].decode() for name in ADDED)
