"""spark-submit jobs/profiles.py --conf FILE --run-date DATE [--landing DIR] [--warehouse DIR]: golden ids to staged gold."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["stage", "profile", *sys.argv[1:]])
