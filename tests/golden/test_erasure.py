"""Three persons of the sample world are erased: a plain search finds nothing of them, and others keep what they had."""

import csv
import datetime as dt
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from identity.cli import main
from identity.config_reading import load_config
from identity.contracts import TableContract, contract_of
from identity.erasure import erase as erase_module
from identity.erasure.erase import erase
from identity.erasure.own_words import own_words
from identity.erasure.plan import load_plan, plan_file
from identity.erasure.scan import texts
from identity.errors import UnknownRecordError
from identity.rights.export import export
from identity.rights.persons import find
from identity.rights.requests import receive, requests
from identity.run import Run
from identity.standardise.identifiers import hash_key, hash_of
from identity.tables import Mode, Tables, append_at
from tests.golden.conftest import ROOT, SECOND, World
from tests.golden.test_rights_change import CONF, NEW_EMAIL, THIRD, ask, changed, four, put_right, redeliver

pytestmark = pytest.mark.long

KEY = ["source", "source_key"]
MEMBERS = "data_samples/world/landing/2026-01-31/loyalty/members.csv"


def members(world: World) -> pd.DataFrame:
    rows = world.frame("id.golden_member")
    return rows[rows["valid_to_on"].isna()].set_index(KEY)[["golden_id", "part"]]


def plain_texts(*roots: Path) -> Iterator[tuple[Path, str]]:
    """Everything, unpacked and printed: slow, and nothing that the scan itself uses."""
    for path in (p for root in roots for p in root.rglob("*") if p.is_file()):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield path, data.decode("utf-8", errors="ignore").lower()
        if path.suffix == ".parquet":
            yield path, str(pq.read_table(path).to_pylist()).lower()


def left_of(values: Iterable[str], *roots: Path) -> set[tuple[str, str]]:
    """Values that stand somewhere else than on the suppression list, each with the file's name."""
    sought = set(values)
    return {
        (path.name, value)
        for path, text in plain_texts(*roots)
        if "suppression" not in path.parts
        for value in sought
        if value in text
    }


def erased(
    world: World, *identifiers: str, requests: Sequence[str] = (), on: dt.date = SECOND
) -> dict[str, object]:
    config = load_config(ROOT / "conf/local.yaml", landing=world.landing, warehouse=world.warehouse)
    run = Run(config, world.tables, on, config.secret(), Console(file=world.said, width=200))
    return erase(run, identifiers, requests=requests)[-1]


def delivered_but_not_taken(world: World, contact_id: str) -> tuple[Path, Path, str]:
    """Files of the day after: her again, a stranger of her name, her phone alone, and a receipt with her e-mail alone."""
    delivered = (world.landing / "2026-01-31/crm/contacts.jsonl").read_text(encoding="utf-8")
    hers = next(json.loads(line) for line in delivered.splitlines() if f'"{contact_id}"' in line)
    stranger = {
        **dict.fromkeys(hers),
        **{n: hers[n] for n in ("first_name", "last_name")},
        "contact_id": "C9",
    }
    namesake = json.dumps(stranger, ensure_ascii=False)
    contacts = world.landing / "2026-02-02/crm/contacts.jsonl"
    contacts.parent.mkdir(parents=True)
    phone = "+358 (0)" + hers["phones"][0].removeprefix("0").replace(" ", "-")
    spelled = json.dumps({**dict.fromkeys(hers), "contact_id": "C8", "phones": [phone]})
    contacts.write_text("\n".join([json.dumps(hers), namesake, spelled, ""]), encoding="utf-8")
    receipts = world.landing / "2026-02-02/tills/receipt_lines.csv"
    receipts.parent.mkdir()
    header = (
        (world.landing / "2026-01-31/tills/receipt_lines.csv").read_text(encoding="utf-8").splitlines()[0]
    )
    told = {"receipt_id": "R", "line_no": "1", "net_amount": "9.90", "e_receipt_email": hers["emails"][0]}
    line = ",".join(told.get(column, "") for column in header.split(","))
    receipts.write_text(f"{header}\n{line}\n", encoding="utf-8")
    return contacts, receipts, namesake


def refuser_with_a_card(world: World) -> tuple[str, str]:
    """A member who may not be joined, and a payment card that was only ever used with her loyalty card."""
    rows = world.frame("id.golden_member")
    barred = rows[rows["valid_to_on"].isna() & (rows["link_permission"] == "barred")]
    sold = world.frame("silver.sale_line").dropna(subset=["payment_token"])
    of_one = sold.fillna({"member_no": ""}).groupby("payment_token")["member_no"].agg(set)
    of_one = of_one[of_one.map(len) == 1].map(min)
    found = of_one[of_one.isin(set(barred[barred["source"] == "loyalty"]["source_key"]))]
    return str(found.iloc[0]), str(found.index[0])


def test_persons_leave_and_all_others_stay(copied: World):
    before, sales = members(copied), copied.frame("gold.purchase_fact")
    by_source = before.reset_index().groupby(["golden_id", "part"])["source"].agg(set)
    # Somebody whom every channel knows, somebody whom the register alone knows, and the first persona.
    wide = by_source[by_source.map({"loyalty", "tills", "web_events", "cookie"}.issubset)].index[0]
    narrow = by_source[by_source.map(lambda s: s == {"crm"})].index[0]
    first = tuple(before.loc[("crm", "C00000001")])
    parts = pd.Series(list(zip(before["golden_id"], before["part"], strict=True)), index=before.index)
    # And somebody who refused to be joined, whose payment card is known by her receipts alone.
    member, card = refuser_with_a_card(copied)
    refused = tuple(before.loc[("loyalty", member)])
    # And a member whose number stands on the contact of somebody else, too, who may not be joined.
    mentioned, contact = "M20720016", "C99181553"
    persons = (wide, narrow, first, refused, tuple(before.loc[("loyalty", mentioned)]))
    assert tuple(before.loc[("crm", contact)]) not in persons
    theirs = set(before.index[parts.isin(persons)])
    one_each = [
        "record=" + ":".join(min(r for r in theirs if tuple(before.loc[r]) == p and r[0] != "cookie"))
        for p in persons
    ]
    identifiers = copied.frame("silver.identifier")
    is_theirs = pd.Series([*zip(identifiers["source"], identifiers["source_key"], strict=True)]).isin(theirs)
    alone = set(identifiers[is_theirs]["value_hmac"]) - set(identifiers[~is_theirs]["value_hmac"])
    values = set(identifiers[identifiers["value_hmac"].isin(alone)]["value"].str.lower()) | {
        k.lower() for _, k in theirs if k != mentioned
    }
    values.add(card)

    contacts, receipts, namesake = delivered_but_not_taken(copied, "C00000001")

    # She had asked before, and is erased: the register keeps that somebody asked. Of others it goes on telling who.
    stranger = str(before[~before["golden_id"].isin({p[0] for p in persons})]["golden_id"].min())
    for name, golden_ids in {"R-0": (first[0],), "R-00": (first[0], stranger), "R-000": (stranger,)}.items():
        receive(copied.warehouse, name, "access", golden_ids, SECOND)

    # What is said by her number is her word, though the contact carries it too; what the contact said stays.
    key = hash_key(load_config(CONF).secret())
    said = {n: hash_of(n, v, key=key) for n, v in (("loyalty_member", mentioned), ("crm_contact", contact))}
    about = {"purpose": "marketing.post", "value": "n", "basis": "objection", "said_on": SECOND}
    at = {"asserted_at": dt.datetime(2026, 1, 15, tzinfo=dt.UTC), "request_id": "R-2"}
    statements = [
        {
            "event_key": h[:32],
            "subject_namespace": n,
            "subject_hmac": h,
            "contact_point_hmac": None,
            **about,
            **at,
        }
        for n, h in said.items()
    ]
    append_at(copied.warehouse, statements, contract_of("consent.statement"))
    heard = {"source": "crm", "source_key": contact, "since_on": SECOND, "reached_on": SECOND}
    heard |= {"namespace": "loyalty_member", "value_hmac": said["loyalty_member"]}
    append_at(copied.warehouse, [heard], contract_of("consent.carried_refusal"))

    told = erased(copied, *one_each, requests=["R-1"])

    assert list(copied.frame("consent.statement")["subject_hmac"]) == [said["crm_contact"]]
    assert said["loyalty_member"] not in set(copied.frame("consent.carried_refusal")["value_hmac"])
    asked = {row["request_id"]: list(row["golden_ids"]) for row in requests(copied.warehouse)}
    assert asked == {"R-0": [], "R-00": [stranger], "R-000": [stranger], "R-1": []}
    registers = [(path, text) for path, text in plain_texts(copied.warehouse / "ops/subject_request")]
    assert any(stranger in text for _, text in registers)
    assert not any(first[0] in text for _, text in registers)
    assert contacts.read_text(encoding="utf-8").splitlines() == ["", namesake, ""]
    assert receipts.read_text(encoding="utf-8").splitlines()[1].endswith(",,")
    assert (told["persons"], told["residue"], plan_file(copied.warehouse).exists()) == (5, 0, False)
    assert len(values) > 15
    assert left_of(values, copied.warehouse, copied.landing) == set()
    assert left_of(alone, copied.warehouse) == set()
    after = members(copied)
    assert theirs.isdisjoint(after.index)
    shared = before["golden_id"].isin({before.loc[r, "golden_id"] for r in theirs})
    others = before[~shared]
    # A device that only their lines told of was an id of its own; it is theirs and goes.
    gone = others.index.difference(after.index)
    assert {source for source, _ in gone} <= {"cookie", "mobile_id", "tills"}
    listed_now = set(copied.frame("consent.suppression")["value_hmac"])
    assert ("tills", card) in gone
    assert {k if s != "tills" else hash_of("payment_token", k, key=key) for s, k in gone} <= listed_now
    stay = others.drop(gone)
    assert after.loc[stay.index, "golden_id"].equals(stay["golden_id"])
    now = copied.frame("gold.purchase_fact")
    keys = ["receipt_id", "line_no", "net_amount", "product_group"]
    assert now[keys[:3]].equals(sales[keys[:3]])
    assert set(now["golden_id"].dropna()).isdisjoint({p[0] for p in persons} - set(after["golden_id"]))
    # The blanked files are no new deliveries, and an old line does not bring anybody back.
    assert copied.run(SECOND)["is_repeat"]
    with pytest.raises(UnknownRecordError):
        erased(copied, "record=crm:C00000001")
    assert erased(copied, *one_each, requests=["R-1"]) == told  # asked again: the same answer
    with pytest.raises(UnknownRecordError):
        erased(copied, *one_each, requests=["R-2"])
    with pytest.raises(UnknownRecordError):  # the contact that names her number is not meant by it
        erased(copied, f"loyalty_member={mentioned}")
    with pytest.raises(UnknownRecordError):
        erased(copied, "phone=no number at all")
    original = (ROOT / "data_samples/world/landing/2026-01-31/crm/contacts.jsonl").read_text(encoding="utf-8")
    line = next(text for text in original.splitlines() if '"C00000001"' in text)
    mentions = next(text for text in original.splitlines() if f'"{contact}"' in text)
    assert mentioned in mentions
    (copied.landing / "2026-02-01/crm/contacts_again.jsonl").write_text(
        f"{line}\n{mentions}\n", encoding="utf-8"
    )
    # Of her own line nothing is left that says whose it is but the number.
    header, *of_members = (ROOT / MEMBERS).read_text(encoding="utf-8").splitlines()
    row = dict(zip(header.split(","), next(csv.reader(r for r in of_members if mentioned in r)), strict=True))
    (copied.landing / "2026-02-01/loyalty/members_again.csv").write_text(
        f"{header}\n{','.join({**row, 'email': '', 'phone': ''}.values())}\n", encoding="utf-8"
    )
    copied.run(SECOND)
    now_known = members(copied).index
    assert {("crm", "C00000001"), ("loyalty", mentioned)}.isdisjoint(now_known)
    assert ("crm", contact) in now_known
    files = copied.frame("ops.file").query("status == 'taken'")
    of_again = files[files["file"].str.contains("_again")].groupby("source")
    assert dict(of_again["suppressed"].sum()) == {"crm": 1, "loyalty": 1}
    assert dict(of_again["accepted"].sum()) == {"crm": 1, "loyalty": 0}


def test_what_the_source_deleted_before_is_hers_too(copied: World):
    before, identifiers = members(copied).reset_index(), copied.frame("silver.identifier")
    first = before[before["source_key"] == "C00000001"].iloc[0]
    hers = before[(before["golden_id"] == first["golden_id"]) & (before["part"] == first["part"])]
    assert "M00000001" in set(hers["source_key"])
    lone = before.groupby("golden_id").filter(lambda of_id: list(of_id["source"]) == ["crm"])
    mails = identifiers[identifiers["namespace"] == "email"]
    known = str(min(set(lone["source_key"]) & set(mails["source_key"])))
    keys = {"C00000001", known}
    theirs = set(hers["source_key"]) | keys
    carried = identifiers[(identifiers["source"] == "crm") & identifiers["source_key"].isin(keys)]
    others = set(identifiers[~identifiers["source_key"].isin(theirs)]["value_hmac"])
    alone = carried[~carried["value_hmac"].isin(others)]
    assert {"email", "crm_contact"} <= set(alone["namespace"])
    # On the third day the register deletes both; she is known by her membership alone then, and the other by nothing.
    redeliver(copied, "M00000001")
    lines = (copied.landing / "2026-02-01/crm/contacts.jsonl").read_text(encoding="utf-8").splitlines()
    tombstone = next(each for each in map(json.loads, lines) if each["deleted"])
    told = [
        json.dumps({**tombstone, "contact_id": k, "updated_at": f"{THIRD}T08:00:00Z"}) for k in sorted(keys)
    ]
    (copied.landing / THIRD.isoformat() / "crm").mkdir()
    (copied.landing / THIRD.isoformat() / "crm/contacts.jsonl").write_text(
        "\n".join(told) + "\n", encoding="utf-8"
    )
    copied.run(THIRD)
    assert keys.isdisjoint(key for _, key in members(copied).index)
    bronze = copied.frame("bronze.crm")
    config = load_config(CONF, landing=copied.landing, warehouse=copied.warehouse)
    named = {"C00000001": "loyalty_member=M00000001", known: f"crm_contact={known}"}

    for key, text in named.items():
        subject = find(config, [text], key=config.secret(), with_deleted=True)
        shown = export(copied.tables, config, subject, key=config.secret(), on=THIRD)
        delivered = [row["record"] for row in shown["delivered"] if row["source"] == "crm"]
        contacts = {"C00000001": set(hers[hers["source"] == "crm"]["source_key"])}.get(key, {key})
        assert {record["contact_id"] for record in delivered} == contacts
        is_theirs = bronze["record"].map(lambda record: json.loads(record)["contact_id"] in contacts)  # noqa: B023
        assert len(delivered) == is_theirs.sum() > 1
        assert key in {row["source_key"] for row in shown["memberships"]}

    done = erased(copied, *named.values(), on=THIRD)

    assert (done["persons"], done["residue"]) == (2, 0)
    values = {value.lower() for value in alone["value"]} | {key.lower() for key in keys}
    assert left_of(values, copied.warehouse, copied.landing) == set()
    assert set(alone["value_hmac"]) <= set(copied.frame("consent.suppression")["value_hmac"])
    for name in ("id.golden_member", "id.golden_history"):
        assert keys.isdisjoint(copied.frame(name)["source_key"])
    with pytest.raises(UnknownRecordError):
        erased(copied, f"crm_contact={known}", on=THIRD)


def test_what_pages_and_logs_say_is_the_programs_or_was_delivered(copied: World):
    def words(texts_of: Iterable[str]) -> set[str]:
        found = {word.casefold() for text in texts_of for word in re.findall(r"[^\W\d_]{4,}", text)}
        return {word for word in found if len(word) < 16}  # not the digests and packed schemas among them

    config = load_config(CONF, landing=copied.landing, warehouse=copied.warehouse)
    run = Run(config, copied.tables, SECOND, config.secret(), Console(file=copied.said))
    known = words(own_words(run)) | words(text for _, text in plain_texts(copied.landing))
    pages = [
        path
        for folder in ("reports", "data_docs", "logs")
        for path in (copied.warehouse / folder).rglob("*")
        if path.is_file()
    ]
    assert len(pages) > 30
    said = words(text for path in pages for text in texts(path))
    assert len(said) > 200
    assert said - known <= {"validations"}


def test_what_a_person_had_asked_for_and_what_went_out_goes_with_her(
    copied: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    person = four(copied)[0]
    sent = ["--purpose", "marketing.email", "--recipient", "post", "--out", str(tmp_path / "mails.csv")]
    told = ["--conf", str(CONF), "--warehouse", str(copied.warehouse), "--run-date", SECOND.isoformat()]
    with pytest.raises(SystemExit) as ended:
        main(["audience", *sent, *told])
    assert ended.value.code == 0
    log = copied.frame("ops.data_use_log")
    # Somebody else's went to a printer, who need not be told of her.
    elsewhere = log[log["golden_id"] != person].head(1).assign(use_id="other", recipient="printer")
    append_at(copied.warehouse, elsewhere.to_dict("records"), contract_of("ops.data_use_log"))
    assert len(copied.frame("ops.data_use_log").query("golden_id == @person").dropna()) > 0
    assert put_right(copied, person, {"birth_date": "17.5.1980", "email": NEW_EMAIL}) > 0
    for verb, *options in (["restrict", "--reason", "contested"], ["object"]):
        assert ask(copied, verb, person, *options) == 0
        assert changed(capsys) > 0
    assert ask(copied, "restrict", person, "--lift") == 0
    copied.run(SECOND, again=True)
    key = hash_key(load_config(CONF).secret())
    records = {tuple(r) for r in members(copied).query("golden_id == @person").index}
    assert NEW_EMAIL in set(copied.frame("silver.correction")["value"])

    done = erased(copied, f"golden_id={person}")

    assert (done["persons"], done["residue"], done["recipients_to_tell"]) == (1, 0, ["post"])
    used = copied.frame("ops.data_use_log").query("golden_id == @person")
    assert len(used) > 0
    assert used["contact_point_hmac"].isna().all()
    for name in ("silver.correction", "consent.restriction", "consent.carried_refusal"):
        rows = copied.frame(name)
        assert records.isdisjoint(zip(rows["source"], rows["source_key"], strict=True)), name
    assert hash_of("email", NEW_EMAIL, key=key) not in set(copied.frame("silver.identifier")["value_hmac"])
    assert copied.frame("consent.statement").empty
    texts = [
        (path, text) for path, text in plain_texts(copied.warehouse, copied.landing) if NEW_EMAIL in text
    ]
    assert texts == []
    # What she had put right is hers too: whoever brings it again is not taken in.
    assert hash_of("email", NEW_EMAIL, key=key) in set(copied.frame("consent.suppression")["value_hmac"])


class Died(BaseException):
    """What kill -9 leaves behind: nothing after it is done."""


def test_an_erasure_that_dies_after_every_step_is_finished_by_the_next_start(
    copied: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start does one step and dies before it is noted down; the last but one within the commit of the id tables."""
    # Without her, another record joins somebody: what the ledger tells changes with the memberships, or does not fit them.
    who, other = "record=loyalty:M51831376", ("crm", "C77180519")
    before = members(copied)
    person = tuple(before.loc[("loyalty", "M51831376")])
    theirs = set(before.index[[tuple(row) == person for row in before.to_numpy()]])
    ids_and_keys = copied.frame("silver.identifier").set_index(KEY)["value_hmac"]
    carried = set(ids_and_keys[ids_and_keys.index.isin(theirs)])
    alone = carried - set(ids_and_keys[~ids_and_keys.index.isin(theirs)])

    def dies(module: ModuleType, name: str) -> None:
        done = getattr(module, name)

        def and_dies(*given: object) -> None:
            done(*given)
            raise Died

        with monkeypatch.context() as patched:
            patched.setattr(module, name, and_dies)
            with pytest.raises(Died):
                erased(copied, who)

    states = []
    for name in ("_suppress", "rewrite_landing", "rewrite_tables"):
        dies(erase_module, name)
        plan = load_plan(copied.warehouse)
        assert plan is not None
        states.append(plan.state)
    assert states == ["planned", "suppressed", "landing"]

    commit, committed = Tables.commit, list[str]()

    def once(tables: Tables, contracts: Iterable[TableContract], *, mode: Mode = "overwrite") -> None:
        some = list(contracts)
        if any(c.name == "id.golden_history" for c in some):
            raise Died
        commit(tables, some, mode=mode)
        committed.extend(c.name for c in some)

    with monkeypatch.context() as patched:
        patched.setattr(Tables, "commit", once)
        with pytest.raises(Died):
            erased(copied, who)
    assert "id.golden_member" in committed
    assert (copied.warehouse / "staging/commit.json").is_file()
    for name in ("_publish", "_purge", "write_certificate"):
        dies(erase_module, name)

    told = erased(copied, who)

    assert (told["persons"], told["residue"], plan_file(copied.warehouse).exists()) == (1, 0, False)
    assert told["counts"]["silver.person_record"] > 0
    assert left_of(alone, copied.warehouse) == set()
    after = members(copied)
    assert theirs.isdisjoint(after.index)
    assert after.loc[other, "golden_id"] != before.loc[other, "golden_id"]
    rows = copied.frame("id.golden_history")
    assert rows["event_id"].is_unique
    assert copied.run(SECOND)["is_repeat"]
    assert erased(copied, who) == told  # the same question again, and nothing is done


def test_a_text_of_somebody_else_does_not_keep_what_it_says_of_her(copied: World) -> None:
    mails = copied.frame("silver.identifier").query("namespace == 'email' and value.str.contains('@')")
    holders = mails.groupby("value")["source_key"].agg(set)
    keys = set(members(copied).query("golden_id == golden_id").loc["crm"].index)
    mail, key = next(
        (mail, min(who)) for mail, who in sorted(holders.items()) if len(who) == 1 and who <= keys
    )
    other = json.loads(
        (copied.landing / "2026-01-31/crm/interactions.jsonl").read_text(encoding="utf-8").splitlines()[0]
    )
    note = {**other, "interaction_id": "I-other", "free_text": f"please write to {mail} instead"}
    path = copied.landing / "2026-02-01/crm/interactions_late.jsonl"
    path.write_text(json.dumps(note) + "\n", encoding="utf-8")
    logged = copied.landing / "2026-02-01/web_log/access_late.log"
    lines = (copied.landing / "2026-01-31/web_log/access.log").read_text(encoding="utf-8").splitlines()
    line = re.sub(r'"GET [^"]*"', f'"GET /unsubscribe?email={mail.replace("@", "%40")} HTTP/1.1"', lines[0])
    logged.parent.mkdir(parents=True, exist_ok=True)
    logged.write_text(re.sub(r'"[^"]*"$', '"-"', line) + "\n", encoding="utf-8")
    copied.run(SECOND)
    taken = copied.frame("ops.file").query("status == 'taken'").set_index("file")["accepted"]
    assert [
        taken[f"2026-02-01/{name}"] for name in ("crm/interactions_late.jsonl", "web_log/access_late.log")
    ] == [1, 1]

    told = erased(copied, f"record=crm:{key}")

    assert (told["residue"], told["counts"]["texts of others that named them"]) == (0, 2)
    assert left_of([mail, mail.replace("@", "%40")], copied.warehouse, copied.landing) == set()
    left = json.loads(path.read_text(encoding="utf-8"))
    assert left == {name: value for name, value in note.items() if name != "free_text"}
    assert "I-other" in set(copied.frame("silver.interaction")["interaction_id"])
