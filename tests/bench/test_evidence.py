"""The evidence's own counting is right: what is planted as a miss or a false positive is reported as one."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.evidence import page, plot, precision, recorded, roundtrip, shapes, survival, terraform, truth, values
from bench.evidence.values import Document, Tally, Value
from kong_plugins.aws_masker.detect.spans import Span
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings

KEY = bytes(range(32))
INSTANCE = "i-" + "0f3c9a71be5d24806"


@pytest.fixture(scope="module")
def masker() -> Masker:
    return Masker(Settings(), KEY)


@pytest.fixture(scope="module")
def blind() -> Masker:
    """A masker that looks for no EC2 instances."""
    return Masker(Settings(mask_ec2_instances=False), KEY)


def _document(text: str, value: str) -> Document:
    start = text.index(value)
    return Document("planted", text.encode(), [Value("planted", start, start + len(value))])


def test_a_planted_miss_is_counted_and_shown(masker: Masker, blind: Masker) -> None:
    """What a masker that is blind to it leaves is a miss with the value in it; one that sees it has none."""
    document = _document(f"instance {INSTANCE} is up", INSTANCE)
    missed = values.count(blind, [document])["planted"]
    assert (missed.present, missed.missed, missed.recall) == (1, 1, 0.0)
    assert INSTANCE in next(iter(missed.misses))
    assert values.count(masker, [document])["planted"].recall == 1.0


@pytest.mark.parametrize(
    ("spans", "leaks"),
    [
        ([(4, 10)], False),
        ([(0, 20)], False),
        ([(4, 6), (6, 10)], False),
        ([], True),
        ([(4, 5)], True),
        ([(10, 20)], True),
        ([(5, 10)], False),  # one letter left tells nothing
    ],
)
def test_a_value_leaks_if_four_characters_of_it_are_left(spans: list[tuple[int, int]], leaks: bool) -> None:
    found = [Span(start, end, "bucket") for start, end in spans]
    assert values.leaks(b"see acmes! there", Value("bucket", 4, 9), found) is leaks


def test_truth_knows_values_and_leaves_stand_ins_out() -> None:
    """A bucket, an account and an id count; `my-bucket` and a plain word are counted as left out."""
    left_out: Counter[str] = Counter()
    text = f'{{"Bucket": "acme-logs-7", "OwnerId": "839172640518", "x": "{INSTANCE}"}}'
    text += " --bucket my-bucket --role-name test"
    found = truth.values(text.encode(), left_out)
    assert {(one.family, text[one.start : one.end]) for one in found} == {
        ("name under its key", "acme-logs-7"),
        ("account id under its key", "839172640518"),
        ("EC2-style id", INSTANCE[2:]),
    }
    assert left_out == {"stand-ins": 1, "plain words": 1}


def test_yaml_and_the_json_in_it_are_read_by_their_fields() -> None:
    """A value is found by its field where it stands, also behind letters of several bytes; what is escaped is not."""
    text = """Tests:
  - Name: é
    Log:
      userName: acme-bob-7
      requestParameters: {"functionName": "acme-fn-7", "roleName": "acme\\x2dr7"}
"""
    found = recorded.values("x.yml", text.encode(), Counter(), recorded.yaml_leaves)
    assert sorted(text.encode()[one.start : one.end] for one in found) == [b"acme-bob-7", b"acme-fn-7"]


def test_terraform_names_are_known_by_the_type() -> None:
    """Ids and names of a state and of a drift tool's list are known by their type, and only at their place."""
    state = json.dumps({"resources": [{"type": kind, "instances": [
        {"attributes": {"id": f"{kind}-1", "name": "acme-7", "tags": {"name": "deep-7"}}}
    ]} for kind in ("aws_iam_user", "aws_vpc")]}, indent=2)  # fmt: skip
    assert _found(state) == ["aws_iam_user-1", "acme-7"]
    assert _found('{"Id": "acme-role:allow-7",\n "Type": "aws_iam_role_policy"}, {"Id": "x-77", "Type": "y"}') == [
        "allow-7"
    ]


def _found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in terraform.values(text.encode(), Counter())]


def test_recorded_answers_are_read_by_their_fields() -> None:
    """A list's name is a bucket, a folder of AWS's is no part of a log group; ids of requests do not count."""
    text = json.dumps(
        {
            "data": {
                "Buckets": [{"Name": "acme-logs-7"}, {"Name": "test"}],
                "Tables": [{"logGroupName": "/aws/lambda/acme-billing", "Name": "not-a-bucket-1"}],
                "InstanceId": INSTANCE,
                "WorkspaceId": "asg-0f3c9a71",
                "roleName": "AWSServiceRoleForSupport",
                "RequestId": "0f3c9a71-be5d-4806-8abc-0f3c9a71be5d",
                "WebACLId": "1f3c9a71-be5d-4806-8abc-0f3c9a71be5d",
            }
        }
    )
    left_out: Counter[str] = Counter()
    found = recorded.values("s3.ListBuckets_1.json", text.encode(), left_out)
    assert {(one.family, text[one.start : one.end]) for one in found} == {
        ("bucket in a list of buckets", "acme-logs-7"),
        ("name in its field", "acme-billing"),
        ("EC2-style id", INSTANCE[2:]),
        ("id of a resource in its field", "asg-0f3c9a71"),
        ("UUID of a resource in its field", "1f3c9a71-be5d-4806-8abc-0f3c9a71be5d"),
    }
    assert left_out == {"stand-ins": 1, "plain words": 1}


MODEL: dict[str, Any] = {
    "metadata": {"endpointPrefix": "widgets"},
    "operations": {"MakeWidget": {"input": {"shape": "In"}, "output": {"shape": "Out"}}},
    "shapes": {
        "In": {
            "type": "structure",
            "members": {"WidgetId": {"shape": "WidgetId"}, "Owner": {"shape": "Account"}, "Color": {"shape": "Color"}},
        },
        "Out": {"type": "structure", "members": {"WidgetArns": {"shape": "Arns"}, "Parent": {"shape": "Out"}}},
        "Arns": {"type": "list", "member": {"shape": "Arn"}},
        "Arn": {"type": "string", "pattern": "arn:aws:widgets:[a-z0-9-]+:[0-9]{12}:widget/[a-z]{8}"},
        "WidgetId": {"type": "string", "pattern": "^wid-[0-9a-f]{17}$"},
        "Account": {"type": "string", "pattern": "^[0-9]{12}$"},
        "Color": {"type": "string"},
    },
}


def test_generated_documents_follow_the_model() -> None:
    """Each document is JSON whose members match their patterns, and each place is that of a secret part."""
    request, answer = shapes.Service("widgets", MODEL, 0).documents()
    body = json.loads(request.text)
    assert set(body) == {"WidgetId", "Owner"}
    assert re.fullmatch("wid-[0-9a-f]{17}", body["WidgetId"])
    assert [request.text[one.start : one.end].decode() for one in request.values] == [body["WidgetId"], body["Owner"]]
    assert [one.family for one in request.values] == [shapes.HEX_ID, shapes.ACCOUNT]
    arns = json.loads(answer.text)["WidgetArns"]
    parts = [part for arn in arns for part in (arn.split(":")[4], arn.split("/")[1])]
    assert [answer.text[one.start : one.end].decode() for one in answer.values] == parts


def test_the_same_seed_makes_the_same_documents() -> None:
    """A figure can be measured again."""
    first, again, other = (list(shapes.Service("widgets", MODEL, seed).documents()) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_planted_false_positive_is_listed(masker: Masker) -> None:
    """A finding is counted with its family and its file, private addresses and keys apart."""
    texts = [("a.py", f"x = '{INSTANCE}'\n".encode()), ("b.py", b"y = '10.20.30.40'\n"), ("c.py", b"z = 1\n")]
    found = precision.examine(masker, texts)
    assert (found.files, found.findings.total(), found.plain) == (3, 2, 1)
    assert found.places["ec2_instance", INSTANCE] == "a.py"
    assert found.per_mb == pytest.approx(1 / found.size * 1e6)
    assert found.parsed == {"Python": 2}
    assert not found.broken
    shown = page.precision({"planted": found}, "left out")
    assert INSTANCE in shown
    assert "10.20.30.40" not in shown


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("x.py", b"x = 1\n", b"x = = 1\n"),
        ("x.json", b'{"a": 1}', b'{"a": }'),
        ("x.yaml", b"a: [1, 2]\n", b"a: [1, 2\n"),
        ("x.tf", b'resource "a" "b" {\n  c = 1\n}\n', b'resource "a" {{\n'),
    ],
)
def test_what_does_not_parse_is_noticed(name: str, good: bytes, bad: bytes) -> None:
    _, parse = precision.parser(name)
    assert parse is not None
    assert precision.parses(parse, good)
    assert not precision.parses(parse, bad)


def test_texts_come_back_in_all_ways(masker: Masker) -> None:
    """Whole, in pieces and in the streams of three APIs; each way counts the text once."""
    text = f'{INSTANCE} wrote to s3://acme-payments-ledger/x "quoted" and\nvpc-0c5a9e17d3b84f620 ☂'.encode()
    result = roundtrip.check(masker, [("planted", text), ("nothing", b"no value")], every=1)
    assert result.texts[roundtrip.WHOLE] == 2
    assert result.texts[roundtrip.PIECES] == 1
    assert sum(result.texts.values()) == 2 + 1 + 6
    assert result.broken == {}


def test_a_text_that_does_not_come_back_is_named(masker: Masker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roundtrip, "restore", lambda text, _: text)
    result = roundtrip.check(masker, [("planted", INSTANCE.encode()), ("nothing", b"x")], every=9)
    assert result.broken == {roundtrip.WHOLE: ["planted"]}


def test_survival_tells_kept_from_lost(masker: Masker) -> None:
    """Nothing changed keeps all; nothing can keep a placeholder that was cut short."""
    by_way = {one.way: one for one in survival.measure(masker)}
    assert by_way["as it is"].kept == by_way["as it is"].total > 50
    assert by_way["shortened"].kept < by_way["shortened"].total / 10
    assert "bucket" in by_way["shortened"].lost


def test_the_page_lists_misses_and_says_what_was_not_reached() -> None:
    """A family below its goal says so; its misses are there with how often they came."""
    tally = Tally(100, 2, Counter({f"id {INSTANCE}": 2}))
    shown = page.recall({"corpus": {"EC2-style id": tally}}, {shapes.HEX_ID: Tally(1000, 0)}, {})
    assert "| EC2-style id | 100 | 98 | 98.00% | 99.5% | **no** |" in shown
    assert f"| {shapes.HEX_ID} | 1,000 | 1,000 | 100.00% | 99.5% | yes |" in shown
    assert f"2 x `id {INSTANCE}`" in shown


def test_almost_all_is_never_rounded_up_to_all() -> None:
    """One miss among a million is not 100 %."""
    shown = page.recall({"c": {"EC2-style id": Tally(10**6, 1, Counter(x=1))}}, {}, {})
    assert "100.00%" not in shown


def test_a_plot_is_an_svg_with_every_line_named(tmp_path: Path) -> None:
    drawn = {"ours & co": [(1e4, 10.0), (1e6, 20.0)], "limit": [(1e4, 900.0), (1e6, 950.0)]}
    svg = plot.lines("t", "bytes", "MB/s", drawn, frozenset({"limit"}))
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert "ours &amp; co" in svg
    assert svg.count("stroke-dasharray") == 2
