"""The plugin as Kong runs it: glue between Kong's phases and the pipeline, for one configuration.

PDK calls of one event, each a trip to Kong and back:

    access      6 (path and query, headers, body, consumer, request id; the mark), 1 if headers change (Content-Length,
                Accept-Encoding), 1 if the body does: 8 for a usual request; 1 for each header to remove (digests of
                the body: rare)
    response    5, or 6 where something is restored; 3 without a body; 1 more for each header to remove
                (Content-Encoding: rare, as coded answers are not asked for); at most 5 more where a batch is told of
    log         1 (what the Lua plugin tells), 1 more after a stream

Where aws-masker's proxy stands in front of Kong, its requests come sealed (see `seal`): `access` then makes 2 calls
more, which take the seal off and say so to the client, and 1 more if masking changes nothing.

Whatever goes wrong ends in `kong.response.exit` with the error in the shape of the client's API; see
`pluginserver.server` for all that can.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

from kong_plugins.aws_masker import __version__, mark
from kong_plugins.aws_masker.errors import MaskerError, MaskingFailed, NotMasked, RestoreFailed, TooManyHeaders
from kong_plugins.aws_masker.links import has_links, led_here
from kong_plugins.aws_masker.mark import Mark
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.observe import lua
from kong_plugins.aws_masker.observe.exchange import Exchange
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.lua import TOLD
from kong_plugins.aws_masker.observe.metrics import process_metrics
from kong_plugins.aws_masker.observe.observer import observer_of
from kong_plugins.aws_masker.observe.record import SENT, AnswerRecord, Record
from kong_plugins.aws_masker.observe.stability import Histories
from kong_plugins.aws_masker.observe.tally import Tally
from kong_plugins.aws_masker.observe.vaults import process_watch
from kong_plugins.aws_masker.pipeline import Head, MaskedRequest, ResponseRestorer, mask_request
from kong_plugins.aws_masker.pseudonym.addresses import Network
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.schema import key_of, kong_fields, settings_of
from kong_plugins.aws_masker.seal import OPENED, SEAL, seal_of
from kong_plugins.aws_masker.text import MaskSession, values_of
from kong_plugins.aws_masker.vault.choice import vault_of
from kong_plugins.aws_masker.vault.protocol import Later
from kong_plugins.aws_masker.wire.headers import of_changed_body, refuse_upgrade, values
from kong_plugins.aws_masker.wire.providers import Api, api_of, error_body, error_headers

NAME = "aws-masker"
Schema = kong_fields()
version = __version__
priority = 700
"""After authentication (1000 and more), which tells the consumer, and after all plugins of Kong's that change a body
(request-transformer 801, the AI plugins 750 to 780): what they add is masked too."""

_MAX_HEADERS = 1000
"""The most that Kong hands out (`kong/pdk/request.lua`)."""
_NO_LIMIT = 0
"""For `get_raw_body` under `MsgPack:1`: take the body from nginx's file whatever its size. `ProtoBuf:1` has no
argument; there Kong tells the file's path."""
_CREDENTIALS = (b"x-api-key", b"authorization", b"anthropic-api-key")

HeaderList = Sequence[tuple[bytes, bytes]]


class _Arrived(NamedTuple):
    """A request as Kong has it."""

    raw: HeaderList
    headers: HeaderList
    """Without the seal of the proxy."""
    was_sealed: bool
    """Whether its body was."""


class Plugin:
    """The plugin with one configuration; shared by all threads."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigError where the configuration, the key or a pattern is wrong."""
        self._settings = settings_of(config)
        secret = key_of(self._settings, os.environ)
        self._key = secret
        self._masker = Masker(self._settings, secret)
        self._vault = vault_of(self._settings, os.environ, secret)
        self._observer = observer_of(self._settings, os.environ, process_metrics())
        process_watch().add(self._vault)
        self._histories = Histories()
        given = self._settings.anthropic_api_key
        key = os.environ.get("ANTHROPIC_API_KEY", "") if given is None else given.get_secret_value()
        self._api_key = key.strip()  # a file's last line ends with a newline

    def access(self, kong: Any) -> None:
        """Mask the request; nothing of it goes upstream unless that worked (or the mode is `observe`)."""
        exchange = Exchange("kong", mode=self._settings.mode)
        try:
            path, _, query = kong.request.get_path_with_query().partition("?")
            path = unquote(path)
            exchange.arrived(path)
            exchange.request = _id(kong)
            if self._settings.mode == "observe":
                self._observe(kong, exchange, path, query)
            else:
                self._enforce(kong, exchange, path, query)
            exchange.sent = True
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the request ends here
            shown = refuse(kong, exchange.api, error, MaskingFailed(), exchange.request)
            self._observer.request(exchange.asked(shown.code, shown.status))
        else:
            self._observer.request(exchange.asked(SENT))

    def response(self, kong: Any) -> None:
        """Restore an answer that Kong holds whole."""
        exchange = Exchange("kong")
        try:
            marked = self._mark_of(kong)
            if marked is None or marked.observed:
                return
            exchange.resumed(marked.request, marked.api, marked.tenant)
            body = kong.service.response.get_raw_body()
            if body:
                self._restore(kong, marked, body, exchange)
        except Exception as error:  # noqa: BLE001 - the edge: the client gets an answer, whatever it is
            api = exchange.api if exchange.request else api_asked(kong)  # of a mark that cannot be read
            replace_answer(kong, api, error, exchange.request)
            self._tell(exchange.answered(success=False))
        else:
            self._tell(exchange.answered())

    def log(self, kong: Any) -> None:
        """Tell of what the Lua plugin did: it has no other way to. Runs when the client has its answer."""
        told = kong.ctx.shared.get(TOLD)
        if told:
            self._tell(lua.record(told, lambda: _marked(kong), self._key))

    def close(self) -> None:
        """Tell what is still to be told, and close what connections there are."""
        self._observer.close()
        self._vault.close()

    def _tell(self, record: Record | None) -> None:
        if isinstance(record, AnswerRecord):
            self._observer.answer(record)
        elif record is not None:
            self._observer.request(record)

    def _enforce(self, kong: Any, exchange: Exchange, path: str, query: str) -> None:
        """Mask, then mark: under `MsgPack:1` a failure between the two must not leave a mark."""
        arrived, body = self._arrived(kong)
        masked, tenant = self._masked(kong, exchange, Head(path, arrived.headers, query), body)
        del body  # it may be large, and so may be what Kong is sent now
        _forward(kong, arrived, self._sent(masked), masked.body, changed=masked.changed)
        kong.ctx.shared.set(mark.NAME, self._mark(exchange.request, masked, tenant).dump())
        if masked.signed:
            log.warning(
                "values_in_signed_blocks", request=exchange.request, api=masked.api.value, families=dict(masked.signed)
            )

    def _mark(self, request: str, masked: MaskedRequest, tenant: str) -> Mark:
        """Return the mark of a masked request.

        A stream is restored where nobody can be asked, so what its answer may repeat goes with the mark: what earlier
        requests left behind too, if this one refers to state that the provider keeps.
        """
        mapping = values_of(masked.known) | values_of(masked.mapping)
        networks: list[Network] = []
        if masked.stream:
            if masked.stateful:
                mapping = values_of(self._vault.entries(tenant)) | mapping
            networks = self._masker.networks(mapping, tenant)
        limit = self._settings.max_decompressed_size
        return Mark(request, masked.api, tenant, masked.stream, False, limit, mapping, networks, masked.counts)

    def _mark_of(self, kong: Any) -> Mark | None:
        """Return the mark of the request whose answer Kong holds; None where there was nothing to mask.

        Kong may hand out the data of an earlier request. What it saved for a `log` phase that broke, because the plugin
        server was away, stays with the coroutine, which nginx uses again
        (`req_data`, `kong/runloop/plugin_servers/plugin.lua`). Only variables are then the request's own.

        Raises:
            RestoreFailed: it does; so nobody knows what this answer's placeholders stand for.
        """
        marked = _marked(kong)
        if marked is not None and marked.request == _id(kong):
            return marked
        if self._settings.mode == "observe":
            return None
        raise RestoreFailed("the gateway has mixed up requests")

    def _observe(self, kong: Any, exchange: Exchange, path: str, query: str) -> None:
        """Find out what masking would do, and let the request pass as it came."""
        counts: dict[str, int] = {}
        stream = False
        try:
            arrived, body = self._arrived(kong)
            _forward(kong, arrived, arrived.headers, body, changed=False)
            masked, _ = self._masked(kong, exchange, Head(path, arrived.headers, query), body)
            counts, stream = masked.counts, masked.stream
        except NotMasked:  # a seal that cannot be taken off: nobody could read the request
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing changes for the request
            code = error.code if isinstance(error, MaskerError) else MaskingFailed.code
            log.warning(
                "request_would_be_refused",
                request=exchange.request,
                api=exchange.api.value,
                code=code,
                **describe(error),
            )
        marked = Mark(exchange.request, exchange.api, "", stream, observed=True, counts=counts)
        kong.ctx.shared.set(mark.NAME, marked.dump())

    def _arrived(self, kong: Any) -> tuple[_Arrived, bytes]:
        """Return the request and its body, its seal opened; the client is told of that even if masking fails."""
        headers = _request_headers(kong)
        refuse_upgrade(headers)
        body = kong.request.get_raw_body(_NO_LIMIT)
        announced = values(headers, b"content-length")
        if announced and int(announced[0]) != len(body):
            raise MaskingFailed("the request's body is not whole")
        seal = seal_of(headers, self._key)
        if seal is None:
            return _Arrived(headers, headers, False), body
        opened = seal.open(body)
        kong.response.set_header(OPENED.decode(), seal.proof)
        length = b"%d" % len(opened)
        plain = [
            (name, length if name.lower() == b"content-length" else value)
            for name, value in headers
            if name.lower() != SEAL
        ]
        return _Arrived(headers, plain, bool(body)), opened

    def _masked(self, kong: Any, exchange: Exchange, head: Head, body: bytes) -> tuple[MaskedRequest, str]:
        """Return the masked request and its tenant; the mapping is in the vault before anything can go upstream."""
        tenant = self._tenant(kong.client.get_consumer())

        def mask(session: MaskSession) -> MaskedRequest:
            return mask_request(head, body, session, self._settings)

        exchange.tenant, exchange.size = tenant, len(body)
        session = partial(self._masker.session, tenant)
        return exchange.mask(self._vault, tenant, session, self._histories, mask), tenant

    def _tenant(self, consumer: Mapping[str, Any] | None) -> str:
        """Return whose mappings to use; the prefixes keep a consumer apart from a namespace of the same name."""
        if consumer and consumer.get("id"):
            return f"consumer:{consumer['id']}"
        return f"namespace:{self._settings.namespace}" if self._settings.namespace else ""

    def _sent(self, masked: MaskedRequest) -> HeaderList:
        """Return the headers for the upstream.

        No coded answers: should `response` find no server, Kong's own error would go out under the upstream's
        Content-Encoding, and no client could read it. Besides, a Lua plugin could not restore them.
        The configured key is added where the client sent no credential of its own.
        """
        headers = [
            (name, b"identity" if name.lower() == b"accept-encoding" else value) for name, value in masked.headers
        ]
        # OpenAI and Anthropic share paths such as /v1/models; only Anthropic's clients send this header.
        theirs = masked.api is Api.ANTHROPIC or values(headers, b"anthropic-version")
        wanted = theirs and self._api_key
        if wanted and not any(values(headers, name) for name in _CREDENTIALS):
            headers.append((b"x-api-key", self._api_key.encode()))
        return headers

    def _restore(self, kong: Any, marked: Mark, body: bytes, exchange: Exchange) -> None:
        status = kong.service.response.get_status()
        # `kong.service.response.get_headers` gives nothing for a buffered answer: a proxy table, which Kong cannot
        # send (`kong/pdk/service/response.lua`). The client's headers are by now the upstream's.
        headers = _pairs(kong.response.get_headers(_MAX_HEADERS))
        lookup = self._masker.lookup(marked.mapping, marked.tenant, Later(self._vault, marked.tenant))
        exchange.tally, exchange.answer_size = Tally(lookup, Prf(self._key, marked.tenant)), len(body)
        restorer = ResponseRestorer(marked.api, status, headers, exchange.tally, self._settings)
        restored = exchange.restore(lambda: restorer.feed(body) + restorer.close())
        sent = restorer.headers
        if has_links(restored):
            restored = led_here(restored, _gateway(kong), kong.request.get_path())
            sent = of_changed_body(sent, len(restored), coded=True)
        replaced, removed = _changes(headers, sent)
        if restored == body and not removed:
            return
        for name in removed:
            kong.response.clear_header(name)
        kong.response.exit(status, restored, replaced)


def api_asked(kong: Any) -> Api:
    """Return the API that the request's path belongs to."""
    return api_of(unquote(kong.request.get_path()))


def refuse(kong: Any, api: Api, error: Exception, unforeseen: MaskerError, request: str = "") -> MaskerError:
    """Answer the client with `error`, or with `unforeseen` where it is none of ours and may hold a value.

    Returns what the client was told. `request`: its id, as far as it is known.
    """
    shown = error if isinstance(error, MaskerError) else unforeseen
    kong.response.exit(shown.status, error_body(api, shown), error_headers(api, shown))
    log.warning("request_failed", request=request, api=api.value, code=shown.code, **describe(error))
    return shown


def replace_answer(kong: Any, api: Api, error: Exception, request: str = "") -> None:
    """Answer the client with `error` instead of what the upstream sent, of which nothing but headers is left."""
    kong.response.clear_header("content-encoding")
    refuse(kong, api, error, RestoreFailed(), request)


def _forward(kong: Any, arrived: _Arrived, headers: HeaderList, body: bytes, *, changed: bool) -> None:
    """Have Kong send `headers` and `body` upstream; `changed`: whether the body differs from the one that arrived."""
    if changed or arrived.was_sealed:
        kong.service.request.set_raw_body(body)
    replaced, removed = _changes(arrived.raw, headers)
    for name in removed:
        kong.service.request.clear_header(name)
    if replaced:
        kong.service.request.set_headers(replaced)


def _marked(kong: Any) -> Mark | None:
    text = kong.ctx.shared.get(mark.NAME)
    return mark.load(text) if text else None


def _id(kong: Any) -> str:
    return str(kong.nginx.get_var("kong_request_id"))


def _gateway(kong: Any) -> str:
    """Return how the client reaches Kong, or what stands in front of it. Only the client itself is told."""
    scheme, host = (
        kong.nginx.get_var(f"http_x_forwarded_{told}") or kong.nginx.get_var(own)
        for told, own in (("proto", "scheme"), ("host", "http_host"))
    )
    return f"{scheme}://{host}"


def _request_headers(kong: Any) -> HeaderList:
    headers = _pairs(kong.request.get_headers(_MAX_HEADERS))
    if len(headers) >= _MAX_HEADERS:
        raise TooManyHeaders
    return headers


def _pairs(table: Mapping[str, Any]) -> HeaderList:
    """Return Kong's table of headers, a text or a list of texts each, as a list."""
    return [
        (_bytes(name), _bytes(one))
        for name, value in table.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def _changes(before: HeaderList, after: HeaderList) -> tuple[dict[str, str | list[str]], list[str]]:
    """Return which headers to set, and which to remove."""
    old, new = _table(before), _table(after)
    replaced = {name: value for name, value in new.items() if old.get(name) != value}
    return replaced, [name for name in old if name not in new]


def _table(headers: HeaderList) -> dict[str, str | list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in headers:
        lists.setdefault(_text(name).lower(), []).append(_text(value))
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in lists.items()}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogateescape")
