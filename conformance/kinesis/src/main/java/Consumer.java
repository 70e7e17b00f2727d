import java.io.BufferedWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * Reads a stream with the Kinesis Client Library and appends a line for each user record to a file: shard, sequence number,
 * sub-sequence number, partition key, payload. Arguments: stream, application, Kinesis endpoint, DynamoDB endpoint,
 * "polling" or "fan-out", file.
 */
public final class Consumer {
  public static void main(String[] args) throws Exception {
    String stream = args[0];
    String application = args[1];
    var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
    Region region = Region.US_EAST_1;
    KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(
        KinesisAsyncClient.builder().region(region).credentialsProvider(credentials).endpointOverride(URI.create(args[2])));
    DynamoDbAsyncClient dynamo = DynamoDbAsyncClient.builder()
        .region(region).credentialsProvider(credentials).endpointOverride(URI.create(args[3])).build();
    // Nothing is ever sent there: metrics are off.
    CloudWatchAsyncClient cloudWatch = CloudWatchAsyncClient.builder()
        .region(region).credentialsProvider(credentials).endpointOverride(URI.create(args[3])).build();
    BufferedWriter out = Files.newBufferedWriter(
        Path.of(args[5]), StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    var oldest = InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
    String worker = "worker-" + ProcessHandle.current().pid();
    ConfigsBuilder configs = new ConfigsBuilder(
        new SingleStreamTracker(stream, oldest), application, kinesis, dynamo, cloudWatch, worker, () -> new Processor(out));
    var retrieval = configs.retrievalConfig();
    if (args[4].equals("fan-out")) {
      retrieval.retrievalSpecificConfig(new FanOutConfig(kinesis).streamName(stream).applicationName(application));
    } else {
      retrieval.retrievalSpecificConfig(
          new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(250));
    }
    // Short times, so that a test sees in seconds what takes minutes otherwise.
    var leases = configs.leaseManagementConfig().failoverTimeMillis(4_000L).shardSyncIntervalMillis(2_000L)
        .leasesRecoveryAuditorExecutionFrequencyMillis(2_000L);
    var coordinator = configs.coordinatorConfig().shardConsumerDispatchPollIntervalMillis(200L)
        .parentShardPollIntervalMillis(500L);
    Scheduler scheduler = new Scheduler(
        configs.checkpointConfig(), coordinator, leases, configs.lifecycleConfig(),
        configs.metricsConfig().metricsLevel(MetricsLevel.NONE), configs.processorConfig(), retrieval);
    scheduler.run();
  }

  /** Writes what it is given, and checkpoints after each batch. */
  private static final class Processor implements ShardRecordProcessor {
    private final BufferedWriter out;
    private String shard;

    Processor(BufferedWriter out) {
      this.out = out;
    }

    @Override
    public void initialize(InitializationInput input) {
      shard = input.shardId();
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
      try {
        synchronized (out) {
          for (KinesisClientRecord record : input.records()) {
            String data = StandardCharsets.UTF_8.decode(record.data().duplicate()).toString();
            out.write(String.join("\t", shard, record.sequenceNumber(), Long.toString(record.subSequenceNumber()),
                record.partitionKey(), data));
            out.write('\n');
          }
          out.flush();
        }
        input.checkpointer().checkpoint();
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }

    @Override
    public void leaseLost(LeaseLostInput input) {}

    @Override
    public void shardEnded(ShardEndedInput input) {
      try {
        synchronized (out) {
          out.write(shard + "\tend\n");
          out.flush();
        }
        input.checkpointer().checkpoint();
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
      try {
        input.checkpointer().checkpoint();
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }
  }
}
