# ruff: noqa: E501 - one sample a line, however long, and in the scripts that people write
"""Texts that look as if they held an AWS value and do not: they go upstream byte for byte."""

from __future__ import annotations

import base64
import hashlib
import random

_RNG = random.Random(11)
_IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(_RNG.randrange(256) for _ in range(4000))).decode()
_SHA512 = base64.b64encode(hashlib.sha512(b"x").digest()).decode()
_SHA256_64 = base64.b64encode(hashlib.sha256(b"y").digest()).decode()

NEGATIVES: dict[str, str] = {
    # Versions, numbers, times
    "pinned version": "package==10.2.3.4\nother>=10.2.3.4,<10.3.0.1\nthird~=10.0.2.1\nfourth!=10.2.3.5",
    "npm version": '"version": "10.2.3.4", "resolved": "https://registry.example/x-10.2.3.4.tgz"',
    "v version": "upgraded to v10.2.3.4, was v192.168.0.1",
    "five parts": "build 10.2.3.4.5 and 1.10.2.3.4",
    "user agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "pre-release": "10.2.3.4-rc1 10.2.3.4-beta.2 10.2.3.4+build5",
    "not an address": "10.256.1.1 10.1.1 192.168.1.999 172.16.1.1234",
    "time": "12:34:56 2024-05-12T10:11:12.123456Z 23:59:59.999",
    "epoch": "1715508672 1715508672123 1715508672123456 1715508672123456789",
    "order": "Order 482910573821 was shipped; invoice 100200300400; ISBN 978316148410",
    "phone": "+49 30 901820, 0049 151 23456789, +821012345678, (555) 123-4567, 015123456789",
    "float": "3.141592653589793 0.123456789012 123456789012.5 1e10 -273.15 1,234,567,890,123",
    "bytes": "size=123456789012 offset 987654321098 total 100000000000 bytes, 200000000000 ns",
    "snowflake": "user 123456789012345678, tweet 1745234567890123456",
    "credit card": "4111 1111 1111 1111, 4111111111111111, DE89370400440532013000",
    "mac": "00:1a:2b:3c:4d:5e aa-bb-cc-dd-ee-ff",
    # Hashes and ids of others
    "git": "commit 9fceb02d0ae598e95dc970b74767f19372d61af8\nMerge: 9fceb02 4d5e6f7\n  fix (9fceb02d0ae598e95dc970b74767f19372d61af8)",
    "git index": "index 9fceb02..4d5e6f7 100644\nfrom 9fceb02d0ae598e95dc970b74767f19372d61af8..4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "md5": "d41d8cd98f00b204e9800998ecf8427e  empty.txt",
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  x.tar.gz",
    "digest": "nginx@sha256:9d6b58feebd2dbd3c56ab5853333d627cc6e281011cfd6050fa4bcf2072c9496",
    "integrity": f'"integrity": "sha512-{_SHA512}"',
    "pip hash": "--hash=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "go sum": f"golang.org/x/text v0.14.0 h1:{_SHA256_64}\ngolang.org/x/text v0.14.0/go.mod h1:{_SHA256_64}",
    "uuid": "request 3f1c0a5e-0f5a-4d0e-9b8f-0d6c1a1b2c3d, session 550e8400-e29b-41d4-a716-446655440000",
    "uuid key": '{"id": "3f1c0a5e-0f5a-4d0e-9b8f-0d6c1a1b2c3d", "eventID": "8d3c9d2b-15f3-4c1c-9d84-5ab3c0f0d1aa"}',
    "tool ids": "toolu_01A09q90qw90lq917835lq9 toolu_01T1x1fJ34qAmk2tNTrN7Up6 msg_01XFDUDYJgAACzvnptvVoYEL req_011CSHoEeqs5C35K2UUqR7Fy",
    "call ids": "call_DdmO9pD3xa9XTPNJ32zg2hcA chatcmpl-9nKTzFJ0Hn0cYJXHyZ2sNeNqWgQ6O fc_67ca09c6bedc8190a7abfec07b1a1332",
    "model ids": "claude-sonnet-4-20250514 claude-opus-4-1-20250805 us.anthropic.claude-3-7-sonnet-20250219-v1:0 gpt-4o-2024-08-06",
    "image": f"data:image/png;base64,{_IMAGE}",
    "jwt": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "ssh key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@host",
    "tags": "EXAMPLEWORDWITHLETTERS ASIATICCHOLERAEPIDEMIC AROADSIDEASSISTANCE AKIAI",
    # Words
    "words": "feedback mongodb memcached database db dbs userdb testdb-1 the s3 bucket, an rds instance, a vpc",
    "sg words": "sg- sg-test sg-web sg_default i-frame i-am vol-au-vent key-value pl-PL r-squared h-index s-curve eni- cr-lf d-day",
    "hyphenated": "i-deadbee vpc-face subnet-mask snap-decision acl-based ami-go nat-gateway igw-name o-ring ou-team r-base",
    "css ids": ".d-flex .d-none #fs-6 .fs-5 .h-100 .r-0 .lt-sm .vol-1 .key-cap .s-12345678-x .col-md-10",
    "hex colours": "#0a1b2c #ffffff80 --h-0a1b2c3: #fff; r-12345 key-12345 lt-1234567",
    "code": "std::vector<int> v; a::b::c(); foo?.bar::baz; arn = None; arn: str; x.arn",
    "clock-like": "fc00 fd12 fe80 face:b00c dead:beef ab:cd:ef std::fd::x ::1 :: a::b 1::2",
    "rust path": "fd::OwnedFd fc::new fdaa::Foo crate::fd00::x",
    "minified js": '!function(e,t){"object"==typeof exports?module.exports=t():e.x=t()}(this,function(){return{i:1,d:10.5,s:"a-b"}});',
    "css": "a{margin:10px 0 0 10px;transition:all .3s;width:calc(100% - 10.2px)}@media(min-width:768px){.x{top:-10.5em}}",
    "svg": '<path d="M10.5 10.2.3.4.1 192.168 0L10 10.2.3-4 10.1 1.1z"/>',
    "paths": "/usr/lib/python3.11/site-packages/botocore/data/s3/2006-03-01/service-2.json ./s3/index.js src/aws/ec2.py",
    "oids": "1.3.6.1.4.1.311 2.5.4.3 1.2.840.113549.1.1.11",
    # AWS's own, public by nature
    "managed policies": "arn:aws:iam::aws:policy/AdministratorAccess arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "principals": '"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com", "eks-fargate-pods.amazonaws.com", "ecs-tasks.amazonaws.com"]',
    "endpoints": "https://s3.us-east-1.amazonaws.com sts.amazonaws.com https://ec2.eu-west-1.amazonaws.com/ sqs.us-east-1.amazonaws.com "
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/x/invoke s3.amazonaws.com dynamodb.eu-west-1.amazonaws.com "
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingBucket.html https://console.aws.amazon.com/ec2/home",
    "wildcard arns": "arn:aws:s3:::* arn:aws:logs:*:*:* arn:aws:ec2:*:*:instance/* arn:aws:iam::*:role/* arn:aws:sns:*:*:*",
    "arn in docs": "arn:partition:service:region:account-id:resource-type/resource-id",
    "types": "AWS::S3::Bucket AWS::EC2::VPC::Id AWS::SSM::Parameter::Value<String> aws:SourceAccount s3:GetObject ec2:Describe*",
    "regions": "us-east-1 eu-west-1a ap-northeast-2 use1-az4 us-gov-west-1 m5.large t3.micro gp3 io2",
    # Addresses that say nothing about anybody
    "loopback": "127.0.0.1:8080 0.0.0.0/0 ::1 ::/0 0.0.0.0:80 localhost 127.0.0.53 255.255.255.255 255.255.255.0",
    "whole ranges": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7 fd00::/8",
    "public": "8.8.8.8 1.1.1.1 203.0.113.7 2001:4860:4860::8888 2606:4700:4700::1111",
    "metadata": "169.254.169.254 fe80::1 224.0.0.1 fd00:ec2::254",
    # Templates and placeholders
    "terraform references": 'bucket = aws_s3_bucket.logs.id\nbucket = var.bucket\nbucket = "${var.bucket}-x"\nbucket = local.bucket_name\n'
    "function_name = aws_lambda_function.this.function_name\ncluster_name = module.eks.cluster_name\nrole = aws_iam_role.this.name\n"
    "vpc_id = data.aws_vpc.main.id\naccount_id = data.aws_caller_identity.current.account_id",
    "cloudformation": "BucketName: !Ref Bucket\nBucketName: !Sub '${AWS::StackName}-logs'\nRoleName: !GetAtt Role.Arn\n"
    'FunctionName: !Join ["-", [!Ref A, b]]\nTableName: {"Ref": "Table"}\nQueueName: {"Fn::GetAtt": ["Q", "QueueName"]}',
    "sub arns": "arn:aws:s3:::${Bucket} arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${RoleName} arn:aws:iam::${account_id}:role/${name}",
    "placeholders": "--bucket <bucket-name> --bucket YOUR_BUCKET --bucket $BUCKET --bucket ${BUCKET} --bucket {{bucket}} --bucket \"$BUCKET\" "
    "--function-name <value> --table-name %s --cluster $(terraform output -raw cluster)",
    "json placeholders": '{"BucketName": "<bucket>", "FunctionName": "${FUNCTION}", "TableName": null, "RoleName": "", "ClusterName": "{{ cluster }}"}',
    "json schema": '{"BucketName": {"type": "string"}, "properties": {"FunctionName": {"type": "string", "description": "The name."}}, "required": ["BucketName"]}',
    "code references": "bucket = os.environ['X']\nbucket = get_bucket()\nbucket: str = None\ntable_name = self.table_name\n"
    "client.get_object(Bucket=bucket, Key=key)\nfunction_name = event['x']\nBucketName: bucket.bucketName,\nconst cluster = new Cluster(this);",
    "typed fields": "bucket: str\nrole: Optional[str] = None\ncluster_name: string;\nFunctionName *string\ntable_name: &str,\nBucketName string `json:\"x\"`",
    "shell references": 'export S3_BUCKET="$1"\nS3_BUCKET=${S3_BUCKET:-}\nAWS_ACCESS_KEY_ID=$(x)\nAWS_SECRET_ACCESS_KEY=\nAWS_ACCOUNT_ID=${{ secrets.AWS_ACCOUNT_ID }}',
    "ordinary yaml": "role: user\ncluster: true\nservice: web\ngroup: 1\nuser: root\nname: x\nbucket: 5\ntable: users\nqueue: default\nkey: value",
    "chat": '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, {"type": "function", "function": {"name": "run"}}]',
    "arn prose": "An ARN has the form arn:aws:service. The role ARN (arn) is required. Use arn:aws:... here",
    "s3 prose": "Upload to s3:// first; s3://<bucket>/key, s3://$BUCKET/x, s3://${BUCKET}/x, s3://{bucket}/x, s3://{{ bucket }}/y",
}  # fmt: skip

ORDINARY_NAMES: tuple[str, ...] = (
    "logs", "data", "users", "default", "main", "test", "prod", "backup", "production", "app", "web", "master", "public",
    "private", "orders", "events", "terraform", "api", "frontend", "primary", "admin", "root", "postgres", "assets",
)  # fmt: skip
"""Ordinary words that are somebody's bucket, table or cluster: never masked outside their context."""
