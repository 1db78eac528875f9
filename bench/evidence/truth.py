"""What is known to be in documents that nobody here wrote, by patterns of this file alone.

A value is known by its context (`"Bucket": "..."`, `--role-name ...`, `KeyName=...`) or a form that AWS documents.
What an example writes for "put yours here" and plain words are no values; how many were left out is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from bench.evidence.store import Store, files
from bench.evidence.values import Document, Value

_PREFIXES = (
    "i|mi|vpc|subnet|sgr?|ami|aki|ari|vol|snap|eni|eni-attach|igw|eigw|rtb|rtbassoc|acl|aclassoc|nat|eipalloc|eipassoc|"
    "pcx|vgw|cgw|vpn|tgw|tgw-attach|tgw-rtb|vpce|vpce-svc|lt|r|dopt|fs|fsap|fsmt|pl|key|lgw|cr|h|import-ami|export-i|sir"
)
_NAME_KEYS = (
    "Bucket|BucketName|S3Bucket|DBInstanceIdentifier|DBClusterIdentifier|DBSnapshotIdentifier|RoleName|UserName|"
    "GroupName|PolicyName|InstanceProfileName|FunctionName|LayerName|ClusterName|clusterName|NodegroupName|"
    "nodegroupName|RepositoryName|repositoryName|QueueName|TableName|StreamName|DeliveryStreamName|SecretId|"
    "LogGroupName|logGroupName|logStreamName|AlarmName|StackName|AutoScalingGroupName|LaunchTemplateName|KeyName|"
    "LoadBalancerName|TargetGroupName|CacheClusterId|ReplicationGroupId|ClusterIdentifier|DomainName|ProjectName|"
    "PipelineName|EventBusName|PoolName|WorkGroup|EndpointName|BackupVaultName"
)
_FLAGS = (
    "bucket|db-instance-identifier|db-cluster-identifier|db-snapshot-identifier|role-name|user-name|group-name|"
    "policy-name|instance-profile-name|function-name|layer-name|cluster-name|nodegroup-name|repository-name|queue-name|"
    "table-name|stream-name|delivery-stream-name|secret-id|log-group-name|log-stream-name|alarm-name|stack-name|"
    "auto-scaling-group-name|launch-template-name|key-name|load-balancer-name|cache-cluster-id|replication-group-id|"
    "cluster-identifier|domain-name|project-name|event-bus-name|pool-name|work-group|endpoint-name|backup-vault-name"
)
_HEX = r"[0-9a-f]{17}|[0-9a-f]{8}"
_EDGE = r"(?![A-Za-z0-9])"
_Q = "[\"']"
_IS = rf"{_Q}\s*:\s*{_Q}"
_OCTETS = "{2,3}"
_NAME = r"(?P<value>[A-Za-z0-9][A-Za-z0-9._/-]{3,}?)(?:\.fifo)?"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CONSTANT = r"[a-z]{2}-[a-z]+-\d[_:]|AWSReservedSSO_(?:AWS[A-Za-z]+Access_)?"
"""What AWS puts before a name: a pool's region, a permission set's mark, the name of one of its own sets."""
_PRIVATE = r"10|192\.168|172\.(?:1[6-9]|2\d|3[01])"
_ARN = r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:"

SHAPED = "values with a shape"
NAMES = "names by context"

_TRUTH: dict[str, dict[str, str]] = {
    SHAPED: {
        "EC2-style id": rf"(?<![A-Za-z0-9-])(?:{_PREFIXES})-(?P<value>{_HEX}){_EDGE}(?!-[0-9a-f]{{4}}-)",
        "account id in an ARN": _ARN + r"(?P<value>[0-9]{12}):",
        "resource in an ARN": _ARN
        + r"[0-9]{12}:(?!alias/aws/)[A-Za-z-]+[/:](?:[A-Za-z0-9+=,.@_-]+/)*"
        + rf"(?:{_CONSTANT})?(?P<value>[A-Za-z0-9_.-]{{4,}})",
        "bucket in an ARN": r"arn:aws[a-z-]*:s3:::(?P<value>[a-z0-9][a-z0-9.-]+[a-z0-9])",
        "account id under its key": rf"{_Q}\w*(?:[aA]ccount(?:Id)?|[oO]wner(?:Id)?){_IS}(?P<value>[0-9]{{12}}){_Q}",
        "account id behind a flag": r"--(?:(?:target-)?account-id|owner-id|source-account)[ =](?P<value>[0-9]{12})\b",
        "access key id": r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|AIPA|ANPA|ANVA|ASCA)(?P<value>[A-Z2-7]{16,17})\b",
        "secret access key": rf"{_Q}(?i:secret_?access_?key){_Q}\s*:\s*{_Q}(?P<value>[A-Za-z0-9/+]{{40}}){_Q}",
        "session token": rf"{_Q}(?i:session_?token){_Q}\s*:\s*{_Q}(?P<value>[A-Za-z0-9/+=]{{100,}}){_Q}",
        "bucket in a URI": r"s3://(?!arn:)(?P<value>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])",
        "RDS host": r"\b(?P<value>[a-z][a-z0-9-]+)\.(?:cluster-)?[a-z0-9]{12}\.[a-z0-9-]+\.rds\.amazonaws\.com",
        "ELB host": r"\b(?:internal-)?(?P<value>[A-Za-z0-9-]+-[0-9]{9,})\.[a-z0-9-]+\.elb\.amazonaws\.com",
        "CloudFront domain": r"\b(?P<value>d[a-z0-9]{11,14})\.cloudfront\.net",
        "ECR registry": r"\b(?P<value>[0-9]{12})\.dkr\.ecr\.",
        "SQS URL": r"\.amazonaws\.com/(?P<value>[0-9]{12}/[A-Za-z0-9_-]+)",
        "KMS key under its key": rf"{_Q}(?:KeyId|KmsKeyId|KMSMasterKeyID){_Q}\s*:\s*{_Q}(?P<value>{_UUID}){_Q}",
        "hosted zone": r"hostedzone/(?P<value>Z[A-Z0-9]{12,31})\b",
        "private address": rf"(?<!ersion{_Q}: ){_Q}(?P<value>(?:{_PRIVATE})(?:\.\d+){_OCTETS}(?:/\d+)?){_Q}",
        "Cognito pool": rf"{_Q}[a-z]{{2}}-[a-z]+-\d_(?P<value>[A-Za-z0-9]{{9}}){_Q}",
    },
    NAMES: {
        "name under its key": rf"{_Q}(?P<key>{_NAME_KEYS}){_Q}\s*:\s*{_Q}{_NAME}{_Q}",
        "name behind a flag": rf"--(?:{_FLAGS})[ =]\"?{_NAME}(?=[\s\"']|$)",
        "name of a keyword argument": rf"\b(?P<key>{_NAME_KEYS})={_Q}{_NAME}{_Q}",
    },
}
KIND: dict[str, str] = {family: kind for kind, families in _TRUTH.items() for family in families}
_PATTERNS = {family: re.compile(one.encode()) for families in _TRUTH.values() for family, one in families.items()}

_STAND_IN = re.compile(
    rb"(?i)(?:my[-_]?(?:[a-z0-9]+-)*(?:group|database|asg|balancer|key|pair|keypair|cluster|function|bucket|table|role|stack|queue|"
    rb"topic|layer|db|instance|project|nodegroup|logs|user|policy|alarm|stream|secret|repo|service|template|"
    rb"application|repository|access-point)(?:-name)?|some_.*|1234|object|LATEST|"
    rb".*EXAMPLE.*|a{9}|(?:cluster|instance)-id|AWSServiceRole.*|"
    rb"[a-z]{2}-(?:north|south|east|west|central)[a-z]*-\d|10\.0\.0\.0/8|172\.16\.0\.0/12|192\.168\.0\.0/16|aws-.*|your-.*|aws/.*|default)"
)
"""What examples write for "put yours here", whole private ranges, AWS's own names, and constants in ARNs."""
_STAND_IN_NAME = re.compile(rb"(?:some|the)[-_].*|[a-z]+[-_]name|KeyValue")
"""The same where only a name can stand: `KeyName="keypair_name"`."""
_ALWAYS = frozenset({"access key id", "secret access key", "session token", "bucket in an ARN"})
"""Families in which a value counts even if it looks like a stand-in."""
_HOSTS = (b".amazonaws.com", b".cloudfront.net")
_SUFFIXES = frozenset({".rst", ".json", ".py", ".yaml", ".yml", ".template", ".tf", ".md", ".txt", ".toml", ".cfg"})


def left_out_as(value: bytes, kind: str, key: bytes | None = None) -> str:
    """Return what a value that is none is counted as, or nothing."""
    if _STAND_IN.fullmatch(value) or (kind == NAMES and (_STAND_IN_NAME.fullmatch(value) or key == value)):
        return "stand-ins"  # "EndpointName": "EndpointName"
    plain = kind == NAMES and value.isalpha() and (value.islower() or value.istitle() or value.isupper())
    return "plain words" if plain else ""


def values(text: bytes, left_out: Counter[str]) -> list[Value]:
    """Return the values that are known to be in `text`; stand-ins and plain words are counted in `left_out`."""
    found = []
    for family, pattern in _PATTERNS.items():
        for match in pattern.finditer(text):
            value = match["value"]
            kind = KIND[family]
            if kind == NAMES and value.endswith(_HOSTS):
                continue  # counted as a host
            if family not in _ALWAYS and (reason := left_out_as(value, kind, match.groupdict().get("key"))):
                left_out[reason] += 1
            else:
                found.append(Value(family, *match.span("value")))
    return found


_CORPORA = (
    ("AWS CLI's example pages", "wheel", "awscli", "examples/**"),
    ("botocore's examples", "wheel", "botocore", "examples-1.json"),
    ("moto's tests", "sdist", "moto", "tests/"),
    ("cfn-lint's fixtures", "sdist", "cfn-lint", "test/"),
    ("cartography's recorded answers", "sdist", "cartography", "tests/data/aws"),
    ("cloudsplaining's accounts", "sdist", "cloudsplaining", "/"),
    ("trailscraper's CloudTrail records", "sdist", "trailscraper", "tests/"),
)


def names() -> list[str]:
    """Return the corpora's names."""
    return [name for name, *_ in _CORPORA]


def documents(store: Store, corpus: str, left_out: Counter[str]) -> Iterator[Document]:
    """Yield the documents of one corpus."""
    _, kind, package, part = next(one for one in _CORPORA if one[0] == corpus)
    folder = store.wheel(package) if kind == "wheel" else store.sdist(package)
    for name, text in files(folder, _SUFFIXES):
        if part.rstrip("*") in "/" + name:
            yield Document(f"{package}/{name}", text, values(text, left_out))
