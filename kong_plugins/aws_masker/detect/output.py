"""Names in what Terraform and the AWS command line print, where no key stands beside them.

`aws_s3_bucket.logs: Refreshing state... [id=acme-logs]`, `Error: reading S3 Bucket (acme-logs): ...`, and the lines of
`aws s3 ls`.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect import resource_id
from kong_plugins.aws_masker.detect.blocks import FAMILIES, family_of
from kong_plugins.aws_masker.detect.bucket import listed_end
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, Span, look_back, run_end
from kong_plugins.aws_masker.detect.words import is_literal_word, is_word, literal

_LONGEST = 255
_LINE = 300
"""Bytes before an id in which the address of its resource begins: modules may be nested."""
_TYPE = Pattern(rb"aws_[a-z0-9_]{2,60}\.")
_EC2_ID = Pattern(resource_id.PATTERN)


def _name(text: bytes, start: int, closing: bytes) -> bytes:
    """Return the name from `start` to `closing`; nothing if another detector knows its shape, or none stands there."""
    name = literal(text, start, closing)
    return name if not name.isdigit() and not _EC2_ID.fullmatch(name) else b""


def _find_id(text: bytes, start: int, end: int) -> Sequence[Span]:
    line = look_back(text, start, _LINE)
    line = line[max(line.rfind(b"\n"), line.rfind(b"\\n")) + 1 :]
    place = line.rfind(b"aws_")
    if place < 0 or b": " not in line[place:]:
        return ()
    kind = _TYPE.match(line[place:])
    if kind < 0:
        return ()
    if line.startswith(b"aws_caller_identity.", place):
        stop = run_end(text, end, b"0123456789", _LONGEST)
        return (Span(end, stop, "account_id", spread=True),) if stop - end == 12 else ()
    name = _name(text, end, b"]")
    return (Span(end, end + len(name), family_of(line[place : place + kind]), spread=True),) if name else ()


TERRAFORM = Detector(
    name="terraform_output",
    families=("account_id", *FAMILIES),
    summary="names that Terraform prints as ids of resources: `aws_iam_role.ci: ... [id=deployer]`",
    pattern=rb"\[id=",
    find=_find_id,
    positives=(
        "aws_s3_bucket.logs: Refreshing state... [id=«acme-prod-logs»]",
        "\x1b[0m\x1b[1mmodule.ci.aws_iam_role.this[0]: Creation complete after 1s [id=«ci-deployer»]\x1b[0m",
        r"\naws_lambda_function.pay: Modifying... [id=«payments»]\n",
        "data.aws_caller_identity.current: Read complete after 0s [id=«481516234200»]",
        "aws_iam_role_policy_attachment.x: Destroying... [id=«ci-deployer-20230710121504061500000001»]",
    ),
    negatives=(
        "google_storage_bucket.logs: Refreshing state... [id=acme-prod-logs]",
        "aws_region.current: Refreshing state...\nnull_resource.x: Creating [id=8674665223082153551]",
        "aws_autoscaling_schedule.x: Refreshing state... [id=8674665223]",
        "rows[id=acme-1]",
    ),
    bare=False,
)

_SERVICE = (
    rb"(?:S3|IAM|RDS|Lambda|DynamoDB|SQS|SNS|EKS|ECS|ECR|Secrets Manager|SSM|KMS|CloudWatch(?: Logs)?|ELB|ELBv2"
    rb"|Kinesis(?: Firehose)?|Auto Scaling|CloudFormation|ElastiCache|Redshift|MSK|DocumentDB|Neptune|MemoryDB"
    rb"|OpenSearch|EventBridge|SFN|CodeBuild|CodePipeline|Glue|Athena|Batch|Backup|EFS)"
)


def _find_error(text: bytes, start: int, end: int) -> Sequence[Span]:
    name = _name(text, end, b")")
    stop = end + len(name)
    if not name and (name := _name(text, end, b":")):  # role:policy
        stop = run_end(text, end + len(name) + 1, NAME_CHARS, _LONGEST)
        name = name if text[stop : stop + 1] == b")" else b""
    if not name or is_word(name):
        return ()
    kind = text[start:end].lower()
    family = family_of(kind.replace(b" ", b"_"))
    family = family if family != "resource" else family_of(kind.replace(b" ", b""))
    whole = Span(end, end + len(name), family, spread=True)
    return (whole, Span(whole.end + 1, stop, "policy", spread=True)) if stop > whole.end else (whole,)


PROVIDER = Detector(
    name="provider_errors",
    families=FAMILIES,
    summary="names in errors of Terraform's AWS provider: `reading S3 Bucket (acme-logs): ...`",
    pattern=_SERVICE + rb" (?:[A-Za-z]{2,15} ){1,4}\(",
    find=_find_error,
    positives=(
        "Error: reading S3 Bucket («acme-data-lake-prod»): NoSuchBucket",
        "Error: creating IAM Role («ci-deployer»): EntityAlreadyExists",
        "waiting for RDS DB Instance («orders-7») create: timeout",
        "deleting Secrets Manager Secret («prod/db-main»)",
        "error creating S3 bucket («acme-logs»), reading IAM Role Policy («ci-role»:«allow-x»)",
    ),
    negatives=(
        "the S3 Bucket (optional) and the Lambda Function (see below)",
        "reading EC2 Instance (i-xyz): x, IAM Role (12)",
        "AWS S3 Bucket (AWS, 2024)",
    ),
    bare=False,
)

_LINE_ENDS = (b"\n", b"\r\n", b"\\n", b"\\r\\n", b"\x00", b'"')


def _find_listed(text: bytes, start: int, end: int) -> Sequence[Span]:
    if start and not text.endswith((b"\n", b"\x00", b"\\n", b'"'), 0, start):
        return ()
    if text[start : start + 1] == b"T":
        name = _name(text, end, b"\r\n")
        return (Span(end, end + len(name), "resource", spread=True),) if name and not is_word(name) else ()
    stop = listed_end(text, end)
    alone = stop == len(text) or text.startswith(_LINE_ENDS, stop)
    return (Span(end, stop, "bucket", spread=True),) if stop > end and alone else ()


LISTING = Detector(
    name="bucket_listing",
    families=("bucket", "resource"),
    summary="buckets as `aws s3 ls` and `--output text` list them: a time and a name, and nothing else on the line",
    pattern=(
        rb"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} "
        rb"|BUCKETS\t20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.+Z]{8,20}\t|TAGS\tName\t"
    ),
    find=_find_listed,
    positives=(
        "2024-05-01 12:00:00 «acme-billing-exports»\n2023-01-31 08:15:42 «cf-templates-1a2b3c-eu-west-1»\n",
        "BUCKETS\t2019-05-04T18:07:47+00:00\t«acme-logs»\nTAGS\tName\t«acme-web-1»\n",
        r"2024-05-01 12:00:00 «acme.logs»\n2023-01-31 08:15:42 «logs7»",
    ),
    negatives=(
        "2024-05-01 12:00:00 acme-web started",
        "2024-05-01 12:00:00 started\n2024-05-01 12:00:01 INFO x-1\n",
        "2024-05-01 12:00:00       1024 report-1.csv",
        "at 2024-05-01 12:00:00 acme-logs\n",
    ),
    bare=False,
)


def _find_pulumi(text: bytes, start: int, end: int) -> Sequence[Span]:
    stop = run_end(text, end, NAME_CHARS, _LONGEST)
    name = text[end:stop]
    if len(name) < 3 or is_word(name) or (start and text[start - 1 : start].isalnum()):
        return ()
    return (Span(end, stop, family_of(text[start:end]), spread=True),)


PULUMI = Detector(
    name="pulumi_output",
    families=FAMILIES,
    summary="names of Pulumi's resources in its listings and URNs; the names in AWS begin with them",
    pattern=(rb"aws:[a-z0-9]{2,30}[:/][A-Za-z:]{2,60}(?:::| {2,40}(?:(?:\xe2\x94\x94|\xe2\x94\x9c)\xe2\x94\x80 )?)"),
    find=_find_pulumi,
    bare=False,
    positives=(
        " +   aws:s3:Bucket        «acme-logs»        created (1s)",
        "urn:pulumi:prod::infra::aws:s3/bucket:Bucket::«acme-logs»",
    ),
    negatives=("arn:aws:s3:::acme-logs", "aws:s3:Bucket  name", "xaws:s3:Bucket  acme-1"),
)


_CHANGED_KEY = Pattern(
    rb"\[[~+-]\] \.?(?:[A-Z][A-Za-z]{2,40})?(?:Name|Identifier|BUCKET|TABLE|QUEUE)[A-Z_]{0,20}(?: \([a-z ]{3,40}\)|:)?"
    rb"[^A-Za-z0-9\[]{1,60}$"
)


def _find_changed(text: bytes, start: int, end: int) -> Sequence[Span]:
    """The candidate is a sign of `cdk diff`: the old value, or the new one behind it."""
    stop = run_end(text, end, NAME_CHARS, _LONGEST)
    name = text[end:stop]
    if len(name) < 3 or is_word(name) or is_literal_word(name) or text[stop : stop + 1] not in _VALUE_ENDS:
        return ()
    before = look_back(text, start, 400)
    if text[start + 1 : start + 2] == b"+" and (old := before.rfind(b"[-] ")) >= 0 and before.count(b"\n", old) == 1:
        before = before[:old]
    if (place := _CHANGED_KEY.search(before)) is None:
        return ()
    return (Span(end, stop, family_of(before[place[0] :]), spread=True),)


_VALUE_ENDS = (b"", b"\n", b"\r", b"\x1b", b"\x00")
CHANGED = Detector(
    name="cdk_diff",
    families=FAMILIES,
    summary="names that `cdk diff` shows as changed",
    pattern=rb"\[[+-]\] (?:\x1b\[[0-9;]{1,8}m)?",
    find=_find_changed,
    bare=False,
    positives=(
        " └─ [~] BucketName (requires replacement)\n     ├─ [-] «acme-old»\n     └─ [+] «acme-new»\n",
        "         └─ [~] .TABLE_NAME:\n             ├─ [-] «acme-t1»\n",
    ),
    negatives=(
        "- [-] acme-1\n- [+] acme-2\n",
        " └─ [~] Runtime\n     ├─ [-] nodejs-18\n",
        "[+] AWS::S3::Bucket Logs LogsF1E2D3C4\n",
    ),
)
