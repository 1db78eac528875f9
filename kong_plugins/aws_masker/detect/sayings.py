"""Names in what AWS's services and tools say in whole sentences: errors, events, findings of scanners.

`DBInstance orders-7 not found`, `The role with name deployer cannot be found`, `(service api) has started 1 tasks`,
`FAIL eu-west-1: S3 Bucket acme-logs has no encryption`, and people who write in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import ALNUM, NAME_CHARS, Span, look_back, run_end, run_start, starts_clean
from kong_plugins.aws_masker.detect.words import is_literal_word, is_reference, is_word

_LONGEST = 255
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"bucket", "bucket"), (b"loggroup", "loggroup"), (b"securitygroup", "group"), (b"nodegroup", "resource"),
    (b"targetgroup", "load_balancer"), (b"loadbalancer", "load_balancer"), (b"subnetgroup", "resource"),
    (b"parametergroup", "resource"), (b"autoscalinggroup", "resource"), (b"replicationgroup", "cluster"),
    (b"db", "database"), (b"rds", "database"), (b"database", "database"), (b"cluster", "cluster"),
    (b"lambda", "function"), (b"function", "function"), (b"table", "table"), (b"queue", "queue"), (b"topic", "topic"),
    (b"stream", "stream"), (b"stack", "stack"), (b"instanceprofile", "role"), (b"role", "role"), (b"user", "user"),
    (b"group", "group"), (b"policy", "policy"), (b"secret", "secret"), (b"parameter", "parameter"),
    (b"repository", "repository"), (b"keypair", "keypair"), (b"snapshot", "database"),
)  # fmt: skip
"""What a thing is called, in small letters without blanks, and the family of its name; the first that fits counts."""

FAMILIES = tuple(dict.fromkeys([*(family for _, family in _KINDS), "resource"]))


def _family(noun: bytes) -> str:
    plain = noun.lower().translate(None, b" _-")
    return next((family for part, family in _KINDS if part in plain), "resource")


def _name(text: bytes, start: int) -> tuple[int, bytes]:
    """Return where the name that begins at `start` ends, and the name; nothing if it can be none."""
    end = run_end(text, start, NAME_CHARS, _LONGEST)
    name = text[start:end].rstrip(b".-_@+/")
    usable = len(name) >= 3 and name[:1] not in b"-.+@" and not is_word(name) and not is_literal_word(name)
    return (start + len(name), name) if usable and not is_reference(name) else (start, b"")


_IS_GONE = (
    rb"[\]'\"`]{0,2}[.,]? ?(?:not found|(?:does not|doesn't) exist|(?:cannot|could not|can't) be found|was not found"
    rb"|already exists|under account|is not (?:in|authorized)|in the registry)"
)
_GONE = Pattern(_IS_GONE)
_SERVICES_SAY = Pattern(rb"Exception|when calling the |An error occurred|NotFound|botocore|AWS|aws ")
_ANYBODY = (b"user", b"role", b"group", b"table", b"database", b"cluster", b"stream", b"parameter", b"stack", b"policy")
"""Nouns of other programs' errors as well."""
_NOUN = (
    rb"(?:[uU]ser|[rR]ole|[gG]roup|[tT]able|[dD]atabase|[cC]luster|[sS]tream|[pP]arameter|[sS]tack|[pP]olicy"
    rb"|DB(?:Instance|Cluster|Snapshot|ClusterSnapshot|SubnetGroup|ParameterGroup)|CacheCluster|ReplicationGroup"
    rb"|AutoScalingGroup|Instance Profile|[kK]ey [pP]air|[sS]ecurity [gG]roup|[lL]oad [bB]alancers?"
    rb"|[tT]arget [gG]roups?|[rR]epository|[sS]ecret|[qQ]ueue|[bB]ucket|[fF]unction|[nN]ode ?group)"
)
_TELLS = rb"(?: with (?:name|id)| not found for name| found for name):? [\['\"`]{0,2}"
_BORDER = rb"(?: named)?:? [\['\"`]{0,2}"
_BEFORE_NAME = Pattern(_NOUN + rb"(?:" + _TELLS + rb"|" + _BORDER + rb")")


def _find_gone(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start):
        return ()
    end = start + _BEFORE_NAME.match(text[start:end])
    stop, name = _name(text, end)
    if not name:
        return ()
    said = text[start:end]
    noun = said.partition(b" with ")[0].partition(b" named")[0].rstrip(b" :['\"`")
    gone = _GONE.match(text[stop : stop + 32]) > 0
    if b" with " in said or b"found for name" in said:
        if name.isalpha() and not gone:
            return ()
    elif not gone or (noun.lower() in _ANYBODY and _SERVICES_SAY.search(look_back(text, start, 240)) is None):
        return ()
    return (Span(end, stop, _family(noun), spread=True),)


GONE = Detector(
    name="errors",
    families=FAMILIES,
    summary="names in errors of AWS's services: `DBInstance orders-7 not found`",
    pattern=_NOUN + rb"(?:" + _TELLS + rb"|" + _BORDER + rb"[0-9A-Za-z._/+@-]{3,80}" + _IS_GONE + rb")",
    find=_find_gone,
    bare=False,
    positives=(
        "botocore.errorfactory.ResourceNotFoundException: Requested resource not found: Table: «acme-orders» not found",
        "DBInstance «orders-db» not found.",
        "An error occurred (ValidationError) when calling X: Stack with id «acme-stack» does not exist",
        "No cluster found for name: «acme-eks».",
        "The role with name «acme-deployer» cannot be found. The user with name «jane.doe7» cannot be found.",
        "The security group '«acme-sg»' does not exist in VPC 'vpc-0a1b2c3d'",
        "The key pair '«acme-key»' does not exist",
        "ParameterNotFound: An error occurred: Parameter «/acme/prod/db_password» not found.",
        "The repository with name '«acme/api»' does not exist in the registry with id '210987654321'",
        "Role with name «deployer-7» already exists. Load balancers '[«acme-lb»]' not found",
        "ResourceNotFoundException: Stream «acme-clicks» under account 210987654321 not found.",
        "AutoScalingGroup: «acme-asg-1» not found",
    ),
    negatives=(
        "User not found. Role does not exist. The table was not found",
        "the table x-1 not found in the cache",
        "database 'blog-1' does not exist",
        "Bucket policy not found; Function name not found",
        "the bucket list-of-things is",
    ),
)

_EVENT_BEHIND = Pattern(
    rb"\)|'?\)? (?:has (?:reached a steady|started|stopped|begun|deregistered|registered)|was unable to place"
    rb"|is unable to|\(instance )"
)


def _find_event(text: bytes, start: int, end: int) -> Sequence[Span]:
    if text[start : start + 1] == b" ":
        return _find_taken(text, start, end)
    stop, name = _name(text, end)
    if not name:
        return ()
    if text[start : start + 3] == b"AWS":
        told = text[max(0, start - 24) : start].rstrip(b" \t|").endswith((b"_COMPLETE", b"_FAILED", b"_IN_PROGRESS"))
        return (Span(end, stop, "stack", spread=True),) if told else ()
    if text[end - 1 : end] == b'"':
        alarm = b"stack" not in text[start:end]
        quoted = text.startswith(b'" in ' if alarm else b'"', stop)
        return (Span(end, stop, "resource" if alarm else "stack", spread=True),) if quoted else ()
    if not starts_clean(text, start) or _EVENT_BEHIND.match(text[stop : stop + 40]) <= 0:
        return ()
    return (Span(end, stop, "resource", spread=True),)


def _find_taken(text: bytes, start: int, end: int) -> Sequence[Span]:
    """Find what CloudFormation says that exists already: its name stands before."""
    line = look_back(text, start, _LONGEST).rpartition(b"\n")[2]
    of_aws = text.startswith((b" in stack arn:aws", b" (Service: "), end) or b"AWS::" in line
    first = run_start(text, start, NAME_CHARS, _LONGEST)
    stop, name = _name(text, first)
    return (Span(first, stop, "resource", spread=True),) if of_aws and stop == start and name else ()


EVENTS = Detector(
    name="events",
    families=("stack", "resource"),
    summary="names in events of ECS, CloudFormation and eksctl",
    pattern=(
        rb"\(?service (?:')?| already exists|AWS::CloudFormation::Stack[ \t|]{1,40}"
        rb"|(?:cluster|nodegroup|service) stack \""
        rb"|(?:CloudWatch Alarm|ALARM:) \""
    ),
    find=_find_event,
    bare=False,
    positives=(
        "(service «acme-api-svc») was unable to place a task",
        "service «acme-api-svc» has reached a steady state.",
        "«acme-logs» already exists in stack arn:aws:cloudformation:x",
        'message: "«billing-7» already exists (Service: Lambda, Status Code: 409)"',
        "CREATE_FAILED\tAWS::S3::Bucket\tLogs\t«acme-logs» already exists",
        "CREATE_COMPLETE AWS::CloudFormation::Stack «acme-billing»",
        'Your Amazon CloudWatch Alarm "«acme-cpu-high»" in the US East region; ALARM: "«acme-x»" in Ireland',
        'building cluster stack "«eksctl-acme-prod-cluster»"',
    ),
    negatives=(
        "the service mesh has started, service x-1 is",
        "file a-1 already exists",
        "Type: AWS::CloudFormation::Stack\n",
        "customer service (self-service) is",
    ),
)

_THINGS = (
    *(rb"S3 [bB]ucket", rb"RDS (?:DB )?(?:[iI]nstance|[cC]luster|[sS]napshot)", rb"Aurora [cC]luster"),
    rb"(?:EKS|ECS|MSK|EMR|Redshift|ElastiCache|DocumentDB|Neptune) (?:[cC]luster|[sS]ervice|[nN]odegroup)",
    *(rb"OpenSearch [dD]omain", rb"Lambda [fF]unction", rb"IAM (?:[rR]ole|[uU]ser|[gG]roup|[pP]olicy)"),
    *(rb"[sS]ecurity [gG]roup", rb"(?:CloudWatch )?[lL]og [gG]roup", rb"DynamoDB [tT]able", rb"SQS [qQ]ueue"),
    *(rb"SNS [tT]opic", rb"Kinesis [sS]tream", rb"ECR [rR]epository", rb"CloudFormation [sS]tack"),
    *(rb"Secrets Manager [sS]ecret", rb"SSM [pP]arameter", rb"CodeBuild [pP]roject", rb"State [mM]achine"),
    *(rb"Glue (?:[jJ]ob|[cC]rawler|[dD]atabase|[tT]able)", rb"Auto ?Scaling [gG]roup", rb"Athena [wW]orkgroup"),
    *(rb"CloudTrail [tT]rail", rb"EventBridge [rR]ule", rb"Cognito [uU]ser [pP]ool"),
)
_FIRST_WORDS = frozenset(
    b"any auto built client cost cross customer event false fine first full high level least long low managed multi "
    b"no non not one open opt out part pay per point post pre private public re read ready real related resource role "
    b"self server service short side single so specific state sub third time true trust two type wide write".split()
)
"""What words of English with a hyphen begin with: `cross-region`, `read-only`, `role-based`."""
_LINKS = frozenset(
    b"a an and as at based by driven for from in is of off on only or out owned scoped the to up".split()
)
"""Parts of such words: `up-to-date`, `first-in-first-out`."""


def _is_english(name: bytes) -> bool:
    parts = name.lower().split(b"-")
    return parts[0] in _FIRST_WORDS or not _LINKS.isdisjoint(parts)


_NO_END = (b"(", b"[", b"{", b"$", b"=", b":", b"*")


def _is_made_up(name: bytes) -> bool:
    """Tell whether an unquoted word is a name, and not one of English with a hyphen."""
    if b"." in name and b"-" not in name:
        return False  # db.t3.micro
    if any(48 <= byte <= 57 for byte in name) or b"_" in name or (name.startswith(b"/") and name.count(b"/") >= 2):
        return True
    return b"-" in name and not _is_english(name)


def _find_told(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start) or text[end - 1 : end] == b"/":
        return ()
    stop, name = _name(text, end)
    if not name:
        return ()
    quote = text[end - 1 : end]
    if quote in (b'"', b"'", b"`", b"*"):
        if text[stop : stop + 1] != quote:
            return ()
    elif text[stop : stop + 1] in _NO_END or not _is_made_up(name):
        return ()
    return (Span(end, stop, _family(text[start:end]), spread=True),)


TOLD = Detector(
    name="told",
    families=FAMILIES,
    summary="names behind what they are the name of, in sentences: `S3 Bucket acme-logs has no encryption`",
    pattern=rb"(?:"
    + rb"|".join(_THINGS)
    + rb")s?(?: (?:is |was )?(?:named|called))?:? (?:\x1b\[[0-9;]{1,8}m)?(?:\*\*|[\"'`])?",
    find=_find_told,
    bare=False,
    positives=(
        "FAIL us-east-1: S3 Bucket «acme-logs» has server access logging disabled.",
        "RDS Instance «orders-7» is publicly accessible. S3 Bucket \x1b[31m«acme-x1»\x1b[0m has",
        'our RDS instance `«acme-orders-db»` is down, and the EKS cluster "«acme-eks»" too',
        "the Lambda function «acme-billing» keeps failing, IAM role called «acme_lambda» has no rights",
        "Security group «acme-default» (sg-x) has ingress open; CloudWatch log group «/acme/app» does not",
        "the DynamoDB table: **«acme-orders»** and RDS instance: «orders-db»",
    ),
    negatives=(
        "S3 bucket cross-region replication, an IAM role trust-policy, the EKS cluster auto-scaler is",
        "S3 bucket names, Lambda function code, IAM user account, security group rules",
        "RDS instance db.t3.micro, Lambda function x.y()",
        "S3 bucket `s3` and Lambda function 'handler'",
    ),
)


_FOREIGN = "|".join(
    f"(?:{noun})(?:{ending})?"
    for noun, ending in (
        ("버킷|큐|스택|클러스터|토픽|역할|테이블|함수|리포지토리", " ?이름|은|는|이|가|을|를"),
        ("バケット|クラスター?|ロール|テーブル|キュー|スタック|関数|トピック", "名"),
        ("存储桶|集群|角色|堆栈|队列|函数|主题", "名称?"),
    )
).encode()
_LABEL_CHARS = bytes(sorted(ALNUM)) + b"-"
_STARTS = Pattern(rb"[a-z]{2}")


def _find_spoken(text: bytes, start: int, end: int) -> Sequence[Span]:
    """The candidate is a thing and a word with hyphens: a name only if it is none of English."""
    name = text[run_start(text, end, _LABEL_CHARS, end - start) : end]
    stop = run_end(text, end, NAME_CHARS, _LONGEST)
    whole = text[end - len(name) : stop].rstrip(b".-_@+/")
    if whole != name or _is_english(name) or is_word(name) or text[stop : stop + 1] in _NO_END:
        return ()
    digits = any(48 <= byte <= 57 for byte in name)
    foreign = text[start] >= 0x80 or text[end - len(name) - 1] >= 0x80  # another language, or its quotes
    if not _STARTS.match(name) > 0 or not (foreign or name.count(b"-") >= 2 or (digits and len(name) >= 7)):
        return ()
    return (Span(end - len(name), end, _family(text[start : end - len(name)]), spread=True),)


SPOKEN = Detector(
    name="spoken",
    families=FAMILIES,
    summary="names with hyphens behind what they are the name of, where nothing says that it is AWS's",
    pattern=(
        rb"(?:" + _FOREIGN + rb")[: ]{1,3}[a-z][a-z0-9]{0,30}(?:-[a-z0-9]{1,30}){1,12}"
        rb"|[ (\n](?:[bB]ucket|[qQ]ueue|[sS]tack|[cC]luster|[tT]opic|[rR]ole|[tT]able|[fF]unction|[rR]epository)"
        rb"(?: named| called| name:)? (?:\xe2\x80[\x98\x9c]|\xc2\xab)?[a-z][a-z0-9]{0,30}(?:-[a-z0-9]{1,30}){1,12}"
    ),
    find=_find_spoken,
    bare=False,
    positives=(
        "The bucket «acme-prod-logs» is public; the queue named «acme-jobs-7», role «acme-lambda-role».",
        "why is (cluster «eks-prod-2») down?",
        "버킷 «acme-logs» 역할은 «acme-deployer», バケット名: «acme-logs»",
    ),
    negatives=(
        "a bucket first-in-first-out, the role read-only, a cluster of end-to-end tests, the role role-based-access",
        "the table 2-1, function f-1, the queue per-user-1, the stack up-to-date-2",
        "a bucket acme-prod-logs_x and the table acme-x-${y}",
    ),
)
