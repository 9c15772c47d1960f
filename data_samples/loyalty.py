"""The loyalty register: members, household accounts, cards and the permissions they gave."""

import numpy as np

from data_samples.arrays import Column, Frame, Mask, World, chance, nothing, pick, some, stack, take
from data_samples.block import Block
from data_samples.people import B2B, CUSTOMER
from data_samples.records import write_records
from data_samples.registers import Life, live, versions
from data_samples.traps import in_records, trap

LINK = "YHD"
OTHERS = ("ANA", "PER", "EM", "SMS", "PUH", "POS", "MAI", "KEH")
ANSWERS, ANSWER_WEIGHTS = ("K", "E", "T", "O", "P", "V"), (0.52, 0.26, 0.1, 0.07, 0.03, 0.02)
PLACES, PLACE_WEIGHTS = ("store", "web", "app", "contact_centre", "form"), (0.4, 0.25, 0.15, 0.1, 0.1)
NOTICES, NOTICE_WEIGHTS = ("2024-1", "2025-1", "2025-2"), (0.2, 0.35, 0.45)
BENEFITS = ("discount", "service", "information")


def loyalty(block: Block) -> tuple[World, Column]:
    """The register's tables, and for each person the number of the card in use (None without)."""
    keys, rng, calendar, people, rates = block.keys, block.rng, block.calendar, block.people, block.rates
    who = np.flatnonzero(people.traces.member)
    member_no = keys.text("member", "M", people.index[who], 8)
    written = write_records(rng, people, who, rates.loyalty_record, keeps_old_numbers=True)
    life = live(block, people.subject[who] == CUSTOMER)
    joined = calendar.start - rng.integers(40, 4000, size=len(who)).astype("timedelta64[D]")
    joined = np.where(life.first > 0, calendar.start + life.first.astype("timedelta64[D]"), joined)
    rows = {
        "member_no": member_no,
        **written.fields,
        "member_kind": np.where(people.subject[who] == B2B, CUSTOMER, people.subject[who]),
        "joined_on": joined,
    }
    members = versions(block, "member_no", rows, written.current, life)
    accounts, cards = accounts_and_cards(block, member_no, joined, life)
    consents = permissions(block, member_no, life)
    in_use = nothing(len(people))
    in_use[who] = keys.text("card", "L", people.index[who], 10)
    person = people.person_id[who]
    traps = in_records(written.traps, person, "loyalty", member_no) + in_records(
        {"corrected_day2": life.corrected >= 0, "deleted_day2": life.deleted >= 0},
        person,
        "loyalty",
        member_no,
    )
    owner = dict(zip(member_no, person, strict=True))
    withdrew = consents["member_no"][(consents["delivery"] > 0) & np.isin(consents["answer"], ("P", "V"))]
    traps.append(
        trap("consent_withdrawn", np.array([owner[m] for m in withdrew], object), None, "loyalty", withdrew)
    )
    world = {
        "members": members,
        "accounts": accounts,
        "cards": cards,
        "consents": consents,
        "person_of_record": {
            "source": np.full(len(who), "loyalty", dtype=object),
            "source_key": member_no,
            "person_id": person,
        },
        "trap": stack(traps),
    }
    return world, in_use


def accounts_and_cards(block: Block, member_no: Column, joined: Column, life: Life) -> tuple[Frame, Frame]:
    """A household's first member opens an account; later ones join it or open their own."""
    keys, rng, calendar, people, rates = block.keys, block.rng, block.calendar, block.people, block.rates
    who = np.flatnonzero(people.traces.member)
    household = people.homes.household[who]
    _, first = np.unique(household, return_index=True)
    holder = np.repeat(first, np.diff(np.r_[first, len(who)]))
    parallel = (holder != np.arange(len(who))) & chance(rng, len(who), rates.parallel_holder)
    parallel &= life.first[holder] <= life.first
    account = keys.text("account", "A", people.index[who], 8)
    opened = np.minimum(joined, calendar.start)
    accounts = {
        "account_no": account,
        "tier": pick(rng, ("basic", "silver", "gold"), len(who), (0.7, 0.22, 0.08)),
        "opened_on": np.where(life.first > 0, joined, opened),
        "updated_at": calendar.before_delivery(rng, life.first, 900),
        "delivery": life.first,
    }
    card = {
        "card_no": keys.text("card", "L", people.index[who], 10),
        "account_no": np.where(parallel, account[holder], account),
        "member_no": member_no,
        "holder_role": np.where(parallel, "parallel", "principal").astype(object),
        "issued_on": joined,
        "closed_on": np.full(len(who), np.datetime64("NaT"), dtype="datetime64[D]"),
        "delivery": life.first,
    }
    replaced = (life.first == 0) & chance(rng, len(who), rates.replaced_card)
    old = take(card, replaced)
    age = rng.random(int(replaced.sum())) * (calendar.start - old["issued_on"]).astype(int)
    old["card_no"] = keys.text("old card", "K", people.index[who[replaced]], 10)
    old["closed_on"] = old["issued_on"] + age.astype("timedelta64[D]")
    card["issued_on"] = card["issued_on"].copy()
    card["issued_on"][replaced] = old["closed_on"]
    return take(accounts, ~parallel), stack([card, old])


def permissions(block: Block, member_no: Column, life: Life) -> Frame:
    """Answers over time: combining is always asked, the rest often, and some people withdraw later."""
    rng, calendar, people, rates = block.rng, block.calendar, block.people, block.rates
    who = np.flatnonzero(people.traces.member)
    everyone = np.arange(len(who))
    yes = np.where(people.linking_open[who], rates.linking_yes_if_open[0], rates.linking_yes_if_not[0])
    refusal = pick(rng, ("E", "T", "O", "P"), len(who), (0.6, 0.15, 0.15, 0.1))
    asked = [answers(block, everyone, LINK, np.where(chance(rng, len(who), yes), "K", refusal))]
    for code in OTHERS:
        rows = np.flatnonzero(chance(rng, len(who), rates.permission_asked))
        asked.append(answers(block, rows, code, pick(rng, ANSWERS, len(rows), ANSWER_WEIGHTS)))
    standing = stack(asked)
    of = standing.pop("row")
    standing["delivery"] = life.first[of]
    standing["asserted_at"] = calendar.before_delivery(rng, standing["delivery"], 700)
    earlier_rows = (standing["delivery"] == 0) & chance(rng, len(of), rates.permission_earlier)
    earlier = take(standing, earlier_rows)
    earlier["answer"] = np.where(np.isin(earlier["answer"], ("E", "P", "V")), "K", "E").astype(object)
    earlier["asserted_at"] = earlier["asserted_at"] - np.timedelta64(400, "D")
    earlier["notice_version"][:] = NOTICES[0]
    numbers = [member_no[of], member_no[of][earlier_rows]]
    frames = [standing, earlier]
    if calendar.deliveries > 1:
        late, rows = withdrawals(block, who, life)
        frames.append(late)
        numbers.append(member_no[rows])
    return {"member_no": np.concatenate(numbers), **stack(frames)}


def answers(block: Block, rows: Column, code: str, answer: Column) -> Frame:
    """One answer for each row, with how it was asked."""
    rng, rates = block.rng, block.rates
    size = len(rows)
    shown = chance(rng, size, rates.benefit_shown)
    return {
        "row": rows,
        "permission": np.full(size, code, dtype=object),
        "answer": answer.astype(object),
        "asked_in": pick(rng, PLACES, size, PLACE_WEIGHTS),
        "notice_version": pick(rng, NOTICES, size, NOTICE_WEIGHTS),
        "benefit_shown": shown,
        "benefit_type": np.where(shown, pick(rng, BENEFITS, size), pick(rng, ("none", None), size)),
    }


def withdrawals(block: Block, who: Column, life: Life) -> tuple[Frame, Column]:
    """Withdrawn permissions and objections in later deliveries."""
    rng, calendar, people, rates = block.rng, block.calendar, block.people, block.rates
    may: Mask = (people.subject[who] == CUSTOMER) & (life.first == 0) & (life.deleted < 0)
    rows = np.flatnonzero(some(rng, may, rates.withdrawn))
    code = pick(rng, (LINK, "EM", "PER", "ANA"), len(rows), (0.4, 0.3, 0.15, 0.15))
    late = answers(
        block, rows, LINK, np.where((code == "EM") & chance(rng, len(rows), rates.objection), "V", "P")
    )
    late.pop("row")
    late["permission"] = code
    late["delivery"] = rng.integers(1, calendar.deliveries, size=len(rows))
    late["asserted_at"] = calendar.on_delivery(rng, late["delivery"])
    return late, rows
