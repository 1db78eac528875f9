"""Every setting of the masker in both positions, seen in the masked text."""

from __future__ import annotations

import base64
import ipaddress
import re
from typing import Any

import pytest

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.masking import restore
from kong_plugins.aws_masker.settings import Settings, from_mapping
from kong_plugins.aws_masker.text import Text
from tests.planted.arns import ARNS
from tests.planted.hosts import HOSTS, URIS
from tests.planted.ids import IDS
from tests.planted.model import Planted
from tests.planted.names import NAMED
from tests.properties.texts import lookup_in, mask, masker

_BY_FAMILY = {planted.family: planted for planted in (*IDS, *HOSTS, *URIS, *NAMED)}
_SWITCHES: dict[str, tuple[str, ...]] = {
    "mask_ec2_instances": ("i-17", "i-8", "mi-17"),
    "mask_resource_ids": ("vpc-17", "subnet-8", "sg-17", "fs-40", "tgw-attach-17"),
    "mask_account_ids": ("account-AccountId", "account-OwnerId"),
    "mask_access_keys": tuple(family for family in _BY_FAMILY if family.startswith("iam-")),
    "mask_secret_keys": ("secret-key",),
    "mask_session_tokens": ("session-token-IQoJ", "session-token-FwoG"),
    "mask_bedrock_keys": ("bedrock-long", "bedrock-short"),
    "mask_s3_buckets": ("s3-uri", "s3-virtual", "s3-path", "name-bucket"),
    "mask_rds_instances": ("rds-dbi", "rds-cluster", "name-db-instance", "name-db-name"),
    "mask_endpoints": ("eks", "cloudfront", "apigw", "lambda-url", "elb", "ec2-public"),
    "mask_resource_names": ("name-function", "name-role", "name-queue", "name-table", "name-secret-name", "name-stack"),
    "mask_kms_keys": ("kms-mrk", "kms-key"),
    "mask_hosted_zones": ("hosted-zone",),
    "mask_cognito_pools": ("cognito-pool",),
    "mask_organizations": ("org", "org-unit"),
    "mask_directories": ("directory", "sso-instance"),
    "mask_private_ips": ("ip-10", "ip-172", "ip-192", "ip-100", "cidr-10", "ipv6", "ec2-internal"),
    "mask_public_ips": (),
}
_ALL_SWITCHES = [name for name in Settings.model_fields if name.startswith("mask_")]


def _masked(text: str, key: str = "", **fields: Any) -> str:
    (result,), mapping = mask([Text(text.encode(), key.encode())], masker(Settings(**fields)))
    assert restore(result, lookup_in(mapping)) == text.encode()
    return result.decode()


def _leaks(planted: Planted, **fields: Any) -> bool:
    masked = _masked(planted.text, planted.context.key, **fields)
    return any(secret.text in masked for secret in planted.secrets)


def test_every_switch_is_tested() -> None:
    """A new switch needs its samples here."""
    assert set(_SWITCHES) == set(_ALL_SWITCHES)


@pytest.mark.parametrize(
    ("switch", "family"), [(switch, family) for switch, families in _SWITCHES.items() for family in families]
)
def test_a_switch_alone_decides_about_its_family(switch: str, family: str) -> None:
    """On by default; off, the value stays; and it alone is enough."""
    planted = _BY_FAMILY[family]
    nothing = dict.fromkeys(_ALL_SWITCHES, False)
    assert Settings.model_fields[switch].default is True
    assert not _leaks(planted)
    assert _leaks(planted, **{switch: False})
    assert _masked(planted.text, planted.context.key, **{**nothing, switch: True}) != planted.text
    assert _masked(planted.text, planted.context.key, **nothing) == planted.text


@pytest.mark.parametrize("address", ["54.93.101.7", "8.8.4.4", "2a00:1450:4001:81b::200e", "18.197.0.0/16"])
def test_public_addresses_are_masked_only_if_asked_for(address: str) -> None:
    """`mask_public_ips` is off by default."""
    text = f"client {address} was blocked"
    assert _masked(text) == text
    masked = _masked(text, mask_public_ips=True)
    assert address not in masked
    assert masked.startswith("client ")
    assert masked.endswith(" was blocked")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0/0", "::1", "255.255.255.255", "169.254.169.254", "::/0"])
def test_nobodys_addresses_stay_whatever_the_settings(address: str) -> None:
    """Loopback, any and the metadata service say nothing about anybody."""
    assert _masked(f"bind {address} now", mask_public_ips=True) == f"bind {address} now"


def test_an_allowed_value_is_not_masked() -> None:
    """Exactly this value, in whatever context, and no other."""
    other, account = "globex-other-77", "4" * 12
    text = f"s3://globex-ledger-prod/x arn:aws:lambda:eu-west-1:{account}:function:{other} globex-ledger-prod"
    assert "globex-ledger-prod" not in _masked(text)
    masked = _masked(text, allowlist=("globex-ledger-prod", account))
    assert masked.startswith("s3://globex-ledger-prod/x")
    assert masked.endswith(" globex-ledger-prod")
    assert account in masked
    assert other not in masked


def test_an_allowed_pattern_matches_the_whole_value() -> None:
    """A pattern that matches only a part of a value allows nothing."""
    text = "s3://public-site-1/x s3://not-public-site-1x/x i-0abc1230abc123012"
    masked = _masked(text, allowlist_patterns=("public-[a-z]+-[0-9]", "i-0"))
    assert masked.startswith("s3://public-site-1/x ")
    assert "not-public" not in masked
    assert "i-0abc1230abc123012" not in masked


def test_the_values_of_the_documentation_are_allowed_if_asked_for() -> None:
    """They are masked by default, and stay with the preset, while others are masked."""
    real = "573573573573"
    documented = ("AK" + "IAIOSFODNN7EXAMPLE", "arn:aws:iam::123456789012:root", "s3://amzn-s3-demo-bucket/x")
    for text in documented:
        assert _masked(text) != text
        assert _masked(text, allowlist_presets=("aws-documentation",)) == text
    assert real not in _masked(f"arn:aws:iam::{real}:root", allowlist_presets=("aws-documentation",))


def test_a_custom_pattern_masks_what_it_matches() -> None:
    """Its name is in the placeholder, its matches are gone, and come back."""
    custom = [{"name": "ticket", "pattern": "TCK-[0-9]{4,}"}, {"name": "host", "pattern": r"[a-z0-9-]+\.corp\.globex"}]
    text = "TCK-12345 on db-7.corp.globex, see TCK-99999; TCK-1 stays."
    settings = from_mapping({"custom_patterns": custom}, Settings)
    (masked,), mapping = mask([Text(text.encode())], masker(settings))
    assert b"12345" not in masked
    assert b"corp.globex" not in masked
    assert masked.endswith(b"TCK-1 stays.")
    assert masked.count(b"TICKET") == 2
    assert restore(masked, lookup_in(mapping)) == text.encode()
    assert _masked(text) == text
    assert masker(settings).session().mask([Text(masked)]) == [None]


def test_a_custom_pattern_and_a_family_may_overlap() -> None:
    """Neither value gets through, and both come back."""
    custom = [{"name": "web", "pattern": "web-[a-z0-9-]+"}, {"name": "instance", "pattern": "i-[0-9a-f]{17}"}]
    text = "web-i-0abc1230abc123012 i-0abc1230abc123012 arn:aws:iam::444455556666:role/web-api-prod"
    (masked,), mapping = mask([Text(text.encode())], masker(from_mapping({"custom_patterns": custom}, Settings)))
    assert b"0abc123" not in masked
    assert b"web-api" not in masked
    assert b"444455556666" not in masked
    assert restore(masked, lookup_in(mapping)) == text.encode()


@pytest.mark.parametrize(
    "custom",
    [
        {"name": "x y", "pattern": "a"},
        {"name": "ok", "pattern": "("},
        {"name": "ok", "pattern": "a*"},
        {"name": "ok", "pattern": "(?=a)"},
        {"name": "ok", "pattern": ""},
        {"name": "Ok", "pattern": "a"},
        {"name": "ok", "pattern": "a", "more": 1},
    ],
)
def test_a_wrong_custom_pattern_is_refused_at_load(custom: dict[str, Any]) -> None:
    """With an error of ours that names the field."""
    with pytest.raises(ConfigError, match="custom_patterns"):
        from_mapping({"custom_patterns": [custom]})


_SHAPES = {
    "i-17": r"i-[0-9a-f]{17}",
    "vpc-17": r"vpc-[0-9a-f]{17}",
    "subnet-8": r"subnet-[0-9a-f]{8,17}",
    "account-AccountId": r"[0-9]{12}",
    "iam-AKIA": r"AKIA[A-Z2-7]{16}",
    "iam-AROA": r"AROA[A-Z2-7]{16,17}",
    "kms-key": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "kms-mrk": r"mrk-[0-9a-f]{32}",
    "hosted-zone": r"Z[A-Z0-9]{12,31}",
    "directory": r"d-[0-9a-f]{10,17}",
    "org": r"o-[a-z0-9]{10,32}",
    "s3-uri": r"s3://[a-z0-9.-]{3,63}",
    "ecr": r"[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9-]+:v1\.4\.2",
    "rds": r"[a-z][a-z0-9-]*\.[a-z0-9-]+\.[a-z0-9-]+\.rds\.amazonaws\.com",
    "eks": r"[0-9A-F]{32}\.gr7\.[a-z0-9-]+\.eks\.amazonaws\.com",
}


@pytest.mark.parametrize("family", _SHAPES)
def test_placeholders_keep_the_shape_if_wanted(family: str) -> None:
    """By default a tool or a model that checks the shape accepts the placeholder; otherwise it is an opaque token."""
    planted = _BY_FAMILY[family]
    assert re.fullmatch(_SHAPES[family], planted.text)
    assert re.fullmatch(_SHAPES[family], _masked(planted.text, planted.context.key))
    opaque = _masked(planted.text, planted.context.key, preserve_structure=False)
    assert opaque != _masked(planted.text, planted.context.key)
    assert not re.fullmatch(_SHAPES[family].replace("s3://", "s3:/"), opaque)


@pytest.mark.parametrize("planted", (*IDS, *ARNS, *HOSTS), ids=lambda planted: planted.family)
def test_opaque_placeholders_are_upper_case_words(planted: Planted) -> None:
    """`preserve_structure: false`: letters and digits only, and nothing of the value."""
    text = [Text(planted.text.encode(), planted.context.key.encode())]
    _, mapping = mask(text, masker(Settings(preserve_structure=False)))
    assert mapping
    assert all(re.fullmatch(rb"[A-Z][A-Z0-9]+", placeholder) for placeholder in mapping)
    assert not _leaks(planted, preserve_structure=False)


def test_private_addresses_keep_their_relations() -> None:
    """A masked address lies in its masked network; strangers stay outside."""
    network, inside, outside = "10.77.30.0/24", "10.77.30.44", "10.99.1.44"
    first, second, third = _masked(f"{network} {inside} {outside}").split()
    assert ipaddress.ip_address(second) in ipaddress.ip_network(first)
    assert ipaddress.ip_address(third) not in ipaddress.ip_network(first)


def test_a_masked_private_address_is_a_private_address() -> None:
    """It even stays in its range, so that whoever reads it sees that it is none of the internet."""
    for text in ("10.77.30.44", "172.20.3.4", "192.168.7.8", "100.80.1.2", "fd12:3456:789a::7"):
        masked = ipaddress.ip_address(_masked(text))
        ranges = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
        (range_of_it,) = [r for r in map(ipaddress.ip_network, ranges) if ipaddress.ip_address(text) in r]
        assert masked in range_of_it


def test_an_account_is_one_account_everywhere() -> None:
    """ARN, registry, queue and key id of one account still belong together, and the key id tells nothing else."""
    account = "737373737373"
    key_id = "AK" + "IA" + base64.b32encode((int(account) << 7).to_bytes(6, "big") + b"\0" * 4).decode()
    parts = (f"arn:aws:iam::{account}:root", f"{account}.dkr.ecr.eu-west-1.amazonaws.com", f'"AccountId": "{account}"')
    masked = [_masked(part) for part in parts]
    (pseudonym,) = {found for text in masked for found in re.findall("[0-9]{12}", text)}
    hidden = base64.b32decode(_masked(key_id)[4:])
    assert int.from_bytes(base64.b32decode(key_id[4:])[:6], "big") >> 7 == int(account)
    assert pseudonym != account
    assert (int.from_bytes(hidden[:6], "big") & 0x7FFFFFFFFF80) >> 7 != int(account)


def test_texts_of_one_request_share_their_certainty_and_requests_do_not() -> None:
    """A name certain in one text is masked in all texts of that request, before and after, and in no other request."""
    name = "globex-ledger-prod7"
    context, bare = Text(f"aws lambda invoke --function-name {name}".encode()), Text(f"{name} is slow".encode())
    before, _, after = masker().session().mask([bare, context, bare])
    assert before == after
    assert before is not None
    assert name.encode() not in before
    assert masker().session().mask([bare]) == [None]
