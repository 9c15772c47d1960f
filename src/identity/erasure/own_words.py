"""What a warehouse says whoever is in it: words of the program and of what it writes with, taken for nobody's."""

import ast
from collections.abc import Iterator
from importlib.resources import files as resources
from pathlib import Path
from typing import Final

from identity import quality
from identity.contracts import contract_of
from identity.erasure.scan import texts
from identity.pages.page import GOOD, Figure, bars, write_page
from identity.quality_docs import CheckResult, expectations_of
from identity.run import Run
from identity.tables import Tables, forget_history

_FOLDER: Final = "nobody"  # below staging


def own_words(run: Run) -> list[str]:
    """Texts of the program, of its configuration, and of a table, a page and Data Docs that tell of nobody."""
    return [*_program(), repr(run.config), *_written(run)]


def _program() -> Iterator[str]:
    for path in sorted(Path(str(resources("identity"))).rglob("*")):
        if path.suffix == ".py":
            yield _code(path.read_text(encoding="utf-8"))
        elif path.suffix in (".yaml", ".j2"):
            yield path.read_text(encoding="utf-8")


def _code(source: str) -> str:
    """A module without comments and docstrings: they are never written, and may tell of somebody made up."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
    return ast.unparse(tree)


def _written(run: Run) -> list[str]:
    """Everything that a table's log and footers, a page and Data Docs say of themselves."""
    folder = run.config.warehouse / "staging" / _FOLDER
    publication = {"publication_no": 1, "run_id": "", "published_for": run.on, "versions": {"": 1}}
    Tables(run.tables.spark, folder).append_rows([publication], contract_of("ops.publication"))
    forget_history(folder)
    rows = [{"name": "", "count": 1}]
    chart = bars(rows, "name", "count", "name", {"": GOOD})
    write_page(
        folder / "page.html", title="", subtitle="", tiles=[("", "")], figures=[Figure("", "", rows, chart)]
    )
    kpi = contract_of("gold.consent_kpi")
    checks = [
        CheckResult("gold", kpi.name, e, ok, 1, int(not ok))
        for e in expectations_of(kpi)
        for ok in (True, False)
    ]
    quality.write_docs(results=checks, folder=folder / "data_docs", title="")
    found = [text for path in sorted(folder.rglob("*")) if path.is_file() for text in texts(path)]
    run.tables.clear_staging(_FOLDER)
    return found
