package tripcounter;

/** How many trips began in an area and ended within an hour. */
public class AreaCount {
    public String area;
    /** When the hour ended, in milliseconds since 1970. */
    public long hourEndMs;
    public long count;

    public AreaCount() {}

    AreaCount(String area, long hourEndMs, long count) {
        this.area = area;
        this.hourEndMs = hourEndMs;
        this.count = count;
    }

    /** Two lines of a bulk request. The id is a function of hour and area: written again, a document replaces itself. */
    String asBulk(String index) {
        return "{\"index\":{\"_index\":\"" + index + "\",\"_id\":\"" + hourEndMs + "-" + area + "\"}}\n"
                + "{\"timestamp\":" + hourEndMs + ",\"location\":\"" + area + "\",\"pickup_count\":" + count + "}\n";
    }
}
