"""Requests and answers of every AWS API, with values made from the patterns in botocore's own models.

For one operation in three, its request and its answer, in turns in the CLI's manner (members' names, indented) and in
the wire's (`locationName`, compact). A member gets a value if its shape's pattern says what it is (an ARN, an account
id, a prefix and digits), or its name does where the model has no pattern (EC2's has none).
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import re2
import rstr

from bench.evidence.values import Document, Value

ARN_ACCOUNT, ARN_RESOURCE = "account id in an ARN", "resource in an ARN"
HEX_ID = "id of a prefix and hex digits"
OTHER_ID = "id of a prefix and other letters and digits"
EC2_ID, ACCOUNT, ADDRESS = "EC2-style id by the member's name", "account id", "private address"
TWELVE_DIGITS = "account id under a name that does not say so"
NAME = "name by the member's name"
SHAPED = (ARN_ACCOUNT, ARN_RESOURCE, HEX_ID, EC2_ID, ACCOUNT, ADDRESS)
"""The families with a shape that a detector can go by."""

_DEPTH = 6
_EACH = 3
"""One operation in so many, to keep the whole measurement to minutes."""
_MOST = 40
"""Values in one document: some answers have room for thousands."""
_OF_A_KIND = 4
"""Values made for one member of one shape; then they come again."""
_CLASSES = re.compile(r"\[(?:0-9|a-z|A-Z|a-f|A-F|2-7)+\]")
_HEX_CLASSES = re.compile(r"\[(?:0-9|a-f|A-F)+\]")
_PREFIXED = re.compile(r"((?:[a-z][a-z0-9]*-)+)((?:\[[^\]]+\]|\{\d+(?:,\d+)?\}|\(\?:|[()|?])+)")
_LENGTHS = frozenset({8, 17})
"""Digits that ids have where a pattern gives bounds only: AWS went from 8 to 17 (EC2's user guide, "Resource IDs")."""
_RANGE = re.compile(r"\{\d+,\d*\}")
_ARN = re.compile(
    r"arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:([0-9]{12}):(?:[a-zA-Z-]+[/:])?([A-Za-z0-9][A-Za-z0-9+=,.@_/-]{3,})"
)
_ACCOUNT_PATTERN = re.compile(r"\^?\(?(?:\\d|\[0-9\])\{12\}\)?\$?")

_EC2 = {
    "InstanceId": "i", "ImageId": "ami", "VpcId": "vpc", "SubnetId": "subnet", "GroupId": "sg", "VolumeId": "vol",
    "SnapshotId": "snap", "NetworkInterfaceId": "eni", "AllocationId": "eipalloc", "RouteTableId": "rtb",
    "NetworkAclId": "acl", "InternetGatewayId": "igw", "NatGatewayId": "nat", "VpcEndpointId": "vpce",
    "TransitGatewayId": "tgw", "TransitGatewayAttachmentId": "tgw-attach", "LaunchTemplateId": "lt",
    "VpcPeeringConnectionId": "pcx", "CustomerGatewayId": "cgw", "VpnConnectionId": "vpn", "VpnGatewayId": "vgw",
    "DhcpOptionsId": "dopt", "PrefixListId": "pl", "KeyPairId": "key", "SecurityGroupRuleId": "sgr",
    "NetworkInterfaceAttachmentId": "eni-attach", "CapacityReservationId": "cr", "FlowLogId": "fl",
    "EgressOnlyInternetGatewayId": "eigw", "CarrierGatewayId": "cagw", "IpamId": "ipam", "IpamPoolId": "ipam-pool",
    "FpgaImageId": "afi", "ReservedInstancesId": "ri", "HostId": "h", "PlacementGroupId": "pg",
    "ClientVpnEndpointId": "cvpn-endpoint", "TransitGatewayRouteTableId": "tgw-rtb", "SpotInstanceRequestId": "sir",
    "SpotFleetRequestId": "sfr", "InstanceConnectEndpointId": "eice",
    "NetworkInsightsPathId": "nip", "NetworkInsightsAnalysisId": "nia", "TrafficMirrorTargetId": "tmt",
    "VerifiedAccessInstanceId": "vai", "LocalGatewayId": "lgw", "CoipPoolId": "ipv4pool-coip",
}  # fmt: skip
"""EC2's members to the prefixes that its documentation gives."""
_BY_NAME = re.compile(
    "BucketName|DBInstanceIdentifier|DBClusterIdentifier|RoleName|UserName|PolicyName|InstanceProfileName|FunctionName|"
    "ClusterName|clusterName|NodegroupName|nodegroupName|RepositoryName|repositoryName|QueueName|TableName|StreamName|"
    "LogGroupName|logGroupName|AlarmName|StackName|AutoScalingGroupName|LaunchTemplateName|KeyPairName|"
    "LoadBalancerName|TargetGroupName|CacheClusterId|ReplicationGroupId|ClusterIdentifier|LayerName"
)
_OWNERS = ("globex", "initech", "hooli", "vandelay", "wernham", "tyrell", "cyberdyne")
_THINGS = ("ledger", "payslips", "telemetry", "invoicing", "checkout", "geodata", "risk")


class _Made(NamedTuple):
    """A value and its secret parts: family, start and end in characters."""

    text: str
    parts: tuple[tuple[str, int, int], ...]


class Service:
    """One service's model."""

    def __init__(self, name: str, model: dict[str, Any], seed: int) -> None:
        self.name = name
        self._shapes: dict[str, dict[str, Any]] = model["shapes"]
        self._operations: dict[str, dict[str, Any]] = model["operations"]
        self._signing = model["metadata"].get("signingName") or model["metadata"]["endpointPrefix"].split(".")[-1]
        self._rng = random.Random(f"{name} {seed}")
        self._xeger = rstr.Rstr(self._rng)
        self._pools: dict[str, tuple[_Made, ...]] = {}

    @cached_property
    def _by_name_only(self) -> bool:
        return self.name == "ec2"

    def documents(self) -> Iterator[Document]:
        """Yield requests and answers, in the order of the operations."""
        for number, (operation, described) in enumerate(sorted(self._operations.items())[::_EACH]):
            for side in ("input", "output"):
                if side not in described:
                    continue
                made: list[_Made] = []
                body = self._node(described[side]["shape"], "", number % 2 == 1, made, ())
                if made:
                    indent = None if number % 2 else 4
                    text = json.dumps(body, indent=indent)
                    yield Document(f"{self.name} {operation} {side}", text.encode(), _places(text, made))

    def _node(self, shape_name: str, member: str, wire: bool, made: list[_Made], above: tuple[str, ...]) -> Any:
        """Return a value of the shape, with only those members that get one; None for nothing."""
        shape = self._shapes[shape_name]
        if shape_name in above or len(above) >= _DEPTH:
            return None
        below = (*above, shape_name)
        if shape["type"] == "structure":
            found = {}
            for name, ref in shape["members"].items():
                if len(made) >= _MOST:
                    break
                written = ref.get("locationName", name) if wire else name
                value = self._node(ref["shape"], written, wire, made, below)
                if value is not None:
                    found[written] = value
            return found or None
        if shape["type"] == "list":
            singular = member[:-1] if member.endswith("s") else member
            values = [self._node(shape["member"]["shape"], singular, wire, made, below) for _ in range(2)]
            return [value for value in values if value is not None] or None
        if shape["type"] == "string" and "enum" not in shape:
            value = self._string(shape_name, shape, member)
            if value is not None:
                made.append(value)
                return value.text
        return None

    def _string(self, shape_name: str, shape: dict[str, Any], member: str) -> _Made | None:
        name = f"{shape_name} {member}"
        if name not in self._pools:
            maker = self._maker(shape_name, shape, member)
            made = [maker() for _ in range(_OF_A_KIND)] if maker else []
            self._pools[name] = tuple(one for one in made if one is not None)
        pool = self._pools[name]
        return self._rng.choice(pool) if pool else None

    def _maker(self, shape_name: str, shape: dict[str, Any], member: str) -> Callable[[], _Made | None] | None:
        pattern = shape.get("pattern", "")
        prefixed = _PREFIXED.fullmatch(pattern.strip("^$"))
        if "arn" in pattern or (member.lower().endswith("arn") and not pattern):
            return lambda: self._arn(shape)
        if prefixed and "{" in prefixed[2] and "-" not in _CLASSES.sub("", prefixed[2]):
            family = OTHER_ID if "[" in _HEX_CLASSES.sub("", prefixed[2]) else HEX_ID
            return lambda: self._prefixed(pattern, prefixed[1], family)
        if _ACCOUNT_PATTERN.fullmatch(pattern) or (self._by_name_only and member.lower() in ("ownerid", "accountid")):
            told = re.search("account|owner", f"{member} {shape_name}", re.IGNORECASE)
            return lambda: _whole(ACCOUNT if told else TWELVE_DIGITS, self._digits())
        return self._maker_by_name(shape, member)

    def _maker_by_name(self, shape: dict[str, Any], member: str) -> Callable[[], _Made | None] | None:
        prefix = _EC2.get(member[:1].upper() + member[1:]) if self._by_name_only else None
        if prefix is not None:
            return lambda: _whole(EC2_ID, f"{prefix}-{self._hex(self._rng.choice((8, 17, 17)))}")
        if member.lower() == "privateipaddress" and "pattern" not in shape:
            return lambda: _whole(ADDRESS, f"10.{self._octet()}.{self._octet()}.{self._octet()}")
        return (lambda: self._name(shape)) if _BY_NAME.fullmatch(member) else None

    def _arn(self, shape: dict[str, Any]) -> _Made | None:
        """Return an ARN by the pattern; where it says too little, one of the service's with a resource of our own."""
        pattern = shape.get("pattern", "")
        for _ in range(6):
            text = self._by_pattern(pattern) if pattern else None
            match = _ARN.fullmatch(self._of_aws(pattern, text or ""))
            if match and len(match[0]) <= min(200, shape.get("max", 200)):
                return _arn_parts(match)
        service = _OTHER_ARNS.get(self._signing, self._signing)
        text = f"arn:aws:{service}:eu-west-1:{self._digits()}:{self._rng.choice(_KINDS)}/{self._a_name()}"
        match = _ARN.fullmatch(text)
        return _arn_parts(match) if match and self._allows(shape, text) else None

    def _of_aws(self, pattern: str, arn: str) -> str:
        """Return `arn` with a partition and a region that AWS has, where the pattern allows any word."""
        fields = arn.split(":", 5)
        if len(fields) < 6:
            return ""
        fields[1] = self._rng.choice(_PARTITIONS)
        fields[3] = "eu-west-1" if fields[3] else ""
        better = ":".join(fields)
        return better if _matches(pattern, better) else arn

    def _prefixed(self, pattern: str, prefix: str, family: str) -> _Made | None:
        for _ in range(20):
            text = self._by_pattern(pattern)
            if text is None:
                return None
            digits = text[len(prefix) :]
            if family == HEX_ID:
                text = text.lower()
            exact = family == OTHER_ID or not _RANGE.search(pattern)
            right = 8 <= len(digits) <= 64 if exact else len(digits) in _LENGTHS
            if right and text.startswith(prefix) and digits.isalnum() and not digits.isalpha():
                return _whole(family, text)
        return None

    def _name(self, shape: dict[str, Any]) -> _Made | None:
        text = self._a_name()
        return _whole(NAME, text) if self._allows(shape, text) else None

    def _by_pattern(self, pattern: str) -> str | None:
        if _SAYS_LITTLE.search(pattern):
            return None
        try:
            return self._xeger.xeger(_BOUNDS.sub(_narrowed, pattern))
        except (re.error, ValueError, IndexError, RecursionError, OverflowError, KeyError):
            return None  # Java's, not Python's

    def _allows(self, shape: dict[str, Any], text: str) -> bool:
        return _matches(shape.get("pattern", ".*"), text) and shape.get("min", 0) <= len(text) <= shape.get(
            "max", 10**9
        )

    def _a_name(self) -> str:
        return f"{self._rng.choice(_OWNERS)}-{self._rng.choice(_THINGS)}-{self._rng.randrange(10, 99)}"

    def _digits(self) -> str:
        return f"{self._rng.randrange(10**11, 10**12)}"

    def _hex(self, length: int) -> str:
        return f"{self._rng.randrange(16**length):0{length}x}"

    def _octet(self) -> int:
        return self._rng.randrange(1, 255)


_SAYS_LITTLE = re.compile(r"\[\^|(?<!\\)\.[*+{]|\\[SPp]")
"""Anything but a few characters: what is made of it looks like nothing of AWS's."""
_BOUNDS = re.compile(r"\{(\d+),(\d*)\}|(?<=[\])\w])[*+]")
_SPREAD = 10
"""Repeats above the least that a pattern asks for: `{1,1011}` is rarely used to the full."""


def _narrowed(match: re.Match[str]) -> str:
    if match[1] is None:
        return f"{{{0 if match[0] == '*' else 1},{_SPREAD}}}"
    least = int(match[1])
    return f"{{{least},{min(int(match[2] or least + _SPREAD), least + _SPREAD)}}}"


_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def _matches(pattern: str, text: str) -> bool:
    """Tell whether `text` matches; in linear time, which `re` does not promise for all of these patterns."""
    try:
        return re2.fullmatch(pattern, text, _OPTIONS) is not None
    except re2.error:
        return True  # Java's, not RE2's


_PARTITIONS = ("aws", "aws", "aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc")
_OTHER_ARNS = {"s3": "s3tables", "execute-api": "apigateway"}
"""A bucket's ARN has no account; one of execute-api ends in a path that says what is called, and names nothing."""
_KINDS = ("resource", "app", "job", "instance", "project", "workspace", "environment")


def _whole(family: str, text: str) -> _Made:
    return _Made(text, ((family, 0, len(text)),))


def _arn_parts(match: re.Match[str]) -> _Made:
    name = match[2].rpartition("/")[2]
    parts = [(ARN_ACCOUNT, *match.span(1))]
    start = match.end(2) - len(name)
    name = name.removesuffix(".fifo")  # says what kind of queue or topic it is
    if (
        len(name) >= 4 and name not in ("default", "root") and not re.fullmatch(r"[0-9]{1,6}", name)
    ):  # a version or a time
        parts.append((ARN_RESOURCE, start, start + len(name)))
    return _Made(match[0], tuple(parts))


def _places(text: str, made: list[_Made]) -> list[Value]:
    """Find the made values, which stand in their order, and return their secret parts by place."""
    values, at = [], 0
    for one in made:
        at = text.index(json.dumps(one.text), at) + 1
        values += [Value(family, at + start, at + end) for family, start, end in one.parts]
        at += len(one.text)
    return values


def services(botocore: Path, seed: int = 0) -> Iterator[Service]:
    """Yield the latest model of each service that the package holds."""
    for folder in sorted((botocore / "botocore" / "data").iterdir()):
        models = sorted(folder.glob("*/service-2.json*"))
        if models:
            data = models[-1].read_bytes()
            model = json.loads(gzip.decompress(data) if models[-1].suffix == ".gz" else data)
            yield Service(folder.name, model, seed)
