"""What the docs say and the code knows better: the tables, the exit codes, and links between pages."""

import datetime as dt
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from identity import errors
from identity.config_reading import load_config
from identity.contracts import all_contracts
from identity.retention.registers import oldest_kept

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_page_is_current():
    module = generator("generate_tables")
    assert module.TARGET.read_text(encoding="utf-8") == module.render(), (
        "run `python docs/generate_tables.py`"
    )


def test_the_register_of_processing_is_current_and_whole():
    module = generator("generate_register")
    config = load_config(module.CONF, need_model=False)
    page = module.render(config)
    assert module.TARGET.read_text(encoding="utf-8") == page, "run `python docs/generate_register.py`"
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    for name, purpose in config.purposes.items():
        assert f"| {purpose.retention_days if purpose.profile else 'as the tables say'} |" in rows[name]
    for name, source in config.sources.items():
        assert source.owner in rows[name]
    personal = [c for c in all_contracts() if any(column.personal for column in c.columns.values())]
    tables = {c.name for c in personal} - {"bronze._source"} | {f"bronze.{name}" for name in config.sources}
    assert len(tables) > 9
    assert tables <= set(rows)


def test_the_register_states_the_days_that_maintenance_counts():
    module = generator("generate_register")
    config = load_config(module.CONF, need_model=False)
    rows = {
        line.split("`")[1]: line.split(" | ") for line in module.render(config).splitlines() if "` | " in line
    }
    on = dt.date(2030, 6, 1)
    for name, source in config.sources.items():
        told = rows[f"bronze.{name}"][-1]
        assert rows[name][-1] == told
        shorter = {feed: int(days) for feed, days in re.findall(r"`(\w+)` (\d+) days", told)}
        [days] = re.findall(r"^(\d+) days from delivery", told)
        for feed in source.feeds:
            assert (on - source.kept_from(feed, on)).days == shorter.get(feed, int(days)), (name, feed)
        for words, feeds in (
            ("newest state of", [n for n, f in source.feeds.items() if f.state_of]),
            ("statements of", [n for n, f in source.feeds.items() if f.statement]),
        ):
            of = re.findall(rf"{words} ([`\w, ]+?) (?:while|without)", told)
            assert of == ([", ".join(f"`{feed}`" for feed in feeds)] if feeds else []), (name, words)
    for contract in all_contracts():
        if contract.name in rows:
            days = [int(days) for days in re.findall(r"(\d+) days", rows[contract.name][-1])]
            is_counted = contract.ages_by is not None or contract.name == "silver.correction"
            assert days == ([(on - oldest_kept(contract, on)).days] if is_counted else [])
    assert rows["silver.person_record"][-1].startswith("as long as the lines it is made from")
    assert rows["silver.web_view"][-1] == "400 days by `occurred_at` |"


def test_the_tables_page_states_the_days_that_maintenance_counts():
    page = generator("generate_tables").render()
    told = dict(re.findall(r"^### `(.+?)`$.*?Retention: (.+?)\.$", page, re.MULTILINE | re.DOTALL))
    on = dt.date(2030, 6, 1)
    ages = {
        c.name: f"{(on - oldest_kept(c, on)).days} days by `{c.ages_by}`"
        for c in all_contracts()
        if c.ages_by
    }
    assert len(ages) > 9
    assert ages.items() <= told.items()
    assert {name for name in told if told[name] == "without end"} == {
        "silver.consent_event", "consent.carried_refusal", "consent.statement", "consent.suppression", "id.review_pair",
        "ops.key_rotation",
    }  # fmt: skip


def test_the_readme_tells_every_exit_code_as_the_code_does():
    rows = re.findall(
        r"^\| (\d+) \| `(\w+)` \| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    told = [(int(code), name, meaning) for code, name, meaning in rows]
    known = sorted(
        (error.exit_code, name, str(error.__doc__).strip())
        for name, error in vars(errors).items()
        if isinstance(error, type)
        and issubclass(error, errors.IdentityError)
        and error is not errors.IdentityError
    )
    assert told == known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_job_is_on_the_operations_page():
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    jobs = sorted(path.name for path in (ROOT / "jobs").glob("*.py"))
    assert [name for name in jobs if f"`{name}`" not in page and f"`jobs/{name}`" not in page] == []
