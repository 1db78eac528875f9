# ruff: noqa: E501 - one sample a line, however long, and in the scripts that people write
"""Planted values with a shape of their own: resource ids, credentials, account ids, addresses and the other ids."""

from __future__ import annotations

from tests.planted.model import Context, Planted, plant

_EC2 = [
    "i",
    "mi",
    "vpc",
    "subnet",
    "sg",
    "sgr",
    "ami",
    "aki",
    "ari",
    "vol",
    "snap",
    "eni",
    "eni-attach",
    "igw",
    "eigw",
    "rtb",
    "rtbassoc",
    "acl",
    "aclassoc",
    "nat",
    "eipalloc",
    "eipassoc",
    "pcx",
    "vgw",
    "cgw",
    "vpn",
    "tgw",
    "tgw-attach",
    "tgw-rtb",
    "vpce",
    "vpce-svc",
    "lt",
    "r",
    "dopt",
    "fs",
    "fsap",
    "fsmt",
    "pl",
    "key",
    "lgw",
    "cr",
    "h",
    "fl",
    "import-ami",
    "export-i",
    "sir",
    "bun",
    "scvmpa",
    "vpc-cidr-assoc",
    "subnet-cidr-assoc",
    "cvpn-endpoint",
    "ipam",
    "ipam-pool",
    "ipam-scope",
    "eice",
    "tmf",
    "tms",
    "tmt",
    "lgw-rtb",
    "import-snap",
]
_LONG_ONLY = frozenset(["mi", "s", "fsap"])
_KEYS = ["ASIA", "AKIA", "AROA", "AIDA", "ABIA", "ACCA", "AGPA", "AIPA", "ANPA", "ANVA", "APKA", "ASCA"]


def _resource_ids() -> list[Planted]:
    found = [plant(f"{prefix}-17", prefix + "-{hex17}", 1) for prefix in (*_EC2, "s")]
    found += [plant(f"{prefix}-8", prefix + "-{hex8}", 2) for prefix in _EC2 if prefix not in _LONG_ONLY]
    found.append(plant("fs-40", "fs-{hex40}", 3))
    return found


def _credentials() -> list[Planted]:
    key_id = Context(
        "AccessKeyId", "aws iam delete-access-key --access-key-id", "x", "access_key", env="AWS_ACCESS_KEY_ID"
    )
    secret = Context(
        "SecretAccessKey", "aws configure set aws_secret_access_key", attr="secret_key", env="AWS_SECRET_ACCESS_KEY"
    )
    token = Context(
        "SessionToken", "aws configure set aws_session_token", attr="session_token", env="AWS_SESSION_TOKEN"
    )
    bearer = Context("BearerToken", env="AWS_BEARER_TOKEN_BEDROCK")
    found = [plant(f"iam-{prefix}", prefix + "{base32}", 4, context=key_id) for prefix in _KEYS]
    found.append(plant("iam-AROA-17", _KEYS[2] + "{base32of17}", 4, context=key_id))
    found += [plant("secret-key", "{secretkey}", seed, kind="token", context=secret) for seed in range(3)]
    # The heads are base64 of `!\norigin`, `<protobuf>aws`, `BedrockAPIKey` and `bedrock.amazonaws.com`.
    heads = ("IQoJb3Jp" + "Z2luX2Vj", "FwoGZXIv" + "YXdzE", "AQoDYXdz" + "EJr")
    found += [plant(f"session-token-{head[:4]}", head + "{token}", 5, kind="token", context=token) for head in heads]
    found.append(
        plant("bedrock-long", "ABSK" + "QmVkcm9ja0FQSUtleS" + "{bedrocktail}", 5, kind="token", context=bearer)
    )
    short = "bedrock-api-key-" + "YmVkcm9jay5hbWF6b25hd3MuY29t" + "{token}"
    found.append(plant("bedrock-short", short, 5, kind="token", context=bearer))
    return found


def _accounts() -> list[Planted]:
    contexts = {
        "AccountId": Context(
            "AccountId", "aws sts get-caller-identity --account-id", "aws_ram_x", "account_id", env="AWS_ACCOUNT_ID"
        ),
        "OwnerId": Context("OwnerId", "aws ec2 describe-images --owners", "aws_ami", "owner_id", env="OWNER_ID"),
        "Account": Context(
            "Account", "aws s3control get-public-access-block --account-id", "x", "account", env="CDK_DEFAULT_ACCOUNT"
        ),
        "aws_account": Context("accountId", "eksctl x --account-id", "x", "aws_account_id", env="ACCOUNT_ID"),
        "recipient": Context(
            "recipientAccountId", "aws ram y --account-ids", "x", "allowed_account_ids", env="TARGET_ACCOUNT_ID"
        ),
    }
    return [
        plant(f"account-{name}", "{account}", 6, kind="account", shaped=False, context=context)
        for name, context in contexts.items()
    ]


_OTHERS = (
    ("kms-mrk", "mrk-{hex32}"),
    ("rds-dbi", "db-{ALNUM26}"),
    ("rds-cluster-resource", "cluster-{ALNUM26}"),
    ("cognito-pool", "{region}_{mixed9}"),
    ("org", "o-{alnum10}"),
    ("org-unit", "ou-{alnum4}-{alnum8}"),
    ("directory", "d-{hex10}"),
    ("sso-instance", "ssoins-{hex16}"),
)

_BY_CONTEXT = (
    ("kms-key", "{uuid}", Context("KeyId", "aws kms describe-key --key-id", "aws_kms_alias", "kms_key_id", "AWS::KMS::Alias", "KMS_KEY_ID")),
    ("kms-target", "{uuid}", Context("KMSMasterKeyID", "aws kms encrypt --key-id", "aws_kms_x", "target_key_id", "AWS::KMS::Y", "AWS_KMS_KEY_ID")),
    ("hosted-zone", "Z{ALNUM20}", Context("HostedZoneId", "aws route53 get-hosted-zone --id", "aws_route53_record", "zone_id", "AWS::Route53::RecordSet", "HOSTED_ZONE_ID")),
    ("hosted-zone-14", "Z{ALNUM13}", Context("HostedZoneId", "aws route53 list-resource-record-sets --hosted-zone-id", "aws_route53_zone", "zone_id", "AWS::Route53::RecordSet", "R53_HOSTED_ZONE_ID")),
    ("cloudfront-dist", "E{ALNUM13}", Context("DistributionId", "aws cloudfront create-invalidation --distribution-id", "aws_cloudfront_x", "distribution_id", "AWS::CloudFront::X", "CLOUDFRONT_DISTRIBUTION_ID")),
    ("org-root", "r-{alnum4}", Context("RootId", "aws organizations list-children --root-id", "aws_org_x", "root_id", "AWS::Org::X", "ORG_ROOT_ID")),
    ("workspace", "ws-{alnum12}", Context("WorkspaceId", "aws workspaces describe-tags --resource-id", "aws_workspaces_x", "workspace_id", "AWS::WorkSpaces::X", "WORKSPACE_ID")),
    ("grafana", "g-{alnum10}", Context("graphIdentifier", "aws neptune-graph get-graph --graph-identifier", "aws_neptunegraph_x", "graph_identifier", "AWS::NeptuneGraph::X", "GRAPH_ID")),
    ("replication-server", "s-{mixed9}", Context("sourceServerID", "aws drs start-replication --source-server-id", "aws_drs_x", "source_server_id", "AWS::DRS::X", "SOURCE_SERVER_ID")),
    ("cognito-identity", "{region}:{uuid}", Context("IdentityPoolId", "aws cognito-identity describe-identity-pool --identity-pool-id", "aws_cognito_x", "identity_pool_id", "AWS::Cognito::X", "IDENTITY_POOL_ID")),
)  # fmt: skip

_ADDRESSES = (
    ("ip-10", "{ip10}"),
    ("ip-172", "{ip172}"),
    ("ip-192", "{ip192}"),
    ("ip-100", "{ip100}"),
    ("cidr-10", "{net10}/16"),
    ("cidr-172", "{net172}/24"),
    ("cidr-192", "{net192}/25"),
    ("cidr-host", "{ip10}/32"),
    ("ipv6", "{ipv6}"),
    ("ipv6-cidr", "{ipv6}/128"),
)

IDS: tuple[Planted, ...] = (
    *_resource_ids(),
    *_credentials(),
    *_accounts(),
    *(plant(family, template, 7) for family, template in _OTHERS),
    *(plant(family, template, 8, shaped=False, context=context) for family, template, context in _BY_CONTEXT),
    *(plant(family, template, 9, kind="ip") for family, template in _ADDRESSES),
)
