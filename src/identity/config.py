"""Configuration as types: frozen, unknown keys refused. `config_reading.load_config` makes one out of files."""

import datetime as dt
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from identity.errors import PlatformError

Level = Literal["verified", "identified", "cookie", "mobile"]
LEVELS: tuple[Level, ...] = ("verified", "identified", "cookie", "mobile")
# The higher the stronger.
STRENGTHS: dict[Level, int] = {level: place for place, level in enumerate(reversed(LEVELS), 1)}
# Sources with an adapter in `sources/`; a contract for another would be taken in and never read.
ADAPTERS = frozenset({"tills", "loyalty", "crm", "web_log", "web_events", "survey"})
_TYPE = r"^(string|int|bigint|double|boolean|timestamp|date|decimal\(\d+,\s?\d+\)|(array|struct|map)<.+>)$"
CATEGORIES = frozenset({"contact", "demographic", "location", "purchase", "behaviour", "service"})


class Frozen(BaseModel):
    """Base of all configuration: cannot be changed, knows no surplus keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Namespace(Frozen):
    """A kind of identifier: how strong it is and what it may do."""

    level: Level
    rank: int = Field(ge=1)
    links: Literal["always", "with_agreement", "never"]
    max_persons: int = Field(gt=0)
    max_given_names: int | None = Field(default=None, gt=0)
    max_per_person: int | None = Field(default=None, gt=0)
    blocked: tuple[str, ...] = ()
    time_bounded: bool = False


Detail = Literal["total", "product_group", "product"]
# Of purchases, from the least.
DETAILS: tuple[Detail, ...] = ("total", "product_group", "product")
Stage = Literal["exploring", "post_purchase", "active", "lapsed"]


class Purpose(Frozen):
    """What data may be used for, on which lawful basis, which data categories that takes, and for how long.

    Attributes:
        excluded_stages: Stages of the journey at which an audience of the purpose leaves a customer out.
    """

    basis: Literal["consent", "contract", "legitimate_interest"]
    categories: frozenset[str] = frozenset()
    contact: Literal["email", "phone"] | None = None
    expires_days: int | None = Field(default=None, gt=0)
    retention_days: int = Field(gt=0)
    detail: Detail = "total"
    grants_detail: Detail | None = None
    paused_by_complaint: bool = False
    excluded_stages: frozenset[Stage] = frozenset()
    profile: bool = True


class Journey(Frozen):
    """When a stage of the journey ends, in days since the last purchase (`audience.stages`)."""

    post_purchase_days: int = Field(default=14, gt=0)
    active_days: int = Field(default=365, gt=0)


class Notice(Frozen):
    """A version of the privacy notice: a yes given under it counts until the day its validity ended."""

    valid_to_on: dt.date


class FeedColumn(Frozen):
    """A delivered column: its Spark type, whether it must be there, is personal, or identifies somebody.

    Attributes:
        free_text: Anybody may stand in it, such as in a note or a URL; an erasure looks there for whom a line is not of.
        owner: Where a line's columns identify several, the one with the least number says whose line it is.
    """

    type: str = Field(pattern=_TYPE)
    required: bool = False
    personal: bool = False
    free_text: bool = False
    identifier: str | None = None
    owner: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _free_text_is_personal(self) -> Self:
        if self.free_text and not self.personal:
            raise ValueError("free_text is personal: say personal: true")
        return self


class Statements(Frozen):
    """What of a feed's lines says what somebody permitted or refused: it outlives the line.

    Attributes:
        carried_in: Column that is filled where a line makes a statement.
        columns: Columns that stay of such a line.
        code: Column that holds what was asked, or field of it where `carried_in` is a list; None where it is a map from
            codes to answers.
        answer: Field that holds the answer, where `carried_in` is a list.
    """

    carried_in: str
    columns: tuple[str, ...] = Field(min_length=1)
    code: str | None = None
    answer: str | None = None


class Feed(Frozen):
    """A kind of file a source delivers.

    Attributes:
        retention_days: Days its lines are kept, where that is less than the source's.
        is_accounting: Its lines stay when a person is erased, without what identifies her: the sums must be kept.
        state_of: Columns that name what a line tells the state of; the newest line of each outlives the source's
            retention. Empty where a line tells of an event.
        statement: What of a line outlives retention because it is a statement of consent; None where it makes none.
    """

    pattern: str
    format: Literal["csv", "json", "combined_log"]
    required: bool = False
    retention_days: int | None = Field(default=None, gt=0)
    is_accounting: bool = False
    state_of: tuple[str, ...] = ()
    statement: Statements | None = None
    columns: dict[str, FeedColumn] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_its_own_columns(self) -> Self:
        named = [*self.state_of]
        if self.statement is not None:
            named += [self.statement.carried_in, *self.statement.columns]
        if unknown := sorted(set(named) - set(self.columns)):
            raise ValueError(f"state_of or statement names no column of the feed: {', '.join(unknown)}")
        if self.statement is not None:
            self._names_code_and_answer(self.statement)
        return self

    def _names_code_and_answer(self, statement: Statements) -> None:
        kind = self.columns[statement.carried_in].type
        told = [name for name in (statement.code, statement.answer) if name is not None]
        if kind.startswith("map"):
            is_right = not told
        elif kind.startswith("array"):
            is_right = len(told) == 2 and all(f"{name}:string" in kind for name in told)
        else:
            is_right = statement.answer is None and statement.code in self.columns
        if not is_right:
            raise ValueError(
                "statement names the fields of code and answer in a list, the column of the code beside a plain answer, "
                "and neither of a map"
            )

    @property
    def owners(self) -> list[str]:
        """Columns that say whose line it is, the first that is filled and known."""
        named = {name: c.owner for name, c in self.columns.items() if c.owner is not None}
        return sorted(named, key=lambda name: named[name])

    @property
    def identifying(self) -> list[str]:
        """Columns that identify somebody."""
        return [name for name, column in self.columns.items() if column.identifier]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class ConsentMapping(Frozen):
    """How a source says what a person permitted: its codes and answers in the one vocabulary.

    Attributes:
        signals: Codes that a tool sends, such as those of Google Consent Mode or IAB TCF: no answer to the question
            whether records may be joined.
    """

    asked: bool
    subject: str | None = None
    codes: dict[str, Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]] = {}
    values: dict[str, Literal["y", "n", "objection", "pending", "unknown"]] = {}
    signals: tuple[str, ...] = ()


class SourceContract(Frozen):
    """A source: who owns it, where it is, what it delivers, whether it may be linked, how it asks for consent."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    meaning: str
    owner: str
    region: str
    transfer_basis: str | None = None
    latency_hours: int = Field(gt=0)
    retention_days: int = Field(gt=0)
    linkage: Literal["allowed", "forbidden"]
    collection_basis: Literal["contract", "legitimate_interest", "consent"]
    consent: ConsentMapping
    feeds: dict[str, Feed] = Field(min_length=1)

    def kept_from(self, feed: str | None, on: dt.date) -> dt.date:
        """The oldest delivery date whose lines of a feed stay on a date; None is a feed without days of its own."""
        days = self.feeds[feed].retention_days if feed in self.feeds else None
        return on - dt.timedelta(days=days or self.retention_days)


class Household(Frozen):
    """Limits beyond which an address says nothing of who lives together."""

    max_persons: int = Field(ge=2)
    max_family_names: int = Field(gt=0)


class Matching(Frozen):
    """Probabilistic matching, households and sessions."""

    probabilistic: bool
    model: Path
    sources: tuple[str, ...]
    seed: int
    device_look_back_days: int = Field(ge=0)
    session_gap_minutes: int = Field(gt=0)
    household: Household


class KeySource(Frozen):
    """Where the secret keys come from: an environment variable first, then a file; see `Config.secrets`."""

    environment: str
    file: Path | None = None


class Quality(Frozen):
    """Limits of the gates."""

    max_quarantine_share: float = Field(ge=0, le=1)


class Publication(Frozen):
    """How many golden ids one run may change without a person's yes, and how few customers a number may be of."""

    max_changed_ids_share: float = Field(ge=0, le=1)
    changed_ids_never_stopped: int = Field(ge=0)
    min_cell: int = Field(default=5, ge=1)

    def is_few(self, count: int) -> bool:
        """Somebody, but so few that the number is hidden; nobody is told."""
        return 0 < count < self.min_cell


class SparkSettings(Frozen):
    """How Spark starts; `small` is tuned for a laptop and little data, `large` for a cluster."""

    profile: Literal["small", "large"]
    master: str | None = None
    driver_memory: str = "4g"
    settings: dict[str, str] = {}


def _in_order(value: Any) -> Any:
    """What JSON does not know: sets by their members in order, dates as they are written."""
    return value.isoformat() if isinstance(value, dt.date) else sorted(value)


class Config(Frozen):
    """Everything a run needs to know, validated."""

    landing: Path
    warehouse: Path
    key: KeySource
    quality: Quality
    publication: Publication
    spark: SparkSettings
    namespaces: dict[str, Namespace]
    purposes: dict[str, Purpose]
    technical_purposes: tuple[str, ...]
    notices: dict[str, Notice] = {}
    journey: Journey = Journey()
    matching: Matching
    sources: dict[str, SourceContract]

    @property
    def hash(self) -> str:
        """SHA-256 of all that steers the result; where data lies and how Spark starts do not."""
        steering = self.model_dump(
            exclude={"landing": True, "warehouse": True, "key": True, "spark": True, "matching": {"model"}}
        )
        # Sets have no order of their own: another process would name the same configuration otherwise.
        text = json.dumps(steering, sort_keys=True, default=_in_order)
        model = self.matching.model.read_bytes() if self.matching.model.is_file() else b""
        return hashlib.sha256(text.encode() + model).hexdigest()

    @property
    def profile_purposes(self) -> dict[str, Purpose]:
        """Purposes that have a profile table of their own."""
        return {name: purpose for name, purpose in self.purposes.items() if purpose.profile}

    def secrets(self) -> tuple[bytes, ...]:
        """Return the keys of hashes: the one in force, then retired ones, as blanks or lines part them.

        Raises:
            PlatformError: Neither the environment nor a file gives one, or one is shorter than 16 characters.
        """
        text = os.environ.get(self.key.environment, "")
        if not text.strip() and self.key.file is not None and self.key.file.is_file():
            text = self.key.file.read_text(encoding="utf-8")
        keys = text.split()
        if not keys or min(map(len, keys)) < 16:
            raise PlatformError(
                f"no secret key of 16 characters or more: set {self.key.environment}, or key.file in the configuration"
            )
        return tuple(key.encode() for key in keys)

    def secret(self) -> bytes:
        """Return the key in force, whatever key the warehouse was hashed with; `keys.key_in_force` compares them.

        Raises:
            PlatformError: There is none.
        """
        return self.secrets()[0]
