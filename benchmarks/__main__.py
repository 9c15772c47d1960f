"""`python -m benchmarks`: everything that is timed, one after the other."""

from benchmarks import main_job

main_job.main()
