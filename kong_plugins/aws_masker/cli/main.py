"""The `aws-masker` command: a group, one module for each of its commands."""

from __future__ import annotations

import click

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.cli.demo import demo
from kong_plugins.aws_masker.cli.detectors import detectors
from kong_plugins.aws_masker.cli.doctor import doctor
from kong_plugins.aws_masker.cli.edge import EdgeGroup
from kong_plugins.aws_masker.cli.mask import mask
from kong_plugins.aws_masker.cli.proxy import proxy
from kong_plugins.aws_masker.cli.restore import restore
from kong_plugins.aws_masker.cli.scan import scan

EPILOG = """
\b
Examples:
  aws-masker demo                            see it work, nothing to set up
  aws-masker proxy --upstream https://api.anthropic.com
  ANTHROPIC_BASE_URL=http://127.0.0.1:8082 claude
  terraform plan | aws-masker mask
  aws-masker scan .
"""


@click.group(
    cls=EdgeGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="aws-masker", message="%(prog)s %(version)s")
def main() -> None:
    """Mask AWS identifiers and secrets on their way to an LLM API, and restore them on the way back."""


for _command in (proxy, demo, mask, restore, scan, detectors, doctor):
    main.add_command(_command)
