"""The demonstration's story: what an engineer asks, what the tools print, and a model that works with all of it.

Everything here is invented. Keys are put together at run time, so that secret scanners don't trip over this file.
"""

from __future__ import annotations

import re2

from kong_plugins.aws_masker.demo.answers import Answer, Call, Say, Script, Thinking, turns
from kong_plugins.aws_masker.demo.received import Received

_ACCOUNT = "839172640518"
_INSTANCE = "i-0f3c9a71be5d24806"
_SUBNET = "subnet-07d1e4b2a96c3f580"
_GROUP = "sg-0b8e6d2f41c7a9350"
_VPC = "vpc-0c5a9e17d3b84f620"
_VOLUME = "vol-09e2d7c4a1b6f3850"
_BUCKET = "acme-payments-ledger"
_ROLE = "payments-deploy-runner"
_DATABASE = "payments-prod"
_DATABASE_HASH = "cx7r2kq9wz1a"
_INSTANCE_IP = "10.42.17.23"
_DATABASE_IP = "10.42.33.8"
_ACCESS_KEY = "AK" + "IA" + "4XQZ7LMN2RVTB6WD"
_SECRET_KEY = "h3Kq9vTz/Wm2Rb7Y" + "xLc5Nd8Fg1Js+Pa4Ue6QtVoZ"

PLANTED: dict[str, str] = {
    "account id": _ACCOUNT,
    "EC2 instance": _INSTANCE,
    "subnet": _SUBNET,
    "security group": _GROUP,
    "VPC": _VPC,
    "EBS volume": _VOLUME,
    "S3 bucket": _BUCKET,
    "IAM role": _ROLE,
    "RDS instance": _DATABASE,
    "RDS endpoint's hash": _DATABASE_HASH,
    "private IP of the instance": _INSTANCE_IP,
    "private IP of the database": _DATABASE_IP,
    "access key id": _ACCESS_KEY,
    "secret access key": _SECRET_KEY,
}
"""What must not reach the provider: a name for the reader, and the value."""

QUESTION = f"""\
The payments API lost access to its ledger after last night's deploy, and now it cannot reach the database either.
What is wrong?

# main.tf
provider "aws" {{
  region     = "eu-central-1"
  access_key = "{_ACCESS_KEY}"
  secret_key = "{_SECRET_KEY}"
}}

resource "aws_instance" "api" {{
  subnet_id              = "{_SUBNET}"
  vpc_security_group_ids = ["{_GROUP}"]
  private_ip             = "{_INSTANCE_IP}"
}}

resource "aws_s3_bucket" "ledger" {{
  bucket = "{_BUCKET}"
}}

# api.log
09:12:44 ERROR AccessDenied: User: arn:aws:sts::{_ACCOUNT}:assumed-role/{_ROLE}/{_INSTANCE} is not authorized to \
perform: s3:GetObject on resource: "arn:aws:s3:::{_BUCKET}/2026/11/part-0001.parquet"
09:12:51 ERROR connect to {_DATABASE}.{_DATABASE_HASH}.eu-central-1.rds.amazonaws.com ({_DATABASE_IP}) port 5432: \
timed out
"""

_DESCRIBED = f"""\
{{
  "InstanceId": "{_INSTANCE}",
  "VpcId": "{_VPC}",
  "PrivateIpAddress": "{_INSTANCE_IP}",
  "IamInstanceProfile": {{"Arn": "arn:aws:iam::{_ACCOUNT}:instance-profile/{_ROLE}"}},
  "SecurityGroups": [{{"GroupId": "{_GROUP}"}}],
  "BlockDeviceMappings": [{{"Ebs": {{"VolumeId": "{_VOLUME}"}}}}]
}}"""

TOOL_RESULTS = {
    f"aws ec2 describe-instances --instance-ids {_INSTANCE}": _DESCRIBED,
    f"aws s3api get-bucket-policy --bucket {_BUCKET}": f"NoSuchBucketPolicy: no policy on s3://{_BUCKET}",
}
"""What the engineer's shell prints for each command: it knows the real names only, so a command that comes back with a
placeholder in it fails here as it would fail against AWS."""

_PATTERNS = {
    "account": r"arn:aws:sts::([^:]+):",
    "role": r"assumed-role/([^/]+)/",
    "instance": r"assumed-role/[^/]+/(\S+)",
    "subnet": r'subnet_id\s+= "([^"]+)"',
    "group": r'vpc_security_group_ids = \["([^"]+)"',
    "vpc": r'"VpcId": "([^"]+)"',
    "volume": r'"VolumeId": "([^"]+)"',
    "bucket": r'bucket = "([^"]+)"',
    "endpoint": r"connect to (\S+) ",
    "database_ip": r"\(([^)]+)\) port",
    "instance_ip": r'private_ip\s+= "([^"]+)"',
    "access_key": r'access_key = "([^"]+)"',
    "secret_key": r'secret_key = "([^"]+)"',
}
"""Where the model of this story finds things in what it received. It goes by their surroundings only."""


def _facts(received: Received) -> dict[str, str]:
    found = {name: re2.search(pattern, received.text) for name, pattern in _PATTERNS.items()}
    return {name: match.group(1) if match else "?" for name, match in found.items()}


def _look_at_instance(received: Received) -> Answer:
    facts = _facts(received)
    return Answer(
        (
            Thinking(f"The role {facts['role']} is denied on {facts['bucket']}; look at {facts['instance']} first."),
            Say(f"I'll look at the instance `{facts['instance']}` first."),
            Call("shell", {"command": f"aws ec2 describe-instances --instance-ids {facts['instance']}"}),
        )
    )


def _look_at_bucket(received: Received) -> Answer:
    facts = _facts(received)
    return Answer(
        (
            Say(f"It runs in `{facts['vpc']}` with volume `{facts['volume']}`. Now the policy of `{facts['bucket']}`."),
            Call("shell", {"command": f"aws s3api get-bucket-policy --bucket {facts['bucket']}"}),
        )
    )


def _conclude(received: Received) -> Answer:
    text = """\
Three things are wrong:

1. Account {account}: the role `{role}` may not read the ledger. Give it
   {{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}}
2. {instance_ip} in {subnet} cannot reach {endpoint} ({database_ip}): allow port 5432 from {group}.
3. The key {access_key} is committed together with its secret ({secret_key}): revoke it now.
"""
    return Answer((Say(text.format(**_facts(received))),))


script: Script = turns(_look_at_instance, _look_at_bucket, _conclude)
"""The model of this story."""
