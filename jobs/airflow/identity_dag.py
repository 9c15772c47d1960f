"""The daily run as an Airflow DAG, a task an arrow, and the monthly maintenance as another; each task a spark-submit.

Needs Airflow 3 with its standard provider. Where things are comes from the scheduler's environment, never from here:

    IDENTITY_HOME            the checkout, with its environment in .venv
    IDENTITY_CONF            configuration file, by default conf/cluster.yaml; relative to IDENTITY_HOME
    IDENTITY_SPARK_OPTIONS   more options for spark-submit, such as `--master spark://head:7077`
    IDENTITY_KEY             the secret key, unless the configuration names a file

Tasks repeat safely: what a job did, it does not do again, or does again with the same result.
"""

import datetime as dt

from airflow.providers.standard.operators.bash import BashOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG, CronTriggerTimetable  # type: ignore[import-not-found]

STAGES = ("ingest", "standardise", "resolve", "profiles", "publish")

COMMAND = """\
set -euo pipefail
cd "${IDENTITY_HOME:?}"
export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$PWD/.venv/bin/python}"
quiet="-Dlog4j2.configurationFile=file:$PWD/src/identity/log4j2.properties"
jars=$("$PYSPARK_PYTHON" -m identity.bootstrap --jars)
.venv/bin/spark-submit --jars "$jars" --driver-java-options "$quiet" ${IDENTITY_SPARK_OPTIONS:-} \
  jobs/{{ task.task_id }}.py --conf "${IDENTITY_CONF:-conf/cluster.yaml}" --run-date {{ ds }}
"""

_SHARED = {
    "start_date": dt.datetime(2026, 1, 31, tzinfo=dt.UTC),
    "catchup": False,  # a run takes everything that was delivered up to its date
    "max_active_runs": 1,  # one writer; a second one would end with exit code 8
    "default_args": {"retries": 1, "retry_delay": dt.timedelta(minutes=15)},
    "tags": ["identity"],
}

with DAG(
    dag_id="identity",
    description="Landing files to gold: ingest, standardise, resolve, profile, publish",
    # By its own clock, so that `ds` is the day the run starts and not the day before.
    schedule=CronTriggerTimetable("10 5 * * *", timezone="UTC"),
    **_SHARED,
):
    before = None
    for stage in STAGES:
        task = BashOperator(task_id=stage, bash_command=COMMAND)
        if before is not None:
            before >> task
        before = task

with DAG(
    dag_id="identity_maintain",
    description="What is older than may be kept leaves; what is left is published",
    schedule=CronTriggerTimetable("10 8 1 * *", timezone="UTC"),  # after the daily run
    **_SHARED,
):
    BashOperator(task_id="maintain", bash_command=COMMAND)
