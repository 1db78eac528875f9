"""Names behind a path or a call that says what they are: of the console, of log groups, CodeCommit, the SDKs."""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.bucket import bucket_span
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, run_end, starts_clean
from kong_plugins.aws_masker.detect.words import is_word

_FAMILIES: tuple[tuple[bytes, str], ...] = (
    (b"buckets/", "bucket"),
    (b"object/", "bucket"),
    (b"<Bucket>", "bucket"),
    (b"<ListBucketResult", "bucket"),
    (b"repos/", "repository"),
    (b"codecommit", "repository"),
    (b"/functions/", "function"),
    (b"/aws/lambda/", "function"),
    (b"/aws/rds/", "database"),
    (b"/aws/", "cluster"),
    (b"clusters/", "cluster"),
    (b"secret?name=", "secret"),
    (b"table?name=", "table"),
    (b"stackName=", "stack"),
    (b"alias/", "alias"),
    (b".Table(", "table"),
    (b"Queue", "queue"),
    (b"aws_s3_bucket", "bucket"),
    (b"terraform import", "resource"),
    (b"/cluster", "cluster"),
    (b"bootstrap.sh", "cluster"),
    (b"/users/", "user"),
    (b"/roles/", "role"),
    (b"/groups/", "group"),
    (b"/policies/", "policy"),
    (b"log-group/", "loggroup"),
    (b"logs tail", "loggroup"),
    (b"atabase:id=", "database"),
    (b"pipelines/", "resource"),
    (b"--path", "parameter"),
    (b"--nodes", "resource"),
    (b"valueFrom", "parameter"),
    (b"remoteRef", "secret"),
    (b"karpenter", "cluster"),
    (b"copy-source", "bucket"),
    (b"--task-definition", "resource"),
)
"""What an anchor holds, and the family of the name behind it; the first that fits counts."""

_CERTAIN = (b"repos/", b"/aws/lambda/", b"/aws/rds/")
"""Behind these even an ordinary word is a name."""

_NAME_CHARS = bytes(sorted(ALNUM)) + b"._-"
_KEY_BEFORE = Pattern(rb"(?i)(?:alias|key)[a-z_-]{0,12}[^0-9a-z/]{0,8}$")
"""Says that the alias is one of KMS, where it may hold slashes."""
_BEFORE_PATHS = (b"aws logs", b"get-parameters", b"valueFrom", b"remoteRef")
"""Behind these a name may hold slashes."""
_SLASH = rb"(?:/|\\{1,3}/|%2[Ff])"


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    anchor = text[start:end].replace(b"%2F", b"/").replace(b"%2f", b"/").replace(b"\\", b"")
    family = next(family for part, family in _FAMILIES if part in anchor)
    if family == "bucket" and b"import" not in anchor:
        return bucket_span(text, end)
    of_a_key = family == "alias" and _KEY_BEFORE.search(text[max(0, start - 24) : start]) is not None
    stop = run_end(text, end, _NAME_CHARS + b"/" if of_a_key or anchor.startswith(_BEFORE_PATHS) else _NAME_CHARS)
    stop -= len(text[end:stop]) - len(text[end:stop].rstrip(b".-_/"))
    name = text[end:stop]
    if b"/cluster" in anchor and text[stop : stop + 1] == b"/":
        return ()  # k8s.io/cluster-autoscaler/node-template/label
    if len(name) < 2 or (is_word(name) and not any(part in anchor for part in _CERTAIN)):
        return ()
    if family == "alias" and (
        name == b"aws" or name.startswith(b"aws/") or text[start - 1 : start] == b"/" or not starts_clean(text, start)
    ):
        return ()  # keys that AWS manages; folders
    return (Span(end, stop, family, spread=True),)


_ANCHORS = (
    rb"v1/repos/",
    rb"codecommit(?:::|%3A%3A)[a-z0-9-]{4,24}(?::|%3[Aa])//(?:[a-z0-9-]{1,32}@)?",
    rb"(?:#|%23)/functions/",
    rb"s3/(?:buckets|object)/",
    rb"<Bucket>[ \t\r\n]{0,24}<Name>|<ListBucketResult(?: xmlns=\"[^\"<>]{0,80}\")?>[ \t\r\n]{0,24}<Name>",
    rb"/aws/(?:lambda|eks|ecs|codebuild|containerinsights|kafka|(?:rds|docdb|neptune)/(?:instance|cluster))/",
    rb"(?:eks|ecs)/(?:home[^ \"'<>\x00]{0,40}(?:#|%23)/?|v2/)clusters/",
    rb"alias/",
    rb"secret\?name=|table\?name=|stackName=",
    rb"\.Table\([\"']|get_queue_by_name\(QueueName=[\"']|\.Queue\([\"']",
    rb"terraform import [a-z0-9_.\[\]\"'-]{3,80} [\"']?",
    rb"kubernetes\.io/cluster/|k8s\.io/cluster-autoscaler/|/etc/eks/bootstrap\.sh [\"']?",
    rb"iam(?:v2)?/home[^ \"'<>\x00]{0,40}(?:#|%23)/(?:users|roles|groups|policies)/(?:details/)?",
    rb"log-group/(?:\$252F)?(?:aws\$252F[a-z]{2,20}\$252F)?|[dD]atabase:id=|codepipeline/pipelines/",
    rb"karpenter\.sh/discovery\\{0,3}[\"']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,3}[\"']?|x-amz-copy-source[\"']?: [\"']?/?",
    rb"valueFrom\\{0,3}\"[ \t]{0,4}:[ \t]{0,4}\\{0,3}\"|remoteRef:[ \t\r\n]{1,24}key: [\"']?",
    rb"--nodes=[0-9]{1,4}:[0-9]{1,5}:",
    rb"aws logs tail [\"']?|get-parameters-by-path --path [\"']?|--task-definition[ =][\"']?",
)
"""Slashes in them also stand for `\\/` and `%2F`."""

DETECTOR = Detector(
    name="paths",
    families=tuple(dict.fromkeys(family for _, family in _FAMILIES)),
    summary="names in the console's addresses, log groups, CodeCommit's addresses, calls of the SDKs",
    pattern=b"|".join(_ANCHORS).replace(b"/", _SLASH),
    find=_find,
    positives=(
        "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/«billing»",
        "git clone codecommit::eu-west-1://«billing-api»",
        "https://eu-west-1.console.aws.amazon.com/lambda/home?region=eu-west-1#/functions/«billing-7»?tab=code",
        "https://s3.console.aws.amazon.com/s3/buckets/«acme-prod-logs»?region=eu-west-1",
        "https%3A%2F%2Fs3.console.aws.amazon.com%2Fs3%2Fbuckets%2F«acme-prod-logs»",
        'dynamodb.Table("«orders-7»")',
        "<Buckets><Bucket><Name>«acme-prod-logs»</Name><CreationDate>2024-05-01T12:00:00.000Z</CreationDate></Bucket>",
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>«acme-prod-logs»</Name>',
        "tail /aws/lambda/«billing» and /aws/rds/instance/«orders»/error",
        "key alias/«billing-prod»",
        '"AliasName": "alias/«acme/glue/encrypted»" --target-key-id alias/«acme/s3»',
        "terraform import aws_s3_bucket.logs «acme-prod-logs»",
        "kubernetes.io/cluster/«acme-prod»: owned, k8s.io/cluster-autoscaler/«acme-prod»",
        "/etc/eks/bootstrap.sh «acme-prod» --kubelet-extra-args x",
        "https://console.aws.amazon.com/iam/home#/users/«jane.doe7» iamv2/home?region=x#/roles/details/«ci-7»?section",
        "#logsV2:log-groups/log-group/$252Faws$252Flambda$252F«acme-fn»/log-events #database:id=«orders-7»;is-cluster",
        "aws logs tail «/acme/app» --follow; aws ssm get-parameters-by-path --path «/acme/prod»",
        'karpenter.sh/discovery: "«acme-prod»", x-amz-copy-source: /«acme-logs»/key',
        '"valueFrom": "«/acme/dsn»"}, remoteRef:\n      key: «prod/db-main»\n',
        "--nodes=1:10:«acme-asg-1»",
        "aws ecs run-task --task-definition «acme-td»:5",
    ),
    negatives=(
        "#/functions/",
        "codecommit::eu-west-1://",
        "dynamodb.Table(name)",
        "s3/buckets/",
        "alias/aws/s3",
        '"AliasName": "alias/aws/s3"',
        "webpack/alias/react-dom-server",
        "Table('users')",
        "k8s.io/cluster-autoscaler/enabled k8s.io/cluster-autoscaler/node-template/label/x",
        "example.com/#/users/jane-7",
    ),
    bare=False,
)
