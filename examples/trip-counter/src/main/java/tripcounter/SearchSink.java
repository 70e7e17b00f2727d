package tripcounter;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/** Writes counts into an index that speaks Elasticsearch, in bulks. A checkpoint is complete when what came before it is written. */
public class SearchSink implements Sink<AreaCount> {
    private final String address;
    private final String index;

    SearchSink(String address, String index) {
        this.address = address;
        this.index = index;
    }

    @Override
    public SinkWriter<AreaCount> createWriter(WriterInitContext context) {
        return new Writer(URI.create(address + "/_bulk"), index);
    }

    /** Flink asks for this one as long as its own interface has it. */
    @Override
    @Deprecated
    public SinkWriter<AreaCount> createWriter(InitContext context) {
        return new Writer(URI.create(address + "/_bulk"), index);
    }

    private static final class Writer implements SinkWriter<AreaCount> {
        /** A bulk of so many characters is sent at once. */
        private static final int BULK_CHARACTERS = 512 * 1024;

        private final HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
        private final URI bulks;
        private final String index;
        private final StringBuilder bulk = new StringBuilder();

        Writer(URI bulks, String index) {
            this.bulks = bulks;
            this.index = index;
        }

        @Override
        public void write(AreaCount count, Context context) throws IOException, InterruptedException {
            bulk.append(count.asBulk(index));
            if (bulk.length() >= BULK_CHARACTERS) {
                flush(false);
            }
        }

        /** What is not taken fails the job, which is tried again from its last checkpoint. */
        @Override
        public void flush(boolean isLast) throws IOException, InterruptedException {
            if (bulk.length() == 0) {
                return;
            }
            HttpRequest request = HttpRequest.newBuilder(bulks).timeout(Duration.ofSeconds(30))
                    .header("Content-Type", "application/x-ndjson")
                    .POST(HttpRequest.BodyPublishers.ofString(bulk.toString())).build();
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200 || answer.body().contains("\"errors\":true")) {
                String told = answer.body().substring(0, Math.min(answer.body().length(), 500));
                throw new IOException(bulks + " does not take documents: " + answer.statusCode() + " " + told);
            }
            bulk.setLength(0);
        }

        @Override
        public void close() {}
    }
}
