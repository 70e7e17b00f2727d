//! Where one can stand in New York: a map of land cells, and the lie of the streets.
//!
//! `city.txt` is drawn from the borough boundaries that the City of New York publishes: one character for each cell of
//! 0.002 degrees, north at the top, the letter of the borough where the whole cell is land, a dot elsewhere and in large
//! parks, cemeteries and airfields.

use super::dice::Dice;

/// A position: latitude and longitude in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) lat: f64,
    pub(super) lon: f64,
}

const MAP: &str = include_str!("city.txt");
const NORTH: f64 = 40.878;
const WEST: f64 = -74.054;
const CELL: f64 = 0.002;
const COLUMNS: usize = 166;

/// The middle of town, and the distance from it at which half as many rides begin.
const MIDTOWN: Point = Point { lat: 40.735, lon: -73.975 };
const FAR_MILES: f64 = 3.0;

/// Metres in one degree at the city's latitude.
const LAT_M: f64 = 111_200.0;
const LON_M: f64 = 84_330.0;
const MILE_M: f64 = 1_609.34;

/// The boroughs on the map, in the order of [`City::random_in`].
pub(super) const BOROUGHS: [u8; 4] = *b"mbqx";

/// How Manhattan lies: the unit vector along its avenues (29 degrees east of north), as north and east parts.
pub(super) const MANHATTAN_AXIS: (f64, f64) = (0.874_62, 0.484_81);

/// Distances between streets and between avenues, in metres.
const STREETS_M: f64 = 80.5;
const AVENUES_M: f64 = 245.0;

/// The map, read.
pub(super) struct City {
    cells: Vec<u8>,
    by_borough: [Vec<u32>; 4],
}

impl City {
    pub(super) fn new() -> Self {
        let cells: Vec<u8> = MAP.lines().flat_map(str::bytes).collect();
        let by_borough = BOROUGHS.map(|borough| {
            let of_borough = cells.iter().enumerate().filter(|(_, cell)| **cell == borough);
            of_borough.map(|(index, _)| index as u32).collect()
        });
        Self { cells, by_borough }
    }

    /// The letter of the borough at a point, `None` on water, in parks and outside the map.
    fn borough(&self, at: Point) -> Option<u8> {
        let (row, column) = ((NORTH - at.lat) / CELL, (at.lon - WEST) / CELL);
        if row < 0.0 || !(0.0..COLUMNS as f64).contains(&column) {
            return None;
        }
        let cell = *self.cells.get(row as usize * COLUMNS + column as usize)?;
        (cell != b'.').then_some(cell)
    }

    /// Whether a taxi can stop there.
    pub(super) fn is_street(&self, at: Point) -> bool {
        self.borough(at).is_some()
    }

    /// A point in the borough of this index: the further from the middle of town, the rarer.
    pub(super) fn random_in(&self, borough: usize, dice: &mut Dice) -> Point {
        let mut point = self.anywhere_in(borough, dice);
        for _ in 0..5 {
            let far = miles(point, MIDTOWN) / FAR_MILES;
            if dice.chance(1.0 / (1.0 + far * far * far)) {
                break;
            }
            point = self.anywhere_in(borough, dice);
        }
        point
    }

    fn anywhere_in(&self, borough: usize, dice: &mut Dice) -> Point {
        let cells = &self.by_borough[borough];
        let cell = cells[dice.below(cells.len())] as usize;
        let lat = NORTH - CELL * ((cell / COLUMNS) as f64 + dice.unit());
        let lon = WEST + CELL * ((cell % COLUMNS) as f64 + dice.unit());
        Point { lat, lon }
    }

    /// The point moved to the next street or avenue, give or take the width of it; where that would leave the land, as is.
    pub(super) fn onto_street(&self, at: Point, dice: &mut Dice) -> Point {
        let Some(borough) = self.borough(at) else { return at };
        let axis = match borough {
            b'm' => MANHATTAN_AXIS,
            b'b' => (0.956_30, -0.292_37),
            b'q' => (0.906_31, 0.422_62),
            _ => (0.984_81, 0.173_65),
        };
        let origin = Point { lat: NORTH, lon: WEST };
        let (along_m, across_m) = turned(origin, at, axis);
        let width_m = 7.0 * dice.bell();
        let snap = |m: f64, every_m: f64| (m / every_m + 0.5).floor() * every_m + width_m;
        let (along_m, across_m) =
            if dice.chance(0.4) { (snap(along_m, STREETS_M), across_m) } else { (along_m, snap(across_m, AVENUES_M)) };
        let moved = shifted(origin, along_m, across_m, axis);
        if self.is_street(moved) { moved } else { at }
    }
}

/// How far `to` lies from `from`, along an axis and to the right of it, in metres.
fn turned(from: Point, to: Point, (north, east): (f64, f64)) -> (f64, f64) {
    let (north_m, east_m) = ((to.lat - from.lat) * LAT_M, (to.lon - from.lon) * LON_M);
    (north_m * north + east_m * east, east_m * north - north_m * east)
}

/// The point so far from `from`, along an axis and to the right of it, in metres.
pub(super) fn shifted(from: Point, along_m: f64, across_m: f64, (north, east): (f64, f64)) -> Point {
    let (north_m, east_m) = (along_m * north - across_m * east, along_m * east + across_m * north);
    Point { lat: from.lat + north_m / LAT_M, lon: from.lon + east_m / LON_M }
}

/// The straight distance between two points, in miles.
pub(super) fn miles(a: Point, b: Point) -> f64 {
    let (north_m, east_m) = ((a.lat - b.lat) * LAT_M, (a.lon - b.lon) * LON_M);
    (north_m * north_m + east_m * east_m).sqrt() / MILE_M
}

/// So many miles in metres.
pub(super) fn miles_m(miles: f64) -> f64 {
    miles * MILE_M
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_whole() {
        assert_eq!(MAP.lines().count(), 159);
        assert!(MAP.lines().all(|line| line.len() == COLUMNS));
        assert!(MAP.bytes().all(|byte| byte == b'.' || byte == b'\n' || BOROUGHS.contains(&byte)));
        let city = City::new();
        assert!(city.by_borough.iter().all(|cells| cells.len() > 800));
    }

    #[test]
    fn land_is_land_and_water_is_water() {
        let city = City::new();
        let check = |lat, lon, borough: Option<u8>| {
            assert_eq!(city.borough(Point { lat, lon }), borough, "{lat}, {lon}");
        };
        check(40.7580, -73.9855, Some(b'm')); // Times Square
        check(40.7145, -73.9565, Some(b'b')); // Williamsburg
        check(40.7440, -73.9250, Some(b'q')); // Sunnyside
        check(40.8270, -73.9200, Some(b'x')); // the Grand Concourse
        check(40.7500, -74.0150, None); // the Hudson
        check(40.7430, -73.9640, None); // the East River
        check(40.7812, -73.9665, None); // Central Park
        check(40.6000, -73.8500, None); // Jamaica Bay
        check(40.9, -73.9, None);
        check(40.0, -73.9, None);
        check(40.7, -75.0, None);
    }

    #[test]
    fn a_turn_and_back_is_no_move() {
        let (a, b) = (Point { lat: 40.7, lon: -74.0 }, Point { lat: 40.75, lon: -73.95 });
        let (along_m, across_m) = turned(a, b, MANHATTAN_AXIS);
        let back = shifted(a, along_m, across_m, MANHATTAN_AXIS);
        assert!(miles(b, back) < 1e-3);
    }

    #[test]
    fn streets_are_on_land() {
        let city = City::new();
        let mut dice = Dice::new(9);
        for borough in 0..4 {
            for _ in 0..2_000 {
                let point = city.random_in(borough, &mut dice);
                assert!(city.is_street(point));
                assert!(city.is_street(city.onto_street(point, &mut dice)));
            }
        }
    }
}
