"""Parameter Store and Secrets Manager."""

import json
import subprocess
import time

import pytest

from support.cli import aws_cli
from support.enforced import refusal, root_of, user_of

WORD = "correct-horse-battery-staple"


@pytest.fixture
def ssm(cloud):
    return cloud.client("ssm")


@pytest.fixture
def secrets(cloud):
    return cloud.client("secretsmanager")


@pytest.fixture
def aws(cloud, clients, tmp_path):
    return aws_cli(cloud, clients, tmp_path)


def test_parameters_are_kept_by_path_version_and_label(ssm):
    for name, value in [("/shop/db/host", "db"), ("/shop/db/port", "5432"), ("/shop/mode", "test")]:
        assert ssm.put_parameter(Name=name, Value=value, Type="String")["Version"] == 1
    assert ssm.put_parameter(Name="/shop/mode", Value="live", Overwrite=True)["Version"] == 2
    ssm.label_parameter_version(Name="/shop/mode", ParameterVersion=1, Labels=["old"])
    assert ssm.get_parameter(Name="/shop/mode:old")["Parameter"]["Value"] == "test"
    arn = ssm.get_parameter(Name="/shop/mode")["Parameter"]["ARN"]
    assert arn == "arn:aws:ssm:us-east-1:000000000000:parameter/shop/mode"
    assert ssm.get_parameter(Name=arn)["Parameter"]["Value"] == "live"
    pages = ssm.get_paginator("get_parameters_by_path").paginate(
        Path="/shop", Recursive=True, PaginationConfig={"PageSize": 1})
    found = {p["Name"]: p["Value"] for page in pages for p in page["Parameters"]}
    assert found == {"/shop/db/host": "db", "/shop/db/port": "5432", "/shop/mode": "live"}
    assert [p["Value"] for p in ssm.get_parameter_history(Name="/shop/mode")["Parameters"]] == ["test", "live"]
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.get_parameter(Name="/shop/none")
    with pytest.raises(ssm.exceptions.ParameterAlreadyExists):
        ssm.put_parameter(Name="/shop/mode", Value="x", Type="String")
    with pytest.raises(ssm.exceptions.HierarchyLevelLimitExceededException):
        ssm.put_parameter(Name="/a" * 16, Value="x", Type="String")
    gone = ssm.delete_parameters(Names=[*found, "/shop/none"])
    assert gone["InvalidParameters"] == ["/shop/none"]


def test_secrets_rotate_by_hand_and_come_back(secrets):
    made = secrets.create_secret(Name="shop/db", SecretString=json.dumps({"user": "me"}),
                                 Tags=[{"Key": "team", "Value": "blue"}])
    token = secrets.put_secret_value(SecretId="shop/db", SecretString="new", VersionStages=["AWSPENDING"])
    assert json.loads(secrets.get_secret_value(SecretId=made["ARN"])["SecretString"]) == {"user": "me"}
    secrets.update_secret_version_stage(
        SecretId="shop/db", VersionStage="AWSCURRENT",
        MoveToVersionId=token["VersionId"], RemoveFromVersionId=made["VersionId"])
    assert secrets.get_secret_value(SecretId="shop/db")["SecretString"] == "new"
    described = secrets.describe_secret(SecretId="shop/db")
    assert described["VersionIdsToStages"][made["VersionId"]] == ["AWSPREVIOUS"]
    secrets.delete_secret(SecretId="shop/db", RecoveryWindowInDays=30)
    with pytest.raises(secrets.exceptions.InvalidRequestException):
        secrets.get_secret_value(SecretId="shop/db")
    secrets.restore_secret(SecretId="shop/db")
    found = secrets.list_secrets(Filters=[{"Key": "tag-key", "Values": ["team"]}])["SecretList"]
    assert [s["ARN"] for s in found] == [made["ARN"]]
    secrets.delete_secret(SecretId="shop/db", ForceDeleteWithoutRecovery=True)
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.describe_secret(SecretId="shop/db")


def test_a_secret_is_read_as_a_parameter(ssm, secrets):
    secrets.create_secret(Name="referred", SecretString=WORD)
    name = "/aws/reference/secretsmanager/referred"
    parameter = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (parameter["Value"], parameter["Type"]) == (WORD, "SecureString")
    assert json.loads(parameter["SourceResult"])["name"] == "referred"
    assert ssm.get_parameter(Name=f"{name}:AWSCURRENT", WithDecryption=True)["Parameter"]["Value"] == WORD
    code, text = refusal(ssm.get_parameter, Name=name)
    assert code == "ValidationException" and text.startswith("WithDecryption flag must be True")
    both = ssm.get_parameters(Names=[name, f"{name}-none"], WithDecryption=True)
    assert both["InvalidParameters"] == [f"{name}-none"]
    secrets.delete_secret(SecretId="referred", ForceDeleteWithoutRecovery=True)


def test_the_aws_cli(aws):
    aws("ssm", "put-parameter", "--name", "by-cli", "--value", "v", "--type", "SecureString")
    shown = aws("ssm", "get-parameter", "--name", "by-cli", "--with-decryption", "--query", "Parameter.Value")
    assert shown == "v"
    complaint = aws("ssm", "get-parameter", "--name", "absent", fails=True)
    assert "(ParameterNotFound) when calling the GetParameter operation" in complaint
    made = aws("secretsmanager", "create-secret", "--name", "by-cli", "--secret-string", "s")
    got = aws("secretsmanager", "get-secret-value", "--secret-id", made["ARN"])
    assert got["SecretString"] == "s" and got["VersionStages"] == ["AWSCURRENT"]
    password = aws("secretsmanager", "get-random-password", "--password-length", "20",
                   "--exclude-punctuation")["RandomPassword"]
    assert len(password) == 20 and password.isalnum()
    aws("secretsmanager", "replicate-secret-to-regions", "--secret-id", "by-cli",
        "--add-replica-regions", "Region=eu-west-1")
    for _ in range(100):
        told = aws("secretsmanager", "describe-secret", "--secret-id", "by-cli")
        if told["ReplicationStatus"][0]["Status"] == "InSync":
            break
        time.sleep(0.1)
    copied = aws("secretsmanager", "get-secret-value", "--secret-id", "by-cli",
                 "--region", "eu-west-1")
    assert copied["SecretString"] == "s"


def test_values_survive_a_crash_and_are_on_no_disk_and_in_no_log(tmp_path, new_cloud):
    data = tmp_path / "data"
    cloud = new_cloud("--log", "debug", data_dir=data)
    cloud.client("ssm").put_parameter(Name="p", Value=WORD, Type="SecureString")
    cloud.client("secretsmanager").create_secret(Name="s", SecretString=WORD)
    cloud.kill()
    found = subprocess.run(["grep", "-rlaF", WORD, data], capture_output=True, text=True)
    assert found.stdout == "", found.stdout
    assert WORD not in cloud.logged()
    cloud.start()
    assert cloud.client("ssm").get_parameter(Name="p", WithDecryption=True)["Parameter"]["Value"] == WORD
    assert cloud.client("secretsmanager").get_secret_value(SecretId="s")["SecretString"] == WORD


def test_a_secrets_own_policy_opens_it_and_references_do_not_go_around_it(new_cloud):
    cloud = new_cloud("--auth", "enforce")
    root = root_of(cloud)
    reads = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}
    user = user_of(cloud, root, "reader", reads)
    arn = cloud.client("iam", **root).get_user(UserName="reader")["User"]["Arn"]
    owner = cloud.client("secretsmanager", **root)
    owner.create_secret(Name="s", SecretString=WORD)
    reader, ssm = cloud.client("secretsmanager", **user), cloud.client("ssm", **user)
    name = "/aws/reference/secretsmanager/s"
    assert refusal(reader.get_secret_value, SecretId="s")[0] == "AccessDeniedException"
    assert refusal(ssm.get_parameter, Name=name, WithDecryption=True)[0] == "AccessDeniedException"
    batch = {"Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"}
    lister = cloud.client("secretsmanager", **user_of(cloud, root, "lister", batch))
    errors = lister.batch_get_secret_value(SecretIdList=["s"])["Errors"]
    assert [e["ErrorCode"] for e in errors] == ["AccessDeniedException"]
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": arn}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}
    owner.put_resource_policy(SecretId="s", ResourcePolicy=json.dumps(policy), BlockPublicPolicy=True)
    assert reader.get_secret_value(SecretId="s")["SecretString"] == WORD
    assert ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] == WORD
    assert refusal(reader.delete_secret, SecretId="s")[0] == "AccessDeniedException"
