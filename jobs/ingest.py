"""spark-submit jobs/ingest.py --conf FILE --run-date DATE [--landing DIR] [--warehouse DIR]: landing files to bronze."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["stage", "ingest", *sys.argv[1:]])
