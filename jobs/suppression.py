"""spark-submit jobs/suppression.py list|lift … --conf FILE: whose records are not taken in, as `identity suppression`."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["suppression", *sys.argv[1:]])
