"""spark-submit jobs/standardise.py --conf FILE --run-date DATE [--landing DIR] [--warehouse DIR]: bronze to silver."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["stage", "standardise", *sys.argv[1:]])
