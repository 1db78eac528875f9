"""The plugin's schema: Kong's view of the options and ours are one, and what Kong sends is read as it was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.schema import KEY_FILE_VARIABLE, _string_rules, key_of, kong_fields, settings_of
from kong_plugins.aws_masker.settings import PluginSettings, Settings, from_mapping
from tests.kong_config.kong_schema import faults_of, filled, lua_pattern

FIELDS = kong_fields()
RULES = {name: rules for field in FIELDS for name, rules in field.items()}
SECRETS = {"key", "anthropic_api_key", "redis_password", "redis_sentinel_password", "vault_key"}
MARK = "planted-value"
KEY = "5a" * 32


def started(config: dict[str, Any]) -> PluginSettings:
    """Return the settings of an instance that Kong starts after it took `config` at its Admin API."""
    complete, errors = filled(FIELDS, config)
    assert not errors
    return settings_of(orjson.loads(orjson.dumps(complete)))


def test_kong_takes_the_schema() -> None:
    """Kong's metaschema has nothing against it, and each option is in it once."""
    assert faults_of(FIELDS) == []
    assert [name for field in FIELDS for name in field] == list(PluginSettings.model_fields)
    assert all("description" in rules for rules in RULES.values())


def test_defaults_are_the_same_object() -> None:
    """What Kong fills in for an empty config is what Settings has by itself, and the proxy's share of it too."""
    assert started({}) == PluginSettings()
    proxy = Settings()
    assert all(getattr(started({}), name) == getattr(proxy, name) for name in Settings.model_fields)


@pytest.mark.parametrize("name", [name for name, rules in RULES.items() if "between" in rules])
def test_bounds_are_the_same(name: str) -> None:
    """Both limits are taken by Kong and by Settings, and what lies just outside by neither."""
    low, high = RULES[name]["between"]
    for value in (low, high):
        assert getattr(started({name: value}), name) == value
    for value in (low - 1, high + 1):
        assert filled(FIELDS, {name: value})[1] == {name: f"value should be between {low} and {high}"}
        with pytest.raises(ConfigError, match=name):
            settings_of({name: value})


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"mode": "watch"}, "expected one of: enforce, observe"),
        ({"mode": None}, "required field missing"),
        ({"mask_s3_buckets": 2}, "expected a boolean"),
        ({"max_entries": 1000.5}, "expected an integer"),
        ({"allowlist": "logs"}, "expected an array"),
        ({"allowlist": ["logs", ""]}, {2: "length must be at least 1"}),
        ({"allowlist_presets": ["all"]}, {1: "expected one of: aws-documentation"}),
        ({"allowlist_patterns": ["x" * 1001]}, {1: "length must be at most 1000"}),
        ({"allowlist_patterns": ["i-(?!0)"]}, {1: "RE2 patterns have no look-around and no atomic groups"}),
        ({"allowlist_patterns": ["(?<=a)b"]}, {1: "RE2 patterns have no look-around and no atomic groups"}),
        ({"custom_patterns": [{"name": "t", "pattern": "x"}]}, {1: {"name": "length must be at least 2"}}),
        ({"custom_patterns": [{"name": "Ti", "pattern": "x"}]}, {1: {"name": "should match ^[a-z][a-z0-9]*$"}}),
        ({"custom_patterns": [{"name": "ti"}]}, {1: {"pattern": "required field missing"}}),
        ({"custom_patterns": [{"name": "ti", "pattern": "x", "flags": "i"}]}, {1: {"flags": "unknown field"}}),
        ({"key": "short"}, "length must be at least 43"),
        ({"namespace": ""}, "length must be at least 1"),
        ({"namespace": "a b"}, "should match ^[A-Za-z0-9._-]*$"),
        ({"mask_everything": True}, "unknown field"),
    ],
)
def test_the_admin_api_refuses_a_bad_value(config: dict[str, Any], error: Any) -> None:
    """With a message that says what is wrong; and the plugin would not take it either."""
    (name,) = config
    assert filled(FIELDS, config)[1] == {name: error}
    if config[name] is not None:
        with pytest.raises(ConfigError, match=name):
            settings_of(config)


@pytest.mark.parametrize(
    "pattern", ["(?P<year>[0-9]{4})", "(?:a|b)c", "(?i)host", r"\(?=", "[=!]", "x{2,3}?", "é+", r"\p{Greek}"]
)
def test_kong_lets_good_patterns_pass(pattern: str) -> None:
    """Groups, flags and classes that RE2 knows are not mistaken for look-around."""
    assert started({"allowlist_patterns": [pattern]}).allowlist_patterns == (pattern,)


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(0, 2**34), st.text(max_size=60), st.lists(st.text(max_size=30), max_size=3)
)


@given(st.dictionaries(st.sampled_from(sorted(RULES)), _VALUES, max_size=3))
def test_what_kong_takes_the_plugin_takes(config: dict[str, Any]) -> None:
    """Unless a pattern is none: that is the one thing that Kong cannot judge, and the error names it."""
    complete, errors = filled(FIELDS, config)
    if errors:
        return
    try:
        settings_of(complete)
    except ConfigError as error:
        assert "allowlist_patterns." in error.detail
        assert config["allowlist_patterns"]


def test_what_kong_adds_is_no_option() -> None:
    """Ids, its own marks and references beside the options are left out; an unknown option is an error all the same."""
    added = {"__key__": "plugins:aws-masker:::::", "__seq__": 7, "__plugin_id": "5f6e", "__ws_id": "0dc6"}
    added |= {"route_id": None, "service_id": "77a1", "consumer_id": "12ab", "plugin_instance_name": "masker"}
    config = {"mode": "observe", "key": KEY, "namespace": None, "$refs": {"key": "{vault://env/aws-masker-key}"}}
    assert settings_of({**config, **added}) == PluginSettings(mode="observe", key=SecretStr(KEY))
    with pytest.raises(ConfigError, match="mask_new_things"):
        settings_of({**config, **added, "mask_new_things": True})


def test_an_empty_table_is_an_empty_list() -> None:
    """Lua has one kind of table, and its JSON encoder may write an empty list as an object; nowhere else is that so."""
    lists = [name for name, rules in RULES.items() if rules["type"] == "array"]
    assert len(lists) == 6
    assert settings_of({name: {} for name in lists}) == PluginSettings()
    with pytest.raises(ConfigError, match="allowlist"):
        settings_of({"allowlist": {"1": "logs"}})
    with pytest.raises(ConfigError, match="mode"):
        settings_of({"mode": {}})


def test_secrets_can_be_references_and_are_never_shown() -> None:
    """Kong resolves them from a vault and keeps them encrypted; no representation of the settings holds one."""
    assert {name for name, rules in RULES.items() if rules.get("referenceable")} == SECRETS
    assert {name for name, rules in RULES.items() if rules.get("encrypted")} == SECRETS
    assert {
        name for name, field in PluginSettings.model_fields.items() if "SecretStr" in str(field.annotation)
    } == SECRETS | {"vault_keys_old"}
    assert RULES["vault_keys_old"]["elements"].items() >= {"referenceable": True, "encrypted": True}.items()
    reference = "{vault://env/some-name}"
    assert not filled(FIELDS, dict.fromkeys(SECRETS, reference) | {"vault_keys_old": [reference]})[1]
    settings = started(dict.fromkeys(SECRETS, MARK * 5) | {"vault_keys_old": [MARK * 5]})
    assert MARK not in f"{settings} {settings!r} {settings.model_dump_json()}"
    assert settings.anthropic_api_key is not None
    assert settings.anthropic_api_key.get_secret_value() == MARK * 5


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_reference_that_kong_could_not_resolve_is_an_error(name: str) -> None:
    """Kong then sends an empty text; it must not count as not set, which would quietly mean another key or none."""
    with pytest.raises(ConfigError, match=f"{name}: empty, .* vault reference"):
        settings_of({name: "", "$refs": {name: "{vault://env/nothing}"}})


@pytest.mark.parametrize(
    "config",
    [
        {"key": MARK},
        {"mode": MARK},
        {"namespace": f"{MARK} {MARK}"},
        {"max_entries": MARK},
        {"allowlist": MARK},
        {"allowlist_patterns": [f"({MARK}"]},
        {"allowlist_patterns": [f"({MARK}: {MARK}"]},
        {"allowlist_patterns": [f"{MARK}{{3,1}}", f"[{MARK}"]},
        {"allowlist_patterns": [f"(?P<{MARK}"]},
        {"custom_patterns": [{"name": MARK, "pattern": f"{MARK}("}]},
        {"custom_patterns": [{"name": "ok", "pattern": f"({MARK})?"}]},
        {"custom_patterns": [{"name": "ok", "pattern": f"{MARK}**"}]},
        {"custom_patterns": [{"name": "ok", "pattern": f"(?={MARK})"}]},
    ],
)
def test_errors_name_the_field_and_never_the_value(config: dict[str, Any]) -> None:
    """A pattern may well name what is secret; RE2's own wording quotes it, ours does not."""
    (name,) = config
    with pytest.raises(ConfigError) as caught:
        settings_of(config)
    assert name in caught.value.detail
    assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a: b", "missing )"),
        ("a)", "unexpected )"),
        ("[b-a]", "invalid character class range"),
        ("a**", "bad repetition operator"),
        ("(?!a)", "invalid perl operator"),
        (r"\1", "invalid escape sequence"),
        ("a{9999}", "invalid repetition size"),
        ("a*", "matches the empty string"),
        (r"\b", "matches the empty string"),
        (r"x|\b", "matches the empty string"),
        ("(?m)$", "matches the empty string"),
    ],
)
def test_a_wrong_pattern_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    """As custom pattern and on the allowlist; one that can match nothing would be found at one place without end."""
    for config in ({"allowlist_patterns": [pattern]}, {"custom_patterns": [{"name": "ok", "pattern": pattern}]}):
        with pytest.raises(ConfigError) as caught:
            from_mapping(config)
        assert caught.value.detail.endswith(reason)


def test_the_key_is_that_of_the_config_else_of_the_environment(tmp_path: Path) -> None:
    """The option comes first, then AWS_MASKER_KEY, then the file that AWS_MASKER_KEY_FILE names."""
    file = tmp_path / "key"
    file.write_text("6b" * 32)
    file.chmod(0o600)
    environ = {"AWS_MASKER_KEY": "7c" * 32, KEY_FILE_VARIABLE: str(file)}
    assert key_of(started({"key": KEY}), environ) == b"\x5a" * 32
    assert key_of(started({}), environ) == b"\x7c" * 32
    assert key_of(started({}), {KEY_FILE_VARIABLE: str(file)}) == b"\x6b" * 32


def test_without_a_key_nothing_starts(tmp_path: Path) -> None:
    """No key is made up here: each node would have another."""
    missing = tmp_path / "missing"
    for environ in ({KEY_FILE_VARIABLE: str(missing)}, {"XDG_STATE_HOME": str(tmp_path)}):
        with pytest.raises(ConfigError, match="no key"):
            key_of(started({}), environ)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", [" " * 50, "zz" * 30 + "!", "0f" * 31 + "0", "ab" * 22])
def test_a_bad_key_is_an_error_and_not_replaced_by_another(key: str) -> None:
    """Even where the environment has a good one; the error names the option and shows nothing of the key."""
    with pytest.raises(ConfigError, match="key: ") as caught:
        key_of(started({"key": key}), {"AWS_MASKER_KEY": KEY})
    assert key not in str(caught.value)


@pytest.mark.parametrize("pattern", ["^[a-z]{2}$", r"^\d+$", "[a-z]+", "^(a|b)$", "^a-b$", "^[a%]$"])
def test_a_pattern_that_lua_reads_differently_is_not_given_to_kong(pattern: str) -> None:
    """Kong would check something else than Settings does."""
    with pytest.raises(ValueError, match="Lua"):
        _string_rules({"type": "string", "pattern": pattern})


def test_patterns_mean_the_same_in_lua() -> None:
    """What the schema hands to Kong is read by Lua as we read it, to the ends of the text."""
    (rule,) = RULES["namespace"]["match_all"]
    for text, fits in (("a-b._9", True), ("a\n", False), ("", True), ("%", False), ("a,b", False)):
        assert bool(lua_pattern(rule["pattern"]).search(text)) is fits
        assert (text == "" or not filled(FIELDS, {"namespace": text})[1]) is fits
