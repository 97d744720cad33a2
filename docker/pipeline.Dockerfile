# The main job, Airflow's services (which run it) and MLflow's server. Build from the repository's root:
#   docker build -f docker/pipeline.Dockerfile -t vitrine-pipeline .
#   docker run --rm -v vitrine-work:/work vitrine-pipeline vitrine run
FROM python:3.11.11-slim-bookworm AS build

WORKDIR /app
COPY requirements/uv.txt requirements/airflow.txt requirements/
# Hash-pinned and compiled here, so that a container starts without compiling.
RUN pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
    && python -m venv /venv \
    && uv pip sync --no-cache --require-hashes --compile-bytecode --python /venv/bin/python requirements/airflow.txt

COPY pyproject.toml ./
COPY config config
COPY dags dags
COPY feature_store feature_store
COPY monitoring monitoring
COPY pipeline pipeline
COPY serving serving
RUN /venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && python -m compileall -q dags feature_store monitoring pipeline serving


FROM python:3.11.11-slim-bookworm

# Idle OpenMP threads sleep; logs come out line by line; a cron expression means UTC.
ENV AIRFLOW_HOME=/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/app/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    OMP_WAIT_POLICY=PASSIVE \
    PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VITRINE_WORK_DIR=/work

# LightGBM's wheel brings no OpenMP of its own. The base image pins the distribution; its security fixes are welcome.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home vitrine \
    && install -d -o vitrine -g vitrine /work /airflow /airflow/logs /airflow/auth /mlflow
COPY --from=build /venv /venv
COPY --from=build /app /app

WORKDIR /app
USER 10001
VOLUME /work
# A job has no health; the services made from this image have their own checks in docker-compose.yml.
HEALTHCHECK NONE
CMD ["vitrine", "--help"]
