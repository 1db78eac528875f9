"""The proxy: an HTTP server that stands between LLM clients and an LLM API."""

from kong_plugins.aws_masker.proxy.app import create_app
from kong_plugins.aws_masker.proxy.server import serve

__all__ = ["create_app", "serve"]
