"""The one place where an option is declared: name, type, bounds, default and meaning.

The proxy's and the command line's configuration are read into `Settings`; the Kong schema is generated from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from kong_plugins.aws_masker.errors import ConfigError

MIB = 1024 * 1024


def _checked_pattern(pattern: str) -> str:
    """Return `pattern` if RE2 takes it and it cannot match nothing at all; raise ValueError otherwise."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not valid"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"not an RE2 pattern: {text}") from None
    if compiled.fullmatch(b"") is not None:
        raise ValueError("matches the empty string")
    return pattern


class CustomPattern(BaseModel):
    """A pattern of the user's own; everything that it matches is masked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9]{1,23}$",
            description="Names the family in reports and, upper-case, in the placeholder: 2 to 24 of a-z, 0-9.",
        ),
    ]
    pattern: Annotated[str, Field(min_length=1, max_length=1000, description="RE2 pattern, matched on UTF-8.")]

    _check = field_validator("pattern")(_checked_pattern)


def _switch(what: str) -> Any:
    return Field(default=True, description=f"Mask {what}.")


class Settings(BaseModel):
    """All options of the masker; immutable once loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mask_ec2_instances: bool = _switch("EC2 and Systems Manager instance ids (`i-`, `mi-`)")
    mask_resource_ids: bool = _switch(
        "all other ids of a prefix and 8 or 17 hex digits (`vpc-`, `subnet-`, `vol-`, ...)"
    )
    mask_account_ids: bool = _switch("AWS account ids")
    mask_access_keys: bool = _switch("access key ids and other IAM unique ids (`AKIA`, `ASIA`, `AROA`, ...)")
    mask_secret_keys: bool = _switch("secret access keys")
    mask_session_tokens: bool = _switch("STS session tokens")
    mask_bedrock_keys: bool = _switch("Bedrock API keys")
    mask_s3_buckets: bool = _switch("S3 bucket names")
    mask_rds_instances: bool = _switch("RDS and Aurora instance, cluster and database names, endpoints and `db-` ids")
    mask_endpoints: bool = _switch(
        "the secret parts of service endpoints (load balancers, EKS, API Gateway, CloudFront, ElastiCache, ...)"
    )
    mask_resource_names: bool = _switch("names of roles, users, functions, clusters, queues, tables, secrets, ...")
    mask_kms_keys: bool = _switch("KMS key ids")
    mask_hosted_zones: bool = _switch("Route 53 hosted zone ids")
    mask_cognito_pools: bool = _switch("Cognito pool ids")
    mask_organizations: bool = _switch("AWS Organizations ids (`o-`, `ou-`, `r-`)")
    mask_directories: bool = _switch("directory (`d-`) and IAM Identity Center (`ssoins-`) ids")
    mask_private_ips: bool = _switch("private IPv4 and IPv6 addresses and networks")
    mask_public_ips: bool = Field(default=False, description="Mask public IPv4 and IPv6 addresses as well.")

    preserve_structure: bool = Field(
        default=True,
        description="Placeholders keep the shape of what they stand for; if false they are opaque, typed tokens.",
    )
    allowlist: tuple[str, ...] = Field(default=(), description="Values that are never masked, compared exactly.")
    allowlist_patterns: tuple[str, ...] = Field(
        default=(), description="RE2 patterns; a value that one of them matches as a whole is never masked."
    )
    allowlist_presets: tuple[Literal["aws-documentation"], ...] = Field(
        default=(),
        description="Ready-made allowlists: `aws-documentation` holds the example values of AWS's documents.",
    )
    custom_patterns: tuple[CustomPattern, ...] = Field(default=(), description="Patterns of your own to mask.")

    max_body_size: int = Field(
        default=64 * MIB, ge=1024, le=1024 * MIB, description="Largest request body as sent, in bytes."
    )
    max_decompressed_size: int = Field(
        default=128 * MIB, ge=1024, le=4096 * MIB, description="Largest body after decompression, in bytes."
    )
    mapping_ttl: int = Field(
        default=604_800, ge=60, le=31_536_000, description="Seconds for which an unused mapping is remembered."
    )
    max_entries: int = Field(
        default=10_000, ge=100, le=10_000_000, description="Most mappings remembered for one tenant."
    )

    @field_validator("allowlist_patterns")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked_pattern(pattern) for pattern in patterns)

    @field_validator("custom_patterns")
    @classmethod
    def _unique_names(cls, patterns: tuple[CustomPattern, ...]) -> tuple[CustomPattern, ...]:
        names = [pattern.name for pattern in patterns]
        if len(set(names)) != len(names):
            raise ValueError("two patterns have the same name")
        return patterns


def from_mapping(fields: dict[str, Any]) -> Settings:
    """Build `Settings` from plain data (a parsed TOML or YAML file, Kong's config).

    Raises:
        ConfigError: naming every wrong field and why, without repeating the values.
    """
    try:
        return Settings.model_validate(fields)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise ConfigError("; ".join(problems)) from None
