"""Frameworks that functions are written with, and programs that deploy, unchanged."""

import http.client
import json
import os
import subprocess
import textwrap
import uuid
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest

from support import layers
from support.cloud import until
from support.containers import Containers
from support.functions import NODE, ROLE, zipped
from support.modules import modules

POWERTOOLS = ("aws_lambda_powertools", "jmespath", "typing_extensions.py")
SENTRY = ("sentry_sdk", "urllib3", "certifi")
FASTAPI = (
    "fastapi", "starlette", "mangum", "pydantic", "pydantic_core", "typing_inspection", "anyio", "idna",
    "typing_extensions.py", "annotated_types", "annotated_doc", "opentelemetry", "python_multipart",
)


def needs(clients, *packages):
    """Skips where something is not installed; CI has everything."""
    site = next((clients / "venv/lib").glob("python3*/site-packages"), clients)
    for name in packages:
        found = (site / name).exists() or (clients / "js/node_modules" / name).exists()
        if not found and os.environ.get("CI") != "true":
            pytest.skip(f"{name} is not installed: conformance/prepare brings it")
        assert found, f"conformance/prepare has not brought {name}"


def lines(cloud, name):
    """What a function has written."""
    logs = cloud.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"].rstrip("\n") for event in found]


def documents(cloud, name):
    return [json.loads(line) for line in lines(cloud, name) if line.startswith("{")]


def counted(cloud, namespace, metric, service):
    """The sum of a metric that a function has embedded in its log."""
    cloudwatch = cloud.client("cloudwatch")
    now = parsedate_to_datetime(cloud.http("GET", "/_haar/health")[1]["date"])
    found = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=metric, Dimensions=[{"Name": "service", "Value": service}],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1), Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in found)


@pytest.fixture
def shop(cloud):
    """A parameter, a secret, a table for what was done, and a queue; all by one name."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    cloud.client("ssm").put_parameter(Name=f"/{name}/price", Value="12", Type="SecureString")
    cloud.client("secretsmanager").create_secret(Name=name, SecretString='{"key": "k"}')
    cloud.client("dynamodb").create_table(
        TableName=name, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def url_of(cloud, functions, name):
    """An open URL of a function, by its host."""
    made = functions.client.create_function_url_config(FunctionName=name, AuthType="NONE")
    for action, more in (("InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
                         ("InvokeFunction", {"InvokedViaFunctionUrl": True})):
        functions.client.add_permission(
            FunctionName=name, StatementId=action, Action=f"lambda:{action}", Principal="*", **more
        )
    host = made["FunctionUrl"].split("://")[1].strip("/")

    def ask(path, method="GET", body=None, **headers):
        headers = {"Host": host, **{key.replace("_", "-"): value for key, value in headers.items()}}
        return cloud.http(method, path, body, headers)

    return host, ask


def redirected(cloud, host, path):
    """The headers of a redirection that is not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=60)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    assert answer.status == 307
    connection.close()
    return answer.headers


def partly(cloud, functions, name):
    """Gives a function four messages of which it refuses the third; answers the queue."""
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "120"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for number in range(4):
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"bad": number == 2}))
    functions.client.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=name, BatchSize=10, MaximumBatchingWindowInSeconds=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    return sqs, queue


def left(sqs, queue):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return [int(found[name]) for name in names]


PYTHON_ORDERS = """
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
    from aws_lambda_powertools.utilities.idempotency import (
        DynamoDBPersistenceLayer, IdempotencyConfig, idempotent)
    import os, uuid
    NAME = os.environ["SHOP"]
    logger, metrics = Logger(service=NAME), Metrics(namespace="Shop", service=NAME)
    batch = BatchProcessor(event_type=EventType.SQS)

    @metrics.log_metrics
    @logger.inject_lambda_context(correlation_id_path="id")
    @idempotent(persistence_store=DynamoDBPersistenceLayer(table_name=NAME),
                config=IdempotencyConfig(event_key_jmespath="id"))
    def order(event, context):
        logger.info("ordered", extra={"amount": event["amount"]})
        metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=event["amount"])
        return {"price": parameters.get_parameter(f"/{NAME}/price", decrypt=True), "number": str(uuid.uuid4()),
                "key": parameters.get_secret(NAME, transform="json")["key"]}

    def taken(record):
        if record.json_body["bad"]:
            raise ValueError("as asked")

    def handler(event, context):
        if "Records" in event:
            return process_partial_response(event=event, record_handler=taken, processor=batch, context=context)
        return order(event, context)
"""


def test_powertools_for_python(cloud, functions, clients, shop):
    needs(clients, *POWERTOOLS)
    used = [
        layers.publish(functions, "sdk", layers.sdk(clients, "dynamodb", "ssm", "secretsmanager")),
        layers.publish(functions, "powertools", layers.packages(clients, POWERTOOLS)),
    ]
    name = functions.create(
        {"app.py": PYTHON_ORDERS}, layers.runtime(clients), "app.handler", name=shop, Layers=used,
        MemorySize=512, Environment={"Variables": {"SHOP": shop}},
    )
    once = functions.invoke(name, {"id": "1", "amount": 3})
    assert (once.error, once.payload["price"], once.payload["key"]) == (None, "12", "k"), once
    assert functions.invoke(name, {"id": "1", "amount": 3}).payload == once.payload
    assert functions.invoke(name, {"id": "2", "amount": 4}).payload["number"] != once.payload["number"]
    until(lambda: counted(cloud, "Shop", "Orders", shop), lambda found: found == 7)
    told = [line for line in documents(cloud, name) if line.get("message") == "ordered"]
    assert [(line["amount"], line["correlation_id"], line["cold_start"]) for line in told] == [
        (3, "1", True), (4, "2", False)]
    assert told[0]["function_request_id"] == once.request_id
    # the runtime is by its ARN the one that the function has been given
    started = next(line for line in lines(cloud, name) if line.startswith("INIT_START"))
    version = functions.client.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]
    assert started.endswith(version["RuntimeVersionArn"])

    sqs, queue = partly(cloud, functions, name)
    until(lambda: left(sqs, queue), lambda found: found == [0, 1])


ASGI = """
    from fastapi import Cookie, FastAPI, Request, UploadFile
    from fastapi.responses import RedirectResponse, Response
    from mangum import Mangum
    app = FastAPI()

    @app.get("/items/{number}")
    async def item(number: int, request: Request, q: str | None = None, seen: str | None = Cookie(None)):
        return {"number": number, "q": q, "seen": seen, "base": str(request.base_url),
                "client": request.client.host}

    @app.get("/list/")
    async def items():
        return [1, 2]

    @app.post("/files")
    async def files(given: UploadFile):
        return Response(await given.read(), media_type="image/png")

    @app.get("/go")
    async def go():
        answer = RedirectResponse("/items/1")
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        return answer

    @app.get("/broken")
    async def broken():
        raise RuntimeError("as asked")

    handler = Mangum(app)
"""


def test_fastapi_by_mangum(cloud, functions, clients):
    needs(clients, *FASTAPI)
    layer = layers.publish(functions, "fastapi", layers.packages(clients, FASTAPI))
    name = functions.create(
        {"app.py": ASGI}, layers.runtime(clients), "app.handler", Layers=[layer], MemorySize=512
    )
    host, ask = url_of(cloud, functions, name)
    status, _, body = ask("/items/5?q=%C3%A9+b", Cookie="seen=yes; other=1")
    assert status == 200, lines(cloud, name)
    assert (status, json.loads(body)) == (200, {
        "number": 5, "q": "é b", "seen": "yes", "base": f"http://{host}/", "client": "127.0.0.1"})
    assert json.loads(ask("/items/x")[2])["detail"][0]["loc"] == ["path", "number"]
    # a redirection that the framework makes up leads back to the cloud
    assert redirected(cloud, host, "/list")["location"] == f"http://{host}/list/"
    assert redirected(cloud, host, "/go").get_all("set-cookie") == [
        "a=1; Path=/; SameSite=lax", "b=2; Path=/; SameSite=lax"]
    content = bytes(range(256))
    form = b"\r\n".join([
        b"--B", b'Content-Disposition: form-data; name="given"; filename="a.png"',
        b"Content-Type: image/png", b"", content, b"--B--", b""])
    status, headers, body = ask("/files", "POST", form, Content_Type="multipart/form-data; boundary=B")
    assert (status, headers["content-type"], body) == (200, "image/png", content)
    assert ask("/broken")[0] == 500
    assert any("RuntimeError: as asked" in line for line in until(lambda: lines(cloud, name)))


WATCHED = """
    import sentry_sdk
    from awslambdaric.lambda_context import LambdaContext
    from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration

    class Printed(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope):
            event = envelope.get_event()
            print("told of", event["exception"]["values"][0]["type"])

        def flush(self, timeout, callback=None):
            print("flushed")

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Printed, integrations=[AwsLambdaIntegration()])

    def handler(event, context: LambdaContext):
        assert isinstance(context, LambdaContext)
        return 1 / event
"""


def test_sentry_watches_a_python_function(functions, clients):
    needs(clients, *SENTRY)
    layer = layers.publish(functions, "sentry", layers.packages(clients, SENTRY))
    name = functions.create(
        {"app.py": WATCHED}, layers.runtime(clients), "app.handler", Layers=[layer], MemorySize=512
    )
    fine = functions.invoke(name, 2)
    assert (fine.payload, "flushed" in fine.tail) == (0.5, True), fine.tail
    broken = functions.invoke(name, 0)
    assert broken.payload["errorType"] == "ZeroDivisionError"
    assert broken.tail.index("told of ZeroDivisionError") < broken.tail.index("END RequestId")


NODE_ORDERS = """
    import { Logger } from '@aws-lambda-powertools/logger';
    import { Metrics } from '@aws-lambda-powertools/metrics';
    import { getParameter } from '@aws-lambda-powertools/parameters/ssm';
    import { getSecret } from '@aws-lambda-powertools/parameters/secrets';
    import { makeIdempotent } from '@aws-lambda-powertools/idempotency';
    import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb';
    import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
    import { randomUUID } from 'node:crypto';
    const name = process.env.SHOP;
    const price = await getParameter(`/${name}/price`, { decrypt: true });
    const logger = new Logger({ serviceName: name });
    const metrics = new Metrics({ namespace: 'Shop', serviceName: name });
    const persistenceStore = new DynamoDBPersistenceLayer({ tableName: name });
    const order = makeIdempotent(async (event) => {
      logger.info('ordered', { amount: event.amount });
      metrics.addMetric('Orders', 'Count', event.amount);
      metrics.publishStoredMetrics();
      return { price, number: randomUUID(), key: (await getSecret(name, { transform: 'json' })).key };
    }, { persistenceStore });
    const batch = new BatchProcessor(EventType.SQS);
    const taken = async (record) => { if (JSON.parse(record.body).bad) throw new Error('as asked'); };
    export const handler = async (event, context) => {
      logger.addContext(context);
      return event.Records ? processPartialResponse(event, taken, batch, { context }) : order(event, context);
    };
"""


def test_powertools_for_typescript(cloud, functions, clients, shop):
    tools = [f"@aws-lambda-powertools/{one}" for one in ("batch", "idempotency", "logger", "metrics", "parameters")]
    sdk = [f"@aws-sdk/{one}" for one in ("client-dynamodb", "client-secrets-manager", "client-ssm", "lib-dynamodb")]
    needs(clients, *tools, *sdk)
    name = functions.create(
        zipped({**modules(clients, *tools, *sdk), "app.mjs": NODE_ORDERS}), NODE, "app.handler", name=shop,
        MemorySize=512, Environment={"Variables": {"SHOP": shop}},
    )
    once = functions.invoke(name, {"id": "1", "amount": 3})
    assert (once.error, once.payload["price"], once.payload["key"]) == (None, "12", "k"), once
    assert functions.invoke(name, {"id": "1", "amount": 3}).payload == once.payload
    until(lambda: counted(cloud, "Shop", "Orders", shop), lambda found: found == 3)
    told = [line for line in documents(cloud, name) if line.get("message") == "ordered"]
    assert [(line["amount"], line["function_request_id"]) for line in told] == [(3, once.request_id)]

    sqs, queue = partly(cloud, functions, name)
    until(lambda: left(sqs, queue), lambda found: found == [0, 1])


EMBEDDED = """
    import { createMetricsLogger, Unit } from 'aws-embedded-metrics';
    export const handler = async (event, context) => {
      const metrics = createMetricsLogger().setNamespace('Shop').setDimensions({ service: context.functionName });
      metrics.putMetric('Latency', 42, Unit.Milliseconds);
      await metrics.flush();
    };
"""


def test_embedded_metrics_of_awss_library_for_node(cloud, functions, clients):
    needs(clients, "aws-embedded-metrics")
    code = {**modules(clients, "aws-embedded-metrics"), "app.mjs": EMBEDDED}
    name = functions.create(zipped(code), NODE, "app.handler")
    assert functions.invoke(name).error is None
    until(lambda: counted(cloud, "Shop", "Latency", name), lambda found: found == 42)


EXPRESS = """
    import express from 'express';
    import serverless from 'serverless-http';
    const app = express();
    app.set('trust proxy', true);
    app.use(express.json());
    app.get('/hello/:name', (q, r) => r.cookie('a', '1').cookie('b', '2').json(
      { name: q.params.name, query: q.query, protocol: q.protocol, ip: q.ip }));
    app.post('/orders', (q, r) => r.status(201).location(`/orders/${q.body.id}`).send());
    app.get('/picture', (q, r) => r.type('png').send(Buffer.from([0, 255, 1, 254])));
    export const handler = serverless(app, { binary: ['image/*'] });
"""


def test_express_by_serverless_http(cloud, functions, clients):
    needs(clients, "express", "serverless-http")
    code = {**modules(clients, "express", "serverless-http"), "app.mjs": EXPRESS}
    _, ask = url_of(cloud, functions, functions.create(zipped(code), NODE, "app.handler"))
    status, headers, body = ask("/hello/x?a=1&a=2&b=%20")
    assert (status, json.loads(body)) == (200, {
        "name": "x", "query": {"a": ["1", "2"], "b": " "}, "protocol": "http", "ip": "127.0.0.1"})
    assert headers.get_all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    status, headers, _ = ask("/orders", "POST", b'{"id": 7}', Content_Type="application/json")
    assert (status, headers["location"]) == (201, "/orders/7")
    assert ask("/picture")[2] == bytes([0, 255, 1, 254])
    assert (ask("/none")[0], json.loads(ask("/hello/y", X_Forwarded_Proto="https")[2])["protocol"]) == (404, "https")


@pytest.fixture
def program(cloud, clients, tmp_path):
    """Runs one of the installed programs against the cloud."""

    def run(name, *arguments, fails=False, **environment):
        needs(clients, {"ecs": "ecs_deploy"}.get(name, name))
        done = subprocess.run(
            [clients / "venv/bin" / name, *arguments], cwd=tmp_path, capture_output=True, text=True,
            timeout=100, env=cloud.environment(**environment),
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        return said

    return run


CHALICE = """
    import os
    from chalice import Chalice
    app = Chalice(app_name="NAME")

    @app.lambda_function(name="plain")
    def plain(event, context):
        return {"got": event, "stage": os.environ["STAGE"]}

    @app.schedule("rate(1 minute)")
    def every(event):
        print("tick")

    @app.on_s3_event(bucket="NAME", events=["s3:ObjectCreated:*"], prefix="in/")
    def s3(event):
        print("object", event.bucket, event.key)

    @app.on_sqs_message(queue="NAME", batch_size=2)
    def sqs(event):
        print("message", *(record.body for record in event))

    @app.on_sns_message(topic="NAME")
    def sns(event):
        print("notice", event.subject, event.message)

    @app.on_dynamodb_record(stream_arn=os.environ["STREAM"])
    def table(event):
        print("record", *(record.keys["id"]["S"] for record in event))

    @app.on_cw_event({"source": ["NAME"]})
    def bus(event):
        print("event", event.detail["a"])
"""


def test_chalice(cloud, functions, program, tmp_path):
    name = f"chalice-{uuid.uuid4().hex[:8]}"
    s3, sqs, sns, dynamodb, events = (
        cloud.client(one) for one in ("s3", "sqs", "sns", "dynamodb", "events"))
    s3.create_bucket(Bucket=name)
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    stream = dynamodb.create_table(
        TableName=name, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]["LatestStreamArn"]
    (tmp_path / "app.py").write_text(textwrap.dedent(CHALICE).replace("NAME", name))
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / ".chalice").mkdir()
    variables = {"STAGE": "dev", "STREAM": stream}
    stage = {"environment_variables": variables, "lambda_timeout": 20, "lambda_memory_size": 256}
    (tmp_path / ".chalice/config.json").write_text(
        json.dumps({"version": "2.0", "app_name": name, "stages": {"dev": stage}}))

    deployed = program("chalice", "deploy", STREAM=stream)
    assert f"function:{name}-dev-bus" in deployed
    answer = json.loads(program("chalice", "invoke", "-n", "plain", STREAM=stream))
    assert answer == {"got": {}, "stage": "dev"}
    s3.put_object(Bucket=name, Key="out/a", Body=b"x")
    s3.put_object(Bucket=name, Key="in/a", Body=b"x")
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    sns.publish(TopicArn=topic, Subject="s", Message="m")
    dynamodb.put_item(TableName=name, Item={"id": {"S": "1"}})
    events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": '{"a": 1}'}])
    for handler, said in {
        "s3": f"object {name} in/a", "sqs": "message m", "sns": "notice s m", "table": "record 1",
        "bus": "event 1",
    }.items():
        until(lambda: lines(cloud, f"{name}-dev-{handler}"), lambda found: said in found)
    assert "message m" in program("chalice", "logs", "-n", "sqs", STREAM=stream)
    rules = [rule for rule in events.list_rules()["Rules"] if name in rule["Name"]]
    assert [rule["ScheduleExpression"] for rule in rules if "ScheduleExpression" in rule] == ["rate(1 minute)"]

    program("chalice", "delete", STREAM=stream)
    made = functions.client.get_paginator("list_functions").paginate().search("Functions[].FunctionName")
    assert not [one for one in made if one.startswith(name)]
    assert not [rule for rule in events.list_rules()["Rules"] if name in rule["Name"]]
    assert "LambdaFunctionConfigurations" not in s3.get_bucket_notification_configuration(Bucket=name)


def test_ecs_deploy(cloud, program):
    containers = Containers(cloud)
    containers.push()
    cluster = f"deployed-{uuid.uuid4().hex[:8]}"
    containers.ecs.create_cluster(clusterName=cluster)
    wait = "trap 'exit 0' TERM; echo version $V; while :; do sleep 0.1; done"
    containers.define(cluster, wait, environment=[{"name": "V", "value": "1"}])
    containers.ecs.create_service(
        cluster=cluster, serviceName="web", taskDefinition=cluster, desiredCount=1, launchType="FARGATE",
        networkConfiguration=containers.network,
    )
    said = program("ecs", "deploy", cluster, "web", "-e", "web", "V", "2", "--timeout", "60")
    assert 'Changed environment "V" of container "web" to: "2"' in said and "Deployment successful" in said
    absent = f"localhost:{cloud.port}/absent:1"
    said = program("ecs", "deploy", cluster, "web", "-i", "web", absent, "--timeout", "60", "--rollback", fails=True)
    assert "unable to consistently start tasks successfully" in said
    assert f"service has been rolled back to previous task definition: {cluster}:2" in said
    assert "Scaling successful" in program("ecs", "scale", cluster, "web", "0", "--timeout", "60")
    network = containers.network["awsvpcConfiguration"]
    said = program(
        "ecs", "run", cluster, cluster, "1", "-c", "web", "/bin/sh", "--launchtype", "FARGATE",
        "--subnet", network["subnets"][0], "--securitygroup", network["securityGroups"][0],
    )
    assert "Successfully started 1 instances of task" in said
    events = cloud.client("events")
    rule = events.put_rule(Name=cluster, ScheduleExpression="rate(1 day)")["RuleArn"].rsplit("/", 1)[1]
    arn = containers.ecs.describe_clusters(clusters=[cluster])["clusters"][0]["clusterArn"]
    definition = containers.ecs.describe_task_definition(taskDefinition=cluster)["taskDefinition"]
    events.put_targets(Rule=rule, Targets=[{
        "Id": "1", "Arn": arn, "RoleArn": ROLE,
        "EcsParameters": {"TaskDefinitionArn": definition["taskDefinitionArn"], "LaunchType": "FARGATE",
                          "NetworkConfiguration": {"awsvpcConfiguration": {
                              "Subnets": network["subnets"], "SecurityGroups": network["securityGroups"]}}}}])
    program("ecs", "cron", cluster, cluster, rule, "-e", "web", "V", "3")
    (target,) = events.list_targets_by_rule(Rule=rule)["Targets"]
    definition = containers.ecs.describe_task_definition(
        taskDefinition=target["EcsParameters"]["TaskDefinitionArn"])["taskDefinition"]
    assert {"name": "V", "value": "3"} in definition["containerDefinitions"][0]["environment"]
    containers.ecs.delete_service(cluster=cluster, service="web", force=True)
