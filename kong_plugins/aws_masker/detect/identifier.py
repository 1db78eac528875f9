"""Ids with a shape of their own that are neither hex ids of EC2 nor credentials: KMS, Route 53, Cognito, ..."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import REGION, UUID, Pattern
from kong_plugins.aws_masker.detect.spans import Span, ends_clean, look_back, starts_clean


def _word(family: str, spread: bool = False) -> Callable[[bytes, int, int], Sequence[Span]]:
    """Return a check that takes the candidate as a whole if it is a word by itself."""

    def find(text: bytes, start: int, end: int) -> Sequence[Span]:
        if starts_clean(text, start) and ends_clean(text, end):
            return (Span(start, end, family, spread),)
        return ()

    return find


_KMS_BEFORE = Pattern(
    rb"(?i)(?:kms|key[/_ -]?(?:arn|id)|cmk|encryption[_-]?key|key/|master[_ ]?key)[a-z_ -]{0,16}"
    rb"(?:[^0-9A-Za-z]|\\[nrt]|\x1b\[[0-9;]{0,8}m|\b(?:value|String|aws)\b){0,24}$|(?:kms|cmk)[^\n\x00]{0,32}$"
)


def _find_kms(text: bytes, start: int, end: int) -> Sequence[Span]:
    before = look_back(text, start, 64)
    lowered = before.lower()
    if b"key" not in lowered and b"kms" not in lowered and b"cmk" not in lowered:
        return ()  # logs are full of UUIDs
    if not ends_clean(text, end) or not starts_clean(text, start) or _KMS_BEFORE.search(before) is None:
        return ()
    return (Span(start, end, "kms_key", spread=True),)


KMS_KEY = Detector(
    name="kms_key",
    families=("kms_key",),
    summary="KMS keys: a UUID beside a word such as kms or key id, or `mrk-` and 32 hex digits",
    pattern=UUID,
    find=_find_kms,
    positives=(
        'kms_key_id = "«12345678-abcd-4bcd-8bcd-123456789abc»"',
        '"KeyId": "«12345678-abcd-4bcd-8bcd-123456789abc»"',
        "--kms-key-id «12345678-abcd-4bcd-8bcd-123456789abc»",
    ),
    negatives=(
        "request id 12345678-abcd-4bcd-8bcd-123456789abc",
        '"eventID": "12345678-abcd-4bcd-8bcd-123456789abc"',
        "12345678-abcd-4bcd-8bcd-123456789abcdef",
    ),
)

MULTI_REGION_KEY = Detector(
    name="kms_multi_region_key",
    families=("kms_key",),
    summary="multi-Region KMS keys",
    pattern=rb"mrk-[0-9a-f]{32}",
    find=_word("kms_key"),
    positives=("key «mrk-" + "0123456789abcdef" * 2 + "»",),
    negatives=("mrk-0123", "xmrk-" + "0123456789abcdef" * 2, "mrk-" + "0123456789abcdef" * 2 + "0"),
)

_ZONE_BEFORE = Pattern(
    rb"(?i)(?:zone[s_/ -]{0,3}(?:name_?)?(?:ids?)?|hostedzone/|route ?53[^\n\x00]{0,32})"
    rb"(?:[^0-9A-Za-z\n]|\bis\b|\bid\b){0,16}$"
)


def _find_zone(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    before = look_back(text, start, 64)
    value = text[start:end]
    # real ids mix letters and digits; a word in capitals that begins with Z does not
    mixed = end - start >= 14 and sum(48 <= byte <= 57 for byte in value) >= 2
    if mixed or _ZONE_BEFORE.search(before):
        return (Span(start, end, "hosted_zone", spread=True),)
    return ()


def _find_distribution(text: bytes, start: int, end: int) -> Sequence[Span]:
    value = text[start:end]
    digits = sum(48 <= byte <= 57 for byte in value)
    if starts_clean(text, start) and ends_clean(text, end) and 2 <= digits <= len(value) - 3:
        return (Span(start, end, "distribution"),)
    return ()


DISTRIBUTION = Detector(
    name="distribution",
    families=("distribution",),
    summary="CloudFront distributions: `E` and 12 or 13 capitals and digits",
    pattern=rb"E[A-Z0-9]{12,13}",
    find=_find_distribution,
    positives=("distribution «E1ABCDEF2GHIJ3»", "--id «E2QWRUHEXAMPL3»"),
    negatives=("EXAMPLEBUCKETS", "EUROPEANUNION", "E1234567890123", "EC2INSTANCES99X"),
)

HOSTED_ZONE = Detector(
    name="hosted_zone",
    families=("hosted_zone",),
    summary="Route 53 hosted zones: `Z` and 7 to 31 capitals and digits",
    pattern=rb"Z[A-Z0-9]{7,31}",
    find=_find_zone,
    positives=("/hostedzone/«Z3M3LMPEXAMPLE»", 'zone_id = "«Z0123456789ABCDEFGHIJ»"', "«Z1D633PJN98FT9» in DNS"),
    negatives=("ZOOKEEPERSTATE", "Z", "ZSTD_COMPRESSION", "AZ0123456789ABCDEFGHIJ"),
)


def _find_pool(text: bytes, start: int, end: int) -> Sequence[Span]:
    candidate = text[start:end]
    cut = end - 36 if candidate[-36:-35] != b"" and candidate.count(b"-") >= 6 else start + candidate.rfind(b"_") + 1
    value = text[cut:end]
    if not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    if len(value) == 36 and b"-" in value:
        return (Span(cut, end, "cognito_pool", spread=True),)
    mixed = not value.isdigit() and (not value.isalpha() or not (value.islower() or value.isupper() or value.istitle()))
    return (Span(cut, end, "cognito_pool", spread=True),) if mixed else ()


COGNITO_POOL = Detector(
    name="cognito_pool",
    families=("cognito_pool",),
    summary="Cognito user pools (`REGION_` and 9 letters and digits) and identity pools (`REGION:` and a UUID)",
    pattern=REGION + rb"(?:_[0-9A-Za-z]{9,55}|(?::|%3[Aa])" + UUID + rb")",
    find=_find_pool,
    positives=(
        "pool us-east-1_«aB3dE5fG7»",
        "identity eu-west-1:«12345678-abcd-4bcd-8bcd-123456789abc»",
        "cognito-idp.us-east-1.amazonaws.com/us-east-1_«aB3dE5fG7»",
    ),
    negatives=("us-east-1_prod", "us-east-1:12345678", "us-east-1_lowercase", "us-east-1_123456789"),
)


def _find_organization(text: bytes, start: int, end: int) -> Sequence[Span]:
    value = text[start:end]
    if not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    digits = sum(48 <= byte <= 57 for byte in value)
    if value.startswith(b"o-"):
        return (Span(start, end, "organization"),) if digits and end - start >= 12 else ()
    if value.startswith(b"ou-"):
        return (Span(start, end, "organization"),)
    before = text[max(0, start - 48) : start].lower()
    rooted = b"root" in before or b"organization" in before or text[start - 1 : start] == b"/"
    return (Span(start, end, "organization", spread=True),) if rooted and end - start <= 8 and digits else ()


ORGANIZATION = Detector(
    name="organization",
    families=("organization",),
    summary="Organizations: `o-` and 10 to 32, `ou-xxxx-yyyyyyyy`, `r-xxxx`",
    pattern=rb"o-[a-z0-9]{10,32}|ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,6}",
    find=_find_organization,
    positives=("org «o-a1b2c3d4e5»", "«ou-ab12-cd34ef56»", '"RootId": "«r-ab12»"'),
    negatives=("o-rganisation-wide", "go-to-something", "r-squared", "ou-est", "user-1234"),
)

DIRECTORY = Detector(
    name="directory",
    families=("directory",),
    summary="directories (`d-` and 10 hex digits) and IAM Identity Center instances (`ssoins-`)",
    pattern=rb"d-[0-9a-f]{10}|(?:ssoins|ps|tps)-[0-9a-f]{16}",
    find=_word("directory"),
    positives=("directory «d-0123456789»", "https://«d-9067abcdef».awsapps.com/start", "«ssoins-0123456789abcdef»"),
    negatives=("id-0123456789", "d-01234567890", "d-day"),
)

DB_RESOURCE = Detector(
    name="db_resource",
    families=("db_resource",),
    summary="RDS resource ids: `db-` or `cluster-` and 24 to 26 capitals and digits",
    pattern=rb"(?:db|cluster|prx|tgt)-[A-Z0-9]{24,26}",
    find=_word("db_resource"),
    positives=("«db-ABCDEFGHIJKLMNOPQRSTUVWXY1»", '"DbClusterResourceId":"«cluster-ABCDEFGHIJKLMNOPQRSTUVWXY2»"'),
    negatives=("db-instance", "feedback", "mongodb-ABCDEFGHIJKLMNOPQRSTUVWXY1", "db-ABC"),
)
