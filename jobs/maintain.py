"""spark-submit jobs/maintain.py --conf FILE --run-date DATE [--keep-landing] [--accept-run-date]: what is expired leaves."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["maintain", *sys.argv[1:]])
