"""Detection: text in, spans out. Pure; one file a family, each with the samples that it must and must not find.

To add a family: a file with a `Detector`, its line in `DETECTORS` (the order decides which of two detectors is asked
first about a candidate that both could own), and its families with their switch in `families.py` and `settings.py`.
"""

from kong_plugins.aws_masker.detect import (
    access_key,
    account,
    address,
    answers,
    arn,
    blocks,
    bucket,
    calls,
    columns,
    credential,
    endpoint,
    identifier,
    logs,
    names,
    open_arn,
    output,
    paths,
    resource_id,
    sayings,
    service_id,
    state,
)
from kong_plugins.aws_masker.detect.detector import Detector

DETECTORS: tuple[Detector, ...] = (
    arn.DETECTOR,
    open_arn.DETECTOR,
    endpoint.DETECTOR,
    bucket.DETECTOR,
    credential.SESSION_TOKEN,
    credential.BEDROCK_KEY,
    access_key.DETECTOR,
    resource_id.DETECTOR,
    identifier.MULTI_REGION_KEY,
    identifier.DB_RESOURCE,
    identifier.COGNITO_POOL,
    identifier.DIRECTORY,
    identifier.ORGANIZATION,
    identifier.HOSTED_ZONE,
    identifier.DISTRIBUTION,
    identifier.KMS_KEY,
    answers.RESOURCE_UUID,
    answers.SNAPSHOT,
    service_id.DETECTOR,
    account.DETECTOR,
    address.IPV4,
    address.IPV6,
    paths.DETECTOR,
    output.TERRAFORM,
    output.PROVIDER,
    output.LISTING,
    logs.BALANCER,
    logs.CLASSIC,
    logs.CANONICAL,
    columns.RULED,
    columns.SEPARATED,
    sayings.GONE,
    sayings.EVENTS,
    sayings.TOLD,
    calls.CALLS,
    calls.REFERENCES,
    state.DETECTOR,
    answers.TAGS,
    answers.TYPED,
    answers.LOCATION,
    blocks.DETECTOR,
    blocks.PARAMETERS,
    names.DETECTOR,
)
RUN_DETECTORS: tuple[Detector, ...] = (credential.SECRET_KEY,)

__all__ = ["DETECTORS", "RUN_DETECTORS", "Detector"]
