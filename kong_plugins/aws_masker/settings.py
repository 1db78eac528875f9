"""The one place where an option is declared: name, type, bounds, default and meaning.

The proxy's and the command line's configuration are read into `Settings`, a Kong plugin's into `PluginSettings`, which
adds what only Kong's configuration decides; `schema.py` makes Kong's schema of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import re2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from kong_plugins.aws_masker.errors import ConfigError

MIB = 1024 * 1024

_PLACES = ((b"", 0), (b"a", 0), (b"a", 1))
"""Whatever can match nothing at all does so at one of these places; `\\b`, for one, only beside a letter."""


def _checked_pattern(pattern: str) -> str:
    """Return `pattern` if RE2 takes it and it cannot match nothing at all; raise ValueError otherwise."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not valid"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        # RE2 says `reason: the part of the pattern`, and no reason of RE2 holds ": "; a pattern may name a secret.
        raise ValueError(f"not an RE2 pattern: {text.partition(': ')[0]}") from None
    if any(compiled.fullmatch(text, place, place) for text, place in _PLACES):
        raise ValueError("matches the empty string")
    return pattern


PATTERN_FORMAT = "re2"
"""The `format` of patterns in the JSON schema of the models."""

_Pattern = Annotated[
    str,
    Field(min_length=1, max_length=1000, json_schema_extra={"format": PATTERN_FORMAT}),
    AfterValidator(_checked_pattern),
]


_Text = Annotated[str, Field(min_length=1, max_length=1000)]
_Key = Annotated[SecretStr, Field(min_length=43)]
"""32 bytes in base64 without padding have 43 characters."""


class CustomPattern(BaseModel):
    """A pattern of the user's own; everything that it matches is masked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str,
        Field(
            min_length=2,
            max_length=24,
            pattern="^[a-z][a-z0-9]*$",
            description="Names the family in reports and, upper-case, in the placeholder: 2 to 24 of a-z, 0-9.",
        ),
    ]
    pattern: Annotated[
        _Pattern,
        Field(
            description="RE2 pattern, searched in the UTF-8 text: `.` and classes stand for characters, case counts. Of"
            " several possible matches the leftmost is taken, and of those the longest, also where the pattern is lazy;"
            " the search goes on behind it. The whole match is masked, groups or not."
        ),
    ]


def _switch(what: str) -> Any:
    return Field(default=True, description=f"Mask {what}.")


class Settings(BaseModel):
    """All options of the masker; immutable once loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mask_ec2_instances: bool = _switch("EC2 and Systems Manager instance ids (`i-`, `mi-`)")
    mask_resource_ids: bool = _switch(
        "all other ids of a prefix and 8 or 17 hex digits (`vpc-`, `subnet-`, `vol-`, ...), or of a prefix and other "
        'letters and digits or a UUID behind a key that says id (`"WorkspaceId": "ws-fs0qkfga4x47"`)'
    )
    mask_account_ids: bool = _switch("AWS account ids")
    mask_access_keys: bool = _switch("access key ids and other IAM unique ids (`AKIA`, `ASIA`, `AROA`, ...)")
    mask_secret_keys: bool = _switch(
        "secret access keys, private keys in PEM, passwords of databases and caches, values of secrets"
    )
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
    allowlist: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="Values that are never masked, compared exactly."
    )
    allowlist_patterns: tuple[_Pattern, ...] = Field(
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

    use_redis: bool = Field(
        default=True,
        description="Share mappings through Redis as soon as an option or a variable says where it is (`redis_host`,"
        " `redis_socket`, `redis_sentinels`). If false, or if nothing says so, each process keeps its own in memory.",
    )
    redis_host: _Text | None = Field(default=None, description="Name or address of Redis or Valkey; else REDIS_HOST.")
    redis_port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="Port of Redis; else REDIS_PORT, else 6379."
    )
    redis_socket: _Text | None = Field(
        default=None, description="Unix socket of Redis, instead of host and port; else REDIS_SOCKET."
    )
    redis_database: Annotated[int, Field(ge=0, le=65_535)] | None = Field(
        default=None, description="Number of the database; else REDIS_DB, else 0."
    )
    redis_user: _Text | None = Field(default=None, description="User (ACL) of Redis; else REDIS_USER.")
    redis_password: Annotated[SecretStr, Field(min_length=1)] | None = Field(
        default=None, description="Password of Redis; else REDIS_PASSWORD."
    )
    redis_ssl_enabled: bool | None = Field(default=None, description="Use TLS; else REDIS_SSL, else false.")
    redis_ssl_verify: bool = Field(
        default=True, description="With TLS: check the certificate and that it is for that host."
    )
    redis_ssl_ca: _Text | None = Field(
        default=None,
        description="With TLS: file with the certificates to trust (PEM); else REDIS_SSL_CA, else the system's.",
    )
    redis_ssl_cert: _Text | None = Field(
        default=None,
        description="With TLS, if Redis asks for one: file with the client's certificate (PEM); else REDIS_SSL_CERT.",
    )
    redis_ssl_key: _Text | None = Field(
        default=None,
        description="File with the key of that certificate (PEM, without a pass phrase); else REDIS_SSL_KEY, else it is"
        " in the same file.",
    )
    redis_cluster_mode: bool | None = Field(
        default=None,
        description="Redis is a cluster, `redis_host` one of its nodes; else REDIS_CLUSTER_MODE, else false.",
    )
    redis_sentinel_master: _Text | None = Field(
        default=None,
        description="Name under which the Sentinels know the primary; else REDIS_SENTINEL_MASTER.",
    )
    redis_sentinels: tuple[_Text, ...] = Field(
        default=(), description="Sentinels, `host:port` each; else REDIS_SENTINELS, with commas between."
    )
    redis_sentinel_user: _Text | None = Field(
        default=None, description="User (ACL) of the Sentinels; else REDIS_SENTINEL_USER."
    )
    redis_sentinel_password: Annotated[SecretStr, Field(min_length=1)] | None = Field(
        default=None, description="Password of the Sentinels; else REDIS_SENTINEL_PASSWORD."
    )
    redis_prefix: Annotated[str, Field(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]*$")] = Field(
        default="aws_masker",
        description="What the names of all keys in Redis begin with. Deployments with masking keys of their own that"
        " share a Redis need different ones. 1 to 64 of A-Z, a-z, 0-9, `.`, `_`, `-`.",
    )
    redis_timeout: int = Field(
        default=1000, ge=10, le=60_000, description="Longest wait for Redis to connect or to answer, in milliseconds."
    )
    redis_fallback: bool = Field(
        default=True,
        description="While Redis is away, go on with what this process has in memory, and write what is missing when it"
        " is back. If false, requests are answered with 503 meanwhile.",
    )
    vault_key: _Key | None = Field(
        default=None,
        description="Encrypts what is in Redis: at least 32 bytes, in hex or base64; else AWS_MASKER_VAULT_KEY, else"
        " the file that AWS_MASKER_VAULT_KEY_FILE names, else derived from the masking key.",
    )
    vault_keys_old: tuple[_Key, ...] = Field(
        default=(),
        description="Earlier vault keys, with which what is in Redis can still be read; else AWS_MASKER_VAULT_KEYS_OLD,"
        " with commas between.",
    )

    redis_events: bool | None = Field(
        default=None,
        description="Publish events on Redis Pub/Sub, see docs/observability.md; else ENABLE_REDIS_EVENTS, else false.",
    )
    events_rate_limit: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        default=None,
        description="Most events that a process publishes in a second, 0 for no bound; security alerts have as many"
        " again for themselves. Else EVENT_LOG_RATE_LIMIT, else 100.",
    )
    audit_max_entries: int = Field(
        default=100_000,
        ge=0,
        le=100_000_000,
        description="Where Redis is used: about how many requests the audit trail remembers, 0 for none. What"
        " operators do with `aws-masker vault` is kept there in any case.",
    )
    log_masked_requests: bool = Field(
        default=False,
        description="Log a line for each request: its id, API, outcome, sizes, times, and how many values of which kind"
        " were masked; never a value.",
    )

    @field_validator("custom_patterns")
    @classmethod
    def _unique_names(cls, patterns: tuple[CustomPattern, ...]) -> tuple[CustomPattern, ...]:
        names = [pattern.name for pattern in patterns]
        if len(set(names)) != len(names):
            raise ValueError("two patterns have the same name")
        return patterns


class PluginSettings(Settings):
    """All options of the Kong plugin: those of the masker, and what only Kong's configuration decides."""

    mode: Literal["enforce", "observe"] = Field(
        default="enforce",
        description="`enforce` masks; `observe` lets requests and answers pass as they are, unmasked, and only reports"
        " what would have been masked.",
    )
    key: _Key | None = Field(
        default=None,
        description="The masking key: at least 32 bytes, in hex or base64. Without it the plugin server's environment"
        " decides: AWS_MASKER_KEY, else the file that AWS_MASKER_KEY_FILE names.",
    )
    namespace: Annotated[str, Field(min_length=1, max_length=128, pattern="^[A-Za-z0-9._-]*$")] | None = Field(
        default=None,
        description="The tenant of requests without a Kong consumer; a consumer is always a tenant of its own."
        " Placeholders and mappings of one tenant are of no use to another. 1 to 128 of A-Z, a-z, 0-9, `.`, `_`, `-`.",
    )
    anthropic_api_key: Annotated[SecretStr, Field(min_length=1)] | None = Field(
        default=None,
        description="Sent as `x-api-key` to the Anthropic API for clients that sent no credential of their own. Without"
        " it the plugin server's environment decides: ANTHROPIC_API_KEY, else nothing is added.",
    )


_Model = TypeVar("_Model", bound=Settings)


def from_mapping(fields: Mapping[str, Any], model: type[_Model] = Settings) -> _Model:  # type: ignore[assignment]
    """Build settings from plain data: a parsed TOML or YAML file, or Kong's config with `model=PluginSettings`.

    Raises:
        ConfigError: naming every wrong field and why, without repeating the values.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise ConfigError("; ".join(problems)) from None
