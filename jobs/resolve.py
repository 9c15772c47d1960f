"""spark-submit jobs/resolve.py --conf FILE --run-date DATE [--landing DIR] [--warehouse DIR]: silver to golden ids."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["stage", "resolve", *sys.argv[1:]])
