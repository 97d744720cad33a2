"""The images: linted, pinned, not root, made only of what is there; what serving's installs is enough to serve."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((REPOSITORY / "docker").glob("*.Dockerfile"))
IGNORED_BUT = re.findall(r"^!(\S+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE)
images = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)


def copied(dockerfile: Path) -> list[str]:
    """What the image takes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", dockerfile.read_text(), re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


@images
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([linter, dockerfile], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@images
def test_what_is_copied_exists_and_is_sent_to_the_builder(dockerfile: Path) -> None:
    for source in copied(dockerfile):
        assert (REPOSITORY / source).exists(), source
        assert any(Path(source).match(pattern) for pattern in IGNORED_BUT), f".dockerignore leaves out {source}"


@images
def test_an_image_is_pinned_unprivileged_and_holds_no_secret(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base) for base in bases)
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001"]
    assert "OMP_WAIT_POLICY=PASSIVE" in text
    assert "HEALTHCHECK" in text
    assert text.count("--require-hashes") == 2
    assert not re.search(r"PASSWORD|SECRET|TOKEN|_URL", text)


def test_serving_is_checked_at_live() -> None:
    assert "/live" in (REPOSITORY / "docker/serving.Dockerfile").read_text()


@pytest.mark.slow
def test_what_the_serving_image_installs_is_enough_to_serve(tmp_path: Path) -> None:
    """The recipe without a container: the same lock, the same files, the same command."""
    app, venv = tmp_path / "app", tmp_path / "venv"
    for source in copied(REPOSITORY / "docker/serving.Dockerfile"):
        target = app / source
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (REPOSITORY / source).is_dir() else shutil.copy)(REPOSITORY / source, target)
    python = venv / "bin/python"
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([*pip, "--require-hashes", "-r", "requirements/uv.txt"], cwd=app, check=True)
    sync = ["pip", "sync", "-q", "--system-certs", "--require-hashes", "--python", python, "requirements/serving.txt"]
    subprocess.run([venv / "bin/uv", *sync], cwd=app, check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", "."], cwd=app, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "VITRINE_WORK_DIR": str(tmp_path), "VITRINE_SERVING__PORT": str(port)}
    with subprocess.Popen([python, "-m", "serving"], cwd=app, env=environment, stderr=subprocess.PIPE, text=True) as it:
        try:
            assert answers(f"http://127.0.0.1:{port}/live", it), it.stderr.read()
        finally:
            it.terminate()


def answers(url: str, process: subprocess.Popen[str]) -> bool:
    """Whether the process answers 200 before it dies or 30 seconds have passed."""
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310  a loopback address
                return response.status == 200
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)  # a process that starts has no other sign
    return False
