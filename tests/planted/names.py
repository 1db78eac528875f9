# ruff: noqa: E501 - one sample a line, however long, and in the scripts that people write
"""Planted names without a shape of their own: only what stands around them tells that they are AWS's.

One row a family: hole, JSON key, command and flag, Terraform type and attribute, CloudFormation type, variable.
"""

from __future__ import annotations

from tests.planted.model import Context, Planted, plant

_ROWS = """
bucket          name   | BucketName | aws s3api get-bucket-policy --bucket | aws_s3_bucket bucket | AWS::S3::Bucket | S3_BUCKET
bucket-short    dotted | Bucket | aws s3api head-bucket --bucket | aws_s3_bucket_policy bucket | AWS::S3::BucketPolicy | BUCKET_NAME
bucket-camel    name   | bucketName | aws s3api list-objects-v2 --bucket | aws_s3_object bucket | AWS::S3::X | LOGS_BUCKET
s3-source       name   | S3Bucket | aws lambda update-function-code --function-name x --s3-bucket | aws_lambda_function s3_bucket | AWS::Lambda::Function | AWS_S3_BUCKET
db-instance     name   | DBInstanceIdentifier | aws rds describe-db-instances --db-instance-identifier | aws_db_instance identifier | AWS::RDS::DBInstance | DB_INSTANCE_IDENTIFIER
db-cluster      name   | DBClusterIdentifier | aws rds describe-db-clusters --db-cluster-identifier | aws_rds_cluster cluster_identifier | AWS::RDS::DBCluster | DB_CLUSTER_IDENTIFIER
db-name         under  | DBName | aws rds create-db-instance --db-name | aws_db_instance db_name | AWS::RDS::DBInstance | DB_NAME
db-snapshot     name   | DBSnapshotIdentifier | aws rds delete-db-snapshot --db-snapshot-identifier | aws_db_snapshot db_snapshot_identifier | AWS::RDS::DBInstance | DB_SNAPSHOT_IDENTIFIER
db-subnets      name   | DBSubnetGroupName | aws rds x --db-subnet-group-name | aws_db_instance db_subnet_group_name | AWS::RDS::DBSubnetGroup | DB_SUBNET_GROUP_NAME
role            camel  | RoleName | aws iam get-role --role-name | aws_iam_role_policy_attachment role | AWS::IAM::Role | ROLE_NAME
role-plain      plaincamel | roleName | aws iam list-role-policies --role-name | aws_iam_instance_profile role | AWS::IAM::Role | IAM_ROLE_NAME
user            name   | UserName | aws iam get-user --user-name | aws_iam_user user_name | AWS::IAM::User | IAM_USER_NAME
group           camel  | GroupName | aws iam get-group --group-name | aws_iam_group group_name | AWS::IAM::Group | GROUP_NAME
policy          name   | PolicyName | aws iam create-policy --policy-name | aws_iam_policy policy_name | AWS::IAM::ManagedPolicy | POLICY_NAME
profile         name   | InstanceProfileName | aws iam get-instance-profile --instance-profile-name | aws_instance iam_instance_profile | AWS::IAM::InstanceProfile | INSTANCE_PROFILE_NAME
function        name   | FunctionName | aws lambda invoke --function-name | aws_lambda_function function_name | AWS::Lambda::Function | AWS_LAMBDA_FUNCTION_NAME
function-camel  camel  | functionName | aws lambda get-function --function-name | aws_lambda_alias function_name | AWS::Lambda::Alias | FUNCTION_NAME
layer           name   | LayerName | aws lambda publish-layer-version --layer-name | aws_lambda_layer_version layer_name | AWS::Lambda::LayerVersion | LAYER_NAME
cluster         name   | ClusterName | aws eks update-kubeconfig --cluster-name | aws_eks_node_group cluster_name | AWS::EKS::Cluster | CLUSTER_NAME
cluster-camel   name   | clusterName | aws ecs describe-services --cluster | aws_ecs_service cluster | AWS::ECS::Service | EKS_CLUSTER_NAME
nodegroup       name   | NodegroupName | aws eks describe-nodegroup --nodegroup-name | aws_eks_node_group node_group_name | AWS::EKS::Nodegroup | NODEGROUP_NAME
service         name   | ServiceName | aws ecs update-service --service-name | aws_ecs_service service_name | AWS::ECS::Service | ECS_SERVICE_NAME
repository      name   | RepositoryName | aws ecr describe-images --repository-name | aws_ecr_lifecycle_policy repository_name | AWS::ECR::Repository | ECR_REPOSITORY_NAME
queue           name   | QueueName | aws sqs get-queue-url --queue-name | aws_sqs_queue queue_name | AWS::SQS::Queue | QUEUE_NAME
topic           name   | TopicName | aws sns x --topic-name | aws_sns_topic topic_name | AWS::SNS::Topic | TOPIC_NAME
table           camel  | TableName | aws dynamodb scan --table-name | aws_dynamodb_table_item table_name | AWS::DynamoDB::Table | DYNAMODB_TABLE_NAME
table-plain     under  | tableName | aws dynamodb describe-table --table-name | aws_dynamodb_x table_name | AWS::DynamoDB::Table | TABLE_NAME
stream          name   | StreamName | aws kinesis describe-stream --stream-name | aws_kinesis_x stream_name | AWS::Kinesis::Stream | STREAM_NAME
delivery        name   | DeliveryStreamName | aws firehose describe-delivery-stream --delivery-stream-name | aws_x delivery_stream_name | AWS::KinesisFirehose::DeliveryStream | DELIVERY_STREAM_NAME
secret-name     name   | SecretId | aws secretsmanager get-secret-value --secret-id | aws_secretsmanager_secret_version secret_id | AWS::SecretsManager::X | SECRET_ID
secret-label    name   | SecretName | aws secretsmanager x --secret-name | aws_secretsmanager_secret secret_name | AWS::SecretsManager::Secret | SECRET_NAME
log-group       name   | LogGroupName | aws logs tail-x --log-group-name | aws_cloudwatch_log_stream log_group_name | AWS::Logs::LogGroup | LOG_GROUP_NAME
log-group-camel name   | logGroupName | aws logs filter-log-events --log-group-name | aws_cloudwatch_x log_group_name | AWS::Logs::X | CLOUDWATCH_LOG_GROUP_NAME
log-stream      name   | logStreamName | aws logs get-log-events --log-stream-name | aws_cloudwatch_x log_stream_name | AWS::Logs::LogStream | LOG_STREAM_NAME
alarm           name   | AlarmName | aws cloudwatch x --alarm-name | aws_cloudwatch_metric_alarm alarm_name | AWS::CloudWatch::Alarm | ALARM_NAME
stack           name   | StackName | aws cloudformation deploy --stack-name | aws_cloudformation_x stack_name | AWS::CloudFormation::Stack | STACK_NAME
asg             name   | AutoScalingGroupName | aws autoscaling x --auto-scaling-group-name | aws_autoscaling_policy autoscaling_group_name | AWS::AutoScaling::AutoScalingGroup | AUTO_SCALING_GROUP_NAME
launch-template name   | LaunchTemplateName | aws ec2 x --launch-template-name | aws_x launch_template_name | AWS::EC2::LaunchTemplate | LAUNCH_TEMPLATE_NAME
key-pair        name   | KeyName | aws ec2 run-instances --key-name | aws_instance key_name | AWS::EC2::KeyPair | KEY_NAME
load-balancer   name   | LoadBalancerName | aws elb x --load-balancer-name | aws_x load_balancer_name | AWS::ElasticLoadBalancing::LoadBalancer | LOAD_BALANCER_NAME
target-group    name   | TargetGroupName | aws elbv2 x --target-group-name | aws_x target_group_name | AWS::ElasticLoadBalancingV2::TargetGroup | TARGET_GROUP_NAME
cache-cluster   name   | CacheClusterId | aws elasticache x --cache-cluster-id | aws_elasticache_cluster cluster_id | AWS::ElastiCache::CacheCluster | CACHE_CLUSTER_ID
replication     name   | ReplicationGroupId | aws elasticache x --replication-group-id | aws_elasticache_replication_group replication_group_id | AWS::ElastiCache::ReplicationGroup | REPLICATION_GROUP_ID
redshift        name   | ClusterIdentifier | aws redshift x --cluster-identifier | aws_redshift_cluster cluster_identifier | AWS::Redshift::Cluster | REDSHIFT_CLUSTER_IDENTIFIER
domain          name   | DomainName | aws opensearch describe-domain --domain-name | aws_opensearch_domain domain_name | AWS::OpenSearchService::Domain | OPENSEARCH_DOMAIN_NAME
project         name   | ProjectName | aws codebuild start-build --project-name | aws_x project_name | AWS::CodeBuild::Project | CODEBUILD_PROJECT_NAME
pipeline        name   | PipelineName | aws codepipeline x --pipeline-name | aws_x pipeline_name | AWS::CodePipeline::Pipeline | PIPELINE_NAME
state-machine   camel  | StateMachineName | aws stepfunctions x --state-machine-name | aws_x state_machine_name | AWS::StepFunctions::StateMachine | STATE_MACHINE_NAME
event-bus       name   | EventBusName | aws events x --event-bus-name | aws_cloudwatch_event_rule event_bus_name | AWS::Events::EventBus | EVENT_BUS_NAME
trail           name   | TrailName | aws cloudtrail x --trail-name | aws_x trail_name | AWS::CloudTrail::Trail | TRAIL_NAME
user-pool-name  name   | PoolName | aws cognito-idp x --pool-name | aws_x user_pool_name | AWS::Cognito::UserPool | USER_POOL_NAME
workgroup       name   | WorkGroup | aws athena x --work-group | aws_x work_group | AWS::Athena::WorkGroup | ATHENA_WORK_GROUP
endpoint        name   | EndpointName | aws sagemaker x --endpoint-name | aws_x endpoint_name | AWS::SageMaker::Endpoint | SAGEMAKER_ENDPOINT_NAME
vault           name   | BackupVaultName | aws backup x --backup-vault-name | aws_x vault_name | AWS::Backup::BackupVault | BACKUP_VAULT_NAME
"""


def _planted(row: str) -> Planted:
    head, key, cli, terraform, cfn, env = (part.strip() for part in row.split("|"))
    family, hole = head.split()
    tf, attr = terraform.split()
    context = Context(key, cli, tf, attr, cfn, env)
    return plant(f"name-{family}", "{" + hole + "}", 40, kind="name", shaped=False, context=context)


NAMED: tuple[Planted, ...] = tuple(_planted(row) for row in _ROWS.strip().splitlines())

# Names that are paths, by the same contexts: every segment after the public head is a name.
_BUCKET = Context(
    "BucketName", "aws s3api get-bucket-acl --bucket", "aws_s3_bucket", "bucket", "AWS::S3::Bucket", "S3_BUCKET"
)
_ROLE = Context("RoleName", "aws iam get-role --role-name", "aws_iam_x", "role_name", "AWS::IAM::Role", "ROLE_NAME")
_PATHS = (
    # Names that hold a value of another family: all of the name is secret, not only that part.
    ("bucket-of-account", "{name}-{account}", _BUCKET),
    ("bucket-of-account-region", "{name}-{account}-{region}", _BUCKET),
    ("bucket-of-uuid", "{name}-{uuid}", _BUCKET),
    ("role-of-instance", "{camel}-i-{hex17}", _ROLE),
    ("role-of-vpc", "vpc-{hex17}-{name}", _ROLE),
    ("bucket-of-address", "{name}-{ip10}", _BUCKET),
    ("parameter", "/{name}/{name:2}", Context("ParameterName", "aws ssm get-parameter --name", "aws_ssm_parameter", "parameter_name", "AWS::SSM::Parameter", "SSM_PARAMETER_NAME")),
    ("lambda-logs", "/aws/lambda/{name}", Context("LogGroupName", "aws logs filter-log-events --log-group-name", "aws_cloudwatch_log_stream", "log_group_name", "AWS::Logs::LogGroup", "LOG_GROUP_NAME")),
    ("secret-path", "{name}/{name:2}", Context("SecretId", "aws secretsmanager get-secret-value --secret-id", "aws_secretsmanager_secret_version", "secret_id", "AWS::SecretsManager::Secret", "SECRET_ID")),
    ("key-alias", "alias/{name}", Context("KeyId", "aws kms encrypt --key-id", "aws_kms_alias", "kms_key_id", "AWS::KMS::Alias", "KMS_KEY_ALIAS")),
)  # fmt: skip

PATHS: tuple[Planted, ...] = tuple(
    plant(f"name-{family}", template, 41, kind="name", shaped=False, context=context)
    for family, template, context in _PATHS
)
