# ruff: noqa: E501 - one sample a line, however long, and in the scripts that people write
"""Whole documents with several values in them, as an engineer pastes them or a tool call returns them.

Holes are written «so», everything else has to stay as it is.
"""

from __future__ import annotations

from tests.planted.model import Planted, plant

_KEY_ID = "AK" + "IA"
_TEMPORARY = "AS" + "IA"

_DOCUMENTS = {
    "credentials file": f"""[default]
aws_access_key_id = {_KEY_ID}«base32»
aws_secret_access_key = «secretkey»
region = eu-west-1

[profile audit]
role_arn = arn:aws:iam::«account»:role/«camel»
source_profile = default
sso_account_id = «account:2»
""",
    "credentials exports": f"""export AWS_ACCESS_KEY_ID="{_TEMPORARY}«base32»"
export AWS_SECRET_ACCESS_KEY="«secretkey»"
export AWS_SESSION_TOKEN="IQoJ«token»"
""",
    "credentials json": f"""{{
    "Credentials": {{
        "AccessKeyId": "{_TEMPORARY}«base32»",
        "SecretAccessKey": "«secretkey»",
        "SessionToken": "IQoJ«token»",
        "Expiration": "2024-05-12T11:11:12+00:00"
    }}
}}""",
    "credentials table": f"""-----------------------------
|        AccessKey          |
+-----------------+---------+
|  AccessKeyId    |  {_KEY_ID}«base32»  |
|  SecretAccessKey|  «secretkey»  |
|  Status         |  Active |
""",
    "caller identity": """{
    "UserId": "AROA«base32»:«email»",
    "Account": "«account»",
    "Arn": "arn:aws:sts::«account:2»:assumed-role/«camel»/«name»"
}""",
    "flow log": """2 «account» eni-«hex17» «ip10» «ip192» 443 49152 6 20 4249 1418530010 1418530070 ACCEPT OK
2 «account:2» eni-«hex8» «ip10:2» «ip172» 20641 22 6 20 4249 1418530010 1418530070 REJECT OK
""",
    "cloudtrail": """{
  "eventVersion": "1.08",
  "userIdentity": {
    "type": "AssumedRole",
    "principalId": "AROA«base32»:«name»",
    "arn": "arn:aws:sts::«account»:assumed-role/«camel»/«name:2»",
    "accountId": "«account:2»",
    "sessionContext": {"sessionIssuer": {"type": "Role", "userName": "«camel:2»"}}
  },
  "eventTime": "2024-05-12T10:11:12Z",
  "eventSource": "s3.amazonaws.com",
  "eventName": "GetObject",
  "awsRegion": "eu-west-1",
  "sourceIPAddress": "«ip10»",
  "userAgent": "[aws-cli/2.15.30 Python/3.11.8]",
  "requestParameters": {"bucketName": "«name:3»", "key": "a/b.json"},
  "eventID": "8d3c9d2b-15f3-4c1c-9d84-5ab3c0f0d1aa",
  "recipientAccountId": "«account:3»"
}""",
    "describe instances": """{
  "ReservationId": "r-«hex17»",
  "OwnerId": "«account»",
  "Instances": [{
    "InstanceId": "i-«hex17»", "ImageId": "ami-«hex17»", "InstanceType": "m5.large",
    "KeyName": "«name»", "PrivateDnsName": "ip-«dashedip».eu-west-1.compute.internal",
    "PrivateIpAddress": "«ip10»", "SubnetId": "subnet-«hex17»", "VpcId": "vpc-«hex17»",
    "SecurityGroups": [{"GroupName": "«name:2»", "GroupId": "sg-«hex17»"}],
    "LaunchTime": "2024-05-12T10:11:12+00:00"
  }]
}""",
    "instances table": """----------------------------------------------------------------------
|                          DescribeInstances                           |
+----------------------+---------------+-------------------------------+
|  i-«hex17» |  «ip10» |  running  |
|  i-«hex17:2» |  «ip10:2» |  stopped  |
""",
    "presigned": f"""https://«name».s3.eu-west-1.amazonaws.com/a/report.pdf?X-Amz-Algorithm=AWS4-HMAC-SHA256\
&X-Amz-Credential={_TEMPORARY}«base32»%2F20240512%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20240512T101112Z\
&X-Amz-Expires=3600&X-Amz-SignedHeaders=host""",
    "kubeconfig": """clusters:
- cluster:
    server: https://«HEX32».gr7.eu-west-1.eks.amazonaws.com
  name: arn:aws:eks:eu-west-1:«account»:cluster/«name»
users:
- name: arn:aws:eks:eu-west-1:«account:2»:cluster/«name:2»
  user:
    exec:
      command: aws
      args: ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "«name:3»", "--output", "json"]
""",
    "kubectl nodes": """NAME                                        STATUS   ROLES    AGE   VERSION
ip-«dashedip».eu-west-1.compute.internal   Ready    <none>   12d   v1.29.3-eks-ae9a62a
ip-«dashedip:2».eu-west-1.compute.internal   Ready    <none>   12d   v1.29.3-eks-ae9a62a
""",
    "kubectl pods": """NAME          READY   STATUS    RESTARTS   AGE   IP            NODE
api-7d4b9     1/1     Running   0          3h    «ip10»   ip-«dashedip».ec2.internal   <none>
""",
    "access denied": """An error occurred (AccessDenied) when calling the GetObject operation: User: \
arn:aws:sts::«account»:assumed-role/«camel»/i-«hex17» is not authorized to perform: s3:GetObject on resource: \
"arn:aws:s3:::«name»/a/b.json" because no identity-based policy allows the s3:GetObject action""",
    "image refs": """services:
  api:
    image: «account».dkr.ecr.eu-west-1.amazonaws.com/«name»:1.4.2@sha256:"""
    + "9b" * 32
    + """
    environment:
      DATABASE_URL: postgres://app:pw@«name:2».«alnum12».eu-west-1.rds.amazonaws.com:5432/«name:4»
      QUEUE_URL: https://sqs.eu-west-1.amazonaws.com/«account:2»/«name:3»
""",
    "terraform backend": """terraform {
  backend "s3" {
    bucket         = "«name»"
    key            = "eu/terraform.tfstate"
    dynamodb_table = "«name:2»"
    kms_key_id     = "arn:aws:kms:eu-west-1:«account»:key/«uuid»"
    role_arn       = "arn:aws:iam::«account:2»:role/«camel»"
  }
}
""",
    "samconfig": """version = 0.1
[default.deploy.parameters]
stack_name = "«name»"
s3_bucket = "«name:2»"
region = "eu-west-1"
""",
    "bucket policy": """{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":["«account»","arn:aws:iam::«account:2»:root"]},\
"Action":"s3:*","Resource":["arn:aws:s3:::«name»","arn:aws:s3:::«name:2»/*"],\
"Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-«hex17»","aws:SourceAccount":"«account:3»"}}}]}""",
    "trust policy": """{"Principal":{"Federated":"arn:aws:iam::«account»:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/«HEX32»"},\
"Condition":{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/«HEX32:2»:aud":"sts.amazonaws.com"}}}""",
    "security groups": """resource "aws_security_group_rule" "x" {
  cidr_blocks       = ["«net10»/16", "«ip10»/32"]
  security_group_id = "sg-«hex17»"
}
""",
    "ec2 query": """<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <ownerId>«account»</ownerId><instanceId>i-«hex17»</instanceId>
  <privateIpAddress>«ip10»</privateIpAddress><keyName>«name»</keyName>
</DescribeInstancesResponse>""",
    "nginx": """«ip10» - - [12/May/2024:10:11:12 +0000] "GET /healthz HTTP/1.1" 200 2 "-" "ELB-HealthChecker/2.0"
2024/05/12 10:11:12 [error] 7#7: *1 connect() failed, client: «ip10:2», upstream: "http://«ip172»:8080/x"
""",
    "lambda log": """START RequestId: 3f1c0a5e-0f5a-4d0e-9b8f-0d6c1a1b2c3d Version: $LATEST
[ERROR] ClientError: arn:aws:dynamodb:eu-west-1:«account»:table/«camel» not found
2024/05/12/[$LATEST]0123456789abcdef0123456789abcdef
""",
    "git remote": """origin\thttps://git-codecommit.eu-west-1.amazonaws.com/v1/repos/«name» (fetch)
""",
    "docker login": """aws ecr get-login-password | docker login --username AWS --password-stdin «account».dkr.ecr.eu-west-1.amazonaws.com
""",
    "sync": """aws s3 sync ./dist s3://«name»/web --delete && aws cloudfront create-invalidation --distribution-id E«ALNUM13» --paths '/*'
""",
    "assume role": """aws sts assume-role --role-arn arn:aws:iam::«account»:role/«camel» --role-session-name «name» --external-id x
""",
    "multi ids": """aws ec2 terminate-instances --instance-ids i-«hex17» i-«hex17:2» i-«hex8»
aws ec2 create-tags --resources i-«hex17:3» vol-«hex17:4» --tags Key=Name,Value=x
""",
    "imds": """$ curl http://169.254.169.254/latest/meta-data/instance-id
i-«hex17»$ curl http://169.254.169.254/latest/meta-data/local-ipv4
«ip10»$ """,
    "go error": """operation error S3: GetObject, https response error StatusCode: 404, RequestID: 8QX1T, HostID: x, \
NoSuchBucket: s3://«name»: api error""",
    "python source": """s3 = boto3.client("s3", region_name="eu-west-1")
s3.put_object(Bucket="«name»", Key="x", Body=b"y")
boto3.resource("dynamodb").Table("«camel»")
ACCOUNT_ID = "«account»"
""",
    "terraform import": """terraform import aws_instance.web i-«hex17»
terraform import aws_s3_bucket.logs «name»
""",
    "aws s3 ls": """$ aws s3 ls s3://«name»/logs/
2024-05-12 10:11:12       1234 part-0.gz
$ aws s3 cp s3://«name:2»/x . && aws s3 rb s3://«name:3» --force
""",
    "aws s3 mb": """make_bucket: «name»
upload: ./a.txt to s3://«name:2»/a.txt
delete: s3://«name:3»/a.txt
""",
}


def template(text: str) -> str:
    """Return a template of `plant` for a text whose holes are written «so»."""
    return text.replace("{", "{{").replace("}", "}}").replace("«", "{").replace("»", "}")


DOCUMENTS: tuple[Planted, ...] = tuple(
    plant(f"document-{name}", template(text), 50, kind="document") for name, text in _DOCUMENTS.items()
)
