"""Recall and false positives on texts that nobody here wrote: `python -m bench.corpora [--show N] [--path DIR]`.

Recall is measured on the examples of the `awscli` package and the `examples-1.json` of `botocore` (whatever of them can
be imported; nothing is downloaded), false positives on the standard library of the running Python without its tests.
The truth comes from patterns written for this file alone, on purpose not those of the detectors.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text

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
_IN_HEX = r"[0-9a-f]{17}|[0-9a-f]{8}"
_EDGE = r"(?![A-Za-z0-9])"

_TRUTH: dict[str, re.Pattern[bytes]] = {
    family: re.compile(pattern.encode())
    for family, pattern in {
        "ec2 id": rf"(?<![A-Za-z0-9-])(?:{_PREFIXES})-(?P<value>{_IN_HEX}){_EDGE}(?!-[0-9a-f]{{4}}-)",
        "arn account": r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(?P<value>[0-9]{12}):",
        "arn resource": r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:[A-Za-z-]+[/:](?P<value>[A-Za-z0-9_.-]{4,})",
        "arn bucket": r"arn:aws[a-z-]*:s3:::(?P<value>[a-z0-9][a-z0-9.-]+[a-z0-9])",
        "account by key": r'"\w*(?:[aA]ccount(?:Id)?|[oO]wner(?:Id)?)"\s*:\s*"(?P<value>[0-9]{12})"',
        "account by flag": r"--(?:account-id|owner-id|source-account|target-account-id)[ =](?P<value>[0-9]{12})\b",
        "access key": r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|AIPA|ANPA|ANVA|ASCA)(?P<value>[A-Z2-7]{16,17})\b",
        "secret key": r'"SecretAccessKey"\s*:\s*"(?P<value>[A-Za-z0-9/+]{40})"',
        "s3 uri": r"s3://(?P<value>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])",
        "rds host": r"\b(?P<value>[a-z][a-z0-9-]+)\.(?:cluster-)?[a-z0-9]{12}\.[a-z0-9-]+\.rds\.amazonaws\.com",
        "elb host": r"\b(?P<value>[A-Za-z0-9-]+-[0-9]{9,})\.[a-z0-9-]+\.elb\.amazonaws\.com",
        "ecr host": r"\b(?P<value>[0-9]{12})\.dkr\.ecr\.",
        "sqs url": r"\.amazonaws\.com/(?P<value>[0-9]{12}/[A-Za-z0-9_-]+)",
        "kms key": r'"(?:KeyId|KmsKeyId|KMSMasterKeyID)": "(?P<value>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"',
        "hosted zone": r"hostedzone/(?P<value>Z[A-Z0-9]{12,31})\b",
        "private ip": r'"(?P<value>(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}(?:/\d+)?)"',
        "cognito pool": r'"(?P<value>[a-z]{2}-[a-z]+-\d_[A-Za-z0-9]{9})"',
        "name by key": rf'"(?:{_NAME_KEYS})"\s*:\s*"(?P<value>[A-Za-z0-9][A-Za-z0-9._/-]{{3,}})"',
        "name by flag": rf"--(?:{_FLAGS})[ =]\"?(?P<value>[A-Za-z0-9][A-Za-z0-9._/-]{{3,}})\b",
    }.items()
}
# What the examples write for "put yours here", whole ranges, and AWS's own: rightly left alone.
_STAND_IN = (
    rb"my[-_]?(?:[a-z]+-)*(?:group|asg|balancer|key|pair|keypair|cluster|function|bucket|table|role|stack|queue|topic|"
    rb"layer|db|instance|project|nodegroup|logs|user|policy|alarm|stream|secret|repo|service|template)|bucket"
)
_NO_VALUE = re.compile(
    rb"(?i)(?:" + _STAND_IN + rb"|.*EXAMPLE.*|.*_a{9}|10\.0\.0\.0/8|172\.16\.0\.0/12|192\.168\.0\.0/16|"
    rb"aws-.*|your-.*|aws/.*|default)"
)
_KEEP_EXAMPLES = frozenset({"access key", "secret key", "arn bucket", "arn resource"})


class Recall(NamedTuple):
    """What one family's patterns found in the corpora."""

    total: Counter[str]
    missed: dict[str, Counter[str]]


def _masked(masker: Masker, text: bytes) -> tuple[bytes, list[tuple[str, str]]]:
    session = masker.session()
    (new,) = session.mask([Text(text)])
    found = [(entry.family, entry.value.decode("utf-8", "replace")) for entry in session.mapping.values()]
    return (text if new is None else new), found


def _folder(package: str, extra: Path | None) -> Path | None:
    if extra is not None and (extra / package).is_dir():
        return extra / package
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _examples(extra: Path | None) -> Iterator[Path]:
    awscli, botocore = _folder("awscli", extra), _folder("botocore", extra)
    if awscli is None and botocore is None:
        raise SystemExit("neither awscli nor botocore can be imported: pip install them, or give --path")
    if awscli is not None:
        yield from sorted((awscli / "examples").rglob("*.rst"))
    if botocore is not None:
        yield from sorted((botocore / "data").rglob("examples-1.json"))


def recall(masker: Masker, extra: Path | None) -> Recall:
    """Mask every example; a value is missed where its match, context and all, still stands in the result."""
    total: Counter[str] = Counter()
    missed: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in _examples(extra):
        text = path.read_bytes()
        masked, _ = _masked(masker, text)
        for family, pattern in _TRUTH.items():
            for match in pattern.finditer(text):
                if family not in _KEEP_EXAMPLES and _NO_VALUE.fullmatch(match["value"]):
                    continue
                total[family] += 1
                # Without the borders, which the masking of a neighbour may change.
                if match[0] in masked:
                    missed[family][match[0].decode("utf-8", "replace")] += 1
    return Recall(total, missed)


def false_positives(masker: Masker) -> tuple[int, Counter[str], dict[str, Counter[str]]]:
    """Mask the standard library; return its size in bytes, and the findings by family."""
    size = 0
    count: Counter[str] = Counter()
    samples: defaultdict[str, Counter[str]] = defaultdict(Counter)
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if {"site-packages", "dist-packages", "test", "tests", "idle_test"} & set(path.relative_to(root).parts):
            continue
        text = path.read_bytes()
        size += len(text)
        for family, value in _masked(masker, text)[1]:
            count[family] += 1
            samples[family][f"{value}  [{path.relative_to(root)}]"] += 1
    return size, count, samples


def main() -> None:
    """Print both tables, and the shortest samples of what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", type=int, default=5, help="samples to show of each family")
    parser.add_argument("--path", type=Path, help="a folder that holds awscli and botocore")
    arguments = parser.parse_args()
    masker = Masker(Settings(), bytes(range(32)))
    found = recall(masker, arguments.path)
    print(f"{'family':<18}{'values':>8}{'missed':>8}{'recall':>9}")
    for family, total in found.total.most_common():
        misses = found.missed.get(family, Counter())
        print(f"{family:<18}{total:>8}{misses.total():>8}{1 - misses.total() / total:>9.2%}")
        for sample, times in sorted(misses.items(), key=lambda item: (-item[1], len(item[0])))[: arguments.show]:
            print(f"    {times:>4} x {' '.join(sample.split())[:140]}")
    size, count, samples = false_positives(masker)
    print(f"\nstandard library: {size / 1e6:.1f} MB, {count.total()} findings, {count.total() / size * 1e6:.2f} per MB")
    for family, number in count.most_common():
        print(f"{family:<18}{number:>8}")
        for sample in sorted(samples[family], key=len)[: arguments.show]:
            print(f"         {sample[:140]}")


if __name__ == "__main__":
    main()
