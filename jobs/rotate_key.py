"""spark-submit jobs/rotate_key.py --conf FILE --run-date DATE: another secret key."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["rotate-key", *sys.argv[1:]])
