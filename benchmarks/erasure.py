"""Seconds and residue of erasures, what they change of others, redelivery of the erased, and deaths on the way.

`python -m benchmarks.erasure --erase 1 100` works on copies of the committed world after both days; with `--persons N
--seed S` on a generated one, with `--warehouse W --landing L` on one that is there. `--deliver-again` delivers the
erased lines the next day; `--kills K` kills erasures of the first number of persons at K seeded moments of all steps.
Exits 1 where a value was left, somebody came back, a reader saw half a person, or somebody else was changed.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.main_job import DAYS, ROOT
from identity.config_reading import load_config
from identity.standardise.identifiers import hash_key, hash_of
from identity.tables import columns_at, rows_at

NEXT = "2026-02-02"
Record = tuple[str, str]


class World:
    """A copy of a warehouse and its landing folder."""

    def __init__(self, folder: Path, warehouse: Path, landing: Path) -> None:
        self.warehouse, self.landing = folder / "warehouse", folder / "landing"
        shutil.copytree(warehouse, self.warehouse)
        shutil.copytree(landing, self.landing)

    def command(self, *verb: str) -> list[str]:
        """A verb of the command line on this world."""
        where = ["--conf", str(ROOT / "conf/local.yaml"), "--landing", str(self.landing)]
        command = [sys.executable, "-m", "identity.cli", *verb, *where]
        return [*command, "--warehouse", str(self.warehouse), "--json"]

    def said(self, *verb: str) -> Any:
        """What a verb prints; ends this process if it fails."""
        done = subprocess.run(self.command(*verb), capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"{verb[0]} ended with {done.returncode}: {done.stderr.decode()[-800:]}")
        return json.loads(done.stdout.decode().strip().splitlines()[-1])

    def members(self) -> dict[Record, tuple[str, str]]:
        """Golden id and part by record, as of today."""
        rows = columns_at(
            self.warehouse, "id.golden_member", ["source", "source_key", "golden_id", "part", "valid_to_on"]
        )
        return {
            (r["source"], r["source_key"]): (r["golden_id"], r["part"])
            for r in rows.to_pylist() if r["valid_to_on"] is None
        }  # fmt: skip

    def persons(self) -> dict[Record, str]:
        """silver.person_record by record."""
        rows = rows_at(self.warehouse, "silver.person_record")
        return {(r["source"], r["source_key"]): repr(sorted(r.items(), key=str)) for r in rows}

    def sales(self) -> dict[tuple[str, int], Any]:
        """Amounts by receipt line, as published."""
        rows = columns_at(
            self.warehouse, "gold.purchase_fact", ["receipt_id", "line_no", "net_amount"]
        ).to_pylist()
        return {(r["receipt_id"], r["line_no"]): r["net_amount"] for r in rows}

    def is_listed(self, record: Record) -> bool:
        """Whether a device or payment card is on the suppression list."""
        source, key = record
        secret = hash_key(load_config(ROOT / "conf/local.yaml").secret())
        hashed = hash_of("payment_token", key, key=secret) if source == "tills" else key
        return any(row["value_hmac"] == hashed for row in rows_at(self.warehouse, "consent.suppression"))

    def published_rows(self, golden_ids: set[str]) -> dict[str, int]:
        """Rows of golden ids in every gold table, as the publication in force names its version."""
        newest = max(rows_at(self.warehouse, "ops.publication"), key=lambda row: row["publication_no"])
        found = {}
        for name, version in dict(newest["versions"]).items():
            table = deltalake.DeltaTable(self.warehouse.joinpath(*name.split(".")), version=version)
            if "golden_id" not in table.schema().to_arrow().names:
                continue
            ids = table.to_pyarrow_table(columns=["golden_id"])["golden_id"]
            found[name] = int(pc.sum(pc.is_in(ids, _texts(golden_ids))).as_py() or 0)
        return found


def tied(world: World, records: set[Record]) -> set[Record]:
    """Records that carry an identifier of some records, or that an edge of any fate ties to them."""
    rows = columns_at(
        world.warehouse, "silver.identifier", ["source", "source_key", "value_hmac"]
    ).to_pylist()
    carried = {r["value_hmac"] for r in rows if (r["source"], r["source_key"]) in records}
    found = {(r["source"], r["source_key"]) for r in rows if r["value_hmac"] in carried}
    ends = ["source_l", "source_key_l", "source_r", "source_key_r"]
    for row in columns_at(world.warehouse, "id.edge", ends).to_pylist():
        both = {(row["source_l"], row["source_key_l"]), (row["source_r"], row["source_key_r"])}
        found |= both if both & records else set()
    return found - records


def _texts(values: set[str]) -> pa.Array:
    """Texts as Arrow has them."""
    return pa.array(sorted(values), pa.string())


def chosen(world: World, count: int, seed: int) -> tuple[list[str], set[Record], set[str]]:
    """Persons drawn by seed: an identifier of each, all their records, and golden ids that end with them."""
    members = world.members()
    by_part: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record, part in members.items():
        by_part[part].append(record)
    parts = sorted(
        part for part, records in by_part.items() if any(s in ("loyalty", "crm") for s, _ in records)
    )
    drawn = random.Random(seed).sample(parts, min(count, len(parts)))
    records = {record for part in drawn for record in by_part[part]}
    left = {part[0] for part in by_part if part not in set(drawn)}
    named = [
        "record=" + ":".join(min(r for r in by_part[part] if r[0] in ("loyalty", "crm"))) for part in drawn
    ]
    return named, records, {part[0] for part in drawn} - left


def erased(world: World, count: int, seed: int, *, again: bool) -> bool:
    """Erase, compare, and print; whether all is as it should be."""
    named, records, ended = chosen(world, count, seed)
    tied_records = tied(world, records)
    near = {world.members()[record][0] for record in records | tied_records}
    before, persons, sales = world.members(), world.persons(), world.sales()
    landing = {p: p.read_bytes().splitlines() for p in sorted(world.landing.rglob("*")) if p.is_file()}
    requests = world.warehouse.parent / "requests.txt"
    requests.write_text("\n".join(named), encoding="utf-8")
    began = time.monotonic()
    told = world.said("erase", "--requests", str(requests), "--run-date", DAYS[-1])[-1]
    seconds = time.monotonic() - began
    after, persons_after = world.members(), world.persons()
    far = {r for r in before if r not in records and before[r][0] not in near}
    # Devices and payment cards that nobody else used are theirs.
    of_theirs = {
        r for r in far - after.keys() if r[0] in ("cookie", "mobile_id", "tills") and world.is_listed(r)
    }
    # A payment card or device that they shared may join strangers to them: freed of their refusal, for one.
    joined = {after[r][0] for r in tied_records if r in after}
    others = {r for r in far - of_theirs if after.get(r, ("",))[0] not in joined}
    moved = sum(before[r][0] != after.get(r, ("",))[0] for r in others)
    changed = sum(persons[r] != persons_after.get(r) for r in others & persons.keys())
    shared = {r for r in before if before[r][0] in near or after.get(r, ("",))[0] in joined} - records
    changed_near = sum(before[r][0] != after.get(r, ("",))[0] for r in shared)
    is_sold_the_same, left = world.sales() == sales, sum(world.published_rows(ended).values())
    print(
        f"{count:,} persons ({len(records):,} records): {seconds:.1f} s, residue {told['residue']} of "
        f"{told['values_looked_for']:,} values in {told['files_scanned']:,} files; "
        f"others: {moved} golden ids of {len(others):,} records and {changed} person records changed, {len(of_theirs)} "
        f"devices and cards used by nobody else gone; of {len(shared):,} records tied to them, or joined with "
        f"one that is, {changed_near} changed; "
        f"sales the same: {is_sold_the_same}; rows left in gold: {left}",
        flush=True,
    )
    is_right = is_sold_the_same and not (told["residue"] or moved or changed or left)
    return is_right and not (again and _deliver_again(world, landing, records))


def _deliver_again(world: World, before: dict[Path, list[bytes]], records: set[Record]) -> int:
    """Deliver the blanked lines in files of the next day; how many of their records come back."""
    day = world.landing / NEXT
    delivered: dict[str, int] = defaultdict(int)
    for path, lines in before.items():
        now = path.read_bytes().splitlines()
        gone = [old for old, new in zip(lines, now, strict=True) if old != new]
        source, header = path.parent.name, lines[:1] if path.suffix == ".csv" else []
        needed = path.name in ("till_totals.csv", "receipt_lines.csv")
        if (gone or needed) and "accounts" not in path.name:
            stem = path.stem if needed else f"{path.stem}_{path.parts[-3].replace('-', '')}"
            target = day / source / f"{stem}{path.suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            kept = target.read_bytes().splitlines() if target.exists() else header
            target.write_bytes(b"\n".join([*kept, *gone]) + b"\n")
            delivered[source] += len(gone)
    world.said("run", "--run-date", NEXT)
    taken = [
        r
        for r in rows_at(world.warehouse, "ops.file")
        if r["status"] == "taken" and str(r["taken_for"]) == NEXT
    ]
    back = sum(record in records for record in world.members())
    print(
        f"  delivered again: {sum(delivered.values()):,} lines, {sum(r['suppressed'] for r in taken):,} suppressed, "
        f"{sum(r['accepted'] for r in taken):,} taken; {back} records of the erased are back",
        flush=True,
    )
    return back


# What an erasure has done so far, and about how many seconds the step after it takes: where kills are to fall.
_STEPS = {
    "no plan": 14,
    "planned": 1,
    "suppressed": 2,
    "landing": 6,
    "tables": 25,
    "published": 4,
    "purged": 8,
}
_KILLS_EACH = 4


def killed(world: World, count: int, seed: int, kills: int) -> bool:
    """Kill erasures at seeded moments of every step, look at what readers see, and let the next start finish each.

    Returns:
        Whether every erasure was finished, without residue, and no reader saw a half.
    """
    moments = random.Random(seed)
    done, halves, left, by_state = 0, 0, 0, defaultdict[str, int](int)
    number = -1
    while done < kills:
        number += 1
        named, records, ended = chosen(world, count, seed + number)
        whole = world.published_rows(ended)
        requests = world.warehouse.parent / "requests.txt"
        requests.write_text("\n".join(named), encoding="utf-8")
        verb = ["erase", "--requests", str(requests), "--run-date", DAYS[-1], "--request", f"R-{number}"]
        targets = sorted(moments.sample(range(len(_STEPS)), _KILLS_EACH))
        for target in targets[: kills - done]:
            state = _die(world, verb, list(_STEPS)[target], moments)
            if state is None:
                break
            seen = world.published_rows(ended)
            is_half = seen != whole and any(seen.values())
            done, halves = done + 1, halves + is_half
            by_state[state] += 1
            readers = "a half" if is_half else "the whole" if seen == whole else "nothing"
            print(f"  kill {done}, {state} done: readers see {readers} of the persons", flush=True)
            verb = ["erase", "--resume"] if _plan_of(world).is_file() else verb
        # The next start is a run as often as it is `erase`.
        if _plan_of(world).is_file() and number % 2:
            verb = ["run", "--run-date", DAYS[-1]]
        # A kill may come after all was done, and then there is nothing to resume.
        if state is not None and (verb[1] != "--resume" or _plan_of(world).is_file()):
            world.said(*verb)
        certificates = sorted(
            world.warehouse.glob("rights/certificates/*.json"), key=lambda path: path.stat().st_mtime
        )
        told = json.loads(certificates[-1].read_text(encoding="utf-8"))
        back = sum(record in records for record in world.members())
        rows, is_left = sum(world.published_rows(ended).values()), _plan_of(world).is_file()
        left += bool(told["residue"] or back or rows or is_left)
        print(
            f"  erasure {number + 1} finished by `identity {verb[0]}`: requests {told['requests']}, residue "
            f"{told['residue']} of {told['values_looked_for']}; {back} records left, rows in gold: "
            f"{rows}, plan left: {is_left}",
            flush=True,
        )
    steps = ", ".join(f"{state} {by_state[state]}" for state in _STEPS)
    print(f"{done} kills, the last step done: {steps}; {halves} halves seen", flush=True)
    return not (halves or left)


def _die(world: World, verb: list[str], target: str, moments: random.Random) -> str | None:
    """Start a command, and kill it within the step after `target`; returns what was done by then, None if all was."""
    run = subprocess.Popen(
        world.command(*verb), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    order = list(_STEPS)
    while run.poll() is None and order.index(_state(world)) < order.index(target):
        time.sleep(0.02)
    try:
        run.wait(moments.uniform(0, _STEPS[target]))
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    if run.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"{verb[0]} ended with {run.returncode} before it was killed")
    return _state(world) if run.returncode else None


def _plan_of(world: World) -> Path:
    return world.warehouse / "rights/erasure.json"


def _state(world: World) -> str:
    try:
        return str(json.loads(_plan_of(world).read_text(encoding="utf-8"))["state"])
    except FileNotFoundError:
        return "no plan"


def main() -> None:
    """Make or take a world, and erase on copies of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--erase", type=int, nargs="+", default=[1], help="how many persons (default 1)")
    parser.add_argument("--persons", type=int, help="size of a generated world")
    parser.add_argument(
        "--seed", type=int, default=77, help="seed of worlds, persons and moments (default 77)"
    )
    parser.add_argument("--warehouse", type=Path, help="a warehouse after both days; it is copied")
    parser.add_argument("--landing", type=Path, help="its landing folder")
    parser.add_argument("--deliver-again", action="store_true", help="deliver the erased lines the next day")
    parser.add_argument("--kills", type=int, default=0, help="kill the erasure so often")
    asked = parser.parse_args()
    is_right = []
    with tempfile.TemporaryDirectory() as folder:
        warehouse, landing = asked.warehouse, asked.landing or ROOT / "data_samples/world/landing"
        if asked.persons:
            command = [sys.executable, "-m", "data_samples.generate", "--persons", str(asked.persons)]
            command += ["--days", "2", "--seed", str(asked.seed), "--out", f"{folder}/world"]
            subprocess.run(command, cwd=ROOT, check=True)
            landing = Path(folder) / "world/landing"
        if warehouse is None:
            warehouse = Path(folder) / "base"
            days = [part for day in DAYS for part in ("--run-date", day)]
            command = [
                sys.executable,
                "-m",
                "identity.cli",
                "run",
                "--conf",
                str(ROOT / "conf/local.yaml"),
                *days,
            ]
            command += ["--landing", str(landing), "--warehouse", str(warehouse)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for count in asked.erase:
            copy = World(Path(folder) / f"of_{count}", warehouse, landing)
            is_right.append(erased(copy, count, asked.seed, again=asked.deliver_again))
        if asked.kills:
            copy = World(Path(folder) / "killed", warehouse, landing)
            is_right.append(killed(copy, asked.erase[0], asked.seed, asked.kills))
    sys.exit(not all(is_right))


if __name__ == "__main__":
    main()
