"""What is known to be in Terraform's states and lists of resources: names, by the type of the resource that has them.

Terraform writes `"type": "aws_iam_user"` above a resource's attributes, and drift tools `"Type"` below its `"Id"`.
"""

from __future__ import annotations

import re
from collections import Counter

from bench.evidence import truth
from bench.evidence.truth import NAMES
from bench.evidence.values import Value

FAMILY = "name of a resource of Terraform's"
_NAMED = (
    "iam_(?:user|role|group|instance_profile|(?:user|role|group)_policy)|s3_bucket|db_(?:instance|subnet_group)|"
    "rds_cluster|dynamodb_table|lambda_function|ecr_repository|elasticache_cluster|cloudwatch_log_group|key_pair|"
    "s3_bucket_(?:policy|notification|metric|inventory|analytics_configuration)"
)
"""Types whose ids are names, or two of them with a colon between."""
_NAME = r"(?:[A-Za-z0-9._-]+:)?(?P<value>[A-Za-z0-9/][A-Za-z0-9._/-]{3,200})"
_LISTED = re.compile(rf'"Id": "{_NAME}",\s+"Type": "aws_(?:{_NAMED})"'.encode())
_STATE = re.compile(rf'\n {{6}}"type": "aws_(?:{_NAMED})",.*?\n {{4}}}}'.encode(), re.DOTALL)
_ATTRIBUTE = re.compile(rf'\n {{12}}"(?:id|name|bucket|user|role|group|function_name)": "{_NAME}"'.encode())
"""In a state, Terraform's own way to indent tells an attribute from what stands deeper."""


def values(text: bytes, left_out: Counter[str]) -> list[Value]:
    """Return the values that documents of any kind show, and the names of resources."""
    found = truth.values(text, left_out)
    known = {one.end for one in found}
    matches = [*_LISTED.finditer(text)]
    for resource in _STATE.finditer(text):
        matches += _ATTRIBUTE.finditer(text, *resource.span())
    for match in matches:
        reason = truth.left_out_as(match["value"], NAMES)
        if reason or match["value"].startswith(b"arn:"):
            left_out[reason or "stand-ins"] += 1
        elif match.end("value") not in known:
            found.append(Value(FAMILY, *match.span("value")))
    return found
