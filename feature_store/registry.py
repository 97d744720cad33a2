"""All features, their order, and the id that names this very set of definitions."""

from __future__ import annotations

import ast
import hashlib
import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from feature_store import definitions
from feature_store.errors import FeatureError
from feature_store.matrix import MOMENT_INPUTS, PAIR_INPUTS, RECALL_INPUT
from feature_store.spec import Entity, Feature

_COMPUTING = ("history.py", "occurrences.py", "matrix.py", "tables.py", "schema.py")
"""Code besides the definitions that decides a feature's value."""


@cache
def registry() -> Mapping[str, Feature]:
    """Every feature by name: modules of `definitions/` in alphabetical order, within a module as written.

    Raises:
        FeatureError: two features share a name, or one names an input that nobody provides.
    """
    found: dict[str, Feature] = {}
    for module in sorted(pkgutil.iter_modules(definitions.__path__), key=lambda m: m.name):
        for value in vars(importlib.import_module(f"{definitions.__name__}.{module.name}")).values():
            if isinstance(value, Feature):
                if value.name in found:
                    raise FeatureError(value.name, expected="one feature of this name", found="two", remedy="Rename one.")
                found[value.name] = value
    for feature in found.values():
        _check_inputs(feature, found)
    return found


def _check_inputs(feature: Feature, found: Mapping[str, Feature]) -> None:
    if feature.kind == "stored":
        return
    for name in feature.inputs:
        if name not in found and name not in PAIR_INPUTS + MOMENT_INPUTS and not name.startswith(RECALL_INPUT):
            raise FeatureError(
                feature.name,
                expected=f"inputs that are features or one of {', '.join(PAIR_INPUTS + MOMENT_INPUTS)}, {RECALL_INPUT}<source>",
                found=f"`{name}`",
                remedy="Mend the parameter's name.",
            )


def stored_features(entity: Entity) -> tuple[Feature, ...]:
    """The stored features of one entity, in the order of its vector."""
    return tuple(f for f in registry().values() if f.kind == "stored" and f.entity == entity)


def ranker_features() -> tuple[str, ...]:
    """The names of the features that the ranker sees, in the order of its matrix."""
    return tuple(registry())


@cache
def feature_set_id() -> str:
    """Eight hex digits that change whenever a definition does: SHA-256 over the code, comments and docstrings aside."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in [*sorted((root / "definitions").glob("*.py")), *(root / name for name in _COMPUTING)]:
        digest.update(f"{path.name}\n{_code(path)}\n".encode())
    return digest.hexdigest()[:8]


def _code(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
