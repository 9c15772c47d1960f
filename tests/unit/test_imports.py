"""Who may import whom: read from the source, so that a shortcut shows in review as a line of this file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src/identity"

ROOMS = ("sources", "standardise", "resolve", "consent", "profile", "publish")
# At the bottom: they know nothing of ours but each other.
BASE = {"identity.contracts", "identity.config", "identity.errors"}
# The linkage engine: knows the base alone, no Spark and no tables; resolution and `identity link` run it.
ENGINE = "identity.linkage"
# At the top: they know tables, sessions and gates, and hand frames to the rooms.
TOP = (
    "stages",
    "pipeline",
    "cli",
    "pages",
    "audience",
    "churn",
    "erasure",
    "evaluate",
    "forget",
    "health",
    "health_warnings",
    "keys",
    "left_alone",
    "link",
    "rehash",
    "retention",
    "review",
    "rights",
    "rotation",
    "summary",
    "suppression",
    "training",
    "run",
    "why",
    "why_tables",
    "jobs",
)
SHELL = {"identity.tables", "identity.session", "identity.quality"}
# What a room may know of another.
EXCEPTIONS = {
    # keyed hashes: golden ids and touchpoint ids are made of them
    ("identity.resolve.golden_id", "identity.standardise.identifiers"),
    ("identity.profile.touchpoints", "identity.standardise.identifiers"),
    # gate U reads decisions, and with them the word for "the person, not one contact point"
    ("identity.publish.purposes", "identity.consent.decide"),
}
# Vendors that one place alone may know.
VENDORS = {
    "great_expectations": ("identity.quality",),
    "splink": ("identity.linkage",),
    "duckdb": ("identity.linkage",),
    "delta": ("identity.delta", "identity.session"),
    "deltalake": ("identity.delta",),
    "identity.delta": ("identity.tables",),
}


def module_of(path: Path) -> str:
    if path.is_relative_to(SRC):
        return ".".join(path.relative_to(SRC.parent).with_suffix("").parts).removesuffix(".__init__")
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


MODULES = {module_of(path): path for path in sorted([*SRC.rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])}


def imports(path: Path, modules: dict[str, Path] = MODULES) -> set[str]:
    """All modules a file imports, wherever in it; `from identity.resolve import devices` imports the module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & set(modules) or {str(node.module)}
    return found


IMPORTS = {name: imports(path) for name, path in MODULES.items()}


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def ours(module: str) -> set[str]:
    return {name for name in IMPORTS[module] if within(name, "identity")}


def test_all_modules_are_read():
    assert {"identity.config", "identity.resolve.edges", "identity.stages.resolve"} <= set(MODULES)
    assert (
        "identity.resolve.golden_id" in IMPORTS["identity.stages.resolve"]
    )  # by `from identity.resolve import …`
    assert "great_expectations" in IMPORTS["identity.quality"]  # within a function


@pytest.mark.parametrize("module", sorted(BASE))
def test_the_base_knows_only_itself(module: str):
    assert ours(module) <= BASE


@pytest.mark.parametrize(
    "module", [name for name in MODULES if within(name, *(f"identity.{r}" for r in ROOMS))]
)
def test_a_room_knows_the_base_itself_and_no_other_room(module: str):
    room = ".".join(module.split(".")[:2])
    beyond = {name for name in ours(module) if not within(name, room, *BASE)}
    if room == "identity.resolve":
        beyond = {name for name in beyond if not within(name, ENGINE)}
    assert beyond == {name for of, name in EXCEPTIONS if of == module}


@pytest.mark.parametrize("module", [name for name in MODULES if within(name, ENGINE)])
def test_the_engine_knows_the_base_and_itself(module: str):
    assert not {name for name in ours(module) if not within(name, ENGINE, *BASE)}
    assert not {name for name in IMPORTS[module] if within(name, "pyspark")}


def test_exceptions_are_still_needed():
    assert {(of, name) for of, name in EXCEPTIONS if name not in IMPORTS[of]} == set()


@pytest.mark.parametrize("module", MODULES)
def test_only_the_top_knows_tables_sessions_and_gates(module: str):
    if within(module, *(f"identity.{name}" for name in TOP), "jobs", *SHELL):
        return
    assert not {name for name in IMPORTS[module] if within(name, *SHELL)}


@pytest.mark.parametrize("module", sorted(SHELL))
def test_tables_sessions_and_gates_do_not_know_each_other_nor_the_rooms(module: str):
    above = {*SHELL - {module}, *(f"identity.{name}" for name in (*ROOMS, *TOP))}
    assert not {name for name in IMPORTS[module] if within(name, *above)}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_is_known_in_its_place_only(vendor: str):
    users = {module for module, names in IMPORTS.items() if any(within(name, vendor) for name in names)}
    assert users
    assert {module for module in users if not within(module, *VENDORS[vendor])} == set()


def test_nothing_goes_round_in_circles():
    seen: dict[str, bool] = {}  # False while on the way, True when done

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert seen.get(module, True), " → ".join((*way, module))
        if module in seen:
            return
        seen[module] = False
        for name in sorted(ours(module) & set(MODULES)):
            visit(name, (*way, module))
        seen[module] = True

    for module in MODULES:
        visit(module, ())
