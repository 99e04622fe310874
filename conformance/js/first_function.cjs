// AWS's JavaScript SDK against the cloud of AWS_ENDPOINT_URL; prints what it found as JSON.
const fs = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const lambda = require("@aws-sdk/client-lambda");
const logs = require("@aws-sdk/client-cloudwatch-logs");
const cloudwatch = require("@aws-sdk/client-cloudwatch");
const iam = require("@aws-sdk/client-iam");
const sts = require("@aws-sdk/client-sts");

const [archive, role] = process.argv.slice(2);
const FunctionName = "by-js";

async function until(probe) {
  for (let left = 200; left > 0; left--) {
    const found = await probe();
    if (found) return found;
    await sleep(100);
  }
  throw new Error("waited in vain");
}

async function main() {
  const functions = new lambda.LambdaClient({});
  const found = {};
  const who = await new sts.STSClient({}).send(new sts.GetCallerIdentityCommand({}));
  found.account = who.Account;

  const trust = JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
  });
  const made = await new iam.IAMClient({}).send(
    new iam.CreateRoleCommand({ RoleName: "js-role", AssumeRolePolicyDocument: trust }));
  found.role = made.Role.RoleName;

  await functions.send(new lambda.CreateFunctionCommand({
    FunctionName, Runtime: "python3.13", Handler: "app.handler", Role: role,
    Code: { ZipFile: fs.readFileSync(archive) },
  }));
  await until(async () => {
    const state = await functions.send(new lambda.GetFunctionConfigurationCommand({ FunctionName }));
    return state.State === "Active";
  });
  const Payload = Buffer.from(JSON.stringify({ name: "js" }));
  const heard = await functions.send(
    new lambda.InvokeCommand({ FunctionName, Payload, LogType: "Tail" }));
  found.answer = JSON.parse(Buffer.from(heard.Payload).toString());
  found.tail = Buffer.from(heard.LogResult, "base64").toString();

  const streaming = await functions.send(
    new lambda.InvokeWithResponseStreamCommand({ FunctionName, Payload }));
  found.streamed = "";
  for await (const event of streaming.EventStream) {
    if (event.PayloadChunk) found.streamed += Buffer.from(event.PayloadChunk.Payload).toString();
  }

  try {
    await functions.send(new lambda.GetFunctionCommand({ FunctionName: "absent" }));
  } catch (error) {
    found.missing = error.name;
  }

  const reader = new logs.CloudWatchLogsClient({});
  found.events = await until(async () => {
    const page = await reader.send(
      new logs.FilterLogEventsCommand({ logGroupName: `/aws/lambda/${FunctionName}` }));
    const lines = page.events.map((event) => event.message);
    return lines.some((line) => line.startsWith("REPORT")) && lines;
  });
  const meter = new cloudwatch.CloudWatchClient({});
  found.metrics = await until(async () => {
    const page = await meter.send(new cloudwatch.GetMetricStatisticsCommand({
      Namespace: "AWS/Lambda", MetricName: "Invocations", Period: 3600, Statistics: ["Sum"],
      Dimensions: [{ Name: "FunctionName", Value: FunctionName }],
      StartTime: new Date(Date.now() - 3600e3), EndTime: new Date(Date.now() + 3600e3),
    }));
    return page.Datapoints.reduce((sum, point) => sum + point.Sum, 0);
  });
  await functions.send(new lambda.DeleteFunctionCommand({ FunctionName }));
  process.stdout.write(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
