"""Passwords of databases and caches, and what Secrets Manager and Parameter Store give out.

Behind keys that AWS's APIs and everybody's environment have (`MasterUserPassword`, `DB_PASSWORD=`), in the addresses of
databases (`postgres://orders:PASSWORD@...`), and in the answers to get-secret-value and get-parameter. A word such as
`postgres` or `changeme` is no password worth masking, and a reference is none at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.separators import SEPARATOR
from kong_plugins.aws_masker.detect.spans import Span, starts_clean
from kong_plugins.aws_masker.detect.words import is_reference, is_word

_SHORTEST = 6
_LONGEST = 256
_LONGEST_SECRET = 16 * 1024
_REFERENCE = Pattern(rb"[$<{*!#]|%[sd({]|\\$|\*|x{3}|\.{3}|(?i:your|my|change|example|pass|secret|dummy|test)")
"""What a reference or a stand-in begins with."""
_LISTED = Pattern(rb"[\"'`],[ \t\r\n]{0,32}[\"'`]")
_QUOTES = (b'"', b"'", b"`")
_UNQUOTED_END = Pattern(rb"[ \t\r\n\x00\"'`,;<>|)\]}]|\\n")
_URL_END = Pattern(rb"[@/ \t\r\n\x00\"'`<>?#\\]")


def _is_password(value: bytes) -> bool:
    return (
        _SHORTEST <= len(value) <= _LONGEST
        and _REFERENCE.match(value) < 0
        and not is_word(value)
        and not is_reference(value)
        and not value.endswith(b"(")
    )


def _find_keyed(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not (starts_clean(text, start) or text[start : start + 1].isupper()):
        return ()
    if _LISTED.search(text[start:end]) is not None and text[start - 2 : start] != b"--":
        return ()  # a list of words
    quote = text[end - 1 : end]
    ahead = text[end : end + _LONGEST + 1]
    if quote in _QUOTES:
        stop = ahead.find(quote)
        value = ahead[:stop].removesuffix(b"\\") if stop >= 0 else b""
    else:
        found = _UNQUOTED_END.search(ahead)
        value = ahead[: found[0]] if found is not None else ahead if len(ahead) <= _LONGEST else b""
        if b"(" in value or b"." in value:
            return ()  # a call, a property
    return (Span(end, end + len(value), "password", spread=True),) if _is_password(value) else ()


_OF = (
    r"(?:db|rds|pg|postgres(?:ql)?|mysql|mariadb|redis|mongo(?:db)?|docdb|aurora|database|redshift|elasticache"
    r"|opensearch)"
)
_KEYS = (
    r"[mM]aster_?[uU]ser_?[pP]assword|master-user-password|[aA]dmin_?[uU]ser_?[pP]assword|master_password"
    rf"|(?i:{_OF}(?:_(?:admin|master|root|user|app))?_?(?:password|passwd|pwd))|(?i:mysql_pwd)|AuthToken|auth-token"
)

KEYED = Detector(
    name="password",
    families=("password",),
    summary="passwords of databases and caches behind their keys",
    pattern=rf"(?:{_KEYS})(?:{SEPARATOR})".encode(),
    find=_find_keyed,
    positives=(
        "aws rds create-db-instance --master-user-password «Sup3rS3cret!x» --engine postgres",
        '"MasterUserPassword": "«Sup3r S3cret, really»", "AuthToken": "«tok-9f8e7d6c5b»"',
        "DB_PASSWORD=«Sup3rS3cret!»\nPGPASSWORD='«h0rse-battery»'\nREDIS_PASSWORD: «hunter2-hunter2»\n",
        'master_password = "«Sup3rS3cret»", ["--master-user-password", "«Sup3rS3cret»"]',
        '- name: POSTGRES_PASSWORD\n  value: "«Sup3rS3cret»"',
    ),
    negatives=(
        "DB_PASSWORD=$PASSWORD MYSQL_ROOT_PASSWORD: example, POSTGRES_PASSWORD=postgres",
        "master_password = var.db_password\nmaster_password = random_password.db.result\n",
        'db_password: getenv("DB_PASSWORD"), "db_password": "********", dbPassword: config.dbPassword',
        "DB_PASSWORD=<your-password> db_password='${secret}' db_password=changeme-1",
        "the database password is wrong",
        "('mysql_pwd', 'mysql_port1')",
    ),
)


def _find_in_url(text: bytes, start: int, end: int) -> Sequence[Span]:
    ahead = text[end : end + _LONGEST]
    found = _URL_END.search(ahead)
    if found is None or ahead[found[0]] != ord("@"):
        return ()
    value = ahead[: found[0]]
    return (Span(end, end + len(value), "password", spread=True),) if _is_password(value) else ()


IN_URL = Detector(
    name="password_in_url",
    families=("password",),
    summary="passwords in the addresses of databases, caches and brokers",
    pattern=(
        rb"(?:postgres(?:ql)?|psql|mysql2?|mariadb|rediss?|mongodb|redshift|amqps?|oracle|sqlserver|mssql)"
        rb"(?:\+[a-z0-9]{1,12})?://[^/: \t\r\n\x00\"'@<>]{0,64}:"
    ),
    find=_find_in_url,
    bare=False,
    positives=(
        "DATABASE_URL=postgres://orders:«Sup3rS3cret»@10.12.3.4:5432/orders",
        "rediss://:«hunter2hunter2»@cache.example.com:6379/0 and mongodb+srv://app:«p%40ssw0rd-1»@x.example.net/y",
        '"mysql+pymysql://app:«h0rse-battery»@db/app"',
    ),
    negatives=(
        "postgres://postgres:postgres@localhost/x postgresql://user:password@localhost/db",
        "postgres://db.example.com:5432/orders redis://localhost:6379",
        "mysql://${USER}:${PASSWORD}@db/x mysql://app:$PASS@db mysql://u:<password>@h/x",
    ),
)

_STRING = r"\\{0,7}\"[ \t]{0,4}:[ \t\r\n]{0,8}\\{0,7}\""


def _find_secret(text: bytes, start: int, end: int) -> Sequence[Span]:
    """Return the whole of a string, whose quote may be escaped as it stands in JSON in JSON."""
    depth = len(text[start : end - 1]) - len(text[start : end - 1].rstrip(b"\\"))
    quote = b"\\" * depth + b'"'
    stop, limit = text.find(quote, end, end + _LONGEST_SECRET), end + _LONGEST_SECRET
    while stop > 0 and text[stop - 1 : stop] == b"\\":  # a quote inside, which is escaped once more
        stop = text.find(quote, stop + len(quote), limit)
    if stop - end < 4 or (_REFERENCE.match(text[end:stop]) > 0 and text[end : end + 1] != b"{"):
        return ()
    return (Span(end, stop, "password"),)


SECRET = Detector(
    name="secret_value",
    families=("password",),
    summary="what Secrets Manager and Parameter Store give out",
    pattern=(
        rf"SecretString{_STRING}|\"Type\\{{0,7}}\"[ \t]{{0,4}}:[ \t]{{0,4}}\\{{0,7}}\"SecureString\\{{0,7}}\","
        rf"[ \t\r\n]{{0,32}}\\{{0,7}}\"Value{_STRING}"
    ).encode(),
    find=_find_secret,
    positives=(
        r'"SecretString": "«{\"username\":\"orders\",\"password\":\"Sup3rS3cret\"}»", "VersionStages": ["AWSCURRENT"]',
        '"SecretString":"«hunter2hunter2»"',
        '"Type": "SecureString",\n        "Value": "«hunter2hunter2»",',
        r"{\"SecretString\": \"«{\\\"password\\\":\\\"Sup3rS3cret\\\"}»\", \"x\": 1}",
    ),
    negatives=('"SecretString": ""', '"Type": "String", "Value": "hunter2"', '"SecretString": "${var.secret}"'),
)
