"""What the docs say and the code knows better: the tables, the exit codes, and links between pages."""

import importlib.util
import re
from pathlib import Path

import pytest

from identity import errors

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_the_tables_page_is_current():
    spec = importlib.util.spec_from_file_location("generate_tables", ROOT / "docs/generate_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text(encoding="utf-8") == module.render(), (
        "run `python docs/generate_tables.py`"
    )


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
