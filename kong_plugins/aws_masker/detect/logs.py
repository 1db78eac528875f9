"""Names and ids by their place in the logs that AWS writes: load balancers', S3's, and in what quotes them.

`app/front/50dc6c495c0c9188` of load balancers also stands in metrics' dimensions and WAF's records. The formats are in
the user guides: "Access logs for your Application Load Balancer", "Amazon S3 server access log format".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kong_plugins.aws_masker.detect.bucket import BUCKET_CHARS
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import Span, ends_clean, look_back, run_end, starts_clean

_LABEL = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
_HEX = b"0123456789abcdef"
_ACCOUNT_BEFORE = Pattern(rb"(?:^|[^0-9A-Za-z])[0-9]{12}-$")


def _find_balancer(text: bytes, start: int, end: int) -> Sequence[Span]:
    """`app/NAME/HEX`: the candidate is all of it."""
    if not ends_clean(text, end) or not (starts_clean(text, start) or text[start - 1 : start] == b"/"):
        return ()
    last = text.rindex(b"/", start, end)
    if end - last - 1 not in (16, 17):
        return ()
    first = text.index(b"/", start) + 1
    spans = [Span(first, last, "load_balancer", spread=True), Span(last + 1, end, "resource", spread=True)]
    before = text[max(0, start - 14) : start]
    if _ACCOUNT_BEFORE.search(before) is not None:  # WAF: 210987654321-app/front/50dc6c495c0c9188
        spans.insert(0, Span(start - 13, start - 1, "account_id", spread=True))
    return spans


BALANCER = Detector(
    name="balancer_path",
    families=("load_balancer", "resource", "account_id"),
    summary="load balancers and target groups as logs and metrics write them: `app/front/50dc6c495c0c9188`",
    pattern=rb"(?:app|net|gwy|targetgroup)/[0-9A-Za-z-]{1,32}/[0-9a-f]{16,17}",
    find=_find_balancer,
    positives=(
        "h2 2018-07-02T22:23:00.186641Z app/«acme-front»/«50dc6c495c0c9188» 203.0.113.1:48160",
        '"httpSourceId":"«210987654321»-app/«acme-front»/«dc8a6d4f8e1c1c93»"',
        "TargetGroup=targetgroup/«acme-web»/«73e2d6bc24d8a067»",
    ),
    negatives=(
        "src/app/components/0123456789abcdef0123",
        "net/http/pprof app/front/50dc6c495c0c918",
        "myapp/front/50dc6c495c0c9188",
    ),
)

_CLASSIC_BEHIND = Pattern(rb" [0-9a-f.:\[\]]{7,45}:[0-9]{1,5} (?:[0-9a-f.:\[\]]{7,45}:[0-9]{1,5}|-) -?[0-9]")


def _find_classic(text: bytes, start: int, end: int) -> Sequence[Span]:
    stop = run_end(text, end, _LABEL, 64)
    if not starts_clean(text, start) or stop == end or _CLASSIC_BEHIND.match(text[stop : stop + 120]) <= 0:
        return ()
    return (Span(end, stop, "load_balancer", spread=True),)


CLASSIC = Detector(
    name="classic_balancer_log",
    families=("load_balancer",),
    summary="Classic Load Balancers in their access logs",
    pattern=rb"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z ",
    find=_find_classic,
    bare=False,
    positives=("2015-05-13T23:39:43.945958Z «acme-lb» 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200",),
    negatives=("2015-05-13T23:39:43.945958Z app-1 started 10.0.0.1:80", "2015-05-13T23:39:43.945958Z INFO x"),
)

_S3_TIME = Pattern(rb" \[[0-9]{2}/[A-Z][a-z]{2}/20[0-9]{2}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}\]")
_OWNER_BEFORE = Pattern(
    rb"(?i)(?:owner|canonical[_ ]?user|grantee|requester|display_?name)[^\n\x00]{0,60}$"
    rb"|\bid\\{0,3}[\"']?[ \t]{0,4}[:=>][ \t]{0,4}\\{0,3}[\"']?$|<ID>$"
)


def _find_canonical(text: bytes, start: int, end: int) -> Sequence[Span]:
    """64 hex digits: a user of S3's if they begin a line of its log, or stand behind a word that says so."""
    if not starts_clean(text, start) or not ends_clean(text, end):
        return ()
    return list(_canonical(text, start, end))


def _canonical(text: bytes, start: int, end: int) -> Iterator[Span]:
    if text[end : end + 1] == b" ":
        stop = run_end(text, end + 1, BUCKET_CHARS, 64)
        if _S3_TIME.match(text[stop : stop + 32]) > 0:
            yield Span(start, end, "resource", spread=True)
            yield Span(end + 1, stop, "bucket", spread=True)
            return
    if _in_s3_log(look_back(text, start, 64)) or _is_owner(text, start, end):
        yield Span(start, end, "resource", spread=True)


def _in_s3_log(before: bytes) -> bool:
    """Tell whether the requester's place in a line of the log ends `before`: behind the time and the address."""
    first = before.rfind(b" [")
    return first >= 0 and (width := _S3_TIME.match(before[first:])) > 0 and before[first + width :].count(b" ") == 2


_NO_OWNER = (b"sha256", b"digest", b"checksum", b"hash")


def _is_owner(text: bytes, start: int, end: int) -> bool:
    before = look_back(text, start, 80)
    if _OWNER_BEFORE.search(before) is None or any(one in before.lower() for one in _NO_OWNER):
        return False
    around = (before + text[end : end + 80]).lower()
    return b"owner" in around or b"canonical" in around or b"displayname" in around or b"grantee" in around


CANONICAL = Detector(
    name="canonical_user",
    families=("resource", "bucket"),
    summary="S3's canonical user ids, which stand for an account, and buckets in lines of its access logs",
    pattern=rb"[0-9a-f]{64}",
    find=_find_canonical,
    positives=(
        "«"
        + "79a59df9" * 8
        + "» «acme-logs» [06/Feb/2019:00:00:38 +0000] 192.0.2.3 «"
        + "79a59df8" * 8
        + "» 3E57 REST.GET",
        '"Owner": {"DisplayName": "jane", "ID": "«' + "79a59df9" * 8 + '»"}',
        '"Grantee": {"Type": "CanonicalUser", "ID": "«' + "79a59df9" * 8 + '»"}',
        "<Owner><ID>«" + "79a59df9" * 8 + "»</ID>",
        '"Principal": {"CanonicalUser": "«' + "79a59df9" * 8 + '»"}',
    ),
    negatives=(
        '"digest": "sha256:' + "79a59df9" * 8 + '", "id": "' + "79a59df9" * 8 + '"',
        "owner of sha256 " + "79a59df9" * 8,
        "79a59df9" * 8 + "  acme-logs.tgz",
    ),
)
