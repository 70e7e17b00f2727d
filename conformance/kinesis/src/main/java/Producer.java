import com.google.common.util.concurrent.ListenableFuture;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;

/**
 * Writes numbered user records with the Kinesis Producer Library, aggregated, and prints how many were stored and how many
 * of them took more than one attempt. Arguments: stream, host, port, how many, records a second.
 */
public final class Producer {
  public static void main(String[] args) throws Exception {
    var config = new KinesisProducerConfiguration()
        .setRegion("us-east-1").setKinesisEndpoint(args[1]).setKinesisPort(Long.parseLong(args[2]))
        .setCredentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
        .setVerifyCertificate(false).setMetricsLevel("none").setRecordMaxBufferedTime(100).setLogLevel("error");
    KinesisProducer producer = new KinesisProducer(config);
    int count = Integer.parseInt(args[3]);
    long rate = Long.parseLong(args[4]);
    List<ListenableFuture<UserRecordResult>> results = new ArrayList<>();
    long began = System.nanoTime();
    for (int i = 0; i < count; i++) {
      ByteBuffer data = ByteBuffer.wrap(("record " + i).getBytes(StandardCharsets.UTF_8));
      results.add(producer.addUserRecord(args[0], "key-" + i % 50, data));
      long due = began + i * 1_000_000_000L / rate;
      while (System.nanoTime() < due) {
        Thread.sleep(1);
      }
    }
    int stored = 0;
    int again = 0;
    for (ListenableFuture<UserRecordResult> result : results) {
      UserRecordResult done = result.get();
      stored += done.isSuccessful() ? 1 : 0;
      again += done.getAttempts().size() > 1 ? 1 : 0;
    }
    producer.flushSync();
    producer.destroy();
    System.out.println(stored + " " + again);
    System.exit(stored == count ? 0 : 1);
  }
}
