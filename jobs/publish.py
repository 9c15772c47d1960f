"""spark-submit jobs/publish.py --conf FILE --run-date DATE [--landing DIR] [--warehouse DIR]: staged gold to gold."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["stage", "publish", *sys.argv[1:]])
