// The AWS SDK for JavaScript, as it is by default: HTTP/2 with prior knowledge. Makes a stream, fills it, reads it by polling
// and by a subscription through a split, and meets an error. Prints what it read as JSON.
import {
  CreateStreamCommand,
  DescribeStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  PutRecordsCommand,
  RegisterStreamConsumerCommand,
  SplitShardCommand,
  SubscribeToShardCommand,
} from "@aws-sdk/client-kinesis";

const [endpoint, stream] = process.argv.slice(2);
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const kinesis = new KinesisClient({ endpoint, region: "us-east-1", credentials });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function summary() {
  const answer = await kinesis.send(new DescribeStreamSummaryCommand({ StreamName: stream }));
  return answer.StreamDescriptionSummary;
}

async function active() {
  let found = await summary();
  while (found.StreamStatus !== "ACTIVE") {
    await pause(50);
    found = await summary();
  }
  return found;
}

async function put(from, to) {
  const Records = [];
  for (let n = from; n < to; n++) {
    Records.push({ Data: new TextEncoder().encode(`record ${n}`), PartitionKey: "k" });
  }
  const answer = await kinesis.send(new PutRecordsCommand({ StreamName: stream, Records }));
  if (answer.FailedRecordCount !== 0) throw new Error(`${answer.FailedRecordCount} records were refused`);
}

const text = (record) => new TextDecoder().decode(record.Data);

await kinesis.send(new CreateStreamCommand({ StreamName: stream, ShardCount: 1 }));
const { StreamARN } = await active();
await put(0, 100);

const position = { StreamName: stream, ShardId: "shardId-000000000000", ShardIteratorType: "TRIM_HORIZON" };
const { ShardIterator } = await kinesis.send(new GetShardIteratorCommand(position));
const polled = (await kinesis.send(new GetRecordsCommand({ ShardIterator }))).Records.map(text);

const registered = await kinesis.send(new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: "js" }));
const { ConsumerARN } = registered.Consumer;
let consumer = registered.Consumer;
while (consumer.ConsumerStatus !== "ACTIVE") {
  await pause(50);
  consumer = (await kinesis.send(new DescribeStreamConsumerCommand({ ConsumerARN }))).ConsumerDescription;
}

async function subscribe(ShardId) {
  const StartingPosition = { Type: "TRIM_HORIZON" };
  const answer = await kinesis.send(new SubscribeToShardCommand({ ConsumerARN, ShardId, StartingPosition }));
  return answer.EventStream;
}

const pushed = [];
let children = [];
for await (const { SubscribeToShardEvent: event } of await subscribe("shardId-000000000000")) {
  const before = pushed.length;
  pushed.push(...event.Records.map(text));
  children = (event.ChildShards ?? []).map((child) => child.ShardId);
  if (before < 100 && pushed.length >= 100) {
    const NewStartingHashKey = String(2n ** 127n);
    await kinesis.send(new SplitShardCommand({ StreamName: stream, ShardToSplit: "shardId-000000000000", NewStartingHashKey }));
  }
}
await active();
await put(100, 150);
for (const child of children) {
  for await (const { SubscribeToShardEvent: event } of await subscribe(child)) {
    pushed.push(...event.Records.map(text));
    if (event.MillisBehindLatest === 0) break;
  }
}

let refusal = "nothing was refused";
try {
  await kinesis.send(new GetRecordsCommand({ ShardIterator: "nonsense" }));
} catch (error) {
  refusal = error.name;
}
console.log(JSON.stringify({ polled, pushed, children, refusal }));
kinesis.destroy();
process.exit(0);
