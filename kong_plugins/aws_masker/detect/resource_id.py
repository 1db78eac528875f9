"""EC2-style ids: a prefix, a hyphen, and 8 or 17 lower-case hex digits (40 for some of EFS).

The prefixes come from the shapes and examples in botocore's service models.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import UUID, Pattern
from kong_plugins.aws_masker.detect.spans import Span, ends_clean, starts_clean

INSTANCE_PREFIXES = ("i", "mi")
PREFIXES = (
    *("vpc", "subnet", "sg", "sgr", "ami", "aki", "ari", "vol", "snap", "eni", "eni-attach", "igw", "eigw", "rtb"),
    *("rtbassoc", "acl", "aclassoc", "nat", "natgw", "eipalloc", "eipassoc", "pcx", "vgw", "cgw", "vpn", "tgw"),
    *("tgw-attach", "tgw-rtb", "tgw-mcast-domain", "tgw-connect-peer", "vpce", "vpce-svc", "lt", "r", "dopt", "fs"),
    *("fsap", "fsmt", "pl", "key", "lgw", "lgw-rtb", "lgw-vif", "lgw-vif-grp", "cr", "h", "fl", "import-ami"),
    *("import-snap", "import-i", "export-i", "export-ami", "conversion", "s", "sir", "sfr", "fleet", "bun", "scvmpa"),
    *("cagw", "ipam", "ipam-pool", "ipam-scope", "ipam-res-disco", "ipam-res-disco-assoc", "vpcec", "pool"),
    *("vpc-cidr-assoc", "subnet-cidr-assoc", "vpce-rule", "eice", "nia", "nip", "nis", "nisa", "tmf", "tmfr", "tms"),
    *("tmt", "cvpn-endpoint", "cvpn-assoc", "vgw-telemetry", "vai", "vatp", "vae", "vagr", "cfg", "iip-assoc", "rrs"),
    *("rslvr-in", "rslvr-out", "rslvr-rr", "rslvr-rrassoc", "rslvr-fdl", "rslvr-frg", "rslvr-frgassoc", "fcr", "fsvol"),
    *("svm", "backup", "task", "ipv4pool-ec2", "ipv6pool-ec2", "ipv4pool-coip", "ri", "capacity-reservation"),
    *("loc", "agent", "dss", "ws", "wsb", "lag", "dxcon", "dxvif", "dxlag", "ela", "ela-attach"),
    *("asg", "mw", "oi", "ops", "copy-snap", "afi", "core-network", "connect-peer"),
)
LONG_PREFIXES = (
    *("attachment", "cap", "cert", "context-store", "dv", "fcap", "fcapassoc"),
    *("hostkey", "oo", "ooi", "op", "oq", "oqo", "peering", "rea", "report", "snra", "snva", "webapp", "pg"),
    *("als", "connector", "drsjob", "lct", "listener", "mgnjob", "nmd", "pit", "rcfg", "rct", "rgw", "rsa", "rsajob"),
    *("rule", "sn", "svc", "tg", "vcc", "wave", "farm", "import-task", "job", "queue", "queueenv", "limit", "monitor"),
    *("session", "sp", "step", "volume", "worker", "budget"),
)
"""Prefixes of ids that have 17 or 32 digits only: common words, which 8 digits may well follow."""
_ALTERNATION = "|".join(
    sorted(dict.fromkeys((*INSTANCE_PREFIXES, *PREFIXES, *LONG_PREFIXES)), key=lambda prefix: (-len(prefix), prefix))
)

ANY_PREFIX = _ALTERNATION.encode()
"""All of them, as a pattern."""

_OF_A_FLEET = rb"(?:sfr|fleet)-" + UUID
"""Spot Fleet requests and EC2 Fleets."""
PATTERN = rf"(?:{_ALTERNATION})-[0-9a-f]{{8,41}}|".encode() + _OF_A_FLEET

DATE = Pattern(rb"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?:[0-9]{4}|[0-9]{6})?")
"""A day, or a day and a time: `key-20240131` is nobody's id."""
_WITH_UUID = Pattern(_OF_A_FLEET)
_UUID_GOES_ON = Pattern(rb"-[0-9a-fA-F]{4}-")
_LENGTHS = {8, 17}
_FURTHER_LENGTHS = {17, 32}
_FURTHER = frozenset(one.encode() for one in (*LONG_PREFIXES, "fleet"))
_LONG_PREFIXES = (b"fsmt", b"fsap", b"fs")


def _fits(prefix: bytes, digits: int) -> bool:
    """Tell whether ids of `prefix` have so many digits."""
    if prefix == b"s":  # Transfer Family; `s-12345678` is somebody's style sheet
        return digits == 17
    if prefix in _FURTHER:
        return digits in _FURTHER_LENGTHS or (digits == 8 and prefix == b"fleet")
    return digits in _LENGTHS or (prefix in _LONG_PREFIXES and digits <= 40)


def find(text: bytes, start: int, end: int) -> Sequence[Span]:
    """Return the span of the candidate, if it is an id."""
    prefix, _, digits = text[start:end].rpartition(b"-")
    if _WITH_UUID.fullmatch(text[start:end]):
        return (Span(start, end, "resource_id"),) if ends_clean(text, end) and starts_clean(text, start) else ()
    if not _fits(prefix, len(digits)) or not ends_clean(text, end) or not starts_clean(text, start):
        return ()
    if digits.isdigit() and (DATE.fullmatch(digits) or text[max(0, start - 2) : start] == b")+"):
        return ()  # (a<<10)+i-56613888: program text without blanks
    if len(digits) == 8 and _UUID_GOES_ON.match(text[end : end + 6]) > 0:
        return ()  # `key-0123abcd-...`: a UUID behind a word
    return (Span(start, end, "ec2_instance" if prefix.decode() in INSTANCE_PREFIXES else "resource_id"),)


DETECTOR = Detector(
    name="resource_id",
    families=("ec2_instance", "resource_id"),
    summary="ids of EC2, VPC, EFS, Systems Manager and the like: a prefix and 8 or 17 hex digits",
    pattern=PATTERN,
    find=find,
    positives=(
        "instance «i-0123456789abcdef0» and «i-0123abcd», «mi-0123456789abcdef0»",
        '{"VpcId":"«vpc-0a1b2c3d»","SubnetId":"«subnet-0123456789abcdef0»"}',
        r"line one\n«sg-0123456789abcdef0»\tstate",
        "id%3A«vol-0123456789abcdef0»&x=1",
        "\x1b[32m«eni-attach-0123456789abcdef0»\x1b[0m",
        "서브넷«subnet-0a1b2c3d»입니다",
        "my_«tgw-attach-0123456789abcdef0»_x",
        "«core-network-0123456789abcdef0» «tg-0123456789abcdef0» «farm-" + "0123456789abcdef" * 2 + "»",
        "fleet «sfr-20704b88-c112-4227-b878-a5011b6b8c56» «fleet-73fbd2ce-aa30-494c-8788-1cee4a6b8c56»",
        "https://«fs-0123456789abcdef0».efs.eu-west-1.amazonaws.com",
    ),
    negatives=(
        "multi-deadbeef sigh-0123abcd",
        "i-0123456789abcdef01 is a digit too long, i-0123456 too short",
        "i-0123456789ABCDEF0",
        "job-0123abcd queue-deadbeef",
        "key-0123abcd-4567-89ab-cdef-0123456789ab sfr-20704b88-c112-4227-b878-a5011b6b8c56a",
        "key-20240131 snap-20240229",
        "t:(t<<10)+i-56613888}",
        "vpc-id subnet-group sg-default i-am",
    ),
)
