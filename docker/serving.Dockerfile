# What answers requests: no pandas, no MLflow, no Airflow. Build from the repository's root:
#   docker build -f docker/serving.Dockerfile -t vitrine-serving .
FROM python:3.11.11-slim-bookworm AS build

WORKDIR /app
COPY requirements/uv.txt requirements/serving.txt requirements/
# Hash-pinned and compiled here, so that a container starts without compiling.
RUN pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
    && python -m venv /venv \
    && uv pip sync --no-cache --require-hashes --compile-bytecode --python /venv/bin/python requirements/serving.txt

COPY pyproject.toml ./
COPY config config
COPY feature_store feature_store
COPY monitoring monitoring
COPY pipeline pipeline
COPY serving serving
RUN /venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && python -m compileall -q feature_store monitoring pipeline serving


FROM python:3.11.11-slim-bookworm

# Idle OpenMP threads sleep; logs come out line by line.
ENV OMP_WAIT_POLICY=PASSIVE \
    PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VITRINE_SERVING__HOST=0.0.0.0 \
    VITRINE_WORK_DIR=/work

RUN useradd --uid 10001 --create-home vitrine && install -d -o vitrine -g vitrine /work
COPY --from=build /venv /venv
COPY --from=build /app /app

WORKDIR /app
USER 10001
VOLUME /work
EXPOSE 8000
# The process runs; whether a release is loaded is asked at /ready by whoever sends it shoppers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/live', timeout=2)"]
CMD ["python", "-m", "serving"]
