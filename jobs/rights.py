"""spark-submit jobs/rights.py VERB … --conf FILE: a data subject's rights, as `identity rights`."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["rights", *sys.argv[1:]])
