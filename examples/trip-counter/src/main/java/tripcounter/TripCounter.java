package tripcounter;

import com.amazonaws.services.kinesisanalytics.runtime.KinesisAnalyticsRuntime;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.kinesis.source.KinesisStreamsSource;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * Counts taxi trips by the area in which they begin and the hour in which they end, and writes a document for each count.
 *
 * <p>Every operator has a uid: state finds its operator again by it, whatever else changes.
 */
public final class TripCounter {
    /** Trips of one shard come in order but for this much. */
    private static final Duration DISORDER = Duration.ofSeconds(1);
    /** After so long without a record a shard, or a subtask without one, holds nobody up. */
    private static final Duration IDLE = Duration.ofSeconds(30);
    /** Characters of an area's geohash. */
    private static final int AREA_CHARACTERS = 7;

    private TripCounter() {}

    /** Makes the job of the application's properties: the groups {@code Input} and {@code Output}. */
    public static void main(String[] args) throws Exception {
        Map<String, Properties> properties = KinesisAnalyticsRuntime.getApplicationProperties();
        Properties input = group(properties, "Input");
        Properties output = group(properties, "Output");

        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        WatermarkStrategy<Trip> watermarks = WatermarkStrategy.<Trip>forBoundedOutOfOrderness(DISORDER)
                .withTimestampAssigner((trip, received) -> trip.endedMs)
                .withIdleness(IDLE);
        environment.fromSource(trips(input), watermarks, "trips", TypeInformation.of(Trip.class)).uid("trips")
                .filter(Trip::isInNewYork).uid("in-new-york").name("in New York")
                .keyBy(trip -> Geohash.of(trip.pickupLatitude, trip.pickupLongitude, AREA_CHARACTERS))
                .window(TumblingEventTimeWindows.of(Duration.ofHours(1)))
                .aggregate(new Count(), new ToDocument()).uid("counts").name("counts by area and hour")
                .sinkTo(new SearchSink(value(output, "Output", "address"), value(output, "Output", "index"))).uid("documents").name("documents");
        environment.execute("trip-counter");
    }

    /** The stream that the properties name; all of them go to the connector too, such as {@code aws.endpoint}. */
    private static KinesisStreamsSource<Trip> trips(Properties input) throws IOException {
        Configuration configuration = new Configuration();
        input.stringPropertyNames().forEach(name -> configuration.setString(name, input.getProperty(name)));
        return KinesisStreamsSource.<Trip>builder()
                .setStreamArn(value(input, "Input", "stream.arn"))
                .setSourceConfig(configuration)
                .setDeserializationSchema(new TripReader())
                .build();
    }

    private static Properties group(Map<String, Properties> properties, String id) {
        Properties group = properties.get(id);
        if (group == null) {
            throw new IllegalArgumentException("The application has no property group " + id + "; it has " + properties.keySet() + ".");
        }
        return group;
    }

    private static String value(Properties group, String id, String name) {
        String value = group.getProperty(name);
        if (value == null) {
            throw new IllegalArgumentException("The property group " + id + " has no property " + name + ".");
        }
        return value;
    }

    /** Keeps a number for each area and hour, not the trips. */
    private static final class Count implements AggregateFunction<Trip, Long, Long> {
        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Trip trip, Long count) {
            return count + 1;
        }

        @Override
        public Long getResult(Long count) {
            return count;
        }

        @Override
        public Long merge(Long one, Long other) {
            return one + other;
        }
    }

    /** Gives a count its area and the end of its hour. */
    private static final class ToDocument extends ProcessWindowFunction<Long, AreaCount, String, TimeWindow> {
        @Override
        public void process(String area, Context context, Iterable<Long> counts, Collector<AreaCount> out) {
            counts.forEach(count -> out.collect(new AreaCount(area, context.window().getEnd(), count)));
        }
    }
}
