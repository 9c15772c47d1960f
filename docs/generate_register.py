"""Writes docs/register.md from `conf/` and the contracts: `python docs/generate_register.py`; prints nothing.

With `--conf FILE` of one's own it is that company's register, printed.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from identity.config import Config, SourceContract
from identity.config_reading import load_config
from identity.contracts import TableContract, all_contracts, purpose_table

TARGET: Final = Path(__file__).with_name("register.md")
CONF: Final = Path(__file__).parents[1] / "conf" / "local.yaml"
_TEMPLATE: Final = "{purpose}"
# One table a source.
_NAMES: Final = {"bronze._source": "bronze.<source>"}

_HEAD = """\
# Register of processing

What GDPR art. 30(1) asks for, as far as configuration and contracts know it. Generated from `conf/purposes.yaml`,
`conf/sources/*.yaml` and the contracts by `python docs/generate_register.py`; do not edit. This is the sample
retailer's; `python docs/generate_register.py --conf FILE` prints that of another configuration. To be added by hand:
name and contacts of the controller and the data protection officer.

Security (art. 32) is described in [privacy](privacy.md), who is told of what goes out in [audiences](audience.md).
How long rows stay is what the runs and `identity maintain` hold to ([retention](retention.md)); each table's own is in
[tables](tables.md). A purpose's profile counts no purchase, visit or complaint that is older than the purpose's days.
"""


def render(config: Config) -> str:
    """The whole page."""
    contracts = all_contracts()
    parts = [_HEAD, "## Purposes\n", _purposes(config, contracts), "## Sources\n", _sources(config)]
    parts += ["## Personal data by table\n", _tables(config, contracts)]
    return "\n".join(parts)


def _purposes(config: Config, contracts: Iterable[TableContract]) -> str:
    lines = [
        "| purpose | lawful basis (art. 6(1)) | data categories | counts back (days) | a yes lasts (days) | tables |"
    ]
    lines.append("|---|---|---|---|---|---|")
    articles = {
        "consent": "consent (a)",
        "contract": "contract (b)",
        "legitimate_interest": "legitimate interest (f)",
    }
    by_purpose = _by_purpose(contracts, config)
    for name, purpose in config.purposes.items():
        cells = (
            f"`{name}`", articles[purpose.basis], ", ".join(sorted(purpose.categories)),
            str(purpose.retention_days) if purpose.profile else "as the tables say",
            str(purpose.expires_days or ""), _code(by_purpose.get(name, ())),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        f"| `{name}` | what the engine itself keeps | | as the tables say | | {_code(by_purpose.get(name, ()))} |"
        for name in config.technical_purposes
    ]
    return "\n".join(lines) + "\n"


def _by_purpose(contracts: Iterable[TableContract], config: Config) -> Mapping[str, list[str]]:
    """Tables by the purposes of their columns; the profile's template stands for each purpose's own."""
    found: dict[str, list[str]] = {}
    for contract in contracts:
        named = {purpose for column in contract.columns.values() for purpose in column.purposes}
        for purpose in sorted(named):
            for one in config.profile_purposes if purpose == _TEMPLATE else (purpose,):
                found.setdefault(one, []).append(
                    purpose_table(one) if purpose == _TEMPLATE else _NAMES.get(contract.name, contract.name)
                )
    return found


def _sources(config: Config) -> str:
    lines = [
        "| source | what, and whose | owner | where; transfer basis | collected on | joined | asks for | lines kept |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, source in sorted(config.sources.items()):
        where = source.region + (f"; {source.transfer_basis}" if source.transfer_basis else "")
        asked = sorted({purpose for purposes in source.consent.codes.values() for purpose in purposes})
        cells = (
            f"`{name}`", source.meaning, source.owner, where, source.collection_basis.replace("_", " "),
            source.linkage, _code(asked), _kept_lines(source),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _kept_lines(source: SourceContract) -> str:
    """How long lines of a source stay in landing and in bronze."""
    told = [f"{source.retention_days} days from delivery"]
    shorter = {name: feed.retention_days for name, feed in source.feeds.items() if feed.retention_days}
    told += [f"`{name}` {days} days" for name, days in shorter.items()]
    told += [
        f"{words} of {_code(names)} {end}"
        for words, end, names in (
            (
                "newest state",
                "while the source stands by it",
                [n for n, f in source.feeds.items() if f.state_of],
            ),
            ("statements", "without end", [n for n, f in source.feeds.items() if f.statement]),
        )
        if names
    ]
    return "; ".join(told)


def _tables(config: Config, contracts: Iterable[TableContract]) -> str:
    lines = [
        "Tables with a column that is personal as such; all others are pseudonymous or about no person.",
        "",
    ]
    lines += ["| table | personal columns | categories | kept |", "|---|---|---|---|"]
    for contract in contracts:
        personal = {name: column for name, column in contract.columns.items() if column.personal}
        if personal:
            categories = ", ".join(sorted({column.category for column in personal.values()}))
            kept = {contract.name: contract.retention}
            if contract.name == "bronze._source":
                kept = {f"bronze.{name}": _kept_lines(s) for name, s in sorted(config.sources.items())}
            lines += [
                f"| `{name}` | {_code(personal)} | {categories} | {told} |" for name, told in kept.items()
            ]
    return "\n".join(lines) + "\n"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The register of processing (GDPR art. 30).")
    parser.add_argument("--conf", type=Path, help="Print the register of this configuration; write no file.")
    conf = parser.parse_args().conf
    page = render(load_config(conf or CONF, need_model=False))
    if conf:
        sys.stdout.write(page)
    else:
        TARGET.write_text(page, encoding="utf-8")
