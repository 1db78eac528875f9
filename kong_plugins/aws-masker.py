"""The plugin for Kong's own `kong-python-pluginserver`; see `aws_masker/stock.py`, also for why not to use it."""

from kong_plugins.aws_masker.plugin import Schema, priority, version
from kong_plugins.aws_masker.stock import Plugin

__all__ = ["Plugin", "Schema", "priority", "version"]
