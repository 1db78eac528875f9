"""Things that are just called `name`: what they are the name of stands before them or behind.

`resource "aws_sqs_queue" "q" {` before `name = "..."`, `aws eks describe-cluster` before `--name ...`, `Type: AWS::...`
before `Name: ...`, and `"Name": "..."` beside an `"Arn"`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kong_plugins.aws_masker.detect.beside import kind_beside
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import ALNUM, NAME_CHARS, Span, look_back, run_end
from kong_plugins.aws_masker.detect.words import is_literal_word, is_reference, is_word

_LOOK_BACK = 400
_LONGEST = 255
_MOST_NAMES = 100
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"s3", "bucket"),
    (b"sqs", "queue"),
    (b"sns", "topic"),
    (b"iam_role", "role"),
    (b"instance_profile", "role"),
    (b"iam_user", "user"),
    (b"group_policy", "policy"),
    (b"policy", "policy"),
    (b"iam_group", "group"),
    (b"security_group", "group"),
    (b"log_group", "loggroup"),
    (b"loggroup", "loggroup"),
    (b"dynamodb", "table"),
    (b"lambda", "function"),
    (b"ssm", "parameter"),
    (b"t_parameter", "parameter"),
    (b"tparameter", "parameter"),
    (b"secretsmanager", "secret"),
    (b"ecr", "repository"),
    (b"describe_cluster", "cluster"),
    (b"describecluster", "cluster"),
    (b"update_cluster", "cluster"),
    (b"eks", "cluster"),
    (b"ecs", "cluster"),
    (b"msk", "cluster"),
    (b"kafka", "cluster"),
    (b"elasticache", "cluster"),
    (b"redshift", "cluster"),
    (b"rds", "database"),
    (b"db_", "database"),
    (b"docdb", "database"),
    (b"neptune", "database"),
    (b"elb", "load_balancer"),
    (b"loadbalanc", "load_balancer"),
    (b"aws_lb", "load_balancer"),
    (b"alb", "load_balancer"),
    (b"target_group", "load_balancer"),
    (b"kinesis", "stream"),
    (b"firehose", "stream"),
    (b"cloudformation", "stack"),
    (b"kms_alias", "alias"),
    (b"key_pair", "keypair"),
)
"""What the kind of a thing holds, in lower case, and the family of its name; the first that fits counts."""

_TERRAFORM = Pattern(rb"(?:resource|data) \\{0,3}\"aws_[a-z0-9_]{2,60}\\{0,3}\"")
_CLOUDFORMATION = Pattern(rb"AWS::[A-Za-z0-9]{2,30}::[A-Za-z0-9]{2,40}")
_COMMAND = Pattern(rb"\baws (?:--?[a-z-]{2,20}[ =][a-z0-9-]{1,30} ){0,3}[a-z0-9-]{2,30} [a-z0-9-]{3,60}")
_CALL = Pattern(
    rb"(?:[a-z]{3,12}_[a-z_]{3,40}\(|[A-Z][A-Za-z]{5,40}Command\(\{|[a-z]{3,10}[A-Z][A-Za-z]{3,30}\(\{"
    rb"|\b(?:s3\.Bucket|dynamodb\.Table|sqs\.Queue)\()\s{0,40}\\{0,3}[\"']?$"
)
"""The operation that a name is an argument of: `get_parameter(`, `new GetParameterCommand({`, `describeCluster({`."""
_IN_BUCKET = Pattern(rb"[bB]ucket\\{0,7}[\"']?[ \t]?:\s{0,8}\{\s{0,40}\\{0,7}[\"']?$|[bB]ucket:\n[ \t]{1,20}$")
"""S3's events, and the Serverless Framework's settings: `"bucket": {"name": "acme-logs"`."""
_MODULE = Pattern(rb"\b(?:amazon|community)\.aws\.[a-z0-9_]{3,40}:")
"""Ansible's modules."""
_EKSCTL = Pattern(rb"kind: ClusterConfig\n(?:[^\n]{0,80}\n)?metadata:\n[ \t]{1,8}$|[nN]odeGroups:\n[ \t]{0,8}- $")
_SELECTED = Pattern(rb"(?i:from) aws_[a-z0-9_]{2,60}\s[^;\x00]{0,200}$")
"""Steampipe's tables."""
_MADE = Pattern(rb"new aws\.[a-z0-9]{2,24}\.[A-Z][A-Za-z0-9]{2,40}\([^()]{0,120}$")
"""Pulumi's resources."""
_BEFORE_ARGUMENT = b" \t\r\n\\\"'"


FAMILIES = tuple(dict.fromkeys([*(family for _, family in _KINDS), "resource"]))
"""All that `family_of` returns."""


def family_of(kind: bytes) -> str:
    """Return the family of the names of a kind of thing: a type of Terraform's or CloudFormation's, a command."""
    lowered = kind.lower()
    return next((family for part, family in _KINDS if part in lowered), "resource")


def _last(pattern: Pattern, text: bytes) -> bytes:
    """Return the last match in `text`, or nothing."""
    found, position = b"", 0
    while (span := pattern.search(text, position)) is not None:
        found, position = text[span[0] : span[1]], span[1]
    return found


def _kind(text: bytes, start: int, end: int, is_flag: bool) -> bytes:
    """Return what the name behind the key from `start` to `end` is the name of, or nothing."""
    before = look_back(text, start, _LOOK_BACK)
    if is_flag:
        command = before[before.rfind(b"aws ") if b"aws " in before else len(before) :]
        on_one_line = b"\n" not in command.replace(b"\\\n", b"").replace(b"\\\r\n", b"")
        return _last(_COMMAND, command) if on_one_line else b""
    if b"aws_" in before and b"\n}" not in before[before.rfind(b"aws_") :]:
        return _last(_TERRAFORM, before) or _told_above(before)
    if b"AWS::" in before and b"\n\n" not in before[before.rfind(b"AWS::") :]:
        return _last(_CLOUDFORMATION, before)
    if kind := _told_above(before):
        return kind
    near = before[-120:]
    if near.rstrip(_BEFORE_ARGUMENT).endswith((b"(", b"({")) and (call := _CALL.search(near)) is not None:
        kind = near[call[0] : call[1]]
        if family_of(kind) != "resource":
            return kind
    return kind_beside(before, text, end)


def _told_above(before: bytes) -> bytes:
    """Return what an event, a task of Ansible's or eksctl's configuration says above the name."""
    if before.rstrip(b" \t\r\n\\\"'").endswith((b"{", b":")) and _IN_BUCKET.search(before[-80:]) is not None:
        return b"s3"
    if b".aws." in before:
        task = before[before.rfind(b".aws.") :]
        if b"\n\n" not in task and b"\n- " not in task and not task.endswith(b"- ") and b"- name" not in task:
            return _last(_MODULE, before)
    if b"rom aws_" in before or b"ROM aws_" in before or b"new aws." in before:
        for made in (_SELECTED, _MADE):
            if (place := made.search(before)) is not None:
                return before[place[0] : place[0] + 80].replace(b".", b"_")
    if before.endswith((b" ", b"\t")) and (place := _EKSCTL.search(before[-160:])) is not None:
        return b"eks" if before[-160:][place[0] :].startswith(b"kind") else b"nodegroup"
    return b""


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    is_flag = text[start : start + 1] == b"-"
    if not is_flag and start and (text[start - 1] in ALNUM or text[start - 1] in b"_-."):
        return ()
    kind = _kind(text, start, end, is_flag)
    if not kind:
        return ()
    quoted = text[end - 1 : end] in (b'"', b"'")
    return list(_names(text, end, quoted, is_flag, family_of(kind)))


def _names(text: bytes, start: int, quoted: bool, is_flag: bool, family: str) -> Iterator[Span]:
    """Yield the name at `start`, and behind a flag the further ones of its list."""
    for _ in range(_MOST_NAMES if is_flag else 1):
        end = run_end(text, start, NAME_CHARS)
        name = text[start:end]
        if not 2 <= len(name) <= _LONGEST or name[:1] in b"-.+@" or is_literal_word(name) or is_reference(name):
            return
        if text[end : end + 1] in (b"(", b"[", b"{", b"$", b":") or (quoted and text[end : end + 1] not in b"\"'\\"):
            return
        if not is_word(name) or is_flag:
            yield Span(start, end, family, spread=True)
        if text.startswith((b'" -> "', b'\\" -> \\"'), end):  # a plan of Terraform's
            yield from _names(text, text.index(b">", end) + (4 if text[end] == 92 else 3), True, False, family)
        start = end + 1 + quoted
        if text[end + quoted : start] not in (b" ", b'"', b"'") and not quoted:
            return


DETECTOR = Detector(
    name="blocks",
    families=FAMILIES,
    summary="names behind a plain `name`, by the Terraform block, the AWS command or the ARN that they belong to",
    pattern=(
        rb"--names?(?:=|[ ]{1,4}(?:\\\r?\n[ \t]{0,32})?)[\"']?"
        rb"|[nN]ame\\{0,7}[\"']?[ \t]{0,24}[:=][ \t]{0,8}\\{0,7}[\"']?"
    ),
    find=_find,
    positives=(
        'resource "aws_sqs_queue" "q" {\n  name = "«acme-jobs»"\n}',
        'resource "aws_sns_topic" "q" {\n  ~ name = "«acme-old»" -> "«acme-new»"\n}',
        'resource "aws_iam_role" "r" {\n  path = "/"\n  name               = "«AcmeDeployer»"\n}',
        "aws eks update-kubeconfig --region eu-west-1 --name «acme-prod»",
        "aws elbv2 describe-load-balancers --names «front-1» «front-2» --region x",
        "Type: AWS::EKS::Cluster\nProperties:\n  Name: «acme-prod»\n",
        'ssm.get_parameter(Name="«/acme/prod/password»", WithDecryption=True)',
        'eks.describe_cluster(name="«acme-prod»")',
        "new GetParameterCommand({ Name: '«/acme/prod/dsn»' })",
        '"Name": "«acme-prod»", "Arn": "arn:aws:eks:eu-west-1:1:cluster/x"',
        '{"arn": "arn:aws:vpc-lattice:eu-west-1:1:service/svc-1", "status": "ACTIVE", "name": "«acme-prod»"}',
        '"Buckets": [{"Name": "«acme-logs»", "CreationDate": "2024-05-01"}]',
        '{"Name": "«acme-2»",\n "CreationDate": "x"}',
        '{"Name": "«acme-db-password»", "Type": "SecureString"}, {"Name": "«/acme/db»", "Type": "String"}',
        '"Name": "«acme-logs»", "ResponseMetadata": {"HTTPHeaders": {"x-amz-id-2": "x"}}',
        "Buckets:\n- CreationDate: '2024-05-01T12:00:00+00:00'\n  Name: «acme-logs»\n",
        "{'Name': '«acme-logs»', 'CreationDate': datetime.datetime(2024, 5, 1)}",
        '"IsTruncated": false, "Name": "«acme-logs»", "Prefix": "x/", "MaxKeys": 1000',
        '{"s3":{"s3SchemaVersion":"1.0","bucket":{"name":"«acme-logs»","ownerIdentity":{}}}}',
        r"\\\"bucket\\\":{\\\"name\\\":\\\"«acme-logs»\\\"",
        "  deploymentBucket:\n    name: «acme-deploys»\n",
        "- name: Make it\n  amazon.aws.s3_bucket:\n    state: present\n    name: «acme-logs»\n",
        "s3.Bucket(name='«acme-logs»')",
        "SELECT * FROM aws_s3_bucket WHERE name = '«acme-logs»' and x",
        'const role = new aws.iam.Role("r", { name: "«acme-role»" });',
        "kind: ClusterConfig\nmetadata:\n  name: «acme-prod»\n\nmanagedNodeGroups:\n  - name: «acme-ng-1»\n",
    ),
    negatives=(
        'resource "google_x" "q" {\n  name = "acme-jobs-1"\n}',
        'resource "aws_sqs_queue" "q" {\n}\n\nvariable "x" {\n  name = "acme-jobs-1"\n}',
        "docker run --name web-1 nginx",
        '{"roleArn": "arn:aws:iam::1:role/x"}, {"name": "acme-jobs-1"}',
        '{"Name": "acme-jobs-1", "Size": 1, "CreationDate": "x"}',
        '{"name": "acme-jobs-1", "type": "String"}',
        'name = "acme-jobs-1"',
        "SELECT * FROM users WHERE name = 'acme-jobs-1'",
        "- name: a\n  amazon.aws.s3_bucket:\n    state: present\n- name: make-it-7\n",
        "kind: Deployment\nmetadata:\n  name: acme-web-1\n",
        'create_widget(name="acme-jobs-1") new Setting({ name: "acme-jobs-1" })',
        'resource "aws_sqs_queue" "q" {\n  name = var.name\n}',
    ),
    bare=False,
)


_OF_SSM = Pattern(rb"ssm\.amazonaws|\bssm\b|[gG]et-?[pP]arameters|Parameter")


def _find_parameters(text: bytes, start: int, end: int) -> Sequence[Span]:
    if start and (text[start - 1] in ALNUM or _OF_SSM.search(look_back(text, start, 1000)) is None):
        return ()
    return list(_listed(text, end))


def _listed(text: bytes, position: int) -> Iterator[Span]:
    """Yield the paths of a list of strings."""
    for _ in range(_MOST_NAMES):
        start = run_end(text, position, b"\"'\\, \t\r\n")
        end = run_end(text, start, NAME_CHARS, _LONGEST)
        if text[start : start + 1] != b"/" or end - start < 4 or text[end : end + 1] not in (b'"', b"'", b"\\"):
            return
        yield Span(start, end, "parameter", spread=True)
        position = end


PARAMETERS = Detector(
    name="parameter_lists",
    families=("parameter",),
    summary="parameters of Systems Manager in lists of names",
    pattern=rb"[nN]ames\\{0,3}[\"']?[ \t]{0,4}[:=][ \t]{0,4}\[",
    find=_find_parameters,
    bare=False,
    positives=(
        '"eventSource": "ssm.amazonaws.com", "requestParameters": {"names": ["«/acme/dsn-1»",\n "«/acme/dsn-2»"]}',
        'ssm.get_parameters(Names=["«/acme/dsn»"])',
    ),
    negatives=(
        '"names": ["/etc/hosts", "/etc/passwd"]',
        '"eventSource": "ssm.amazonaws.com", "names": ["AWS-RunShellScript"]',
    ),
)
