# ruff: noqa: E501, RUF001 - one sample a line, however long, and in the scripts that people write
"""Texts that carry a planted value, as the tools and files that an engineer pastes write it.

A *keyed* carrier names what the value is (a JSON key, a flag, a variable), so that it can carry names without a shape;
a *bare* one does not. `encode` is what the carrier does to the value itself: nothing, JSON escaping, percent-encoding.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

from tests.planted.model import Planted

ESC = "\x1b"
ANY = frozenset({"id", "token", "account", "ip", "host", "arn", "uri", "name"})
# `/` and `+` belong to a secret key, `.` and `-` to a name: the carriers that put such signs around a value are not
# for every kind, because there nobody could say where the value ends.
SOLID = frozenset({"id", "arn", "host", "uri"})
WORDLIKE = ANY - {"token"}


def _same(value: str) -> str:
    return value


class Carrier(NamedTuple):
    """A named way to write a value down."""

    name: str
    write: Callable[[Planted], str]
    keyed: bool = False
    kinds: frozenset[str] = ANY
    encode: Callable[[str], str] = _same
    leaf_key: bool = False
    """True: the text is a JSON leaf by itself and its key comes with it."""
    glued: bool = False
    """True: other text runs into the value, so that its public beginning may be taken for a part of a name."""


def _bare(name: str, template: str, kinds: frozenset[str] = ANY, encode: Callable[[str], str] = _same) -> Carrier:
    """`template` with `§` where the value belongs."""
    return Carrier(name, lambda planted: template.replace("§", encode(planted.text)), False, kinds, encode)


def escaped(text: str) -> str:
    """Return `text` as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def percent(text: str) -> str:
    """Return `text` percent-encoded, as in a query parameter."""
    return quote(text, safe="")


def slashed(text: str) -> str:
    """Return `text` as JSON encoders write it that escape every slash."""
    return text.replace("/", "\\/")


_LOG = '10.0.0.0/8 - - [12/May/2024:10:11:12 +0000] "GET /v1/items?id=§ HTTP/1.1" 200 5123 "-" "curl/8.5.0"'
_SYSLOG = 'May 12 10:11:12 worker app[4242]: level=error msg="cannot reach target" target=§ attempt=3\n'

BARE: tuple[Carrier, ...] = (
    _bare("alone", "§"),
    _bare("english", "Please look at § and tell me why it is slow.\nThanks!"),
    _bare("sentence end", "It started with §. Then everything else failed, too."),
    _bare("parentheses", "The new one (§) replaces [§], see <§>; compare '§', \"§\" and “§”.", WORDLIKE),
    _bare("korean", "지금 § 에서 오류가 발생했습니다. 확인해 주세요."),
    _bare("korean particle", "어제부터 §의 상태가 이상합니다. §는 정상이에요."),
    _bare("german", "Bitte prüfe § – die Größe überschreitet das Kontingent für Zürich."),
    _bare("chinese", "请检查资源§的状态,然后重启§。"),
    _bare("emoji", "🔥§🔥 is on fire"),
    _bare("crlf", "first\r\n§\r\nlast §\r\n"),
    _bare("tabs", "one\t§\ttwo\n§\tthree"),
    _bare("syslog", _SYSLOG),
    _bare("access log", _LOG, WORDLIKE),
    _bare("iso log", "2024-05-12T10:11:12.345Z ERROR [main] c.e.Service - failed for §: timed out after 30000ms"),
    _bare("key value", "time=2024-05-12 level=info id=§ took=12ms", WORDLIKE),
    _bare("python trace", 'Traceback (most recent call last):\n  File "/app/run.py", line 12, in <module>\n    run("§")\nValueError: §'),
    _bare("java trace", "java.lang.IllegalStateException: no such thing: §\n\tat c.e.Foo.bar(Foo.java:42)\nCaused by: x: §"),
    _bare("vpc flow log", "2 - - - § 443 49152 6 20 4249 1418530010 1418530070 ACCEPT OK"),
    _bare("shell output", "$ ./list.sh\n§\n$ echo \"§\" | wc -c\n"),
    _bare("shell heredoc", "cat <<EOF > out.txt\n§\nEOF\n"),
    _bare("markdown table", "| what | value |\n|------|-------|\n| first | § |\n| second | `§` |\n"),
    _bare("code span", "Set it to `§`, not to **§** or _§_.", WORDLIKE - {"name", "host", "arn", "uri"}),
    _bare("code fence", "```text\n§\n```\n"),
    _bare("markdown link", "see [this](https://wiki.example.com/x?q=§) now", WORDLIKE - {"uri"}),
    _bare("list", "- §\n* §\n1. §\n"),
    _bare("csv", "what,value,count\nfirst,§,3\n\"second\",\"§\",4\n"),
    _bare("semicolons", "first;§;3\n§;x"),
    _bare("tsv end", "name\t§"),
    _bare("xml", "<items><item>§</item><item id=\"§\"/></items>"),
    _bare("html", "<td>§</td><td class=\"x\">§</td>&nbsp;§&nbsp;"),
    _bare("python list", "ids = ['§', \"§\"]\nprint(f'{x}', '§')"),
    _bare("js template", "const x = `§`; fetch('§');"),
    _bare("comment", "# §\n// §\n/* § */\n<!-- § -->\n-- §\n"),
    _bare("ansi", f"{ESC}[32m§{ESC}[0m {ESC}[1;31m§{ESC}[0m"),
    _bare("read tool", "     1\t§\n     2\t  - §\n    13→§\n"),
    _bare("git diff", "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-§\n+§\n §\n", WORDLIKE - {"name"}),
    _bare("grep output", "src/app.py:12:§\nsrc/app.py-13-§", WORDLIKE - {"name", "uri"})._replace(glued=True),
    _bare("nested newline", r'{"log": "start\n§\nnext\t§\r\n§\\n"}', WORDLIKE - {"name"}),
    _bare("twice nested", r'{"a": "{\"log\": \"start\\n§\\tend\"}"}', WORDLIKE - {"name"}),
    _bare("escaped ansi", r"\u001b[32m§\u001b[0m \x1b[31m§\x1b[0m \033[1m§\033[0m", WORDLIKE - {"name"}),
    _bare("go escapes", r"https://x.example/?a=1\u0026id=§\u0026b=2 \u003c§\u003e", WORDLIKE - {"uri"}),
    _bare("percent url", "https://x.example/?a=1&id=§&b=2#x", WORDLIKE, percent),
    _bare("percent around", "https://x.example/?q=id%3D§%26x%3D1%2C§%20y", frozenset({"id", "arn"}), percent),
    _bare("slashes", r'{"a": "§"}', WORDLIKE, slashed),
    _bare("path", "/var/data/§/x.txt and /tmp/§", frozenset({"id", "account"})),
    _bare("file name", "backup-§-2024.tar.gz §_report.csv host_§ §.json", frozenset({"id"})),
    _bare("assignment", "x=§\ny = §;\nz: §\n--thing=§"),
    _bare("set", "{§,§}:§|§", frozenset({"id", "ip", "account"})),
    _bare("arrow", "§ -> § => § >> § ~§~", WORDLIKE),
    _bare("kubectl", "NAME    STATUS   ROLES    AGE   VERSION\n§   Ready    <none>   12d   v1.29.3-eks-ae9a62a\n"),
    _bare("terraform plan", '  # module.x will be updated in-place\n  ~ resource {\n      ~ x = "§" -> (known after apply)\n        # (12 unchanged attributes hidden)\n'),
    _bare("yaml list", "items:\n  - §\n  - \"§\"\n  - name: § # see §\n"),
    _bare("sql", "SELECT * FROM t WHERE id = '§' OR x IN ('§','§');"),
    _bare("regex-like", "^§$", WORDLIKE),
    _bare("utf-16 hint", "\ufeff§\u200b \u00a0§\u00a0"),
)  # fmt: skip


def _keyed(name: str, write: Callable[[Planted], str], *, encode: Callable[[str], str] = _same, kinds: frozenset[str] = ANY) -> Carrier:  # fmt: skip
    return Carrier(name, write, True, kinds, encode)


def _json(planted: Planted) -> str:
    return json.dumps({"Items": [{planted.context.key: planted.text, "Size": 3}], "Next": None}, ensure_ascii=False)


def _table(planted: Planted) -> str:
    wide = max(len(planted.text), 20)
    rule = f"+{'-' * 24}+{'-' * (wide + 2)}+"
    return f"{rule}\n||{'Describe'.center(wide + 22)}||\n{rule}\n|  {planted.context.key:<22}|  {planted.text:<{wide}}|\n{rule}\n"


def _tfstate(planted: Planted) -> str:
    attributes = {planted.context.attr: planted.text, "tags": {"team": "x"}}
    resource = {
        "mode": "managed",
        "type": planted.context.tf,
        "name": "this",
        "instances": [{"attributes": attributes}],
    }
    return json.dumps({"version": 4, "terraform_version": "1.7.5", "resources": [resource]}, indent=2)


def _cloudtrail(planted: Planted) -> str:
    record = {
        "eventVersion": "1.09",
        "eventTime": "2024-05-12T10:11:12Z",
        "eventSource": "ec2.amazonaws.com",
        "requestParameters": {planted.context.key[0].lower() + planted.context.key[1:]: planted.text},
        "eventID": "c1a2" + "b3d4-1111-4222-8333-444455556666",
    }
    return json.dumps({"Records": [record]}, indent=4)


KEYED: tuple[Carrier, ...] = (
    Carrier("json leaf", lambda p: p.text, True, leaf_key=True),
    _keyed("json", _json),
    _keyed("json pretty", lambda p: json.dumps({p.context.key: p.text}, indent=2)),
    _keyed("json list", lambda p: json.dumps({p.context.key + "s": [p.text]}), kinds=ANY - {"name", "account"}),
    _keyed("json in json", lambda p: json.dumps({"body": _json(p)}), encode=lambda v: escaped(escaped(v))),
    _keyed("json in json in json", lambda p: json.dumps({"x": json.dumps({"body": _json(p)})})),
    _keyed("json slashes", lambda p: '{"' + p.context.key + '":"' + slashed(p.text) + '"}', encode=slashed),
    _keyed("cloudtrail", _cloudtrail),
    _keyed("tfstate", _tfstate),
    _keyed("yaml", lambda p: f"x:\n  {p.context.attr}: {p.text}\n  y: 1\n"),
    _keyed("yaml quoted", lambda p: f"x:\n  - {p.context.key}: \"{p.text}\"\n  - {p.context.key}: '{p.text}'\n"),
    _keyed("helm values", lambda p: f"replicas: 2\nconfig:\n  {p.context.key[0].lower()}{p.context.key[1:]}: {p.text}\n"),
    _keyed("hcl", lambda p: f'resource "{p.context.tf}" "this" {{\n  {p.context.attr:<16} = "{p.text}"\n  tags = {{}}\n}}\n'),
    _keyed("tfvars", lambda p: f'{p.context.attr}="{p.text}"\n'),
    _keyed("hcl diff", lambda p: f'-  {p.context.attr} = "old"\n+  {p.context.attr} = "{p.text}"\n'),
    _keyed("hcl crlf", lambda p: f'resource "{p.context.tf}" "x" {{\r\n\t{p.context.attr} = "{p.text}"\r\n}}\r\n'),
    _keyed("terraform plan", lambda p: f'  # {p.context.tf}.this will be created\n  + resource "{p.context.tf}" "this" {{\n      + {p.context.attr}   = "{p.text}"\n    }}\n'),
    _keyed("cloudformation yaml", lambda p: f"Resources:\n  Thing:\n    Type: {p.context.cfn}\n    Properties:\n      {p.context.key}: {p.text}\n"),
    _keyed("cloudformation json", lambda p: json.dumps({"Resources": {"T": {"Type": p.context.cfn, "Properties": {p.context.key: p.text}}}})),
    _keyed("cli", lambda p: f"{p.context.cli} {p.text} --output json"),
    _keyed("cli equals", lambda p: f"{p.context.cli}={p.text} --no-cli-pager"),
    _keyed("cli quoted", lambda p: f"$ {p.context.cli} '{p.text}' | jq .; {p.context.cli} \"{p.text}\""),
    _keyed("cli lines", lambda p: f"{p.context.cli} \\\n    {p.text} \\\n    --region eu-west-1\n"),
    _keyed("cli code span", lambda p: f"Run `{p.context.cli} {p.text}` first."),
    _keyed("cli in json", lambda p: json.dumps({"command": f"{p.context.cli} {p.text}\n{p.context.cli} \"{p.text}\""})),
    _keyed("env file", lambda p: f"A=1\n{p.context.env}={p.text}\nB=2\n"),
    _keyed("env quoted", lambda p: f'{p.context.env}="{p.text}"\n'),
    _keyed("export", lambda p: f"export {p.context.env}={p.text} && ./run.sh"),
    _keyed("powershell", lambda p: f'$env:{p.context.env} = "{p.text}"\n$Env:{p.context.env}="{p.text}"\n'),
    _keyed("dockerfile", lambda p: f"FROM python:3.12\nARG X\nENV {p.context.env}={p.text}\nENV {p.context.env} {p.text}\n"),
    _keyed("docker run", lambda p: f"docker run -e {p.context.env}={p.text} --rm img:1.2"),
    _keyed("compose", lambda p: f"services:\n  a:\n    environment:\n      - {p.context.env}={p.text}\n      {p.context.env}: {p.text}\n"),
    _keyed("kubernetes env", lambda p: f"env:\n  - name: {p.context.env}\n    value: {p.text}\n  - name: {p.context.env}\n    value: \"{p.text}\"\n"),
    _keyed("kubernetes env json", lambda p: json.dumps({"env": [{"name": p.context.env, "value": p.text}]})),
    _keyed("ini", lambda p: f"[default]\nregion = eu-west-1\n{p.context.env.lower()} = {p.text}\n"),
    _keyed("python call", lambda p: f"client.call({p.context.key}='{p.text}', Limit=3)\nclient.call({p.context.attr}=\"{p.text}\")\n"),
    _keyed("python dict", lambda p: f"x = {{'{p.context.key}': '{p.text}', \"{p.context.attr}\": \"{p.text}\"}}\n"),
    _keyed("python environ", lambda p: f'os.environ["{p.context.env}"] = "{p.text}"\n'),
    _keyed("javascript", lambda p: f"await client.send(new Command({{ {p.context.key}: '{p.text}' }}));\nprocess.env.{p.context.env} = \"{p.text}\";\n"),
    _keyed("read tool", lambda p: f"     9\tx:\n    10\t  {p.context.key}: {p.text}\n    11→  {p.context.attr} = \"{p.text}\"\n"),
    _keyed("grep output", lambda p: f'main.tf:12:  {p.context.attr} = "{p.text}"\nvalues.yaml-3-  {p.context.key}: {p.text}\n'),
    _keyed("ansi json", lambda p: f'{ESC}[34;1m"{p.context.key}"{ESC}[0m: {ESC}[32m"{p.text}"{ESC}[0m'),
    _keyed("xml", lambda p: f"<Response><{p.context.key[0].lower()}{p.context.key[1:]}>{p.text}</{p.context.key[0].lower()}{p.context.key[1:]}></Response>"),
    _keyed("cli table", _table),
    _keyed("go", lambda p: f'input := &x.Input{{\n\t{p.context.key}: aws.String("{p.text}"),\n}}\n'),
    _keyed("java", lambda p: f'Request.builder().{p.context.key[0].lower()}{p.context.key[1:]}("{p.text}").build();\nx.with{p.context.key}("{p.text}");\n'),
    _keyed("typescript cdk", lambda p: f"new x.Thing(this, 'X', {{\n  {p.context.key[0].lower()}{p.context.key[1:]}: '{p.text}',\n}});\n"),
)  # fmt: skip

ADDRESSED: tuple[Carrier, ...] = (
    _bare("https", "curl -fsS https://§/health", frozenset({"host"})),
    _bare("https port", "wget https://§:8443/x?y=z", frozenset({"host", "ip"})),
    _bare("postgres", "postgres://app:hunter2@§:5432/x?sslmode=require", frozenset({"host", "ip"})),
    _bare("jdbc", "jdbc:mysql://§:3306/x?useSSL=true", frozenset({"host", "ip"})),
    _bare("redis", "rediss://default:pw@§/0", frozenset({"host", "ip"})),
    _bare("host flag", "psql -h § -U app -d x", frozenset({"host", "ip"})),
    _bare("host list", "§:9092,§:9092", frozenset({"host", "ip"})),
    _bare("ssh", "ssh -i key.pem ec2-user@§\nscp x ubuntu@§:/tmp", frozenset({"host", "ip"})),
    _bare("docker pull", "FROM §\ndocker pull §", frozenset({"host"})),
    _bare("dig", ";; ANSWER SECTION:\n§.\t60\tIN\tA\t8.8.8.8\n", frozenset({"host"})),
    _bare("nslookup", "server=§,port=53 (§)", frozenset({"host", "ip"})),
    _bare("policy json", '{"Effect":"Allow","Principal":{"AWS":"§"},"Resource":["§","§/*"]}', frozenset({"arn"})),
    _bare("arn pair", "§,§", frozenset({"arn"})),
)  # fmt: skip

CARRIERS: tuple[Carrier, ...] = (*BARE, *KEYED, *ADDRESSED)
