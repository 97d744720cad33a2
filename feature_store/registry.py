"""All features, their order, and the id that names this very set of definitions."""

from __future__ import annotations

import ast
import hashlib
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from feature_store import definitions
from feature_store.errors import FeatureError
from feature_store.matrix import EVERY_INPUT, MOMENT_INPUTS, PAIR_INPUTS, RECALL_INPUT, SEEN_INPUT
from feature_store.spec import Entity, Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ROOT = Path(__file__).parent
_NOT_COMPUTING = ("errors.py", "online/")
"""Code that cannot change a feature's value; every other module of the feature store can, new ones too."""


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
                    raise FeatureError(
                        value.name, expected="one feature of this name", found="two", remedy="Rename one."
                    )
                found[value.name] = value
    check_inputs(found)
    return found


def check_inputs(features: Mapping[str, Feature]) -> None:
    """That every input of a request feature is one of `features` or comes from the matrix.

    Raises:
        FeatureError: one is neither (names feature and input).
    """
    provided = PAIR_INPUTS + MOMENT_INPUTS
    prefixed = (f"{RECALL_INPUT}<source>", *(f"{prefix}<item feature>" for prefix in (SEEN_INPUT, EVERY_INPUT)))
    every = ", ".join((*provided, *prefixed))
    for feature in features.values():
        for name in feature.inputs if feature.kind == "request" else ():
            if name not in features and name not in provided and not _by_prefix(name, features):
                raise FeatureError(
                    feature.name,
                    expected=f"inputs that are features or one of {every}",
                    found=f"`{name}`",
                    remedy="Mend the parameter's name.",
                )


def _by_prefix(name: str, features: Mapping[str, Feature]) -> bool:
    if name.startswith(RECALL_INPUT):
        return True
    prefix = next((prefix for prefix in (SEEN_INPUT, EVERY_INPUT) if name.startswith(prefix)), None)
    of_item = features.get(name.removeprefix(prefix)) if prefix else None
    return of_item is not None and of_item.entity == "item"


def check_recall(features: Mapping[str, Feature], sources: Iterable[str]) -> None:
    """That every `recall_<source>` among the inputs names one of `sources`, which the feature store cannot know.

    Raises:
        FeatureError: one does not, so that the feature would always be its default (names feature and input).
    """
    known = sorted(f"{RECALL_INPUT}{source}" for source in sources)
    for feature in features.values():
        for name in feature.inputs:
            if name.startswith(RECALL_INPUT) and name not in known and name not in features:
                raise FeatureError(
                    feature.name,
                    expected=f"a recall source: one of {', '.join(known)}",
                    found=f"`{name}`",
                    remedy="Mend the parameter's name, or add the source to `recall/__init__.py`.",
                )


def stored_features(entity: Entity) -> tuple[Feature, ...]:
    """The stored features of one entity, in the order of its vector."""
    return tuple(f for f in registry().values() if f.kind == "stored" and f.entity == entity)


def ranker_features(sources: Iterable[str] | None = None) -> tuple[str, ...]:
    """The names of the features that the ranker sees, in the order of its matrix.

    sources: the recall sources that are asked, so that the score of no other takes a column; None: all of them
    """
    if sources is None:
        return tuple(registry())
    asked = {f"{RECALL_INPUT}{source}" for source in sources}
    return tuple(name for name in registry() if _scores_behind(name) <= asked)


def _scores_behind(name: str) -> set[str]:
    """The recall scores from which a feature is computed, by itself or by its inputs."""
    feature = registry().get(name)
    if feature is None:
        return {name} if name.startswith(RECALL_INPUT) else set()
    return set().union(*map(_scores_behind, feature.inputs)) if feature.kind == "request" else set()


@cache
def feature_set_id() -> str:
    """The id of this very set of definitions and of the code that computes them."""
    return code_id(computing_modules(), _ROOT)


def computing_modules() -> list[Path]:
    """The files whose code decides a feature's value: definitions, assembly, snapshot, archive, engines."""
    files = sorted(_ROOT.rglob("*.py"))
    return [path for path in files if not path.relative_to(_ROOT).as_posix().startswith(_NOT_COMPUTING)]


def code_id(paths: Iterable[Path], root: Path) -> str:
    """Eight hex digits that change whenever the code of a file does: SHA-256 over it, comments and docstrings aside."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(root).as_posix()}\n{_code(path)}\n".encode())
    return digest.hexdigest()[:8]


def _code(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    """Whether it is a docstring: of a module, class or function, or below a constant or field."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
