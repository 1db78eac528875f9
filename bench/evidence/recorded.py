"""What is known to be in what AWS's own APIs said, recorded as JSON: values by the typed field that they stand in.

The fields and what their values look like are those of AWS's API references. What a recording's authors put in place of
a value (`vpc-1`), AWS's own names and plain words are no values.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import yaml

from bench.evidence import terraform, truth
from bench.evidence.store import Store, files
from bench.evidence.truth import NAMES, SHAPED
from bench.evidence.values import Document, Value

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID_KEYS = (
    "instance|image|subnet|vpc|volume|snapshot|group|security_?group|network_?interface|route_?table|internet_?gateway|"
    "nat_?gateway|allocation|association|attachment|dhcp_?options|network_?acl|network_?acl_?association|vpc_?endpoint|"
    "customer_?gateway|vpn_?gateway|vpn_?connection|transit_?gateway|transit_?gateway_?attachment|launch_?template|"
    "vpc_?peering_?connection|security_?group_?rule|prefix_?list|flow_?log|file_?system|mount_?target|reservation|"
    "spot_?instance_?request|key_?pair|prefix_?list|virtual_?interface|connection|workspace|directory|environment"
)
_NAME_KEYS = (
    "bucket|s3_?bucket|function|role|user|table|stream|delivery_?stream|queue|topic|secret|parameter|log_?group|"
    "cluster|repository|stack|stack_?set|trail|alarm|load_?balancer|target_?group|auto_?scaling_?group|"
    "launch_?configuration|launch_?template|instance_?profile|policy|db|dB|db_?subnet_?group|dB_?subnet_?group|db_?parameter_?group|"
    "db_?cluster_?parameter_?group|cache_?subnet_?group|layer|project|pipeline|job|crawler|rest_?api|state_?machine|"
    "nodegroup|capacity_?provider|service|key|option_?group|backup_?vault|backup|event_?bus|endpoint_?config|"
    "endpoint|model|notebook_?instance|workgroup|rule|domain|application|environment|deployment_?group|user_?pool|"
    "broker|flow|canary|dashboard|assessment_?template"
)
_IDENTIFIERS = (
    "[dD][bB](?:Instance|Cluster|Snapshot|ClusterSnapshot|InstanceId|ClusterId)?Identifier|replication_?instance_?"
    "identifier|source_?db_?instance_?identifier|read_?replica_?source_?db_?instance_?identifier|cluster_?identifier|"
    "cache_?cluster_?id|replication_?group_?id|secret_?id|target_?key_?id|snapshot_?identifier"
)
_RESOURCE_UUIDS = (
    "web_?ACL|firewall|protection|direct_?connect_?gateway|table|application|agent_?space|connect_?instance|portfolio|"
    "deployment_?group|directory|distribution|repository|named_?query|accelerator|resource_?share|"
    "reserved_?(?:instances|DB_?instance|cache_?node|node|elasticsearch_?instance)|runtime|budget|activation"
)
_NAME = r"(?:/aws/[a-z0-9-]+/)?(?P<value>[A-Za-z0-9/][A-Za-z0-9._/+=,@-]{3,254})"
"""What stands before a log group's own name is AWS's."""
_PRIVATE = r"(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}(?:/\d+)?"


class _Field(NamedTuple):
    """A family of values: the end of the path that they stand at, and what they look like, as patterns."""

    family: str
    kind: str
    path: str
    value: str
    files: str = ""
    """Part of the names of the files that have such a field."""


_FIELDS = (
    _Field(
        "account id in its field",
        SHAPED,
        r"(?:\w*account_?(?:id|number)?s?|\w*owner(?:_?id|account)?s?|registry_?id|administrator_?account)",
        r"[0-9]{12}",
    ),
    _Field(
        "id of IAM's in its field",
        SHAPED,
        r"(?:access_?key|principal|role|user|policy|group|instance_?profile)_?id|arn",
        r"A(?:KIA|SIA|ROA|IDA|GPA|IPA|NPA|NVA)[A-Z2-7]{16,17}(?::.*)?",
    ),
    _Field(
        "id of a resource in its field",
        SHAPED,
        rf"(?:{_ID_KEYS})_?ids?",
        r"[a-z][a-z-]{0,20}-(?:[0-9a-f]{8}|[0-9a-f]{17}|[0-9a-f]{32})",
    ),
    _Field(
        "id with a UUID in its field",
        SHAPED,
        r"\w*(?:spot_?fleet_?request|fleet|cross_?cluster_?search_?connection)_?ids?",
        rf"[a-z]{{1,8}}-{_UUID}",
    ),
    _Field("UUID of a resource in its field", SHAPED, rf"(?:{_RESOURCE_UUIDS})_?ids?", _UUID),
    _Field("KMS key in its field", SHAPED, r"(?:\w*kms_?(?:master_?)?|target_?|master_?)?key_?id", _UUID),
    _Field("hosted zone in its field", SHAPED, r"(?:canonical_?)?hosted_?zone_?(?:name_?)?id", r"Z[A-Z0-9]{10,31}"),
    _Field("private address in its field", SHAPED, r"\w*(?:ip_?address(?:es)?|cidr(?:_?block|ip)?s?)", _PRIVATE),
    _Field("bucket in a list of buckets", NAMES, r"buckets/name", _NAME),
    _Field("bucket that an answer locates", NAMES, r"data/location", r"/[a-z0-9][a-z0-9.-]{2,62}"),
    _Field("name of a bucket's listing", NAMES, r"data/name", _NAME, "s3.List"),
    _Field("name in its field", NAMES, rf"(?:{_NAME_KEYS})_?names?|{_IDENTIFIERS}", _NAME),
    _Field("name in a list of names", NAMES, r"data/(?:projects|trails|repositories|clusters|nodegroups)", _NAME),
    _Field("parameter of Systems Manager", NAMES, r"requestparameters/names?|parameters/name", r"/.{3,}"),
)
KIND: dict[str, str] = {one.family: one.kind for one in _FIELDS} | {terraform.FAMILY: NAMES}
_PATTERNS = tuple(
    (one, re.compile(rf"(?i)(?:.*/)?(?:{one.path})".encode()), re.compile(one.value.encode())) for one in _FIELDS
)
_OF_AWS = re.compile(
    rb"(?i)default[.:].*|(?:aws|amazon|codedeploydefault)[A-Za-z._/-].*|HIDDEN_DUE.*|\$?LATEST|primary|alias/aws/.*|"
    rb".*\.(?:amazonaws\.com|cloudfront\.net|on\.aws)|com\.amazonaws\..*|arn:.*|.*(?:XXX|0123456|1234567).*"
)
"""AWS's own names, hosts, which are counted as such, and what is nobody's value."""
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[\[\]{}]')


def leaves(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the path of every string in a JSON document, its keys joined by slashes, and where the string stands."""
    path: list[bytes] = []
    depths = [0]
    for token in _TOKEN.finditer(text):
        if token[0] in (b"{", b"["):
            depths.append(len(path))
        elif token[0] in (b"}", b"]"):
            del path[depths.pop() :]
        elif token[2] is not None:
            del path[depths[-1] :]
            path.append(token[1])
        elif token[1]:
            yield b"/".join(path), *token.span(1)


_Leaves = Callable[[bytes], Iterator[tuple[bytes, int, int]]]


def values(source: str, text: bytes, left_out: Counter[str], leaves_of: _Leaves = leaves) -> list[Value]:
    """Return the values in one recorded answer, those that documents of any kind show as well and those of its fields.

    `source` is the file's name: recordings of an operation are called after it.
    """
    found = truth.values(text, left_out)
    known = {one.end for one in found}
    for path, start, end in leaves_of(text):
        read = _read(source, path, text[start:end])
        if read is None:
            continue
        field, public = read
        value = text[start + public : end]
        reason = truth.left_out_as(value, field.kind, path.rpartition(b"/")[2]) if field.kind == NAMES else ""
        if reason or (field.kind == NAMES and _OF_AWS.fullmatch(value)):
            left_out[reason or "stand-ins"] += 1
        elif end not in known:
            found.append(Value(field.family, start + public, end))
    return found


@cache
def _fields(path: bytes) -> list[tuple[_Field, re.Pattern[bytes]]]:
    return [(field, like) for field, at, like in _PATTERNS if at.fullmatch(path)]


def _read(source: str, path: bytes, value: bytes) -> tuple[_Field, int] | None:
    """Return the family of `value`, which stands at `path`, and how much of it is public and stands before its own."""
    for field, like in _fields(path):
        if field.files in source and (match := like.fullmatch(value)) is not None:
            return field, match.start("value") if "value" in like.groupindex else 0
    return None


def yaml_leaves(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the same as `leaves` for YAML, which JSON may stand in."""
    characters = text.decode()
    wide = not text.isascii()
    todo = [(b"", node) for node in yaml.compose_all(characters, Loader=yaml.SafeLoader)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, yaml.MappingNode):
            todo += [(path + b"/" + str(key.value).encode(), value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            todo += [(path, value) for value in node.value]
        elif isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str":
            quoted = node.style in ("'", '"')
            first, last = node.start_mark.index + quoted, node.end_mark.index - quoted
            if characters[first:last] == node.value:  # as it is, without an escape
                start = len(characters[:first].encode()) if wide else first
                yield path, start, start + len(node.value.encode())


class _Corpus(NamedTuple):
    """Files of a repository, and what reads the values in them."""

    name: str
    repository: str
    folders: tuple[str, ...]
    """Only these are fetched."""
    suffix: str
    part: str
    """Part of the path of each file."""
    read: Callable[[str, bytes, Counter[str]], list[Value]]


def _from_json(source: str, text: bytes, left_out: Counter[str]) -> list[Value]:
    return values(source, text, left_out)


def _from_yaml(source: str, text: bytes, left_out: Counter[str]) -> list[Value]:
    return values(source, text, left_out, yaml_leaves)


def _from_terraform(_: str, text: bytes, left_out: Counter[str]) -> list[Value]:
    return terraform.values(text, left_out)


_DRIFTCTL = "snyk/driftctl", ("pkg/iac", "enumeration/remote")
_CORPORA = (
    _Corpus(
        "a CloudTrail of attacks, by Invictus", "invictus-ir/aws_dataset", ("CloudTrail",), ".json", "", _from_json
    ),
    _Corpus(
        "answers recorded by Cloud Custodian",
        "cloud-custodian/cloud-custodian",
        ("tests/data/placebo",),
        ".json",
        "",
        _from_json,
    ),
    _Corpus(
        "samples of Panther's detections: logs, findings, resources",
        "panther-labs/panther-analysis",
        ("rules", "policies"),
        ".yml",
        "/aws_",
        _from_yaml,
    ),
    _Corpus("states of Terraform's, by driftctl", *_DRIFTCTL, ".tfstate", "", _from_terraform),
    _Corpus("resources that driftctl lists", *_DRIFTCTL, ".json", "aws", _from_terraform),
)


def names() -> list[str]:
    """Return the corpora's names."""
    return [one.name for one in _CORPORA]


def documents(store: Store, corpus: str, left_out: Counter[str]) -> Iterator[Document]:
    """Yield the documents of one corpus, a file each."""
    _, repository, folders, suffix, part, read = next(one for one in _CORPORA if one.name == corpus)
    root = store.git(repository, *folders)
    for folder in folders:
        for name, text in files(root / folder, frozenset({suffix})):
            if part in "/" + name:
                yield Document(f"{repository}/{name}", text, read(name, text, left_out))
