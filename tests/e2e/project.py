"""An infrastructure project with planted values, none of which may reach the provider."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Planted:
    """The values, and the files that hold all of them."""

    account: str = "839172640518"
    instance: str = "i-0f3c9a71be5d24806"
    subnet: str = "subnet-07d1e4b2a96c3f580"
    vpc: str = "vpc-0c5a9e17d3b84f620"
    bucket: str = "acme-payments-ledger"
    role: str = "payments-deploy-runner"
    database: str = "payments-prod"
    database_hash: str = "cx7r2kq9wz1a"
    address: str = "10.42.17.23"
    access_key: str = "AK" + "IA" + "4XQZ7LMN2RVTB6WD"
    secret_key: str = "h3Kq9vTz/Wm2Rb7Y" + "xLc5Nd8Fg1Js+Pa4Ue6QtVoZ"

    @property
    def values(self) -> dict[str, str]:
        """Name and value of each."""
        return asdict(self)

    @property
    def terraform(self) -> str:
        """`main.tf`."""
        return f"""\
provider "aws" {{
  region     = "eu-central-1"
  access_key = "{self.access_key}"
  secret_key = "{self.secret_key}"
}}

data "aws_instance" "api" {{
  instance_id = "{self.instance}"
}}

resource "aws_network_interface" "api" {{
  subnet_id  = "{self.subnet}"
  private_ip = "{self.address}"
}}
"""

    @property
    def state(self) -> str:
        """`terraform.tfstate`: JSON that holds JSON in a string."""
        statement = {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{self.bucket}/*"}
        role = {
            "arn": f"arn:aws:iam::{self.account}:role/{self.role}",
            "policy": json.dumps({"Statement": [statement]}),
        }
        return json.dumps({"resources": [role, {"address": f"{self.endpoint}:5432", "vpc_id": self.vpc}]}, indent=2)

    @property
    def log(self) -> str:
        """The console's log, not all of it ASCII."""
        return (
            f"09:12:44 Überprüfung: arn:aws:sts::{self.account}:assumed-role/{self.role}/{self.instance} "
            f'may not s3:GetObject "arn:aws:s3:::{self.bucket}/2026/part-0001.parquet" ☂\n'
            f"09:12:51 {self.endpoint} ({self.address}): timed out\n"
        )

    @property
    def endpoint(self) -> str:
        """Where the database listens."""
        return f"{self.database}.{self.database_hash}.eu-central-1.rds.amazonaws.com"

    def found_in(self, data: bytes | str) -> set[str]:
        """Return the names of the values that occur in `data`, in whatever case."""
        text = (data.decode("utf-8", "replace") if isinstance(data, bytes) else data).casefold()
        return {name for name, value in self.values.items() if value.casefold() in text}
