//! Points on the earth: 32 bits an axis, interleaved, so that a geohash cell is a prefix; boxes, geohashes and map tiles.

const LATITUDE_STEP: f64 = 180.0 / 4_294_967_296.0;
const LONGITUDE_STEP: f64 = 360.0 / 4_294_967_296.0;
const GEOHASH_DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Longest geohash, in digits.
pub const GEOHASH_DIGITS_MAX: u8 = 12;
/// Deepest zoom of map tiles.
pub const TILE_ZOOM_MAX: u8 = 29;

/// A point, quantised downwards to 32 bits an axis. Its bits alternate between longitude (first) and latitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point(u64);

/// Why a text or a pair of numbers is no point.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PointError {
    /// A latitude outside −90..90, or no number.
    #[error("illegal latitude value [{0:?}]")]
    Latitude(f64),
    /// A longitude outside −180..180, or no number.
    #[error("illegal longitude value [{0:?}]")]
    Longitude(f64),
    /// A geohash with a character that is no digit of it.
    #[error("unsupported symbol [{symbol}] in geohash [{geohash}]")]
    Geohash {
        /// The character.
        symbol: char,
        /// The whole text.
        geohash: String,
    },
    /// Something else that is no point.
    #[error("{0}")]
    Malformed(String),
}

fn spread(bits: u32) -> u64 {
    let mut v = u64::from(bits);
    v = (v | (v << 16)) & 0x0000_FFFF_0000_FFFF;
    v = (v | (v << 8)) & 0x00FF_00FF_00FF_00FF;
    v = (v | (v << 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    v = (v | (v << 2)) & 0x3333_3333_3333_3333;
    (v | (v << 1)) & 0x5555_5555_5555_5555
}

fn gather(bits: u64) -> u32 {
    let mut v = bits & 0x5555_5555_5555_5555;
    v = (v | (v >> 1)) & 0x3333_3333_3333_3333;
    v = (v | (v >> 2)) & 0x0F0F_0F0F_0F0F_0F0F;
    v = (v | (v >> 4)) & 0x00FF_00FF_00FF_00FF;
    v = (v | (v >> 8)) & 0x0000_FFFF_0000_FFFF;
    (v | (v >> 16)) as u32
}

/// The number of steps below `value`, counted from the least value; the greatest value stays in the last step.
fn quantise(value: f64, limit: f64, step: f64) -> u32 {
    let steps = (value / step).floor() as i64 + (1 << 31);
    if value >= limit { u32::MAX } else { steps.clamp(0, i64::from(u32::MAX)) as u32 }
}

/// Like [`quantise`], but upwards: the first step that is not below `value`.
fn quantise_up(value: f64, limit: f64, step: f64) -> u32 {
    let steps = (value / step).ceil() as i64 + (1 << 31);
    if value >= limit { u32::MAX } else { steps.clamp(0, i64::from(u32::MAX)) as u32 }
}

fn restore(steps: u32, step: f64) -> f64 {
    (i64::from(steps) - (1 << 31)) as f64 * step
}

impl Point {
    /// The point at these degrees.
    ///
    /// # Errors
    /// When one is out of range or no number.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, PointError> {
        if !(-90.0..=90.0).contains(&latitude) {
            return Err(PointError::Latitude(latitude));
        }
        if !(-180.0..=180.0).contains(&longitude) {
            return Err(PointError::Longitude(longitude));
        }
        let (y, x) = (quantise(latitude, 90.0, LATITUDE_STEP), quantise(longitude, 180.0, LONGITUDE_STEP));
        Ok(Self(spread(x) << 1 | spread(y)))
    }

    /// The lower left corner of a geohash cell. Digits beyond the twelfth do not count.
    ///
    /// # Errors
    /// When it is empty or has a character that is no digit of a geohash (upper case is none).
    pub fn from_geohash(geohash: &str) -> Result<Self, PointError> {
        if geohash.is_empty() {
            return Err(PointError::Malformed("empty geohash".to_owned()));
        }
        let mut bits = 0u64;
        let mut used = 0;
        for symbol in geohash.chars().take(usize::from(GEOHASH_DIGITS_MAX)) {
            let digit = GEOHASH_DIGITS
                .iter()
                .position(|d| char::from(*d) == symbol)
                .ok_or_else(|| PointError::Geohash { symbol, geohash: geohash.to_owned() })?;
            bits = bits << 5 | digit as u64;
            used += 5;
        }
        Ok(Self(bits << (64 - used)))
    }

    /// Reads `lat,lon`, `POINT (lon lat)` or a geohash.
    ///
    /// # Errors
    /// When the text is none of them.
    pub fn from_text(text: &str) -> Result<Self, PointError> {
        if text.contains(',') {
            let parts: Vec<&str> = text.split(',').map(str::trim).collect();
            if !(2..=3).contains(&parts.len()) {
                let found =
                    format!("failed to parse [{text}], expected 2 or 3 coordinates but found: [{}]", parts.len());
                return Err(PointError::Malformed(found));
            }
            return Self::new(degrees(parts[0], "latitude")?, degrees(parts[1], "longitude")?);
        }
        match text.to_ascii_uppercase().trim().strip_prefix("POINT") {
            Some(rest) => Self::from_wkt(text, rest),
            None => Self::from_geohash(text),
        }
    }

    fn from_wkt(text: &str, rest: &str) -> Result<Self, PointError> {
        let malformed = || PointError::Malformed(format!("failed to parse WKT [{text}], expected POINT (lon lat)"));
        let inner = rest.trim().strip_prefix('(').and_then(|r| r.strip_suffix(')')).ok_or_else(malformed)?;
        let parts: Vec<&str> = inner.split_whitespace().collect();
        if !(2..=3).contains(&parts.len()) {
            return Err(malformed());
        }
        Self::new(degrees(parts[1], "latitude")?, degrees(parts[0], "longitude")?)
    }

    /// The point of a column value.
    pub(crate) fn from_column(value: i64) -> Self {
        Self((value ^ i64::MIN) as u64)
    }

    /// The column value of this point; columns order points as their bits do.
    pub(crate) fn to_column(self) -> i64 {
        self.0 as i64 ^ i64::MIN
    }

    /// Degrees north, of the lower edge of its 32-bit step.
    pub fn latitude(self) -> f64 {
        restore(gather(self.0), LATITUDE_STEP)
    }

    /// Degrees east, of the left edge of its 32-bit step.
    pub fn longitude(self) -> f64 {
        restore(gather(self.0 >> 1), LONGITUDE_STEP)
    }

    /// The number of the geohash cell of `digits` digits (1..=12) that holds this point.
    pub fn cell(self, digits: u8) -> u64 {
        self.0 >> (64 - 5 * u32::from(digits))
    }

    /// The tile of this zoom (0..=29) that holds this point. Beyond 85.0511° the first or last row.
    pub fn tile(self, zoom: u8) -> Tile {
        let tiles = (1u64 << zoom) as f64;
        let last = (1u32 << zoom) - 1;
        let x = ((self.longitude() + 180.0) / 360.0 * tiles).floor();
        let sine = self.latitude().to_radians().sin();
        let y = ((0.5 - ((1.0 + sine) / (1.0 - sine)).ln() / (4.0 * std::f64::consts::PI)) * tiles).floor();
        Tile { zoom, x: (x.max(0.0) as u32).min(last), y: (y.max(0.0) as u32).min(last) }
    }
}

fn degrees(text: &str, axis: &str) -> Result<f64, PointError> {
    text.parse().map_err(|_| PointError::Malformed(format!("{axis} must be a number")))
}

/// The text of a geohash cell.
pub fn geohash(cell: u64, digits: u8) -> String {
    (0..digits).rev().map(|i| char::from(GEOHASH_DIGITS[(cell >> (5 * u32::from(i)) & 31) as usize])).collect()
}

/// The box of a geohash cell: south, west, north, east in degrees.
pub fn geohash_box(text: &str) -> Result<[f64; 4], PointError> {
    let corner = Point::from_geohash(text)?;
    let bits = 5 * text.len().min(usize::from(GEOHASH_DIGITS_MAX)) as i32;
    let (lat_bits, lon_bits) = (bits / 2, bits - bits / 2);
    let (south, west) = (corner.latitude(), corner.longitude());
    Ok([south, west, south + 180.0 / 2f64.powi(lat_bits), west + 360.0 / 2f64.powi(lon_bits)])
}

/// A map tile of the usual web scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// How often the world's edge is halved.
    pub zoom: u8,
    /// Columns from the west.
    pub x: u32,
    /// Rows from the north.
    pub y: u32,
}

impl Tile {
    /// One number for one tile of a zoom; it orders by column, then row.
    pub(crate) fn number(self) -> i64 {
        i64::from(self.x) << 29 | i64::from(self.y)
    }

    pub(crate) fn from_number(zoom: u8, number: i64) -> Self {
        Self { zoom, x: (number >> 29) as u32, y: (number & ((1 << 29) - 1)) as u32 }
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.zoom, self.x, self.y)
    }
}

/// A box in degrees. `left` greater than `right` crosses the antimeridian. Edges belong to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeoBox {
    /// North edge.
    pub top: f64,
    /// West edge.
    pub left: f64,
    /// South edge.
    pub bottom: f64,
    /// East edge.
    pub right: f64,
}

/// A box in the steps of columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepBox {
    south: u32,
    north: u32,
    west: u32,
    east: u32,
}

impl GeoBox {
    /// The same box in steps. Both corners are quantised as points are: the lower left one upwards, so that no step
    /// that begins outside the box is taken.
    pub(crate) fn steps(&self) -> StepBox {
        StepBox {
            south: quantise_up(self.bottom, 90.0, LATITUDE_STEP),
            north: quantise(self.top, 90.0, LATITUDE_STEP),
            west: quantise_up(self.left, 180.0, LONGITUDE_STEP),
            east: quantise(self.right, 180.0, LONGITUDE_STEP),
        }
    }

    /// Whether it crosses the antimeridian.
    pub(crate) fn crosses(&self) -> bool {
        self.left > self.right
    }
}

impl StepBox {
    #[inline]
    pub(crate) fn contains(&self, point: Point, crosses: bool) -> bool {
        let (y, x) = (gather(point.0), gather(point.0 >> 1));
        let inside = if crosses { x >= self.west || x <= self.east } else { x >= self.west && x <= self.east };
        inside && y >= self.south && y <= self.north
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_geohash_is_its_lower_left_corner() {
        let p = Point::from_geohash("dr5ru63").unwrap();
        assert_eq!((p.latitude(), p.longitude()), (40.749664306640625, -73.99154663085938));
        assert_eq!(p, Point::from_geohash("dr5ru6300").unwrap());
        assert_eq!(geohash(p.cell(9), 9), "dr5ru6300");
        assert!(matches!(Point::from_geohash("DR5"), Err(PointError::Geohash { symbol: 'D', .. })));
    }

    #[test]
    fn points_are_quantised_downwards_and_edges_stay_inside() {
        let p = Point::new(90.0, 180.0).unwrap();
        assert_eq!((p.latitude(), p.longitude()), (89.99999995809048, 179.99999991618097));
        assert_eq!(geohash(p.cell(5), 5), "zzzzz");
        let p = Point::new(20.0, 10.0).unwrap();
        assert_eq!((p.latitude(), p.longitude()), (19.99999998137355, 9.999999990686774));
        assert_eq!(Point::new(91.0, 0.0), Err(PointError::Latitude(91.0)));
        assert!(Point::new(f64::NAN, 0.0).is_err());
    }

    #[test]
    fn tiles_are_those_of_the_web() {
        let p = Point::from_geohash("dr5ru63").unwrap();
        assert_eq!(p.tile(7).to_string(), "7/37/48");
        assert_eq!(Point::new(90.0, 180.0).unwrap().tile(3).to_string(), "3/7/0");
        assert_eq!(Point::new(-90.0, -180.0).unwrap().tile(3).to_string(), "3/0/7");
        assert_eq!(Point::new(0.0, 0.0).unwrap().tile(0).to_string(), "0/0/0");
    }

    proptest! {
        #[test]
        fn a_point_is_in_the_box_around_it(lat in -89.0..89.0f64, lon in -179.0..179.0f64, d in 1e-6..1.0f64) {
            let p = Point::new(lat, lon).unwrap();
            let around = GeoBox { top: lat + d, left: lon - d, bottom: lat - d, right: lon + d };
            prop_assert!(around.steps().contains(p, false));
            let beside = GeoBox { top: lat + d, left: lon + d, bottom: lat - d, right: lon + 2.0 * d };
            prop_assert!(!beside.steps().contains(p, false));
            prop_assert_eq!(Point::from_column(p.to_column()), p);
        }

        #[test]
        fn a_cell_is_a_prefix_of_its_finer_cells(lat in -90.0..=90.0f64, lon in -180.0..=180.0f64) {
            let p = Point::new(lat, lon).unwrap();
            let finest = geohash(p.cell(12), 12);
            for digits in 1..=12u8 {
                prop_assert_eq!(&geohash(p.cell(digits), digits), &finest[..usize::from(digits)]);
            }
            let [south, west, north, east] = geohash_box(&finest[..6]).unwrap();
            prop_assert!(south <= p.latitude() && p.latitude() < north && west <= p.longitude() && p.longitude() < east);
        }
    }
}
