"""The only reader of `conf/`: all faults listed at once, before anything starts.

`load_config` needs no Spark, so a misspelt key costs a second and not a start. A file may extend another
(`extends: base.yaml`); mappings merge, everything else replaces. Paths are relative to the file that names them.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from identity.config import ADAPTERS, CATEGORIES, Config, Frozen, Namespace, SourceContract
from identity.errors import ConfigError


def load_config(
    path: Path, *, landing: Path | None = None, warehouse: Path | None = None, need_model: bool = True
) -> Config:
    """Read and validate a configuration and everything it names.

    Raises:
        ConfigError: Anything is wrong; the message lists every fault found, one a line.
    """
    raw, base = _read_extended(path)
    faults: list[str] = []
    parts: dict[str, Any] = {key: value for key, value in raw.items() if key not in _FILES}
    identifiers = _read_named(raw, "identifiers", base, faults)
    purposes = _read_named(raw, "purposes", base, faults)
    parts["namespaces"] = identifiers.pop("namespaces", {})
    parts["technical_purposes"] = purposes.pop("technical", ())
    parts["purposes"] = purposes.pop("purposes", {})
    parts["notices"] = purposes.pop("notices", {})
    parts["journey"] = purposes.pop("journey", {})
    parts["matching"] = _resolve(_read_named(raw, "matching", base, faults), "model", base)
    faults += [
        f"{key}: unknown key in {file}"
        for file, left in (("identifiers", identifiers), ("purposes", purposes))
        for key in left
    ]
    parts["sources"] = {}
    for name in _names(raw, faults):
        contract = _read_yaml(base / name, faults)
        source = contract.get("source")
        if not isinstance(source, str):
            faults.append(f"{name}: source must be a name")
        elif source in parts["sources"]:
            faults.append(f"{name}: a second contract for source {source}")
        else:
            parts["sources"][source] = contract
    parts["key"] = _resolve(dict(raw.get("key", {})), "file", base)
    # Absolute, for Spark names the files it read by their absolute paths.
    parts["landing"] = landing.resolve() if landing else _path(raw, "landing", base)
    parts["warehouse"] = warehouse.resolve() if warehouse else _path(raw, "warehouse", base)
    try:
        config = Config.model_validate(parts)
    except ValidationError as error:
        faults += [f"{'.'.join(map(str, e['loc']))}: {_told(e)}" for e in error.errors()]
        raise ConfigError(_listed(path, faults)) from None
    faults += _cross_faults(config, need_model=need_model)
    if faults:
        raise ConfigError(_listed(path, faults))
    return config


def _told(fault: ErrorDetails) -> str:
    """What pydantic found, in the words of whoever wrote the file; never the value."""
    if fault["type"] == "extra_forbidden":
        known = {name for model in Frozen.__subclasses__() for name in model.model_fields} | set(_FILES)
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
        return "unknown key" + (f"; did you mean {close[0]}?" if close else "")
    if fault["type"] == "missing" or fault["input"] is None:
        return "missing"
    return fault["msg"]


_FILES = ("identifiers", "purposes", "matching", "sources", "extends", "key")


def _cross_faults(config: Config, *, need_model: bool) -> Iterable[str]:
    """What no single field can see: references between files, and preconditions of a lawful source."""
    yield from _purpose_faults(config)
    yield from _catalogue_faults(config)
    for required in ("collect", "identity.link", "analytics"):
        if required not in config.purposes:
            yield f"purposes: {required} is missing"
    yield from _namespace_faults(config.namespaces)
    if set(config.sources) != ADAPTERS:
        missing, surplus = sorted(ADAPTERS - set(config.sources)), sorted(set(config.sources) - ADAPTERS)
        yield f"sources: without a contract {missing}, without an adapter {surplus}"
    for name, source in config.sources.items():
        yield from _source_faults(f"sources.{name}", source, config)
    if config.matching.probabilistic and need_model and not config.matching.model.is_file():
        yield f"matching.model: no file {config.matching.model.name}; make one with `identity train`, or set probabilistic: false"
    for source_name in config.matching.sources:
        if source_name not in config.sources:
            yield f"matching.sources: no source contract {source_name}"


def _purpose_faults(config: Config) -> Iterable[str]:
    """Purposes that ask for what they cannot have."""
    for name, purpose in config.purposes.items():
        for category in sorted(purpose.categories - CATEGORIES):
            yield f"purposes.{name}: unknown category {category}; known are {sorted(CATEGORIES)}"
        if purpose.grants_detail and (purpose.profile or purpose.basis != "consent"):
            yield f"purposes.{name}: who grants a detail is asked for it: basis consent and profile false"
        asked = any(name in to for source in config.sources.values() for to in source.consent.codes.values())
        if purpose.grants_detail and not asked:
            yield f"purposes.{name}: grants a detail, but no source has a code for it, so nobody could ever grant it"
        if purpose.excluded_stages and not (purpose.contact and "purchase" in purpose.categories):
            yield (
                f"purposes.{name}: excluded_stages are for a purpose that has a contact and may use the category purchase, "
                "which tells the stage"
            )
    if config.journey.post_purchase_days >= config.journey.active_days:
        yield "journey: post_purchase_days must be less than active_days"


def _catalogue_faults(config: Config) -> Iterable[str]:
    """Purposes that columns of the field catalogue are kept for and that nobody declared."""
    from identity.contracts import all_contracts

    known = {*config.purposes, *config.technical_purposes, "{purpose}"}
    missing: dict[str, list[str]] = {}
    for contract in all_contracts():
        for purpose in {p for column in contract.columns.values() for p in column.purposes} - known:
            missing.setdefault(purpose, []).append(contract.name)
    for purpose, tables in sorted(missing.items()):
        yield f"purposes: {purpose} is missing, for which {tables[0]} is kept" + (
            f" (and {len(tables) - 1} more tables)" if len(tables) > 1 else ""
        )


def _namespace_faults(namespaces: Mapping[str, Namespace]) -> Iterable[str]:
    for name, namespace in namespaces.items():
        for pattern in namespace.blocked:
            yield from (
                f"namespaces.{name}.blocked: {pattern!r} {fault}" for fault in _pattern_faults(pattern)
            )
        is_device = namespace.level in {"cookie", "mobile"}
        if namespace.time_bounded != is_device:
            yield f"namespaces.{name}.time_bounded: true for devices (level cookie or mobile), and for nothing else"
        if is_device and namespace.links != "never":
            yield f"namespaces.{name}.links: never, for a device is one person's for a time only"


# Patterns are read here by Python and run by Java. What both understand, and in the same way, is made of these.
_IN_CLASS = r"[^\[\]\\&]|&(?!&)|\\[dDwWsS]|\\[^A-Za-z0-9]"
_COMMON = re.compile(
    r"[^\\\[\](){}]"  # any letter, and . ^ $ | * + ?
    r"|\\[dDwWsSbB]|\\[1-9](?!\d)|\\[^A-Za-z0-9]"  # classes, references back, and a sign meant as itself
    rf"|\[\^?(?:{_IN_CLASS})+\]"
    r"|\((?!\?)|\(\?(?::|=|!|<=|<!)|\)"  # groups without a name or a flag
    r"|\{\d+(?:,\d*)?\}"
)


def _pattern_faults(pattern: str) -> Iterable[str]:
    read = 0
    while read < len(pattern):
        token = _COMMON.match(pattern, read)
        if token is None:
            yield f"is not read alike by Python and Java, from character {read + 1} on"
            return
        read = token.end()
    try:
        re.compile(pattern)
    except re.error as error:
        yield f"is no regular expression: {error}"


def _source_faults(where: str, source: SourceContract, config: Config) -> Iterable[str]:
    if source.region != "EEA" and not source.transfer_basis:
        yield f"{where}: region {source.region} needs a transfer_basis"
    named = {c.identifier for feed in source.feeds.values() for c in feed.columns.values() if c.identifier}
    yield from (
        f"{where}: unknown identifier namespace {name}" for name in sorted(named - set(config.namespaces))
    )
    if source.linkage == "allowed" and not named:
        yield f"{where}: no identifier declared, so nothing could ever be linked; declare one or set linkage: forbidden"
    if source.linkage == "forbidden" and named:
        yield f"{where}: linkage is forbidden, so no column may be an identifier"
    for name, feed in source.feeds.items():
        if (feed.retention_days or 0) > source.retention_days:
            yield f"{where}.feeds.{name}: retention_days is more than the source's {source.retention_days}"
    mapping = source.consent
    if mapping.asked and not (mapping.codes and mapping.values and mapping.subject):
        yield f"{where}.consent: asked, so subject, codes and values are needed"
    if not mapping.asked and source.collection_basis == "consent":
        yield f"{where}: collection rests on consent, so consent.asked must be true"
    for code, purposes in mapping.codes.items():
        unknown = sorted(set(purposes) - set(config.purposes))
        if unknown:
            yield f"{where}.consent.codes.{code}: unknown purpose {', '.join(unknown)}"
    for code in mapping.signals:
        if code not in mapping.codes:
            yield f"{where}.consent.signals: {code} is no code"
        elif joining := [purpose for purpose in mapping.codes[code] if _covers_link(purpose)]:
            yield f"{where}.consent.codes.{code}: a signal never permits {', '.join(joining)}"


def _covers_link(purpose: str) -> bool:
    """Whether a purpose is `identity.link`, what it is a part of, or a part of it."""
    parts, link = purpose.split("."), ["identity", "link"]
    return all(a == b for a, b in zip(parts, link, strict=False))


def _read_extended(path: Path) -> tuple[dict[str, Any], Path]:
    """Read a file over the one it extends; files named by the lower one are relative to that one."""
    faults: list[str] = []
    raw = _read_yaml(path, faults)
    if faults:
        raise ConfigError(_listed(path, faults))
    base = path.parent
    raw["key"] = _resolve(dict(raw.get("key") or {}), "file", base)
    for key in ("landing", "warehouse"):
        raw = _resolve(raw, key, base)
    if "extends" not in raw:
        return raw, base
    lower, lower_base = _read_extended(base / raw.pop("extends"))
    return _merge(lower, raw), lower_base


def _merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _read_named(raw: Mapping[str, Any], key: str, base: Path, faults: list[str]) -> dict[str, Any]:
    if not isinstance(raw.get(key), str):
        faults.append(f"{key}: missing; name the file")
        return {}
    return _read_yaml(base / raw[key], faults)


def _names(raw: Mapping[str, Any], faults: list[str]) -> list[str]:
    names = raw.get("sources")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    faults.append("sources: missing; list the files of the source contracts")
    return []


def _read_yaml(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        faults.append(f"{path}: no such file")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        faults.append(f"{path}: not YAML" + (f", line {mark.line + 1}" if mark else ""))
    else:
        if isinstance(loaded, dict):
            return loaded
        faults.append(f"{path}: expected a mapping")
    return {}


def _resolve(raw: dict[str, Any], key: str, base: Path) -> dict[str, Any]:
    if isinstance(raw.get(key), str):
        return {**raw, key: (base / raw[key]).resolve()}
    return raw


def _path(raw: Mapping[str, Any], key: str, base: Path) -> Path | None:
    return _resolve(dict(raw), key, base).get(key)


def _listed(path: Path, faults: Iterable[str]) -> str:
    faults = sorted(set(faults))
    if len(faults) == 1:
        return f"{path}: {faults[0]}"
    return f"{path}: {len(faults)} faults\n" + "\n".join(f"  - {fault}" for fault in faults)
