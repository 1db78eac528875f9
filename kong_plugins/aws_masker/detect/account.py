"""AWS account ids: 12 digits that something beside them makes certain.

By itself a number of 12 digits may be anything. ARNs, registry and queue addresses have detectors of their own; here it
is a word before the number (account, owner, principal), its place in a log bucket's path, or a number of the same list.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import Span, ends_clean, look_back, new_span, starts_clean

_LOOK_BACK = 80
_KEY = 28
"""Bytes that hold most keys, with what stands between them and the number. Looked at from a quote on, so that `\\b`
means the same, and few of them come again and again."""
_FOREIGN = "계정|konto|账户|账号|アカウント|compte|cuenta|conta".encode()
_NAMED = (
    rb"(?i)(?:acc(?:oun)?t|owner|ami_?users?|payer|payee|principal|registry|profile|\baws|delegated[_ ]?admin|"
    + _FOREIGN
    + rb")"
    rb"s?(?:[_ -]?(?:alias|arn))?(?:[_ -]?(?:u?ids?|identifiers?|numbers?|num|nos?\.?|nr\.?))?(?:set|list|filter)?"
    rb"(?:[^0-9A-Za-z]|\\[nrt]|\x1b\[[0-9;]{0,8}m|(?:\b(?:value|values|valuelist|u?ids?|String|is|was|are|of|in|for|from|to|the|our|your|my|this|that|prod|dev|staging|test|stage)\b)){0,24}"
)
_KEYED = (
    rb"(?-i:\\{0,7}[\"'](?:Id|id|(?:Target|target|User|user)Ids?|(?:Invoice|invoice)Receivers?|[A-Za-z]{4,12}By"
    rb"|[Aa]ttributeValues|[Vv]aluesTo(?:Add|Remove)|(?:[rR]equester|[pP]ublisher|[sS]ender)Id|httpSourceId|[iI]mage_?[lL]ocation)"
    rb"\\{0,7}[\"'] ?: ?(?:\[\s{0,40})?\\{0,7}[\"']|<Id>)"
)
"""Keys whose value is, or begins with, an account's id if it is a string of 12 digits: Organizations says just `"Id"`,
EC2 and RDS say `userId` and `valuesToAdd` of whom they share an image or a snapshot with."""
_SHARED = rb"(?:image: |--(?:user-ids?|values-to-(?:add|remove)|attribute-values)[ =][\"']?|[{,]UserId=)"
_BEFORE = Pattern(_NAMED + rb"$|" + _KEYED + rb"$|" + _SHARED + rb"$")
_NEXT = (
    rb"(?:[\\nrt\s\"',|\[\]]+|[\"']\]?,?\s{0,8}[\"']?[A-Za-z0-9_-]{1,24}[\"']?\s{0,4}[:=]\s{0,4}[\"']"
    rb"|,? (?:and|or|&|und|oder|et|y) |\)?(?:,| and|, and)? [A-Za-z0-9_-]{1,24} ?[(=:] ?)"
)
_LIST_BEFORE = Pattern(
    rb"(?:"
    + _NAMED
    + rb"(?:[A-Za-z0-9_{}= \t]{0,24}[\"'])?|"
    + _KEYED
    + rb"|"
    + _SHARED
    + rb")(?:[0-9]{12}"
    + _NEXT
    + rb")+$"
)
_LIST_LOOK_BACK = 1200
_MAP_LOOK_BACK = 400
_JOINTS = (b"-", b"_", b"/", b":", b".")
_GROUP_BEFORE = Pattern(rb"[0-9]{4} $")
_GROUP_BEHIND = Pattern(rb" [0-9]{4}")
_NUMBER_BEFORE = Pattern(rb"[0-9]{12}" + _NEXT + rb"$")
_PATH_BEFORE = (b"AWSLogs/", b"awslogs/", b"::", b"accounts/", b"account/", b"aws-account-", b"aws://", b"account=")
_REGION_BEHIND = Pattern(rb"[-_/:.](?:[a-z]{2}|us-gov|us-iso[a-z]?)-[a-z]{4,14}-[0-9]\b")
_FLOW_LOG_BEFORE = Pattern(rb"(?:^|[\n\x00\"]|\\n)[2-9] $")
_ORGANIZATION_BEFORE = Pattern(rb"AWSLogs/o-[0-9a-z]{10,32}/$")
_REGION_BEFORE = Pattern(rb"(?:[a-z]{2}|us-gov|us-iso[a-z]?)-[a-z]{4,14}-[0-9]-$")
_NAME_BEFORE = Pattern(
    rb"(?:^|[^0-9A-Za-z.-])(?:[0-9a-z.]{0,24}-){0,5}(?:buckets?|logs?|logging|trails?|cloudtrail|config|state|tfstate|"
    rb"terraform|artifacts?|assets|templates?|aws|s3|codebuild|codepipeline|athena|glue|datalake|backups?|"
    rb"prod|production|dev|stage|staging|account|results|inventory)-$"
)
"""Names that people end with their account's id, so that nobody else has them: `acme-logs-210987654321`."""
_DATE = Pattern(rb"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{4}")
_ACCOUNT_BEHIND = Pattern(rb" ?\((?:[A-Za-z0-9_-]{1,20} ){0,2}acc(?:oun)?t\)")
_BEHIND = (
    *(b".signin.aws", b".dkr.ecr", b".dkr-ecr", b" eni-", b" vpc-", b":role/", b":user/", b":root", b":function:"),
    *(b"_CloudTrail", b"_vpcflowlogs", b"_vpcdnsquerylogs", b"_elasticloadbalancing", b"_waflogs", b"_Config_"),
)
"""What the names of AWS's log files and addresses go on with."""


def _listed(text: bytes, start: int) -> bool:
    """Tell whether the number continues a list of account ids: `["111122223333", "444455556666"]`."""
    if not _ends_with_number(text[max(0, start - 60) : start]):
        return False
    before = look_back(text, start, _LIST_LOOK_BACK)
    return _LIST_BEFORE.search(before) is not None


@lru_cache(maxsize=1 << 12)
def _ends_with_number(before: bytes) -> bool:
    return _NUMBER_BEFORE.search(before) is not None


@lru_cache(maxsize=1 << 12)
def _announced(before: bytes) -> bool:
    """Tell whether what stands before a number says that it is an account's id; logs say it in the same words."""
    before = before[before.rfind(b"\x00") + 1 :]
    if before.endswith(_PATH_BEFORE) or (b"AWSReservedSSO_" in before and before.endswith(b"/")):
        return True
    return _BEFORE.search(before) is not None


def _certain(text: bytes, start: int, end: int) -> bool:
    before = look_back(text, start, _LOOK_BACK)
    return (
        text.startswith(_BEHIND, end)
        or _announced(before)
        or _is_followed(text, end)
        or _is_led_up_to(before, text[start:end])
        or (text.startswith(b" - ", end) and _FLOW_LOG_BEFORE.search(before) is not None)
        or _is_key(text, start, end)
        or _listed(text, start)
    )


def _is_followed(text: bytes, end: int) -> bool:
    """Tell whether a region, or `(prod account)`, stands behind the number."""
    if text.startswith((b" (", b"("), end):
        return _ACCOUNT_BEHIND.match(text[end : end + 48]) > 0
    return text.startswith(_JOINTS, end) and _REGION_BEHIND.match(text[end : end + 28]) > 0


def _is_led_up_to(before: bytes, number: bytes) -> bool:
    """Tell whether the number ends a name in which it is nothing else, or is in an organization's log bucket."""
    if before.endswith(b"/"):
        return _ORGANIZATION_BEFORE.search(before) is not None
    return before.endswith(b"-") and (
        _REGION_BEFORE.search(before[-30:]) is not None
        or (_NAME_BEFORE.search(before[-64:]) is not None and not _DATE.fullmatch(number))
    )


def _is_key(text: bytes, start: int, end: int) -> bool:
    """Tell whether the number is a key in a map of accounts, as in `Mappings` of CloudFormation's templates."""
    if text[start - 1 : start] not in (b'"', b"'") or not text.startswith((b'":', b"':", b'" :'), end):
        return False
    before = look_back(text, start, _MAP_LOOK_BACK).lower()
    return b"account" in before or b"aws" in before


def _is_spaced(text: bytes, start: int, end: int) -> bool:
    """Tell whether `4815 1623 4200` is an account's id, and neither a card's number nor a telephone's."""
    before = look_back(text, start, _LOOK_BACK)
    alone = not _GROUP_BEFORE.search(before) and _GROUP_BEHIND.match(text[end : end + 6]) < 0
    return alone and b"acc" in before[-_KEY:].lower() and _announced(before)


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    key = text[start - _KEY if start > _KEY else 0 : start]
    if key.endswith(b'"') and text.startswith(b'"', end) and _announced(key[key.find(b'"') :]) and end - start == 12:
        return (new_span((start, end, "account_id", True)),)  # the rest is for what else stands around a number
    if end - start not in (12, 14) or not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    if text[end : end + 1] == b"." and text[end + 1 : end + 2].isdigit():
        return ()
    certain = _is_spaced if text[start + 4 : start + 5] == b" " else _certain
    return (Span(start, end, "account_id", spread=True),) if certain(text, start, end) else ()


DETECTOR = Detector(
    name="account",
    families=("account_id",),
    summary="account ids: 12 digits beside a word such as account or owner, also as 1234-5678-9012 or in groups",
    pattern=rb"[0-9]{12,40}|[0-9]{4}-[0-9]{4}-[0-9]{4}|[0-9]{4} [0-9]{4} [0-9]{4}",
    find=_find,
    positives=(
        "account «210987654321»",
        '{"AccountIdentifier": "«210987654321»"}',
        '{"accountIdSet": ["«210987654321»"], "awsAccounts": [{"id": "«310987654321»"}]}',
        '"Account": "«210987654321»", "OwnerId": "«321098765432»"',
        "AWS_ACCOUNT_ID=«210987654321»",
        "Account ID: «2109-8765-4321»",
        'account_ids = ["«210987654321»", "«321098765432»"]',
        '"Principal": {"AWS": "«210987654321»"}',
        "s3://x/AWSLogs/«210987654321»/CloudTrail",
        "cdk-hnb659fds-assets-«210987654321»-eu-west-1",
        '{"Accounts": [{"Id": "«210987654321»"}]} <Id>«310987654321»</Id>',
        '{"InvoiceReceivers": ["«210987654321»", "«310987654321»"], "createdBy": "«410987654321»"}',
        "our account number is «210987654321».",
        '{"valuesToAdd": ["«210987654321»"], "add": {"items": [{"userId": "«310987654321»"}]}}',
        "aws ec2 modify-snapshot-attribute --user-ids «210987654321» «310987654321»",
        'modify-image-attribute --launch-permission "Add=[{UserId=«210987654321»}]"',
        '"Name": "config-bucket-«210987654321»", acme-terraform-state-«310987654321»/x',
        '"account": {"uid": "«210987654321»"}, "account_uid": "«310987654321»", {"requesterId": "«410987654321»"}',
        "AWSLogs/o-a1b2c3d4e5/«210987654321»/CloudTrail/«310987654321»_CloudTrail_us-east-1_20240501T1200Z_x.json.gz",
        "{'«210987654321»_us-east-1': 1}, «310987654321»/us-east-1, x-«510987654321»-eu-west-1",
        "5 «210987654321» - 10.40.1.175\n3 eni-0a1b «310987654321» vpc-0a1b2c3d",
        "account «2109 8765 4321», AWS account no. «3109 8765 4321»",
        "account IDs: «210987654321», «310987654321» and «410987654321»",
        "Our prod account («210987654321») and staging («310987654321»)",
        "accounts: prod = «410987654321», dev = «510987654321»",
        "accounts:\n  prod: «210987654321», dev: «310987654321»",
        "Mappings:\n  AccountToStage:\n    '«210987654321»': {Stage: prod}",
        'ami_users = ["«210987654321»", "«310987654321»"]\nimage: «210987654321»/acme-ami',
        '"httpSourceId":"«210987654321»:o3b0jx0ny4:prod", "ImageLocation": "«310987654321»/amzn"',
        "«210987654321» (prod account), [profile «321098765432»_Admin], AWSReservedSSO_Admin_1a2b3c4d/«432109876543»",
    ),
    negatives=(
        "order 210987654321 shipped",
        "timestamp 1700000000000",
        "account 2109876543210",
        "+49 2109 8765 4321 and 2109 8765 4321, account 2109 8765 4321 0123",
        '{"210987654321": {"price": 12}}, messagingSenderId: "310987654321"',
        "0x210987654321ff",
        '{"Id": 210987654321, "Uid": "210987654321", "orderId": "310987654321", "passedBy": 210987654321}',
        "account opened, order number 210987654321",
        "backup-202401311259 order-210987654321 the-logs-210987654321x",
    ),
)
