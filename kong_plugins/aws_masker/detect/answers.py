"""Names and ids in AWS's answers and requests whose own key does not say what they are, but what stands beside it does.

`"Key": "Name", "Value": "..."` of tags, filters by name, `"resourceType"` beside `"resourceId"`, the place of a bucket
that was made, snapshots that RDS and Redshift make by themselves, and UUIDs behind keys of resources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kong_plugins.aws_masker.detect.blocks import FAMILIES, family_of
from kong_plugins.aws_masker.detect.bucket import listed_end
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import UUID, Pattern
from kong_plugins.aws_masker.detect.separators import SEPARATOR
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, ends_clean, look_back, run_end, starts_clean
from kong_plugins.aws_masker.detect.words import is_reference, is_word, literal

_QUOTES = b"\"'\\"
_Q = r"\\{0,3}[\"']"
_GAP = r"(?:[ \t\r\n]|\\n){0,40}"
_IS = rf"{_Q}{_GAP}:{_GAP}{_Q}"


def _name(text: bytes, start: int, ends: bytes) -> bytes:
    """Return the name from `start` to one of `ends`, or nothing if what stands there is none."""
    name = literal(text, start, ends)
    return name if len(name) >= 3 and not is_word(name) and not is_reference(name) else b""


def _span(start: int, name: bytes, family: str) -> Span:
    """Return the span of a name; of a path, which only a parameter's is, without its first slash, as in its ARN."""
    path = name.startswith(b"/")
    return Span(start + path, start + len(name), "parameter" if path else family, spread=True)


_FILTERS = (
    "tag:Name|group-name|ip-permission\\.group-name|key-name|bucket-name|cluster-name|db-cluster-id|db-instance-id|"
    "load-balancer-name|auto-scaling-group|launch-template-name|function-name|tag:aws:autoscaling:groupName|"
    "tag:aws:cloudformation:stack-name|tag:kubernetes\\.io/cluster-name"
)
_VALUES = rf"(?:{_Q}[vV]alues?{_Q}{_GAP}:{_GAP}(?:\[{_GAP})?{_Q}|{_Q}valueSet{_Q}:\{{{_Q}items{_Q}:\[\{{{_Q}value{_IS})"
_OPTION = rf"(?:{_Q}[oO]ption{_IS}[A-Za-z]{{4,12}}{_Q},{_GAP})?"


_KEY_BEFORE = Pattern(rf"[kK]ey(?:{_IS}|=)$".encode())
_NOT_BEFORE = bytes(sorted(ALNUM)) + b"-_:."


def _find_tagged(text: bytes, start: int, end: int) -> Sequence[Span]:
    of_a_key = text[start : start + 4] == b"Name" and text[start + 4 : start + 5] != b"="
    if of_a_key and _KEY_BEFORE.search(text[max(0, start - 64) : start]) is None:
        return ()
    if start and text[start - 1] in _NOT_BEFORE and not (of_a_key or starts_clean(text, start)):
        return ()
    quoted = text[end - 1 : end] in (b'"', b"'")
    return list(_tagged(text, start, end, _QUOTES + b"*" if quoted else b" \t\r\n,;\"'\x00"))


def _tagged(text: bytes, start: int, end: int, ends: bytes) -> Iterator[Span]:
    """Yield the value at `end`, and the further ones of its list."""
    named = text[start:end].lower()
    family = "group" if b"group-name" in named else "keypair" if b"key-name" in named else family_of(named)
    for _ in range(100):
        name = _name(text, end, ends)
        if not name:
            return
        yield _span(end, name, family)
        following = run_end(text, end + len(name), _QUOTES + b", \t\r\n")
        if following - end - len(name) < 3 or b"," not in text[end + len(name) : following] or b"alue:" in named:
            return
        if text[following - 1 : following] not in (b'"', b"'"):
            return
        end = following


TAGS = Detector(
    name="tags",
    families=(*FAMILIES, "keypair"),
    summary="names in the tag `Name` and in filters by name",
    pattern=(
        rf"Name{_Q},{_GAP}{_OPTION}{_VALUES}|(?:{_FILTERS}){_Q},{_GAP}{_VALUES}"
        rf"|Name,Value=[\"']?|Name=(?:{_FILTERS}),Values=[\"']?"
    ).encode(),
    find=_find_tagged,
    positives=(
        '"Tags": [{"Key": "Name", "Value": "«acme-web-1»"}, {"Key": "Size", "Value": "size-1"}]',
        r"{\"Key\": \"Name\", \"Value\": \"«acme-web-1»\"}",
        '"tagSet":{"items":[{"key":"Name","value":"«acme-vpc-eu-west-1a»"}]}',
        '{"filters":[{"key":"Name","option":"Equals","values":["/«credentials/acme»"]}]}',
        '{"Name": "group-name", "Values": ["«acme-web»", "«acme-db»"]}, {"Name": "tag:Name", "Values": ["«acme-»*"]}',
        '{"name":"group-name","valueSet":{"items":[{"value":"«acme-web»"}]}}',
        "--filters Name=tag:Name,Values=«acme-web» --tags Key=Name,Value='«acme-web-1»' Key=Env,Value=prod-1",
    ),
    negatives=(
        '{"Key": "Name", "Value": "web"}, {"Key": "Environment", "Value": "prod-1"}',
        '{"key": "Full Name", "value": "x-1"}, {"Name": "instance-state-name", "Values": ["shutting-down"]}',
        '{"Key": "Name", "Value": {"Ref": "acme-1"}}',
        '{"name": "Name", "value": "acme-1"}',
    ),
    bare=False,
)

_TYPE = Pattern(rf"(?i:resource_?type){_IS}(?:Parameter|AWS::[A-Za-z0-9]{{2,30}}::[A-Za-z0-9]{{2,40}})".encode())


def _find_typed(text: bytes, start: int, end: int) -> Sequence[Span]:
    name = _name(text, end, _QUOTES)
    if not name:
        return ()
    before = look_back(text, start, 300)
    for near in (before[max(before.rfind(b"{"), before.rfind(b"}")) + 1 :], text[end : end + 300].partition(b"}")[0]):
        if (span := _TYPE.search(near)) is not None:
            kind = near[span[0] : span[1]]
            return (_span(end, name, "parameter" if kind.endswith(b"Parameter") else family_of(kind)),)
    return ()


TYPED = Detector(
    name="typed_resource",
    families=FAMILIES,
    summary="names and ids of resources beside their type",
    pattern=rf"(?i:resource_?(?:id|name)){_IS}".encode(),
    find=_find_typed,
    positives=(
        '{"resourceType":"Parameter","resourceId":"/«credentials/acme»"}',
        '{"resourceId": "«acme-logs»", "resourceName": "«acme-logs»", "resourceType": "AWS::S3::Bucket"}',
    ),
    negatives=(
        '{"resourceType":"Patient","resourceId":"pat-1"}',
        '{"resourceId":"pat-1"}, {"resourceType":"AWS::S3::Bucket"}',
    ),
    bare=False,
)

_ALONE_BEHIND = Pattern(rb"\\{0,3}[\"'](?:[ \t\r\n]|\\n){0,8}\}(?:[ \t\r\n]|\\n){0,8}(?:\z|\x00|\\{0,3}\")")


def _find_location(text: bytes, start: int, end: int) -> Sequence[Span]:
    stop = listed_end(text, end)
    if stop == end or text[stop : stop + 1] not in (b'"', b"'", b"\\"):
        return ()
    around = look_back(text, start, 400) + text[stop : stop + 400]
    of_s3 = b"x-amz-" in around or b"ResponseMetadata" in around
    if of_s3 or _ALONE_BEHIND.match(text[stop : stop + 32]) > 0:
        return (Span(end, stop, "bucket", spread=True),)
    return ()


LOCATION = Detector(
    name="bucket_location",
    families=("bucket",),
    summary="buckets as S3 answers that it made one: a path, and nothing else",
    pattern=rf"[lL]ocation{_IS}\\?/".encode(),
    find=_find_location,
    positives=(
        '{\n    "Location": "/«acme-logs»"\n}\n',
        r"{\n    \"Location\": \"/«acme-logs»\"\n}",
        '{"Location": "/«acme-logs»", "ResponseMetadata": {}}, {"x-amz-id-2": "x", "location": "/«acme-logs»"}',
    ),
    negatives=(
        'res.writeHead(302, {"Location": "/sign-in"});',
        '{"Location": "/login"}',
        '{"headers": {"Location": "/sign-in"}}',
        '{"Location": "/sign-in/2"}',
    ),
    bare=False,
)


def _find_snapshot(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    return (Span(start + text[start:end].index(b":") + 1, end - len("-2024-05-01-12-00"), "database", spread=True),)


SNAPSHOT = Detector(
    name="automated_snapshot",
    families=("database",),
    summary="databases in the names of snapshots that RDS and Redshift make by themselves",
    pattern=rb"(?:rds|rs):[a-zA-Z][a-zA-Z0-9-]{0,62}-20[0-9]{2}-[01][0-9]-[0-3][0-9]-[0-2][0-9]-[0-5][0-9]",
    find=_find_snapshot,
    positives=('"DBSnapshotIdentifier": "rds:«orders-prod»-2024-05-01-12-00"',),
    negatives=("words:acme-2024-05-01-12-00", "rds:acme-2024-05-01", "rds:acme-2024-05-01-12-001"),
)

_RESOURCES = (
    *("web[_-]?acl", "waf[_-]?acl", "firewall", "firewall_?rule_?group", "protection"),
    *("direct[_-]?connect[_-]?gateway", "table", "connect_?instance", "agent_?space", "deployment_?group"),
    *("named_?query", "activation", "resource_?share", "repository"),
    "reserved[_-]?(?:instances|db[_-]?instance|cache[_-]?node|node|elasticsearch[_-]?instance)",
)
_BEGINS = "|".join(_RESOURCES)
_GOES_ON = "|".join(f"{one[0].upper()}(?i:{one[1:]})" for one in _RESOURCES)
_KEY_OF_RESOURCE = Pattern(  # `tableId`, `sourceTableId`, and not `stableId`
    rf"(?:(?:^|[^0-9A-Za-z]|\\[nrt])(?i:{_BEGINS})|[0-9A-Za-z](?:{_GOES_ON}))[_-]?(?i:ids?)(?:{SEPARATOR})$".encode()
)


def _find_uuid(text: bytes, start: int, end: int) -> Sequence[Span]:
    near = text[start - 16 if start > 16 else 0 : start]
    if b"eque" in near or b"vent" in near:  # in the keys of most UUIDs of logs: requests and events
        return ()
    of_codedeploy = b"plicationId" in near and b"applicationName" in text[end : end + 64]
    if not ends_clean(text, end):
        return ()
    if not of_codedeploy and _KEY_OF_RESOURCE.search(look_back(text, start, 96)) is None:
        return ()
    return (Span(start, end, "resource", spread=True),)


RESOURCE_UUID = Detector(
    name="resource_uuid",
    families=("resource",),
    summary="UUIDs behind keys of web ACLs, firewalls, gateways and other resources that have them as ids",
    pattern=UUID,
    find=_find_uuid,
    positives=(
        '"WebACLId": "«1ebe0b46-0fd2-4e07-a74c-27bf25adc0bf»"',
        '"SourceFirewallId":"«f922fc1a-643a-4dab-832a-5998ff907d4f»"',
        '"NamedQueryIds": [\n            "«5e0035f9-1f3d-4359-9ff4-36c974e8cf5a»"',
        "--direct-connect-gateway-id «e72d611c-aa39-4fd2-a1d7-da0484ad38fe»",
        '"applicationId": "«1ebe0b46-0fd2-4e07-a74c-27bf25adc0bf»",\n  "applicationName": "HelloWorld"',
        "web_acl_id = «1ebe0b46-0fd2-4e07-a74c-27bf25adc0bf»",
    ),
    negatives=(
        '"applicationId": "1ebe0b46-0fd2-4e07-a74c-27bf25adc0bf", "tenantId": "x"',
        '"requestId": "1ebe0b46-0fd2-4e07-a74c-27bf25adc0bf"',
        '"eventID": "1ebe0b46-0fd2-4e07-a74c-27bf25adc0bf", "stableId": "1ebe0b46-0fd2-4e07-a74c-27bf25adc0bf"',
        '"tableId": "users", "ReservedInstancesOfferingId": "1ebe0b46-0fd2-4e07-a74c-27bf25adc0bf"',
    ),
)
