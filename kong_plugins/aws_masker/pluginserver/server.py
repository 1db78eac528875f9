"""Kong's calls on one connection, answered one after the other.

What can fail, and what happens. Kong sends a request upstream only after `access` ended without a failure, so in each
case but the last nothing unmasked goes there.

    the plugin raises                    it answers the client itself: our code, in the shape of the client's API
    the configuration or key is wrong    the same, AWS_MASKER_4001, at every event until it is right
    the plugin cannot even answer        a call that Kong does not know: Kong logs an error and answers the client 500
    a PDK call that Kong refuses         Kong raises, answers 500 and drops the connection; the event ends here
    Kong gives the event up (60 s), or
      the client's request is over       the connection closes; the event ends at its next PDK call
    a phase that the plugin has not      answered like a plugin that raises
    an unknown instance                  the connection is closed without an answer; Kong starts the instance and
                                         asks again
    a call that cannot be read,
      or another plugin's name           the connection is closed; Kong never sends such a thing
    the worker dies                      Kong reads "closed", starts the instance and asks again; another worker, or the
                                         one that takes its place, answers. If `access` had already put the masked body
                                         in place, the answer to this one request keeps its placeholders
    workers die of a body                refused from the third time on, AWS_MASKER_2001; see `casualties`
    the whole server dies                Kong answers 500 until it has started it again, a second later
    `response` fails                     the client gets our error instead of the answer
    `log` fails                          a line in the log
    mode `observe`                       requests pass unmasked: that is what it is for

No lock is held while an event runs, so a slow or failed event touches no other.
"""

from __future__ import annotations

import time
from typing import Any

import orjson
from google.protobuf.message import DecodeError

from kong_plugins.aws_masker import plugin as masker
from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.observe.logs import describe, log
from kong_plugins.aws_masker.observe.metrics import process_metrics
from kong_plugins.aws_masker.observe.record import RequestRecord
from kong_plugins.aws_masker.pluginserver import protocol
from kong_plugins.aws_masker.pluginserver.casualties import Casualties
from kong_plugins.aws_masker.pluginserver.channel import Channel, pdk
from kong_plugins.aws_masker.pluginserver.instances import Instances, UnknownInstance
from kong_plugins.aws_masker.pluginserver.protocol import MAX_CALL, Frames, Garbage, Gone
from kong_plugins.aws_masker.pluginserver.room import Room

PHASES = ("access", "response", "log")
_NO_SUCH_CALL = b"aws_masker.failed"


def info() -> dict[str, Any]:
    """Return what Kong's query command has to print."""
    schema = {"name": masker.NAME, "fields": [{"config": {"type": "record", "fields": masker.Schema}}]}
    return {
        "Protocol": protocol.PROTOCOL,
        "Plugins": [
            {
                "Name": masker.NAME,
                "Phases": list(PHASES),
                "Priority": masker.priority,
                "Version": masker.version,
                "Schema": schema,
            }
        ],
    }


class Server:
    """Answers Kong's calls; shared by all connections of a worker."""

    def __init__(self, instances: Instances, room: Room | None = None) -> None:
        """`instances`: those that Kong has started, here or in another worker; `room`: for bodies."""
        self._instances = instances
        self._room = Room(Casualties(1).desk(0)) if room is None else room

    def answer(self, frames: Frames) -> bool:
        """Read a call and answer it; return False where the connection is to be closed.

        Raises:
            Gone: Kong broke off.
        """
        try:
            frame = frames.read(MAX_CALL)
            if frame:  # an empty one would be a late answer to `kong.response.exit`
                frames.write(*self._answered(protocol.RpcCall.FromString(frame), frames))
        except UnknownInstance:
            return False
        except (Garbage, DecodeError):
            log.warning("not_a_call_of_kongs")
            return False
        return True

    def _answered(self, call: Any, frames: Frames) -> list[bytes]:
        """Return the frames that end the call."""
        kind = call.WhichOneof("call")
        result = protocol.RpcReturn(sequence=call.sequence)
        if kind == "cmd_handle_event":
            self._handle(call.cmd_handle_event, frames)
            return [b"", result.SerializeToString()]
        if kind == "cmd_start_instance":
            self._start(call.cmd_start_instance, result.instance_status)
        elif kind == "cmd_close_instance":
            self._instances.close(call.cmd_close_instance.instance_id)
            _status(result.instance_status, call.cmd_close_instance.instance_id)
        elif kind == "cmd_get_instance_status":
            self._instances.check(call.cmd_get_instance_status.instance_id)
            _status(result.instance_status, call.cmd_get_instance_status.instance_id)
        elif kind == "cmd_get_plugin_names":
            result.plugin_names.names.append(masker.NAME.encode())
        elif kind == "cmd_get_plugin_info":
            _describe_plugin(result.plugin_info)
        else:
            raise Garbage
        return [result.SerializeToString()]

    def _start(self, command: Any, status: Any) -> None:
        if command.name != masker.NAME.encode():
            raise Garbage
        _status(status, self._instances.start(command.config))
        status.started_at = int(time.time())

    def _handle(self, event: Any, frames: Frames) -> None:
        """Run one phase of the plugin; when it returns, the client has its answer or Kong may go on."""
        channel = Channel(frames, self._room)
        kong = pdk(channel)
        phase = event.event_name.decode("ascii", "replace")
        try:
            if phase not in PHASES:
                raise RuntimeError("no such phase")
            getattr(self._instances.plugin(event.instance_id), phase)(kong)
        except (Gone, UnknownInstance):
            raise
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, Kong must not go on with the request
            if not channel.exited:
                _fail(phase, kong, frames, error)
        finally:
            channel.end()


def _fail(phase: str, kong: Any, frames: Frames, error: Exception) -> None:
    """End an event that the plugin left in the middle."""
    if phase == "log":  # the client has its answer already
        log.warning("log_phase_failed", **describe(error))
        return
    try:
        api = masker.api_asked(kong)
        if phase == "response":
            masker.replace_answer(kong, api, error)
        else:
            shown = masker.refuse(kong, api, error, MaskingFailed())
            process_metrics().request(
                RequestRecord("", "kong", "", api.value, outcome=shown.code, status=shown.status, sent=False)
            )
    except Gone:
        raise
    except Exception as second:  # noqa: BLE001 - the last resort
        frames.write(_NO_SUCH_CALL, b"")
        log.error("kong_answers_for_us", **describe(second))


def _status(status: Any, number: int) -> None:
    status.name = masker.NAME.encode()
    status.instance_id = number


def _describe_plugin(described: Any) -> None:
    plugin = info()["Plugins"][0]
    described.name = plugin["Name"].encode()
    described.phases.extend(phase.encode() for phase in plugin["Phases"])
    described.version = plugin["Version"].encode()
    described.priority = plugin["Priority"]
    described.schema = orjson.dumps(plugin["Schema"])
