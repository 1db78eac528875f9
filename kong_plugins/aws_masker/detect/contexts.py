"""Which keys, flags and variables announce a name, and of which family.

The parameter names are those of botocore's service models and the AWS CLI; the words are what people call things in
Terraform, environment variables and configuration files.
"""

from __future__ import annotations

from typing import NamedTuple


class Context(NamedTuple):
    """Keys that announce a name of one family; the words of a key may be joined by `-`, `_` or nothing."""

    family: str
    strong: tuple[str, ...]
    """Parameter names of AWS's API and command line: nothing else is called that."""
    weak: tuple[str, ...] = ()
    """Words that other things are called as well."""


CONTEXTS = (
    Context(
        "bucket",
        ("bucket name", "s3 bucket", "s3 bucket name", "s3 bucket names", "deployment bucket"),
        ("bucket", "bucket id", "buckets"),
    ),
    Context(
        "database",
        (
            *(
                "db instance identifier",
                "db cluster identifier",
                "db snapshot identifier",
                "db cluster snapshot identifier",
            ),
            *("db name", "global cluster identifier", "db proxy name", "db instance id", "db cluster id"),
            *("db instance name", "db cluster name", "rds instance", "rds cluster", "replication instance identifier"),
            *(
                "db instance",
                "db cluster",
                "source db instance identifier",
                "read replica source db instance identifier",
            ),
        ),
        ("database name", "database", "instance identifier", "db identifier", "identifier"),
    ),
    Context(
        "cluster",
        (
            *(
                "cluster name",
                "cache cluster id",
                "replication group id",
                "ecs cluster",
                "eks cluster",
                "cluster identifier",
            ),
            *("elasticache cluster", "redshift cluster", "msk cluster", "serverless cache name"),
        ),
        ("cluster", "cluster id", "clusters"),
    ),
    Context("function", ("function name", "lambda function name"), ("lambda function", "lambda name", "lambda")),
    Context(
        "role",
        (
            "role name",
            "instance profile name",
            "iam role",
            "iam role name",
            "iam instance profile",
            "role session name",
            "role to assume",
        ),
        ("role", "instance profile"),
    ),
    Context("user", ("iam user name", "iam user", "user name"), ()),
    Context("group", ("security group name", "group name"), ("security group",)),
    Context("policy", ("policy name",), ()),
    Context("secret", ("secret id", "secrets manager secret", "secret name"), ()),
    Context("parameter", ("ssm parameter name", "ssm parameter", "parameter name"), ()),
    Context("queue", ("queue name", "sqs queue", "sqs queue name"), ("queue",)),
    Context("topic", ("topic name", "sns topic", "sns topic name"), ("topic",)),
    Context("table", ("table name", "dynamodb table", "dynamodb table name", "dynamo table"), ("ddb table",)),
    Context("stream", ("stream name", "delivery stream name", "kinesis stream", "firehose stream"), ()),
    Context("loggroup", ("log group name", "log group", "awslogs group", "log group names"), ("log stream name",)),
    Context(
        "repository", ("ecr repository", "repository name", "ecr repo", "ecr repository name", "repository names"), ()
    ),
    Context("stack", ("stack name", "cloudformation stack", "stack set name"), ()),
    Context(
        "load_balancer",
        ("load balancer name", "load balancer names", "target group name", "target group names"),
        ("load balancer", "elb name", "alb name"),
    ),
    Context("keypair", ("key pair name", "key pair", "ssh key name", "key name"), ()),
    Context("distribution", ("distribution id", "cloudfront distribution id"), ()),
    Context(
        "resource",
        (
            *("auto scaling group name", "launch configuration name", "launch template name", "db subnet group name"),
            *("db parameter group name", "cache subnet group name", "file system name", "state machine name"),
            *("nodegroup name", "node group name", "capacity provider name", "rest api name", "user pool name"),
            *(
                "db subnet group",
                "db parameter group",
                "option group name",
                "trail name",
                "trail name list",
                "rule name",
                "project name",
            ),
            *(
                "layer name",
                "alarm name",
                "domain name",
                "pipeline name",
                "event bus name",
                "pool name",
                "endpoint name",
            ),
            *(
                "backup vault name",
                "vault name",
                "workgroup name",
                "work group",
                "service name",
                "codebuild project",
                "application name",
            ),
            *("environment name", "deployment group name", "crawler name", "job name", "notebook instance name"),
            *("identity pool name", "training job name", "model package group name", "dashboard name", "canary name"),
            *(
                "auto scaling group names",
                "alarm names",
                "parameter group name",
                "subnet group name",
                "cache parameter group name",
            ),
            *("account alias", "account aliases", "inference profile name", "db cluster parameter group"),
            *("db cluster parameter group name", "snapshot identifier", "snapshot name"),
            *("rest api id", "api id", "detector id", "broker id", "user pool client id"),
            *("backup name", "endpoint config name", "ami name", "ecs service"),
            *("flow name", "broker name", "workspace name", "directory name", "file system id", "access point name"),
        ),
        ("nodegroup", "asg name", "event bus"),
    ),
)
