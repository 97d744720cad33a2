"""Where the settings come from, read once at the entry of a process.

Layers, the later wins: the defaults of `pipeline/settings.py`, `config/settings.yaml`, overlays named by
`VITRINE_CONFIG` (comma separated), `VITRINE_` environment variables (`__` between levels), arguments. Unknown keys are
errors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, YamlConfigSettingsSource

from pipeline.errors import SettingsError
from pipeline.settings import Settings

PREFIX = "VITRINE_"
CONFIG_FOLDER = Path(__file__).resolve().parent.parent / "config"
"""The repository's own config folder; `VITRINE_CONFIG_FOLDER` names another."""
OWN_FILES = ("scenes.yaml", "quality.yaml", "gate.yaml")
"""Settings of the config folder that have a file of their own, whose name is the setting's."""
NO_SETTINGS = ("config", "config_folder")
"""Variables that say where settings lie, and are none themselves."""


def config_folder() -> Path:
    return Path(os.environ.get(f"{PREFIX}CONFIG_FOLDER", CONFIG_FOLDER))


def layers(
    overlays: tuple[Path, ...] = (), arguments: Mapping[str, Any] | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """What each place says, weakest first, as (name of the place, values).

    Raises:
        SettingsError: an unreadable file, or a `VITRINE_` variable that names no setting.
    """
    folder = config_folder()
    named = tuple(Path(path) for path in os.environ.get(f"{PREFIX}CONFIG", "").split(",") if path)
    return [
        *((_shown(path), {path.stem: _from_file(path)}) for path in (folder / name for name in OWN_FILES)),
        *((_shown(path), _from_file(path)) for path in (folder / "settings.yaml", *named, *overlays)),
        ("environment", _from_environment()),
        ("arguments", dict(arguments or {})),
    ]


def _shown(path: Path) -> str:
    """The path as a person would name it: from the folder above `config/`, where it lies there."""
    home = config_folder().parent
    return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SettingsError(str(path), expected="a YAML file", found="none", remedy="Create it, or mend the path.")
    try:
        return YamlConfigSettingsSource(Settings, yaml_file=path)()
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise SettingsError(str(path), expected="a YAML mapping", found=str(error), remedy="Mend the file.") from error


def _from_environment() -> dict[str, Any]:
    """`VITRINE_TRAINING__WEEKS=3` -> {"training": {"weeks": "3"}}."""
    fields = {*Settings.model_fields, *NO_SETTINGS}
    for name in os.environ:
        setting = name.removeprefix(PREFIX).lower().split("__")[0]
        if name.startswith(PREFIX) and setting not in fields and not setting.startswith("test_"):
            raise SettingsError(
                name,
                expected="a variable that names a setting",
                found=f"no setting `{setting}`",
                remedy="Mend or unset it.",
            )
    return EnvSettingsSource(Settings, env_prefix=PREFIX, env_nested_delimiter="__")()


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def load_settings(overlays: tuple[Path, ...] = (), arguments: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force.

    Raises:
        SettingsError: an unknown key, a wrong type or an unreadable file; names the key.
    """
    merged: dict[str, Any] = {}
    for _, values in layers(overlays, arguments):
        merged = _merge(merged, values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"setting `{key}`",
            expected=first["msg"],
            found="an unknown key" if first["type"] == "extra_forbidden" else repr(first.get("input")),
            remedy=f"Mend it in {origin(key, overlays, arguments)}; `vitrine config` lists every setting.",
        ) from error


def origin(key: str, overlays: tuple[Path, ...] = (), arguments: Mapping[str, Any] | None = None) -> str:
    """The place that decided the setting `key` (dotted): a file, `environment`, `arguments` or `default`."""
    places = [
        place
        for place, values in layers(overlays, arguments)
        if any(leaf == key or leaf.startswith(f"{key}.") for leaf, _ in _flatten(values))
    ]
    return places[-1] if places else "default"


def origins(overlays: tuple[Path, ...] = ()) -> dict[str, tuple[Any, str]]:
    """Every setting in force: dotted key -> (value, the place that decided it); secrets are masked."""
    settings = load_settings(overlays)
    return {key: (value, origin(key, overlays)) for key, value in _flatten(settings.model_dump(mode="json"))}


def _flatten(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
