"""What the docs say and the code knows better: the tables, the exit codes, and links between pages."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from identity import errors
from identity.config_reading import load_config
from identity.contracts import all_contracts

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
    for name, purpose in config.purposes.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert f"| {purpose.retention_days} |" in row
    for name, source in config.sources.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert source.owner in row
    personal = [c for c in all_contracts() if any(column.personal for column in c.columns.values())]
    assert len(personal) > 3
    assert all(f"| `{contract.name.replace('_source', '<source>')}` | " in page for contract in personal)


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
