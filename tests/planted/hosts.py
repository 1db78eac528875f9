"""Planted endpoints and URIs: what comes after the name stays, because it tells the model what the thing is."""

from __future__ import annotations

from tests.planted.model import Planted, plant

_HOSTS = """
rds {name}.{alnum12}.{region}.rds.amazonaws.com
rds-cluster {name}.cluster-{alnum12}.{region}.rds.amazonaws.com
rds-reader {name}.cluster-ro-{alnum12}.{region}.rds.amazonaws.com
rds-custom {name}.cluster-custom-{alnum12}.{region}.rds.amazonaws.com
rds-proxy {name}.proxy-{alnum12}.{region}.rds.amazonaws.com
rds-cn {name}.{alnum12}.rds.cn-north-1.amazonaws.com.cn
docdb {name}.cluster-{alnum12}.{region}.docdb.amazonaws.com
neptune {name}.cluster-{alnum12}.{region}.neptune.amazonaws.com
elb {name}-{digits10}.{region}.elb.amazonaws.com
elb-internal internal-{name}-{digits10}.{region}.elb.amazonaws.com
elb-dualstack dualstack.{name}-{digits10}.{region}.elb.amazonaws.com
nlb {name}-{hex16}.elb.{region}.amazonaws.com
eks {HEX32}.gr7.{region}.eks.amazonaws.com
eks-oidc oidc.eks.{region}.amazonaws.com/id/{HEX32}
ecr {account}.dkr.ecr.{region}.amazonaws.com/{name}:v1.4.2
ecr-nested {account}.dkr.ecr.{region}.amazonaws.com/{name}/{name:2}:latest
ecr-cn {account}.dkr.ecr.cn-north-1.amazonaws.com.cn/{name}
cloudfront d{alnum13}.cloudfront.net
apigw {alnum10}.execute-api.{region}.amazonaws.com
apigw-cn {alnum10}.execute-api.cn-north-1.amazonaws.com.cn
apigw-vpce {alnum10}-vpce-{hex17}.execute-api.{region}.amazonaws.com
redshift {name}.{alnum12}.{region}.redshift.amazonaws.com
redshift-serverless {name}.{account}.{region}.redshift-serverless.amazonaws.com
elasticache {name}.{hex6}.ng.0001.use1.cache.amazonaws.com
elasticache-node {name}-001.{name}.{hex6}.use1.cache.amazonaws.com
elasticache-cfg {name}.{hex6}.cfg.use1.cache.amazonaws.com
elasticache-primary master.{name}.{hex6}.use1.cache.amazonaws.com
elasticache-cluster clustercfg.{name}.{hex6}.memorydb.{region}.amazonaws.com
msk b-1.{name}.{alnum10}.c5.kafka.{region}.amazonaws.com
msk-boot boot-{alnum8}.c2.kafka-serverless.{region}.amazonaws.com
mq b-{uuid}-1.mq.{region}.amazonaws.com
opensearch search-{name}-{alnum26}.{region}.es.amazonaws.com
opensearch-vpc vpc-{name}-{alnum26}.{region}.es.amazonaws.com
opensearch-serverless {alnum26}.{region}.aoss.amazonaws.com
lambda-url {alnum32}.lambda-url.{region}.on.aws
ec2-internal ip-{dashedip}.ec2.internal
ec2-internal-region ip-{dashedip}.eu-west-1.compute.internal
ec2-public ec2-{dashedpublicip}.compute-1.amazonaws.com
ec2-public-region ec2-{dashedpublicip}.eu-west-1.compute.amazonaws.com
efs fs-{hex17}.efs.{region}.amazonaws.com
vpce vpce-{hex17}-{alnum8}.s3.{region}.vpce.amazonaws.com
s3-virtual {name}.s3.{region}.amazonaws.com
s3-global {name}.s3.amazonaws.com
s3-dash {name}.s3-eu-west-1.amazonaws.com
s3-account {name}-{account}.s3.{region}.amazonaws.com
s3-dotted {dotted}.s3.{region}.amazonaws.com
s3-dualstack {name}.s3.dualstack.{region}.amazonaws.com
s3-accelerate {name}.s3-accelerate.amazonaws.com
s3-website {name}.s3-website-eu-west-1.amazonaws.com
s3-website-dot {name}.s3-website.eu-central-1.amazonaws.com
s3-cn {name}.s3.cn-north-1.amazonaws.com.cn
s3-path s3.{region}.amazonaws.com/{name}
s3-path-global s3.amazonaws.com/{name}
s3-accesspoint {name}-{account}.s3-accesspoint.{region}.amazonaws.com
iot {alnum13}-ats.iot.{region}.amazonaws.com
cognito-domain {name}.auth.{region}.amazoncognito.com
beanstalk {name}.{alnum10}.{region}.elasticbeanstalk.com
appsync {alnum26}.appsync-api.{region}.amazonaws.com
globalaccelerator a{hex16}.awsglobalaccelerator.com
transfer s-{hex17}.server.transfer.{region}.amazonaws.com
sqs-path sqs.{region}.amazonaws.com/{account}/{name}
sqs-legacy queue.amazonaws.com/{account}/{name}
sqs-legacy-region {region}.queue.amazonaws.com/{account}/{name}
sqs-fifo sqs.{region}.amazonaws.com/{account}/{name}.fifo
"""

_URIS = """
s3-uri s3://{name}
s3-uri-key s3://{name}/2024/05/part-0000.parquet
s3-uri-dotted s3://{dotted}/
s3-uri-account s3://{name}-{account}/x
s3-uri-account-region s3://{name}-{account}-eu-west-1-{name:2}/x
s3a-uri s3a://{name}/warehouse
s3n-uri s3n://{name}/warehouse
sqs-url https://sqs.{region}.amazonaws.com/{account}/{name}
codecommit codecommit::{region}://{name}
codecommit-https https://git-codecommit.{region}.amazonaws.com/v1/repos/{name}
console-lambda https://{region}.console.aws.amazon.com/lambda/home?region=eu-west-1#/functions/{name}
console-s3 https://s3.console.aws.amazon.com/s3/buckets/{name}
sso-start https://{name}.awsapps.com/start
signin https://{account}.signin.aws.amazon.com/console
"""


def _planted(table: str, kind: str) -> tuple[Planted, ...]:
    rows = (line.split(" ", 1) for line in table.strip().splitlines())
    return tuple(plant(family, template, 30, kind=kind) for family, template in rows)


HOSTS: tuple[Planted, ...] = _planted(_HOSTS, "host")
URIS: tuple[Planted, ...] = _planted(_URIS, "uri")
