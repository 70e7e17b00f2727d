package tripcounter;

/** What is used of a trip. Its fields are public so that Flink reads and writes them itself. */
public class Trip {
    /** {@code trip}; other records only tell how far time has come. */
    public String type;
    /** When it ended, in milliseconds since 1970. */
    public long endedMs;
    public double pickupLatitude;
    public double pickupLongitude;
    public double dropoffLatitude;
    public double dropoffLongitude;

    /** Whether it is a trip with both ends inside New York. */
    public boolean isInNewYork() {
        return "trip".equals(type) && isInside(pickupLatitude, pickupLongitude) && isInside(dropoffLatitude, dropoffLongitude);
    }

    private static boolean isInside(double latitude, double longitude) {
        return latitude >= 40.560 && latitude <= 40.878 && longitude >= -74.054 && longitude <= -73.722;
    }
}
