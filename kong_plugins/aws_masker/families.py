"""Every family of values: its switch in the settings, and whether its values are names.

A family is what a placeholder is made for: two values of one family never share a placeholder, and one value has one
placeholder in it. Families are the vocabulary of detection, placeholders, vaults, reports and metrics.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """One family of values."""

    name: str
    switch: str
    """The field of `Settings` that turns the family on and off; empty for the user's own patterns."""
    summary: str
    name_like: bool = False
    """True for names without a shape of their own: certain by context only, then masked wherever they stand."""


def _names(switch: str, summaries: dict[str, str]) -> tuple[Family, ...]:
    return tuple(Family(name, switch, summary, name_like=True) for name, summary in summaries.items())


_ALL = (
    Family("ec2_instance", "mask_ec2_instances", "EC2 and Systems Manager instance id"),
    Family(
        "resource_id", "mask_resource_ids", "id of a prefix and hex digits: VPC, subnet, security group, volume, ..."
    ),
    Family(
        "service_id",
        "mask_resource_ids",
        "id of a prefix and other letters and digits, by its key: WorkSpaces, Grafana, ...",
    ),
    Family("account_id", "mask_account_ids", "AWS account id"),
    Family("access_key", "mask_access_keys", "access key id or another unique id of IAM; it encodes the account id"),
    Family("secret_key", "mask_secret_keys", "secret access key"),
    Family("private_key", "mask_secret_keys", "private key in PEM, as of an EC2 key pair"),
    Family("password", "mask_secret_keys", "password of a database or a cache, value of a secret"),
    Family("session_token", "mask_session_tokens", "STS session token"),
    Family("bedrock_key", "mask_bedrock_keys", "Bedrock API key"),
    *_names("mask_s3_buckets", {"bucket": "S3 bucket"}),
    *_names("mask_rds_instances", {"database": "RDS or Aurora instance, cluster or database name"}),
    Family("db_resource", "mask_rds_instances", "RDS resource id (`db-`, `cluster-` and 26 letters and digits)"),
    *_names("mask_endpoints", {"load_balancer": "load balancer"}),
    Family("endpoint", "mask_endpoints", "the part of an endpoint that is one customer's own"),
    Family("eks_endpoint", "mask_endpoints", "EKS API server and OIDC issuer id (32 hex digits)"),
    Family("distribution", "mask_endpoints", "CloudFront distribution id or domain"),
    Family("public_dns", "mask_endpoints", "public address inside an EC2 host name"),
    *_names(
        "mask_resource_names",
        {
            "cluster": "EKS, ECS, MSK, Redshift or ElastiCache cluster",
            "function": "Lambda function",
            "role": "IAM role or instance profile",
            "user": "IAM user",
            "group": "IAM or security group",
            "policy": "IAM policy",
            "secret": "Secrets Manager secret",
            "parameter": "Systems Manager parameter",
            "queue": "SQS queue",
            "topic": "SNS topic",
            "table": "DynamoDB or Glue table",
            "stream": "Kinesis stream",
            "loggroup": "CloudWatch log group",
            "repository": "ECR or CodeCommit repository",
            "stack": "CloudFormation stack",
            "alias": "KMS key alias",
            "keypair": "EC2 key pair",
            "resource": "any other named resource",
        },
    ),
    Family("kms_key", "mask_kms_keys", "KMS key id"),
    Family("hosted_zone", "mask_hosted_zones", "Route 53 hosted zone id"),
    Family("cognito_pool", "mask_cognito_pools", "Cognito user or identity pool id"),
    Family("organization", "mask_organizations", "Organizations id (`o-`, `ou-`, `r-`)"),
    Family("directory", "mask_directories", "directory or IAM Identity Center id"),
    Family("private_ip", "mask_private_ips", "private address or network"),
    Family("public_ip", "mask_public_ips", "public address or network"),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
NAME_FAMILIES: frozenset[str] = frozenset(family.name for family in _ALL if family.name_like)

WORD_FAMILIES: frozenset[str] = NAME_FAMILIES | {"endpoint", "password"}
"""Families whose values may be ordinary words, and are then masked in their context only."""

CONTEXT_FAMILIES: frozenset[str] = NAME_FAMILIES | {
    "account_id",
    "kms_key",
    "secret_key",
    "password",
    "hosted_zone",
    "endpoint",
    "organization",
    "eks_endpoint",
    "distribution",
    "service_id",
    "cognito_pool",
}
"""Families that only their context makes certain; once certain, the value is masked wherever it stands by itself."""

CUSTOM_PREFIX = "custom_"
"""A pattern of the user's own named `x` is the family `custom_x`."""
