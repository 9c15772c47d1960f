"""spark-submit jobs/audience.py --conf FILE --purpose NAME --recipient NAME --out FILE --run-date DATE: whom to contact."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["audience", *sys.argv[1:]])
