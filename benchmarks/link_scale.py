"""Seconds, peak memory and scores of `identity link` on generated tables of any size.

`python -m benchmarks.link_scale [RECORDS ...]` makes a table a size with the names, homes and mistakes of `data_samples`
(two records a person on average, in two registers), links it in a process of its own with no option but the file, and
prints a row. `--keep DIR` leaves the tables there and takes them from there the next time.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy import timed_link
from data_samples.arrays import Keys
from data_samples.generate import BLOCK, STRIDE
from data_samples.people import CUSTOMER, STAFF, Extent, make_people
from data_samples.rates import RATES
from data_samples.records import write_records

_SIZES = (50_000, 100_000, 250_000, 500_000, 1_000_000)
_COLUMNS = ("first_name", "last_name", "birth_date", "email", "phone", "street", "postal_code", "city")
# Records of a person: how many there may be, and the share of persons with so many.
_RECORDS, _SHARES = (1, 2, 3, 4, 5), (0.4, 0.32, 0.18, 0.07, 0.03)


def make_table(records: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """So many records and their truth, in a random order; the same arguments make the same rows.

    Everybody is once in the register of members; who has more records has them among the contacts, which are written
    less carefully.
    """
    blocks: list[pd.DataFrame] = []
    while sum(map(len, blocks)) < records:
        blocks.append(_block(len(blocks), records, seed))
    whole = pd.concat(blocks, ignore_index=True).iloc[:records]
    order = np.random.default_rng(seed).permutation(records)
    ids = pd.Series([f"r{n:08}" for n in range(records)], name="record_id")
    table = pd.concat([ids, whole.drop(columns="entity_id").iloc[order].reset_index(drop=True)], axis=1)
    truth = pd.DataFrame({"record_id": ids, "entity_id": whole["entity_id"].to_numpy()[order]})
    return table, truth


def _block(number: int, total: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(np.random.SeedSequence([seed, number]))
    people = make_people(Keys(seed), rng, Extent(BLOCK, number * STRIDE, total), RATES)
    known = np.flatnonzero(np.isin(people.subject, (CUSTOMER, STAFF)))
    counts = rng.choice(_RECORDS, size=len(known), p=_SHARES)
    registers = {
        "members": (known, RATES.loyalty_record), "contacts": (np.repeat(known, counts - 1), RATES.crm_record)
    }  # fmt: skip
    parts = []
    for source, (who, rates) in registers.items():
        written = write_records(rng, people, who, rates, keeps_old_numbers=False).fields
        part = pd.DataFrame({name: written[name] for name in _COLUMNS})
        born = part["birth_date"].dt.strftime("%Y-%m-%d").astype(object)
        part["birth_date"] = born.where(born.notna(), None)
        parts.append(part.assign(source=source, entity_id=people.person_id[who]))
    return pd.concat(parts).sort_values("entity_id", kind="stable", ignore_index=True)


def main() -> None:
    """Print a row a size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "records", nargs="*", type=int, help=f"sizes; {', '.join(map(str, _SIZES))} by default"
    )
    parser.add_argument("--seed", type=int, default=77, help="seed of the tables (default 77)")
    parser.add_argument("--keep", type=Path, help="folder where tables are kept")
    asked = parser.parse_args()
    print(
        f"{'records':>9} {'MB':>5} {'seconds':>8} {'GB':>6} {'precision':>9} {'recall':>7} {'F1':>7} {'block R':>7}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for records in asked.records or _SIZES:
            folder = (asked.keep or Path(scratch)) / f"{records}-{asked.seed}"
            _row(folder, records, asked.seed)


def _row(folder: Path, records: int, seed: int) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        table, truth = make_table(records, seed)
        table.to_csv(folder / "records.csv", index=False)
        truth.to_parquet(folder / "truth.parquet", index=False)
    file = folder / "records.csv"
    found, seconds, memory = timed_link(file, folder / "linked", folder / "truth.parquet")
    score = found["clusters"]["pairwise"]
    print(f"{records:>9} {file.stat().st_size / 1e6:>5.0f} {seconds:>8.1f} {memory:>6.2f} {score['precision']:>9.4f} "
          f"{score['recall']:>7.4f} {score['f1']:>7.4f} {found['blocking_recall']:>7.4f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
