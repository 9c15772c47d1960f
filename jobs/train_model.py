"""spark-submit jobs/train_model.py --conf FILE --run-date DATE [--out FILE]: learn a Splink model from silver."""

import sys

from identity.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
