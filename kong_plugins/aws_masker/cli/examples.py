"""One example for each family, as it stands in real text; a test finds the family in each.

What looks like a secret is put together here, so that no secret scanner takes this file for a leak.
"""

from __future__ import annotations

EXAMPLES = {
    "ec2_instance": "i-0a1b2c3d4e5f67890",
    "resource_id": "subnet-0fedcba9876543210",
    "account_id": "account 481516234200",
    "access_key": "AKIA" + "QYLPMN5HHHFPZAM2",
    "secret_key": "AWS_SECRET_ACCESS_KEY=" + "7fKq2Lw9Zx4Tn8Vb3Rm6" + "Yc1Hs5Jd0GpAeUiOoQzW",
    "session_token": "AWS_SESSION_TOKEN=" + "IQoJb3JpZ2lu" + "X2VjEJr1Qm9Kz4" * 8,
    "bedrock_key": "ABSK" + "QmVkcm9ja0FQSUtleS1hYmNk" + "RWZHaElqS2xNbk9w" * 6,
    "bucket": "s3://acme-billing-exports/2024/",
    "database": "--db-instance-identifier orders-primary",
    "db_resource": "db-7QK3ZJ5M2XW4YV6BNCPRTLHDGA",
    "load_balancer": "payments-1234567890.eu-west-1.elb.amazonaws.com",
    "endpoint": "ab1cd2ef3g.execute-api.eu-west-1.amazonaws.com",
    "eks_endpoint": "3F2A91C07B5D4E68A1B2C3D4E5F60718.gr7.eu-west-1.eks.amazonaws.com",
    "distribution": "d3k9fjq0z7xw2m.cloudfront.net",
    "public_dns": "ec2-54-12-34-56.eu-west-1.compute.amazonaws.com",
    "cluster": "arn:aws:eks:eu-west-1:481516234200:cluster/checkout",
    "function": "arn:aws:lambda:eu-west-1:481516234200:function:send-invoices",
    "role": "arn:aws:iam::481516234200:role/PayrollDeployer",
    "user": "arn:aws:iam::481516234200:user/jane.doe",
    "group": "arn:aws:iam::481516234200:group/dba-oncall",
    "policy": "arn:aws:iam::481516234200:policy/ReadLedger",
    "secret": "arn:aws:secretsmanager:eu-west-1:481516234200:secret:ledger/db-a1B2c3",
    "parameter": "arn:aws:ssm:eu-west-1:481516234200:parameter/ledger/dsn",
    "queue": "https://sqs.eu-west-1.amazonaws.com/481516234200/refunds",
    "topic": "arn:aws:sns:eu-west-1:481516234200:refund-events",
    "table": "arn:aws:dynamodb:eu-west-1:481516234200:table/ledger-entries",
    "stream": "arn:aws:kinesis:eu-west-1:481516234200:stream/clicks-eu",
    "loggroup": "arn:aws:logs:eu-west-1:481516234200:log-group:/acme/ledger",
    "repository": "481516234200.dkr.ecr.eu-west-1.amazonaws.com/ledger-api:1.4",
    "stack": "arn:aws:cloudformation:eu-west-1:481516234200:stack/ledger-prod/1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f",
    "alias": "arn:aws:kms:eu-west-1:481516234200:alias/ledger-signing",
    "keypair": "--key-name jane-laptop",
    "resource": "arn:aws:states:eu-west-1:481516234200:stateMachine:close-books",
    "kms_key": "arn:aws:kms:eu-west-1:481516234200:key/9f8e7d6c-5b4a-4392-8170-6f5e4d3c2b1a",
    "hosted_zone": "/hostedzone/Z08753421KQMT5XJ2NBWA",
    "cognito_pool": "eu-west-1_aB3dE5fG7",
    "organization": "o-a1b2c3d4e5",
    "directory": "directory d-9267a1b2c3",
    "private_ip": "10.42.7.19",
    "public_ip": "52.94.236.248",
}
