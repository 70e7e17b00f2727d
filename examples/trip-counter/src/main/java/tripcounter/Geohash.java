package tripcounter;

/** Areas of the earth by the letters of their geohash. */
final class Geohash {
    private static final String LETTERS = "0123456789bcdefghjkmnpqrstuvwxyz";
    private static final int BITS_OF_A_LETTER = 5;

    private Geohash() {}

    /** The area of a point. A point on an edge belongs to the area north or east of it. */
    static String of(double latitude, double longitude, int letters) {
        double[] longitudes = {-180, 180};
        double[] latitudes = {-90, 90};
        char[] area = new char[letters];
        int bit = 0;
        for (int at = 0; at < letters; at++) {
            int letter = 0;
            for (int i = 0; i < BITS_OF_A_LETTER; i++, bit++) {
                boolean isEastWest = bit % 2 == 0;
                letter = letter << 1 | (isEastWest ? halved(longitudes, longitude) : halved(latitudes, latitude));
            }
            area[at] = LETTERS.charAt(letter);
        }
        return new String(area);
    }

    /** Leaves the half of a range that holds a value: 1 for the upper one. */
    private static int halved(double[] range, double value) {
        double middle = (range[0] + range[1]) / 2;
        int upper = value >= middle ? 1 : 0;
        range[1 - upper] = middle;
        return upper;
    }
}
