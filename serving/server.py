"""Runs the application with uvicorn, in one process or several on one port."""

from __future__ import annotations

import logging
import os
import tempfile
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.supervisors import Multiprocess

from pipeline.logs import configure_logging
from serving.app import create_app
from serving.telemetry import MULTIPROCESS_FOLDER

if TYPE_CHECKING:
    from fastapi import FastAPI

    from pipeline.settings import Settings

log = logging.getLogger(__name__)
_SECONDS_TO_FINISH = 10
"""What requests under way may take when the process is told to stop."""


def serve(settings: Settings) -> None:
    """Answer requests until told to stop (SIGTERM, SIGINT)."""
    workers = settings.serving.workers
    configure_logging(settings.log)
    config = uvicorn.Config(
        partial(_application, settings),
        factory=True,
        host=settings.serving.host,
        port=settings.serving.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        workers=workers,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    url = f"http://{settings.serving.host}:{settings.serving.port}"
    log.info("serving", extra={"url": url, "workers": workers, "docs": f"{url}/docs"})
    if workers == 1:
        uvicorn.Server(config).run()
        return
    with tempfile.TemporaryDirectory(prefix="vitrine-metrics-") as folder:
        os.environ[MULTIPROCESS_FOLDER] = folder  # workers are started afresh and find it before they import the client
        Multiprocess(config, sockets=[config.bind_socket()]).run()


def _application(settings: Settings) -> FastAPI:
    configure_logging(settings.log)  # a worker is a new process
    return create_app(settings)
