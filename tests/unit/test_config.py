"""Configuration: what is refused, that all faults are told at once, and where the secret comes from."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from identity.config import Config
from identity.config_reading import load_config
from identity.errors import ConfigError, PlatformError

CONF = Path(__file__).parents[2] / "conf"
MODEL = "models/a_model.json"

Yaml = dict[str, Any]
Change = Callable[..., Path]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A copy of the project's own configuration, to spoil; its model is one of ours."""
    copy = Path(shutil.copytree(CONF, tmp_path / "conf"))
    matching = copy / "matching.yaml"
    content = yaml.safe_load(matching.read_text(encoding="utf-8"))
    matching.write_text(yaml.safe_dump({**content, "model": MODEL}), encoding="utf-8")
    (copy / MODEL).write_text("{}", encoding="utf-8")
    return copy / "local.yaml"


@pytest.fixture
def change(conf: Path) -> Change:
    """Change one file of the copy: `change("sources/crm.yaml", lambda crm: crm.update(region="US"))`."""

    def changed(name: str, spoil: Callable[[Yaml], object]) -> Path:
        path = conf.parent / name
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        spoil(content)
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return conf

    return changed


def faults(conf: Path, **options: Any) -> list[str]:
    """What `load_config` finds wrong, without the file's name and the bullets."""
    with pytest.raises(ConfigError) as error:
        load_config(conf, **options)
    first, *listed = str(error.value).removeprefix(f"{conf}: ").splitlines()
    assert not listed or first == f"{len(listed)} faults"
    return [line.removeprefix("  - ") for line in listed] or [first]


def test_the_projects_own_configurations_are_sound():
    local, cluster = load_config(CONF / "local.yaml"), load_config(CONF / "cluster.yaml")
    assert (local.spark.profile, cluster.spark.profile) == ("small", "large")
    assert sorted(local.sources) == ["crm", "loyalty", "survey", "tills", "web_events", "web_log"]
    # What both share comes from base.yaml; where data lies and how Spark starts do not steer the result.
    assert local.quality == cluster.quality
    assert local.hash == cluster.hash


def test_paths_are_relative_to_the_file_that_names_them(conf: Path):
    config = load_config(conf)
    assert config.landing == conf.parent.parent / "data_samples/world/landing"
    assert config.matching.model == conf.parent / MODEL


def test_arguments_win_over_the_file(conf: Path, tmp_path: Path):
    config = load_config(conf, landing=tmp_path / "l", warehouse=tmp_path / "w")
    assert (config.landing, config.warehouse) == (tmp_path / "l", tmp_path / "w")


def test_a_configuration_cannot_be_changed(conf: Path):
    config = load_config(conf)
    with pytest.raises(ValueError, match="frozen"):
        config.matching.seed = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("file", "spoil", "where"),
    [
        ("local.yaml", lambda c: c.update(waerhouse="w"), "waerhouse"),
        ("base.yaml", lambda c: c["quality"].update(max_quarantin_share=0.1), "quality.max_quarantin_share"),
        ("identifiers.yaml", lambda c: c["namespaces"]["email"].update(rnk=1), "namespaces.email.rnk"),
        ("identifiers.yaml", lambda c: c.update(namespace={}), "namespace"),
        ("purposes.yaml", lambda c: c["purposes"]["analytics"].update(expire=1), "purposes.analytics.expire"),
        ("purposes.yaml", lambda c: c.update(technicals=[]), "technicals"),
        ("matching.yaml", lambda c: c.update(threshold=0.9), "matching.threshold"),
        ("sources/crm.yaml", lambda c: c.update(regoin="EEA"), "sources.crm.regoin"),
        (
            "sources/crm.yaml",
            lambda c: c["feeds"]["contacts"]["columns"]["emails"].update(persnal=True),
            "sources.crm.feeds.contacts.columns.emails.persnal",
        ),
    ],
)  # fmt: skip
def test_a_misspelt_key_is_named_with_its_place(change: Change, file: str, spoil: Any, where: str):
    (fault,) = faults(change(file, spoil))
    assert fault.startswith(f"{where}: ")
    assert f"{where}: unknown key" in fault or fault == f"{where}: unknown key in {Path(file).stem}"


def test_a_purpose_says_how_long_data_are_kept_for_it(change: Change):
    conf = change("purposes.yaml", lambda c: c["purposes"]["service"].pop("retention_days"))
    assert faults(conf) == ["purposes.service.retention_days: missing"]


@pytest.mark.parametrize("technical", [["consent.proof"], []])
def test_a_purpose_that_columns_are_kept_for_is_declared(change: Change, technical: list[str]):
    told = faults(change("purposes.yaml", lambda c: c.update(technical=technical)))
    missing = [name for name in ("consent.proof", "operations") if name not in technical]
    assert [fault.split(",")[0] for fault in told] == [f"purposes: {name} is missing" for name in missing]


def test_who_grants_a_detail_is_asked_for_it(change: Change):
    granting = {"basis": "consent", "profile": False, "retention_days": 9, "grants_detail": "product"}
    conf = change("purposes.yaml", lambda c: c["purposes"].update({"detail.product": granting}))
    assert faults(conf) == [
        "purposes.detail.product: grants a detail, but no source has a code for it, so nobody could ever grant it"
    ]
    change("sources/loyalty.yaml", lambda c: c["consent"]["codes"].update(OST="detail.product"))
    assert load_config(conf).purposes["detail.product"].grants_detail == "product"
    change("purposes.yaml", lambda c: c["purposes"]["detail.product"].update(basis="contract"))
    assert faults(conf) == [
        "purposes.detail.product: who grants a detail is asked for it: basis consent and profile false"
    ]


def test_a_stage_of_the_journey_needs_purchases_to_be_told_by(change: Change):
    def excluding(name: str) -> Any:
        return lambda c: c["purposes"][name].update(excluded_stages=["lapsed"])

    assert load_config(change("purposes.yaml", excluding("marketing.email")))
    conf = change("purposes.yaml", excluding("marketing.phone"))  # sees no purchases
    change("purposes.yaml", excluding("analytics"))  # contacts nobody
    change("purposes.yaml", lambda c: c["journey"].update(post_purchase_days=365))
    says = "excluded_stages are for a purpose that has a contact and may use the category purchase, which tells the stage"
    assert sorted(faults(conf)) == [
        "journey: post_purchase_days must be less than active_days",
        f"purposes.analytics: {says}",
        f"purposes.marketing.phone: {says}",
    ]


def test_all_faults_are_told_at_once(change: Change):
    change("local.yaml", lambda c: c.update(waerhouse="w"))  # misspelt
    change("matching.yaml", lambda c: c.update(session_gap_minutes=0))  # out of bounds
    change("identifiers.yaml", lambda c: c["namespaces"]["email"].update(links="sometimes"))  # no such value
    conf = change("sources/crm.yaml", lambda c: c.pop("owner"))  # missing
    assert [fault.split(":")[0] for fault in faults(conf)] == [
        "matching.session_gap_minutes",
        "namespaces.email.links",
        "sources.crm.owner",
        "waerhouse",
    ]


def test_all_faults_between_files_are_told_at_once(change: Change):
    change("sources/crm.yaml", lambda c: c.update(region="US"))
    change("sources/loyalty.yaml", lambda c: c["consent"]["codes"].update(EM="marketing.mail"))
    change("purposes.yaml", lambda c: c["purposes"]["service"]["categories"].append("health"))
    conf = change("matching.yaml", lambda c: c.update(model="models/none.json", sources=["loyalty", "erp"]))
    assert [fault.split(":")[0] for fault in faults(conf)] == [
        "matching.model",
        "matching.sources",
        "purposes.service",
        "sources.crm",
        "sources.loyalty.consent.codes.EM",
    ]


def test_a_region_outside_the_eea_needs_a_transfer_basis(change: Change):
    conf = change("sources/crm.yaml", lambda c: c.update(region="US"))
    assert faults(conf) == ["sources.crm: region US needs a transfer_basis"]
    change("sources/crm.yaml", lambda c: c.update(transfer_basis="standard contractual clauses"))
    assert load_config(conf).sources["crm"].region == "US"


def _without_identifiers(contract: Yaml) -> None:
    for feed in contract["feeds"].values():
        for column in feed["columns"].values():
            column.pop("identifier", None)


def test_a_source_that_may_be_linked_declares_an_identifier(change: Change):
    (fault,) = faults(change("sources/web_log.yaml", _without_identifiers))
    assert fault.startswith("sources.web_log: no identifier declared")


def test_a_source_that_may_not_be_linked_declares_none(change: Change):
    conf = change("sources/web_log.yaml", lambda c: c.update(linkage="forbidden"))
    assert faults(conf) == ["sources.web_log: linkage is forbidden, so no column may be an identifier"]


def test_an_unknown_namespace_is_named(change: Change):
    conf = change(
        "sources/web_log.yaml", lambda c: c["feeds"]["access"]["columns"]["host"].update(identifier="ip")
    )
    assert faults(conf) == ["sources.web_log: unknown identifier namespace ip"]


@pytest.mark.parametrize(
    ("code", "purposes"), [("EM", "marketing.mail"), ("XX", ["analytics", "marketing.mail"])]
)
def test_a_consent_code_leads_to_known_purposes(change: Change, code: str, purposes: Any):
    conf = change("sources/loyalty.yaml", lambda c: c["consent"]["codes"].update({code: purposes}))
    assert faults(conf) == [f"sources.loyalty.consent.codes.{code}: unknown purpose marketing.mail"]


def test_a_code_without_purpose_is_allowed(conf: Path):
    codes = load_config(conf).sources["web_events"].consent.codes
    assert codes["gcm"] == ()
    assert codes["analytics"] == ("analytics", "collect")


@pytest.mark.parametrize(
    "purposes", ["identity.link", ["analytics", "identity.link"], "identity", "identity.link.devices"]
)
def test_a_signal_of_a_tool_never_permits_to_join_records(change: Change, purposes: Any):
    more = {"basis": "consent", "profile": False, "retention_days": 9}
    added = {"identity": more, "identity.link.devices": more}
    conf = change("purposes.yaml", lambda c: c["purposes"].update(added))
    conf = change("sources/web_events.yaml", lambda c: c["consent"]["codes"].update(gcm="analytics"))
    assert load_config(conf).sources["web_events"].consent.signals == ("gcm",)
    conf = change("sources/web_events.yaml", lambda c: c["consent"]["codes"].update(gcm=purposes))
    joining = purposes if isinstance(purposes, str) else purposes[-1]
    assert faults(conf) == [f"sources.web_events.consent.codes.gcm: a signal never permits {joining}"]


def test_a_signal_is_a_code(change: Change):
    conf = change("sources/web_events.yaml", lambda c: c["consent"].update(signals=["gcm", "tfc"]))
    assert faults(conf) == ["sources.web_events.consent.signals: tfc is no code"]


def test_no_feed_is_kept_longer_than_its_source(change: Change):
    def kept(days: int) -> Path:
        return change("sources/crm.yaml", lambda c: c["feeds"]["interactions"].update(retention_days=days))

    assert load_config(kept(1825)).sources["crm"].feeds["interactions"].retention_days == 1825
    assert faults(kept(1826)) == [
        "sources.crm.feeds.interactions: retention_days is more than the source's 1825"
    ]


def test_who_collects_on_consent_says_how_it_asks(change: Change):
    conf = change("sources/web_events.yaml", lambda c: c.update(consent={"asked": False}))
    assert faults(conf) == ["sources.web_events: collection rests on consent, so consent.asked must be true"]


@pytest.mark.parametrize("part", ["subject", "codes", "values"])
def test_who_asks_says_whom_what_and_how_answers_read(change: Change, part: str):
    conf = change("sources/crm.yaml", lambda c: c["consent"].pop(part))
    assert faults(conf) == ["sources.crm.consent: asked, so subject, codes and values are needed"]


@pytest.mark.parametrize("purpose", ["collect", "identity.link", "analytics"])
def test_purposes_that_steer_the_engine_must_be_there(change: Change, purpose: str):
    assert f"purposes: {purpose} is missing" in faults(
        change("purposes.yaml", lambda c: c["purposes"].pop(purpose))
    )


def test_a_blocked_pattern_must_be_a_regular_expression(change: Change):
    (fault,) = faults(
        change("identifiers.yaml", lambda c: c["namespaces"]["email"].update(blocked=["(info"]))
    )
    assert fault.startswith("namespaces.email.blocked: '(info' is no regular expression: ")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?P<name>a)", "(?i)a", "(?#why)a", r"a\Z", r"\N{DIGIT ONE}", r"(a)\123", r"\07",  # Python's alone
        "[a&&b]", "[a[b]]", "[]a]", "{", "a{,3}",  # Java reads these otherwise
    ],
)  # fmt: skip
def test_a_blocked_pattern_means_the_same_in_python_and_java(change: Change, pattern: str):
    conf = change("identifiers.yaml", lambda c: c["namespaces"]["email"].update(blocked=[pattern]))
    (fault,) = faults(conf)
    assert fault.startswith(
        f"namespaces.email.blocked: {pattern!r} is not read alike by Python and Java, from"
    )


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(a|b)+?@x\.fi$",
        "[^a-c&.]{2,3}",
        r"(?:a)(?=b)(?!c)(?<=b)",
        r"(\d)\1{6,}$",
        r"\w\S*\b",
        "ä{2}",
        "a++",
    ],
)
def test_what_both_read_alike_is_a_pattern(change: Change, pattern: str):
    conf = change("identifiers.yaml", lambda c: c["namespaces"]["email"].update(blocked=[pattern]))
    assert load_config(conf).namespaces["email"].blocked == (pattern,)


@pytest.mark.parametrize(
    ("namespace", "spoilt", "fault"),
    [
        ("cookie", {"time_bounded": False}, "namespaces.cookie.time_bounded: true for devices"),
        ("login", {"time_bounded": True}, "namespaces.login.time_bounded: true for devices"),
        ("mobile_id", {"links": "always"}, "namespaces.mobile_id.links: never"),
    ],
)
def test_devices_and_nothing_else_are_bounded_in_time(
    change: Change, namespace: str, spoilt: Yaml, fault: str
):
    (told,) = faults(change("identifiers.yaml", lambda c: c["namespaces"][namespace].update(spoilt)))
    assert told.startswith(fault)


@pytest.mark.parametrize(("limit", "value"), [("max_persons", 1), ("max_family_names", 0)])
def test_a_household_is_of_two_persons_and_a_name_at_least(change: Change, limit: str, value: int):
    (fault,) = faults(change("matching.yaml", lambda c: c["household"].update({limit: value})))
    assert fault.startswith(f"matching.household.{limit}: ")


def test_a_missing_model_is_told_unless_nobody_needs_it(change: Change):
    conf = change("matching.yaml", lambda c: c.update(model="models/none.json"))
    (fault,) = faults(conf)
    assert fault.startswith("matching.model: no file none.json; make one with `identity train`")
    assert load_config(conf, need_model=False).matching.model.name == "none.json"
    change("matching.yaml", lambda c: c.update(probabilistic=False))
    assert load_config(conf).matching.probabilistic is False


@pytest.mark.parametrize(
    ("source", "feed", "told"),
    [
        ("loyalty", "consents", {"code": None}),
        ("loyalty", "consents", {"code": "question"}),
        ("loyalty", "consents", {"answer": "answer"}),
        ("crm", "contacts", {"answer": None}),
        ("crm", "contacts", {"code": "question"}),
        ("web_events", "events", {"code": "type"}),
    ],
)
def test_a_feed_that_makes_statements_says_where_codes_and_answers_are(
    change: Change, source: str, feed: str, told: dict[str, str | None]
):
    (fault,) = faults(change(f"sources/{source}.yaml", lambda c: c["feeds"][feed]["statement"].update(told)))
    assert "statement names the fields of code and answer" in fault


@pytest.mark.parametrize("name", ["local.yaml", "base.yaml", "purposes.yaml", "sources/crm.yaml"])
def test_a_missing_file_is_named(conf: Path, name: str):
    path = conf.parent / name
    path.unlink()
    with pytest.raises(ConfigError, match=rf"{name}: no such file"):
        load_config(conf)


def test_what_is_not_yaml_is_told_with_its_line(conf: Path):
    (conf.parent / "purposes.yaml").write_text("purposes:\n  a: {b\n", encoding="utf-8")
    assert any("purposes.yaml: not YAML, line " in fault for fault in faults(conf))


def test_a_file_that_is_no_mapping_is_refused(conf: Path):
    conf.write_text("- a\n", encoding="utf-8")
    assert faults(conf) == [f"{conf}: expected a mapping"]


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        pytest.param("base.yaml", lambda c: c.update(sources=None), id="sources empty"),
        pytest.param("base.yaml", lambda c: c.update(purposes=None), id="purposes empty"),
        pytest.param("sources/crm.yaml", lambda c: c.update(source=["crm"]), id="source a list"),
    ],
)
def test_a_key_of_the_wrong_kind_is_a_fault_of_the_configuration(change: Change, file: str, spoil: Any):
    assert faults(change(file, spoil))


def test_every_source_with_an_adapter_has_a_contract_and_no_other(change: Change):
    conf = change("sources/survey.yaml", lambda c: c.update(source="erp"))
    assert faults(conf) == ["sources: without a contract ['survey'], without an adapter ['erp']"]


def test_two_contracts_for_one_source_are_refused(change: Change):
    conf = change("base.yaml", lambda c: c["sources"].append("sources/tills_2.yaml"))
    shutil.copy(conf.parent / "sources/tills.yaml", conf.parent / "sources/tills_2.yaml")
    assert faults(conf)


# The secret key


def keyed(conf: Path) -> Config:
    return load_config(conf)


def test_no_secret_key_stops_the_run(change: Change, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("IDENTITY_KEY", raising=False)
    config = keyed(change("local.yaml", lambda c: c.update(key={"environment": "IDENTITY_KEY"})))
    with pytest.raises(
        PlatformError, match="no secret key of 16 characters or more: set IDENTITY_KEY"
    ) as error:
        config.secret()
    assert error.value.exit_code == 3


def test_a_short_secret_key_is_refused_and_not_repeated(conf: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IDENTITY_KEY", "fifteen-letters")
    with pytest.raises(PlatformError) as error:
        keyed(conf).secret()
    assert "fifteen" not in str(error.value)


def test_the_secret_key_comes_from_the_environment_first_then_a_file(
    change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.key").write_text("from-the-file-0123456789\n", encoding="utf-8")
    config = keyed(change("local.yaml", lambda c: c["key"].update(file="../a.key")))
    monkeypatch.delenv("IDENTITY_KEY", raising=False)
    assert config.secret() == b"from-the-file-0123456789"
    monkeypatch.setenv("IDENTITY_KEY", "from-the-environment-01")
    assert config.secret() == b"from-the-environment-01"


def test_the_hash_follows_what_steers_the_result(change: Change, tmp_path: Path):
    conf = change("local.yaml", lambda c: c)
    first = load_config(conf).hash
    assert load_config(conf, landing=tmp_path, warehouse=tmp_path).hash == first
    change("matching.yaml", lambda c: c.update(device_look_back_days=31))
    second = load_config(conf).hash
    model = conf.parent / MODEL
    model.write_bytes(model.read_bytes() + b"\n")
    assert len({first, second, load_config(conf).hash}) == 3


def test_the_hash_is_the_same_in_every_process():
    program = "import sys; from pathlib import Path; from identity.config_reading import load_config; "
    program += "print(load_config(Path(sys.argv[1])).hash)"
    found = {
        subprocess.run(
            [sys.executable, "-c", program, str(CONF / "local.yaml")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_folders_given_on_the_command_line_are_relative_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    config = load_config(CONF / "local.yaml", landing=Path("in"), warehouse=Path("../somewhere/out"))
    assert (config.landing, config.warehouse) == (tmp_path / "in", tmp_path.parent / "somewhere" / "out")


def test_faults_are_told_in_the_words_of_the_file(change: Change):
    def misspell(config: Yaml) -> None:
        config["landin"] = config.pop("landing")

    assert faults(change("local.yaml", misspell)) == [
        "landin: unknown key; did you mean landing?",
        "landing: missing",
    ]
