"""Names that are an argument of a call without a keyword, or a part of a dynamic reference.

`Bucket.fromBucketName(this, "Logs", "acme-logs")` of the CDK, `upload_file("x", "acme-logs", "k")` of boto3,
`{{resolve:ssm:/acme/dsn:1}}` of CloudFormation, `${ssm:/acme/dsn}` of the Serverless Framework.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, Span, run_end
from kong_plugins.aws_masker.detect.words import is_literal_word

_LONGEST = 255
_ARGUMENTS = 200
"""Bytes behind the parenthesis in which the arguments are looked for."""
_LITERAL = Pattern(rb"[\"'][^\"'\n\x00\\]{0,160}[\"']")

_FAMILIES = {
    b"bucket": "bucket", b"table": "table", b"function": "function", b"role": "role", b"user": "user",
    b"group": "group", b"secret": "secret", b"repository": "repository", b"queue": "queue", b"topic": "topic",
    b"loggroup": "loggroup", b"stringparameter": "parameter", b"managedpolicy": "policy",
}  # fmt: skip


def _argument(text: bytes, start: int, number: int) -> tuple[int, int]:
    """Return where the literal that is argument `number` of a call lies, without its quotes; (0, 0) if it is none."""
    window = text[start : start + _ARGUMENTS]
    position = 0
    for _ in range(number):
        comma = window.find(b",", position)
        if comma < 0 or b")" in window[position:comma]:
            return 0, 0
        position = comma + 1
    position += len(window) - position - len(window[position:].lstrip())
    end = _LITERAL.match(window[position:])
    return (start + position + 1, start + position + end - 1) if end > 0 else (0, 0)


def _usable(name: bytes) -> bool:
    return 2 <= len(name) <= _LONGEST and not name.strip(NAME_CHARS) and not is_literal_word(name)


def _find_call(text: bytes, start: int, end: int) -> Sequence[Span]:
    call = text[start:end].lower().replace(b"_", b"")
    if b"from" in call:
        kind = call[call.index(b"from") + 4 :].partition(b"name(")[0].partition(b"namev2(")[0]
        family, number = _FAMILIES[kind], 2
    else:
        family, number = "bucket", 1 if b"upload" in call else 0
    first, last = _argument(text, end, number)
    of_java = call.startswith((b".list", b".puto", b".does", b".crea")) and b"-" not in text[first:last]
    if of_java or not _usable(text[first:last]):
        return ()
    return (Span(first, last, family, spread=True),)


CALLS = Detector(
    name="calls",
    families=tuple(dict.fromkeys(_FAMILIES.values())),
    summary="names that calls of the CDK and of boto3 take without a keyword",
    pattern=(
        rb"(?:\.|::)(?:from(?:_?[bB]ucket|_?[tT]able|_?[fF]unction|_?[rR]ole|_?[uU]ser|_?[gG]roup|_?[sS]ecret|_?[rR]epository"
        rb"|_?[lL]og_?[gG]roup|_?[sS]tring_?[pP]arameter|_?[mM]anaged_?[pP]olicy)_?[nN]ame(?:_?[vV]2)?"
        rb"|(?:upload|download)_file(?:obj)?|Object|ObjectSummary|Object\.new"
        rb"|listObjects(?:V2)?|putObject|doesBucketExist(?:V2)?|createBucket)\("
    ),
    find=_find_call,
    positives=(
        "s3.Bucket.fromBucketName(this, 'Logs', '«acme-prod-logs»');",
        's3.Bucket.from_bucket_name(self, "Logs", "«acme-prod-logs»")',
        "secretsmanager.Secret.fromSecretNameV2(this, 'S', '«prod/db-main»')",
        'dynamodb.Table.fromTableName(\n  this,\n  "T",\n  "«orders-prod»",\n)',
        'client.upload_file("x.csv", "«acme-prod-logs»", "k/x.csv")',
        "s3.Object('«acme-prod-logs»', 'k').get()",
        's3Client.listObjects("«acme-logs»"); s3.putObject("«acme-prod-logs»", "key", file)',
        "Aws::S3::Object.new('«acme-logs»', 'key')",
        's3.download_file("«acme-prod-logs»", key, path)',
    ),
    negatives=(
        "s3.Bucket.fromBucketName(this, 'Logs', props.bucketName)",
        "client.upload_file(path, bucket, 'k/x.csv')",
        'putObject("key", value); cache.putObject("name", x)',
        "Object.keys(x), new Object('x y')",
        "s3.Bucket.fromBucketName(this, `${id}-acme`)",
    ),
    bare=False,
)


def _find_reference(text: bytes, start: int, end: int) -> Sequence[Span]:
    stop = run_end(text, end, NAME_CHARS, _LONGEST)
    name = text[end:stop]
    kind = text[start:end]
    closed = text[stop : stop + 1] in ((b"", b"\n", b"\r", b"\\", b"\x00") if b"stack" in kind else (b":", b"}", b"~"))
    if not closed or not _usable(name) or name.startswith((b"/aws/service", b"aws/")):
        return ()
    family = "stack" if b"stack" in kind else "secret" if b"secretsmanager" in kind else "parameter"
    return (Span(end, stop, family, spread=True),)


REFERENCES = Detector(
    name="references",
    families=("parameter", "secret", "stack"),
    summary="names in dynamic references of CloudFormation and the Serverless Framework, and a deployed stack",
    pattern=rb"resolve:(?:ssm(?:-secure)?|secretsmanager):|\$\{ssm(?:\([a-z0-9-]{1,20}\))?:|created/updated stack - ",
    find=_find_reference,
    positives=(
        "{{resolve:ssm:«/acme/prod/dsn»:1}} {{resolve:ssm-secure:«/acme/pw»}}",
        "{{resolve:secretsmanager:«prod/db/main»:SecretString:password}}",
        "dsn: ${ssm:«/acme/prod/dsn»} ${ssm(eu-west-1):«/acme/x»~true}",
        "Successfully created/updated stack - «acme-billing-prod»\n",
    ),
    negatives=(
        "{{resolve:ssm:/aws/service/ami-amazon-linux-latest/x}}",
        "{{resolve:ssm:${Name}}} ${ssm:${self:custom.x}}",
        "created/updated stack - acme billing",
    ),
    bare=False,
)
