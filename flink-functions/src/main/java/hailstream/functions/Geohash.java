package hailstream.functions;

import org.apache.flink.table.functions.ScalarFunction;

/** The scalar function GEOHASH(latitude, longitude, precision); NULL where an argument is. */
public class Geohash extends ScalarFunction {
    private static final String ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz";

    /** The cell of a point; a coordinate on an edge belongs to the upper cell. */
    public String eval(Double latitude, Double longitude, Integer precision) {
        if (latitude == null || longitude == null || precision == null) {
            return null;
        }
        double south = -90;
        double north = 90;
        double west = -180;
        double east = 180;
        boolean alongLongitude = true;
        StringBuilder cell = new StringBuilder();
        while (cell.length() < precision) {
            int letter = 0;
            for (int bit = 0; bit < 5; bit++) {
                double middle = alongLongitude ? (west + east) / 2 : (south + north) / 2;
                boolean upper = (alongLongitude ? longitude : latitude) >= middle;
                letter = letter * 2 + (upper ? 1 : 0);
                if (alongLongitude) {
                    west = upper ? middle : west;
                    east = upper ? east : middle;
                } else {
                    south = upper ? middle : south;
                    north = upper ? north : middle;
                }
                alongLongitude = !alongLongitude;
            }
            cell.append(ALPHABET.charAt(letter));
        }
        return cell.toString();
    }
}
