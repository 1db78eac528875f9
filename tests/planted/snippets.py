"""One-liners from shells, consoles, chats and code, each with its own way to say what a name or number is.

Holes are written «so», as in `documents`.
"""

from __future__ import annotations

from tests.planted.documents import template
from tests.planted.model import Planted, plant

_ID = "AS" + "IA"
_LINES = f"""
acct «account»
Account ID «account»
aws account '«account»'
| account | «account» |
account #«account»
accounts: [«account», «account:2»]
"aws:SourceAccount": "«account»"
"aws:PrincipalAccount": ["«account»", "«account:2»"]
"OwnerId":«account»
sso_account_id = «account»
cdk bootstrap aws://«account»/eu-west-1
s3://«name»/AWSLogs/«account»/CloudTrail/eu-west-1/2024/05/12/
https://console.aws.amazon.com/x?account=«account»
<Account>«account»</Account>
management account («account»), payer «account:2»
registryId: «account»
the account number is «account»
«account» (prod account)
[profile «account»_Admin]
AWSReservedSSO_Admin_1a2b3c4d5e6f7890/«account»
assets-«account»-eu-west-1
aws eks update-kubeconfig --name «name» --region eu-west-1
aws eks describe-cluster --name=«name»
aws ecs list-tasks --cluster «name» --service-name «name:2»
aws logs tail /aws/lambda/«name» --follow
aws ssm get-parameter --name /«name»/«name:2» --with-decryption
aws ssm get-parameters --names /«name»/a /«name:2»/b
aws ssm start-session --target i-«hex17»
aws elbv2 describe-load-balancers --names «name» «name:2»
aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names «name»
aws ec2 describe-key-pairs --key-names «name»
aws dynamodb get-item --table-name «camel» --key x
aws lambda invoke --function-name arn:aws:lambda:eu-west-1:«account»:function:«name» out.json
aws iam attach-role-policy --role-name «camel» --policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess
aws route53 list-resource-record-sets --hosted-zone-id Z«ALNUM13»
aws cognito-idp list-users --user-pool-id eu-west-1_«mixed9»
aws kms describe-key --key-id alias/«name»
aws s3 sync s3://«name»/a s3://«name:2»/b
aws s3api head-bucket --bucket my-«name»
sam deploy --s3-bucket «name» --stack-name «name:2»
eksctl get nodegroup --cluster=«name»
terraform init -backend-config=bucket=«name» -backend-config="dynamodb_table=«name:2»"
echo {_ID}«base32»:«secretkey» > ~/.passwd-s3fs
{_ID}«base32»\\t«secretkey»
COPY t FROM 's3://«name»/x' IAM_ROLE 'arn:aws:iam::«account»:role/«camel»'
spark.read.parquet('s3a://«name»/x')
boto3.resource('s3').Bucket('«name»')
boto3.resource('dynamodb').Table('«camel»')
S3 bucket '«name»' not found
resource "aws_sqs_queue" "q" {{\\n  name = "«name»"\\n}}
resource "aws_iam_role" "r" {{\\n  name               = "«camel»"\\n  assume_role_policy = "x"\\n}}
resource "aws_eks_cluster" "c" {{\\n  role_arn = aws_iam_role.c.arn\\n  name     = "«name»"\\n}}
resource "aws_dynamodb_table" "t" {{\\n  name         = "«name»"\\n  billing_mode = "PAY_PER_REQUEST"\\n}}
resource "aws_kms_alias" "k" {{\\n  name = "alias/«name»"\\n}}
resource "aws_ssm_parameter" "p" {{\\n  name = "/«name»/«name:2»"\\n  type = "String"\\n}}
resource "aws_secretsmanager_secret" "s" {{\\n  name = "«name»"\\n}}
resource "aws_ecr_repository" "e" {{\\n  name = "«name»"\\n}}
resource "aws_cloudwatch_log_group" "l" {{\\n  name = "/ecs/«name»"\\n}}
data "aws_s3_bucket" "b" {{\\n  bucket = "«name»"\\n}}
Type: AWS::EKS::Cluster\\nProperties:\\n  Name: «name»\\n
"Name": "«name»", "Arn": "arn:aws:eks:eu-west-1:«account»:cluster/«name:2»"
/aws/eks/«name»/cluster /aws/rds/instance/«name:2»/error
x-amz-server-side-encryption-aws-kms-key-id: «uuid»
SSEKMSKeyId=«uuid» kms key «uuid:2»
mysql -h «name».cluster-«alnum12».eu-west-1.rds.amazonaws.com -u admin
k8s-«name»-«hex10»-«digits10».eu-west-1.elb.amazonaws.com
inet «ip10»/20 brd «ip10:2» scope global eth0
«ip10» -> «ip172»:443, [«ip192»]:22 and http://«ip10:2»:8080/x
Host bastion\\n  HostName «ip10»\\n  User ec2-user\\nnameserver «ip10:2»
log_«ip10».txt «ip10:2»_x.log
sg-«hex17»/sgr-«hex17:2»|vpc-«hex17:3»
https://x.example/?token=%22i-«hex17»%22
"""

SNIPPETS: tuple[Planted, ...] = tuple(
    plant(f"snippet {line[:40]}", template(line.replace("\\n", "\n").replace("\\t", "\t")), 60, kind="name")
    for line in _LINES.strip().splitlines()
)
