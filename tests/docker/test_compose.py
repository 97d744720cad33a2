"""docker-compose.yml: valid, secrets from the environment only, every setting a real one, nothing open to the world."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.configuration import load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict] = COMPOSE["services"]
WITH_HEALTHCHECK = {name for name, service in SERVICES.items() if "healthcheck" in service} | {"serving"}
"""`serving` has the check of its image."""
every_service = pytest.mark.parametrize("name", SERVICES)


def tool(name: str, *arguments: str) -> None:
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def filled_in(value: str) -> str:
    """`${NAME:?…}` -> `secret`, `${NAME-default}` and `${NAME:-default}` -> `default`, as compose does it."""
    value = re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value)
    return re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", value)


def test_it_is_a_compose_file() -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_every_yaml_file_is_clean() -> None:
    tool("yamllint", "--strict", ".")


def test_all_the_house_is_there() -> None:
    airflow = {f"airflow-{part}" for part in ("init", "api-server", "scheduler", "dag-processor", "triggerer")}
    stores = {"mysql", "redis", "postgres", "mlflow"}
    watching = {"prometheus", "alertmanager", "grafana", "node-exporter"}
    assert set(SERVICES) == airflow | stores | watching | {"serving", "demo-shop"}


@every_service
def test_every_vitrine_variable_is_a_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {k: v for k, v in SERVICES[name].get("environment", {}).items() if k.startswith("VITRINE_")}
    given = {key: "s3://bucket/x" if value is None else filled_in(value) for key, value in named.items()}
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(REPOSITORY)
    load_settings()


def test_the_variables_of_the_images_are_settings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for dockerfile in (REPOSITORY / "docker").glob("*.Dockerfile"):
        for key, value in re.findall(r"(VITRINE_\w+)=(\S+)", dockerfile.read_text()):
            monkeypatch.setenv(key, value)
    assert load_settings().serving.host == "0.0.0.0"  # noqa: S104  inside the container


def test_whoever_runs_stages_has_every_place_and_serving_only_its_own() -> None:
    places = {"VITRINE_DATABASE_URL", "VITRINE_ONLINE_STORE_URL", "VITRINE_MLFLOW_URL", "VITRINE_SERVING__RELOAD_URL"}
    assert places <= set(SERVICES["airflow-scheduler"]["environment"])
    assert not {"VITRINE_DATABASE_URL", "VITRINE_MLFLOW_URL"} & set(SERVICES["serving"]["environment"])
    work = {name for name, service in SERVICES.items() if any(str(v).startswith("work:") for v in service["volumes"])}
    assert {"serving", "airflow-scheduler", "node-exporter"} <= work


@every_service
def test_passwords_and_secrets_come_from_the_environment(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD(?!S_FILE)|SECRET|FERNET|REDISCLI_AUTH", key):
            assert value is None or re.fullmatch(r"\$\{(\w+):\?set \1 in \.env\}", value), key  # None: passed on
        for password in re.findall(r"://[^:/]*:([^@/]+)@", str(value)):
            assert password.startswith("${"), key


def test_the_example_of_an_env_file_names_every_required_variable_and_no_other() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    optional = set(re.findall(r"\$\{(\w+):?-", TEXT)) | set(re.findall(r"^  ([A-Z][A-Z0-9_]+):$", TEXT, re.MULTILINE))
    example = set(re.findall(r"^(?:# )?([A-Z0-9_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    assert required <= example <= required | optional


@every_service
def test_images_are_pinned_and_ports_are_of_this_machine_only(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", SERVICES[name]["image"])
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@every_service
def test_what_is_waited_for_can_come_true(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        if how["condition"] == "service_healthy":
            assert other in WITH_HEALTHCHECK, f"{name} waits for the health of {other}, which has no check"


def test_everything_that_stays_up_has_a_health_check() -> None:
    assert set(SERVICES) - WITH_HEALTHCHECK == {"airflow-init", "demo-shop"}


@every_service
def test_volumes_are_declared_and_mounted_files_exist(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert (REPOSITORY / source).exists(), source
        elif not source.startswith("/"):
            assert source in COMPOSE["volumes"]


def test_no_declared_volume_is_unused() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert set(COMPOSE["volumes"]) <= used


def test_redis_survives_a_restart_and_never_evicts_the_version_in_use() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy volatile-ttl" in command
    assert "redis:/data" in SERVICES["redis"]["volumes"]


def test_mlflow_starts_no_job_runners() -> None:
    assert SERVICES["mlflow"]["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_prometheus_scrapes_services_of_this_file_on_their_ports() -> None:
    scrape = yaml.safe_load((REPOSITORY / "monitoring/prometheus/prometheus.yml").read_text())
    targets = [t for job in scrape["scrape_configs"] for config in job["static_configs"] for t in config["targets"]]
    targets += [t for m in scrape["alerting"]["alertmanagers"] for c in m["static_configs"] for t in c["targets"]]
    assert {target.split(":")[0] for target in targets} - {"localhost"} <= set(SERVICES)
