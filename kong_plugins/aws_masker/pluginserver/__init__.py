"""The server that runs the plugin for Kong, by the protocol `ProtoBuf:1`; see `server` for what it promises."""
