-- Run once, when PostgreSQL starts with an empty volume. POSTGRES_DB is Airflow's; this one is MLflow's.
CREATE DATABASE mlflow;
