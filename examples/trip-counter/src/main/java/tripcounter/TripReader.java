package tripcounter;

import java.io.IOException;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.metrics.Counter;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** Reads trips from JSON. A record that is none is counted as {@code unreadable}, and left out. */
public class TripReader extends AbstractDeserializationSchema<Trip> {
    private transient ObjectMapper mapper;
    private transient Counter unreadable;

    @Override
    public void open(InitializationContext context) {
        mapper = new ObjectMapper();
        unreadable = context.getMetricGroup().counter("unreadable");
    }

    @Override
    public Trip deserialize(byte[] record) throws IOException {
        try {
            JsonNode node = mapper.readTree(record);
            Trip trip = new Trip();
            trip.type = node.path("type").asText();
            trip.endedMs = Instant.parse(node.path("dropoff_datetime").asText()).toEpochMilli();
            // What has no place is outside New York.
            trip.pickupLatitude = node.path("pickup_latitude").asDouble();
            trip.pickupLongitude = node.path("pickup_longitude").asDouble();
            trip.dropoffLatitude = node.path("dropoff_latitude").asDouble();
            trip.dropoffLongitude = node.path("dropoff_longitude").asDouble();
            return trip;
        } catch (JsonProcessingException | DateTimeParseException error) {
            unreadable.inc();
            return null;
        }
    }
}
