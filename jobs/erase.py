"""spark-submit jobs/erase.py IDENT… --conf FILE --run-date DATE [--request NAME] [--resume]: persons leave, with proof."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["erase", *sys.argv[1:]])
