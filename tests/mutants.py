"""Break each rule of consent on purpose, and see that a test notices: `make mutants`.

Every mutant is one change of the code, made in a copy of the tree; the cases and the drawn worlds run on it. A mutant that
no test catches is printed as survived and ends with exit code 1, and so does one whose text is no longer in the code.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_PUBLISHED = ("tests/unit/publish",)
# By the folder of what is changed.
TESTS = {
    "consent": ("tests/unit/consent", *_PUBLISHED, "tests/property/test_consent.py"),
    "profile": _PUBLISHED,
    "publish": _PUBLISHED,
    "stages": _PUBLISHED,
}


class Mutant(NamedTuple):
    """A change: the rule it breaks, the file below src/identity, the text and what it becomes."""

    breaks: str
    file: str
    old: str
    new: str


DECIDE, REACH, GUARDIANS, GATES, RESTRICTIONS, SUPPRESSION = (
    f"consent/{name}.py" for name in ("decide", "reach", "guardians", "gates", "restrictions", "suppression")
)
PURCHASES, COVERAGE = "profile/purchases.py", "publish/coverage.py"
PROFILE, PUBLISH = "stages/profile.py", "stages/publish.py"
MUTANTS = (
    Mutant("rule 1: the oldest statement counts", DECIDE, 'F.desc("asserted_at")', 'F.asc("asserted_at")'),
    Mutant("rule 1: of two at once the yes counts", DECIDE, '        "value",\n        "event_key",', '        F.desc("value"),\n        "event_key",'),
    Mutant("rule 1: an objection gives way to a newer yes", DECIDE, '"contact_point_hmac", "basis"', '"contact_point_hmac"'),
    Mutant("rule 2: objections are plain refusals", DECIDE, 'is_objection = F.col("basis") == "objection"', "is_objection = F.lit(False)"),
    Mutant("rule 2: an objection stops a contract", DECIDE, 'objected = F.col("objection").isNotNull() & ~by_contract', 'objected = F.col("objection").isNotNull()'),
    Mutant("rule 2: legitimate interest heeds no objection", DECIDE, 'objected = F.col("objection").isNotNull() & ~by_contract', 'objected = F.col("objection").isNotNull() & needs_yes'),
    Mutant("rule 3: a yes of the same time lifts", DECIDE, 'yes["asserted_at"] > F.col("no.asserted_at")', 'yes["asserted_at"] >= F.col("no.asserted_at")'),
    Mutant("rule 3: an older yes lifts", DECIDE, 'yes["asserted_at"] > F.col("no.asserted_at")', "F.lit(True)"),
    Mutant("rule 3: a weaker yes lifts", DECIDE, 'yes["strength"] >= F.col("no_strength")', "F.lit(True)"),
    Mutant("rule 3: only a stronger yes lifts", DECIDE, 'yes["strength"] >= F.col("no_strength")', 'yes["strength"] > F.col("no_strength")'),
    Mutant("rule 3: the weakest no is to be matched", DECIDE, 'F.max(F.when(is_no, F.col("strength")))', 'F.min(F.when(is_no, F.col("strength")))'),
    Mutant("rule 3: no conflict is told", DECIDE, 'F.col("no"), conflict=True', 'F.col("no")'),
    Mutant("rule 3: refusals of contact points count for all", DECIDE, 'at_large | (F.col("contact_point_hmac") == F.col("contact_point"))', "F.lit(True)"),
    Mutant("rule 4: a yes speaks for every part", DECIDE, "F.coalesce(of_yes, \"parts\")", '"parts"'),
    Mutant("rule 4: a yes from further off counts", DECIDE, "part is not null or value = 'n'", "true"),
    Mutant("rule 4: what is refused after the ways parted is heard", DECIDE, 'once.where("cast(asserted_at as date) <= heard_to")', "once"),
    Mutant(
        "rule 4: what is said after the ways parted takes back", DECIDE,
        '''once.where("cast(asserted_at as date) <= heard_to"), namespaces=namespaces, by=["golden_id"]
        ).where("value = 'n'")''',
        '''once, namespaces=namespaces, by=["golden_id"]
        ).where("value = 'n' and cast(asserted_at as date) <= heard_to")''',
    ),
    Mutant("rule 4: parts do not hear each other", REACH, 'refused.select("golden_id", *_VALUE)\n', 'refused.select("golden_id", *_VALUE).where("false")\n'),
    Mutant("rule 4: doubtful edges carry nothing", REACH, "fate = 'rejected' and reason <> 'cannot_link'", "fate = 'rejected' and reason = 'x'"),
    Mutant("rule 4: who was decided to be another is heard", REACH, "reason <> 'cannot_link'", "reason <> 'x'"),
    Mutant("rule 4: barred records carry nothing", REACH, "link_permission = 'barred'", "link_permission = 'x'"),
    Mutant("rule 4: another name is heard too", REACH, 'F.coalesce(F.col("given_name") == F.col("other_name"), F.lit(True))', "F.lit(True)"),
    Mutant("rule 4: hubs carry refusals", REACH, '(F.col("carriers") <= namespaces[name].max_persons)', "F.lit(True)"),
    Mutant("refusals are forgotten with the edge", REACH, "here.join(ended, on=", 'here.where("false").join(ended, on='),
    Mutant("a decision does not end what is carried", REACH, "kind = 'human' and reason = 'cannot_link'", "kind = 'x'"),
    Mutant("a refusal is forgotten with the identifier", REACH, 'before.join(records.select(*_KEY, "golden_id"), on=_KEY, how="inner")', 'before.join(refused.select(*_KEY, "golden_id", *_VALUE), on=[*_KEY, *_VALUE], how="inner")'),
    Mutant("a restriction ends with its record", RESTRICTIONS, "joined.unionByName(heirs)", "joined"),
    Mutant("a restriction stays with its record", RESTRICTIONS, "joined.unionByName(heirs)", "heirs"),
    Mutant("rule 5: a yes never ages", DECIDE, "aged = F.date_add(", "aged = F.lit(None).cast('date') if True else F.date_add("),
    Mutant("rule 5: a yes lasts a day longer", DECIDE, 'yes["until"] > F.lit(on)', 'yes["until"] >= F.lit(on)'),
    Mutant("rule 5: notices never end", DECIDE, "    if notices:\n", "    if False:\n"),
    Mutant("rule 5: silence permits", DECIDE, '.when(needs_yes, verdict("deny", 5, nobody))', '.when(needs_yes, verdict("permit", 5, nobody))'),
    Mutant("rule 5: pending is a yes", DECIDE, 'F.when(F.col("value") == "y"', 'F.when(F.col("value").isin("y", "pending")'),
    Mutant("rule 6: children need nobody", DECIDE, 'F.transform(F.filter("standing", is_kept), ended)', 'F.col("standing")'),
    Mutant("rule 6: a child's yes outlives the guardian's", DECIDE, 'yes.withField("until", F.least(yes["until"], child(yes)["until"]))', "yes"),
    Mutant("rule 6: who resembles the guardian will do", GUARDIANS, 'granted, on=["guardian_id", "guardian_part", "purpose"]', 'granted.drop("guardian_part"), on=["guardian_id", "purpose"]'),
    Mutant("rule 6: any guardian will do", GUARDIANS, 'granted, on=["guardian_id", "guardian_part", "purpose"]', 'granted.groupBy("purpose").agg(F.max("until").alias("until")), on="purpose"'),
    Mutant("rule 6: the whole id is the child's", DECIDE, 'child["part"] == yes["part"]', "F.lit(True)"),
    Mutant("gate L: silence permits", GATES, 'F.coalesce("permitted", F.lit(False))', 'F.coalesce("permitted", F.lit(True))'),
    Mutant("gate L: objections are not heard", GATES, '& F.col("objection").isNull()', ""),
    Mutant("gate L: sources that forbid linkage are linked", GATES, '& (F.col("linkage") == "allowed")', ""),
    Mutant("collection: a yes never ends", GATES, 'F.to_date("occurred_at") >= F.col("until")', 'F.lit(False)'),
    Mutant("collection: a no is not heard", GATES, "~refused & (granted", "(granted"),
    Mutant("who bought: a card of nobody known is the payer's", PURCHASES, 'F.when(F.col("member_no").isNull(), without_card).otherwise(F.col("by_member"))', 'F.coalesce(F.col("by_member"), without_card)'),
    Mutant("who bought: the card of who may not be joined names them", PURCHASES, 'F.when(~F.col("is_barred"), F.col("who")).alias("by_member")', 'F.col("who").alias("by_member")'),
    Mutant("who bought: whose e-mail it is does not matter", PURCHASES, 'may_tell = F.col("first_barred").isNull() | is_barred_payer', "may_tell = F.lit(True)"),
    Mutant("who bought: a payment card may not carry an e-mail", PURCHASES, '.isNull() | is_barred_payer', ".isNull()"),
    Mutant("small cells: what its kind hides is hidden alone", COVERAGE, "(F.row_number().over(in_turn) <= 2)", "(F.row_number().over(in_turn) <= 1)"),
    Mutant("small cells: who has no phone follows from another purpose", COVERAGE, 'F.max(F.col("is_hidden") & is_without).over(of_kind)', "F.lit(False)"),
    Mutant("small cells: who has no phone follows from the coverage", COVERAGE, '| F.max(has_no_other).over(of_purpose)', ""),
    Mutant("profiles: closed complaints pause", PROFILE, " and status = 'open'", ""),
    Mutant("profiles: whatever is open pauses", PROFILE, "interaction_type = 'complaint' and ", ""),
    Mutant("metrics: whoever permits it is measured", PROFILE, """known.where("subject_kind = 'customer'").select(""", "known.select("),
    Mutant("metrics: whoever is a customer is measured", PROFILE, 'customers.join(analytics, on=_PART, how="left_semi")', "customers"),
    Mutant("numbers: whoever is known is counted", COVERAGE, "subject_kind = 'customer' and is_person", "is_person"),
    Mutant("numbers: devices are counted", COVERAGE, "subject_kind = 'customer' and is_person", "subject_kind = 'customer'"),
    Mutant("numbers: small cells are told", PROFILE, "purposes=run.config.purposes, min_cell=min_cell", "purposes=run.config.purposes, min_cell=1"),
    Mutant("numbers: coverage of few is told", PROFILE, "min_cell=min_cell, on=run.on", "min_cell=1, on=run.on"),
    Mutant("numbers: rows of few are told", PUBLISH, "is_hidden=hidden.get(name)", "is_hidden=None"),
    Mutant("numbers: rows tell what coverage hides", PUBLISH, "bool if purposes.get(name) in uncovered else ", ""),
    Mutant("suppression: an owner keeps out who names it", SUPPRESSION, '"is_owner or not is_owner_only"', '"true"'),
    Mutant("suppression: an owner comes back", SUPPRESSION, '"is_owner or not is_owner_only"', '"not is_owner_only"'),
    Mutant("suppression: a device owns the lines of a login", SUPPRESSION, 'is_owner & (F.coalesce(F.trim(text), F.lit("")) == "")', "is_owner"),
    Mutant("suppression: a line without a login has no owner", SUPPRESSION, "F.coalesce(F.trim(text), F.lit(\"\"))", "F.trim(text)"),
)  # fmt: skip


def caught(mutant: Mutant) -> bool:
    """Whether a test fails on the mutant."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("src", "tests", "conf", "data_samples", "pyproject.toml"):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("world", "__pycache__"))
            else:
                shutil.copy(source, copy / part)
        path = copy / "src/identity" / mutant.file
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new, 1), encoding="utf-8")
        for tests in TESTS[Path(mutant.file).parts[0]]:
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests]
            run = subprocess.run(
                command,
                cwd=copy,
                env={**os.environ, "PYTHONPATH": str(copy / "src")},
                capture_output=True,
                check=False,
            )
            if run.returncode == 1:
                return True
            if run.returncode:
                raise SystemExit(f"{mutant.breaks}: pytest ended with {run.returncode}")
    return False


def main() -> None:
    """Run the mutants, print how each ended."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--from", type=int, default=1, dest="first", help="number of the first to run (default 1)"
    )
    asked = parser.parse_args()
    lost = [
        mutant
        for mutant in MUTANTS
        if mutant.old not in (ROOT / "src/identity" / mutant.file).read_text(encoding="utf-8")
    ]
    for mutant in lost:
        print(f"{mutant.breaks}: its text is no longer in {mutant.file}")
    survived = 0
    for number, mutant in enumerate(MUTANTS, 1):
        if number >= asked.first and mutant not in lost:
            is_caught = caught(mutant)
            survived += not is_caught
            print(f"{number:2} {'caught  ' if is_caught else 'SURVIVED'} {mutant.breaks}", flush=True)
    print(f"{len(MUTANTS)} mutants, {survived} survived, {len(lost)} lost")
    sys.exit(bool(survived or lost))


if __name__ == "__main__":
    main()
