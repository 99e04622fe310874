// One call by AWS's JavaScript SDK: record.cjs NODE_MODULES URL SCENARIO; prints its answer.
const http = require("node:http");
const path = require("node:path");
const [modules, endpoint, text] = process.argv.slice(2);
const scenario = JSON.parse(text);
const packages = { logs: "cloudwatch-logs" };
const classes = {
  lambda: "LambdaClient", iam: "IAMClient", sts: "STSClient", logs: "CloudWatchLogsClient",
  cloudwatch: "CloudWatchClient", s3: "S3Client", ec2: "EC2Client", dynamodb: "DynamoDBClient",
  sqs: "SQSClient",
};
const name = packages[scenario.service] ?? scenario.service;
const sdk = require(path.join(modules, "@aws-sdk", `client-${name}`));

function typed(value) {
  if (Array.isArray(value)) return value.map(typed);
  if (typeof value === "string" && value.startsWith("@blob:")) return Buffer.from(value.slice(6), "base64");
  if (typeof value === "string" && value.startsWith("@time:")) return new Date(1000 * Number(value.slice(6)));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, typed(inner)]));
  }
  return value;
}

async function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return Promise.all(value.map(plain));
  if (value && typeof value.transformToByteArray === "function") {
    return plain(await value.transformToByteArray());
  }
  if (value && typeof value[Symbol.asyncIterator] === "function") {
    const events = [];
    for await (const event of value) events.push(await plain(event));
    return events;
  }
  if (value && typeof value === "object") {
    const entries = await Promise.all(Object.entries(value).map(async ([k, v]) => [k, await plain(v)]));
    return Object.fromEntries(entries);
  }
  return value;
}

async function main() {
  // Names below localhost lead here, whatever this machine's resolver thinks.
  const lookup = (_, options, done) =>
    options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);
  const client = new sdk[classes[scenario.service]]({
    endpoint, region: "us-east-1", maxAttempts: 1, disableHostPrefix: true,
    requestHandler: { httpAgent: new http.Agent({ lookup }) },
    credentials: { accessKeyId: "AKID", secretAccessKey: "secret" },
  });
  const command = new sdk[`${scenario.operation}Command`](typed(scenario.input));
  let answer;
  try {
    answer = await plain(await client.send(command));
  } catch (error) {
    answer = { error: error.name, message: error.message };
    if (!scenario.error) throw error;
  }
  console.log(JSON.stringify(answer));
}

main();
