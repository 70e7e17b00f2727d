//! Where rides begin and end: hot places with their hours, the boroughs at large, and the two airports.

use super::city::{self, BOROUGHS, City, MANHATTAN_AXIS, Point};
use super::day;
use super::dice::{self, Dice};

/// What draws people to a place, which decides its hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Draw {
    /// Full by day on working days.
    Office,
    /// Trains, ferries and buses.
    Hub,
    /// Left in the morning, reached in the evening.
    Home,
    /// Restaurants, bars, music.
    Night,
    /// Museums, theatres, shops, hospitals.
    Visit,
}

/// Weights by hour for rides that begin, and that end, at a place of each draw.
struct Hours {
    from: [u8; 24],
    to: [u8; 24],
}

const OFFICE: Hours = Hours {
    from: [4, 2, 1, 1, 1, 1, 2, 4, 7, 10, 11, 12, 13, 14, 15, 16, 18, 20, 19, 16, 13, 11, 9, 6],
    to: [2, 1, 1, 1, 2, 6, 14, 22, 26, 24, 18, 15, 14, 14, 13, 11, 9, 7, 6, 4, 3, 3, 2, 2],
};
const HUB: Hours = Hours {
    from: [9, 7, 5, 4, 5, 8, 14, 17, 18, 16, 13, 12, 12, 12, 12, 12, 12, 13, 13, 13, 13, 13, 12, 11],
    to: [5, 3, 3, 4, 8, 14, 14, 13, 12, 11, 11, 11, 12, 13, 15, 17, 17, 17, 15, 13, 12, 11, 10, 7],
};
const HOME: Hours = Hours {
    from: [7, 5, 4, 4, 6, 11, 18, 21, 20, 16, 13, 12, 11, 11, 11, 11, 10, 11, 12, 12, 10, 9, 8, 7],
    to: [20, 19, 18, 16, 13, 9, 8, 8, 9, 9, 9, 10, 11, 11, 12, 13, 13, 14, 16, 18, 19, 20, 20, 20],
};
const NIGHT: Hours = Hours {
    from: [26, 28, 29, 28, 20, 9, 4, 4, 5, 6, 6, 7, 8, 9, 9, 9, 9, 10, 11, 13, 16, 19, 22, 25],
    to: [15, 12, 9, 6, 4, 3, 4, 5, 6, 7, 7, 8, 9, 9, 10, 10, 11, 13, 17, 20, 20, 19, 18, 17],
};
const VISIT: Hours = Hours {
    from: [5, 3, 2, 2, 2, 3, 5, 6, 8, 10, 13, 15, 16, 17, 17, 17, 16, 15, 13, 12, 11, 14, 14, 9],
    to: [3, 2, 2, 2, 3, 5, 8, 11, 14, 17, 18, 17, 16, 16, 15, 14, 13, 14, 15, 13, 8, 6, 5, 4],
};

impl Draw {
    fn hours(self) -> &'static Hours {
        match self {
            Self::Office => &OFFICE,
            Self::Hub => &HUB,
            Self::Home => &HOME,
            Self::Night => &NIGHT,
            Self::Visit => &VISIT,
        }
    }

    /// What the weekend does to it.
    fn weekend(self) -> f64 {
        match self {
            Self::Office => 0.35,
            Self::Hub => 0.8,
            Self::Home => 1.0,
            Self::Night => 1.5,
            Self::Visit => 1.3,
        }
    }
}

/// A hot place: a cloud of points around a middle, longer along Manhattan's axis than across it.
struct Place {
    middle: Point,
    along_m: f64,
    across_m: f64,
    size: f64,
    draw: Draw,
}

const fn place(lat: f64, lon: f64, along_m: f64, across_m: f64, size: f64, draw: Draw) -> Place {
    Place { middle: Point { lat, lon }, along_m, across_m, size, draw }
}

use Draw::{Home, Hub, Night, Office, Visit};

const PLACES: [Place; 58] = [
    place(40.7535, -73.9775, 420.0, 300.0, 6.0, Office), // Grand Central, Madison Avenue
    place(40.7600, -73.9740, 480.0, 300.0, 7.0, Office), // Park and Lexington, the 50s
    place(40.7615, -73.9800, 420.0, 320.0, 6.0, Office), // Sixth Avenue, Rockefeller Center
    place(40.7565, -73.9860, 300.0, 220.0, 6.5, Visit),  // Times Square
    place(40.7628, -73.9830, 320.0, 260.0, 4.0, Visit),  // the theatres
    place(40.7505, -73.9925, 160.0, 200.0, 7.0, Hub),    // Penn Station
    place(40.7568, -73.9905, 130.0, 160.0, 4.0, Hub),    // Port Authority
    place(40.7527, -73.9772, 110.0, 160.0, 4.5, Hub),    // Grand Central Terminal
    place(40.7490, -73.9860, 300.0, 300.0, 4.0, Office), // Herald Square, the Empire State Building
    place(40.7630, -73.9730, 200.0, 260.0, 3.5, Visit),  // Fifth Avenue at the park
    place(40.7683, -73.9822, 180.0, 160.0, 3.0, Visit),  // Columbus Circle
    place(40.7727, -73.9835, 220.0, 180.0, 2.5, Visit),  // Lincoln Center
    place(40.7440, -73.9880, 300.0, 300.0, 4.5, Office), // NoMad, Madison Square
    place(40.7395, -73.9900, 280.0, 320.0, 4.5, Office), // the Flatiron
    place(40.7355, -73.9905, 220.0, 300.0, 4.0, Visit),  // Union Square
    place(40.7465, -74.0010, 450.0, 330.0, 4.0, Home),   // Chelsea
    place(40.7410, -74.0055, 240.0, 220.0, 4.0, Night),  // the Meatpacking District
    place(40.7340, -74.0020, 380.0, 300.0, 5.0, Night),  // the West Village
    place(40.7290, -74.0000, 280.0, 300.0, 3.5, Night),  // MacDougal and Bleecker Street
    place(40.7270, -73.9850, 380.0, 350.0, 5.0, Night),  // the East Village
    place(40.7205, -73.9880, 330.0, 300.0, 4.5, Night),  // the Lower East Side
    place(40.7235, -73.9985, 300.0, 320.0, 4.0, Visit),  // SoHo
    place(40.7190, -74.0080, 350.0, 280.0, 3.0, Night),  // Tribeca
    place(40.7075, -74.0095, 380.0, 260.0, 4.0, Office), // Wall Street
    place(40.7135, -74.0120, 260.0, 220.0, 3.0, Office), // the World Trade Center
    place(40.7145, -74.0150, 300.0, 120.0, 1.5, Office), // Battery Park City
    place(40.7380, -73.9825, 330.0, 280.0, 3.5, Home),   // Gramercy
    place(40.7460, -73.9780, 380.0, 280.0, 4.0, Home),   // Murray Hill, Kips Bay
    place(40.7420, -73.9745, 220.0, 150.0, 2.0, Visit),  // the hospitals on First Avenue
    place(40.7565, -73.9680, 400.0, 250.0, 3.5, Home),   // Sutton Place, Turtle Bay
    place(40.7625, -73.9890, 500.0, 300.0, 4.0, Home),   // Hell's Kitchen
    place(40.7680, -73.9620, 500.0, 350.0, 5.0, Home),   // Lenox Hill
    place(40.7745, -73.9575, 500.0, 380.0, 5.5, Home),   // the Upper East Side, the 80s
    place(40.7820, -73.9515, 450.0, 350.0, 4.5, Home),   // Carnegie Hill, Yorkville
    place(40.7790, -73.9612, 260.0, 90.0, 2.0, Visit),   // Museum Mile
    place(40.7645, -73.9545, 260.0, 200.0, 2.0, Visit),  // the hospitals on York Avenue
    place(40.7775, -73.9820, 450.0, 280.0, 4.0, Home),   // the Upper West Side, the 70s
    place(40.7860, -73.9760, 450.0, 280.0, 4.0, Home),   // the Upper West Side, the 80s
    place(40.7945, -73.9700, 450.0, 280.0, 3.0, Home),   // the Upper West Side, the 90s
    place(40.8065, -73.9635, 450.0, 250.0, 2.0, Home),   // Morningside Heights
    place(40.8095, -73.9480, 600.0, 450.0, 1.8, Home),   // Harlem
    place(40.7955, -73.9400, 500.0, 350.0, 1.5, Home),   // East Harlem
    place(40.8420, -73.9390, 700.0, 300.0, 1.2, Home),   // Washington Heights
    place(40.7180, -73.9575, 420.0, 300.0, 3.2, Night),  // Williamsburg, Bedford Avenue
    place(40.7115, -73.9590, 500.0, 400.0, 1.6, Home),   // Williamsburg, the south side
    place(40.7050, -73.9330, 500.0, 450.0, 1.4, Night),  // Bushwick
    place(40.7290, -73.9555, 450.0, 250.0, 1.5, Night),  // Greenpoint
    place(40.6920, -73.9900, 350.0, 300.0, 2.0, Office), // downtown Brooklyn
    place(40.7005, -73.9900, 200.0, 220.0, 1.0, Visit),  // DUMBO
    place(40.6870, -73.9770, 450.0, 350.0, 1.8, Home),   // Fort Greene
    place(40.6740, -73.9780, 600.0, 350.0, 2.0, Home),   // Park Slope
    place(40.6825, -73.9945, 450.0, 350.0, 1.5, Home),   // Cobble Hill, Carroll Gardens
    place(40.6775, -73.9580, 600.0, 500.0, 1.2, Home),   // Prospect Heights, Crown Heights
    place(40.7455, -73.9480, 400.0, 250.0, 1.4, Home),   // Long Island City
    place(40.7640, -73.9210, 700.0, 450.0, 2.0, Night),  // Astoria
    place(40.7485, -73.8890, 500.0, 400.0, 1.4, Home),   // Jackson Heights
    place(40.7200, -73.8450, 400.0, 350.0, 0.8, Home),   // Forest Hills
    place(40.7595, -73.8300, 400.0, 350.0, 0.7, Visit),  // Flushing
];

/// What the boroughs weigh beside their hot places: Manhattan, Brooklyn, Queens, the Bronx.
const AT_LARGE: [f64; 4] = [22.0, 9.0, 6.0, 2.0];

/// An airport: where rides stop, and how many of all rides lead to it and come from it, in thousandths, by hour.
pub(super) struct Airport {
    middle: Point,
    along_m: f64,
    across_m: f64,
    axis: (f64, f64),
    to: [u8; 24],
    from: [u8; 24],
    /// Kennedy has a flat fare to and from Manhattan.
    pub(super) has_flat_fare: bool,
}

pub(super) const AIRPORTS: [Airport; 2] = [
    // Kennedy: the ring of terminals.
    Airport {
        middle: Point { lat: 40.6445, lon: -73.7828 },
        along_m: 230.0,
        across_m: 420.0,
        axis: (0.906_31, 0.422_62),
        to: [5, 5, 7, 13, 26, 27, 20, 12, 9, 8, 8, 8, 9, 11, 14, 15, 16, 15, 11, 8, 6, 5, 4, 4],
        from: [14, 10, 6, 5, 7, 13, 17, 13, 10, 9, 9, 9, 10, 12, 14, 16, 17, 16, 13, 12, 12, 13, 15, 16],
        has_flat_fare: true,
    },
    // LaGuardia: the arc of terminals on the bay.
    Airport {
        middle: Point { lat: 40.7722, lon: -73.8706 },
        along_m: 80.0,
        across_m: 330.0,
        axis: (0.843_39, 0.537_30),
        to: [3, 3, 5, 12, 34, 42, 36, 24, 19, 18, 18, 18, 19, 21, 23, 24, 25, 23, 16, 11, 7, 4, 3, 3],
        from: [14, 6, 2, 1, 1, 3, 9, 16, 20, 22, 22, 22, 23, 23, 23, 24, 24, 24, 21, 20, 21, 24, 25, 22],
        has_flat_fare: false,
    },
];

impl Airport {
    fn point(&self, dice: &mut Dice) -> Point {
        // The terminals lie in a ring: no one stops in the middle of it.
        let (along, across) = (dice.bell() * 0.4, if dice.chance(0.5) { 1.0 } else { -1.0 });
        let across = across * (0.55 + 0.45 * dice.unit());
        city::shifted(self.middle, along * self.along_m, across * self.across_m, self.axis)
    }
}

/// How a ride relates to the airports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ride {
    Within,
    To(usize),
    From(usize),
}

/// The city with its places, ready to draw rides from.
pub(super) struct Places {
    city: City,
    /// Running shares of places and boroughs at each hour of a working day, then of a day at the weekend.
    from: Vec<Vec<f64>>,
    to: Vec<Vec<f64>>,
}

/// Share of the rides that end near where they began, whatever is there.
const NEARBY: f64 = 0.6;

impl Places {
    pub(super) fn new() -> Self {
        let tables = |pick: fn(&Hours) -> &[u8; 24]| {
            (0..48).map(move |slot| {
                let (hour, weekend) = (slot % 24, slot >= 24);
                let weight =
                    |draw: Draw| f64::from(pick(draw.hours())[hour]) * if weekend { draw.weekend() } else { 1.0 };
                let hot = PLACES.iter().map(|place| place.size * weight(place.draw));
                let large = AT_LARGE.iter().map(|size| size * weight(Home));
                dice::shares(hot.chain(large))
            })
        };
        Self { city: City::new(), from: tables(|hours| &hours.from).collect(), to: tables(|hours| &hours.to).collect() }
    }

    /// Where a ride that ends at `at_s` (seconds since 1970) begins and ends.
    pub(super) fn ride(&self, at_s: i64, dice: &mut Dice) -> (Ride, Point, Point) {
        let slot = day::hour(at_s) + if day::is_weekend(at_s) { 24 } else { 0 };
        match kind_of_ride(day::hour(at_s), dice) {
            Ride::To(airport) => {
                let end = AIRPORTS[airport].point(dice);
                (Ride::To(airport), self.draw(&self.from[slot], dice), end)
            }
            Ride::From(airport) => {
                let start = AIRPORTS[airport].point(dice);
                (Ride::From(airport), start, self.draw(&self.to[slot], dice))
            }
            Ride::Within => {
                let start = self.draw(&self.from[slot], dice);
                let nearby = if dice.chance(NEARBY) { self.nearby(start, dice) } else { None };
                let end = nearby.unwrap_or_else(|| self.pulled(start, slot, dice));
                (Ride::Within, start, end)
            }
        }
    }

    /// A point by the shares of the places.
    fn draw(&self, shares: &[f64], dice: &mut Dice) -> Point {
        let index = dice.pick(shares);
        let Some(place) = PLACES.get(index) else {
            let point = self.city.random_in((index - PLACES.len()).min(BOROUGHS.len() - 1), dice);
            return self.city.onto_street(point, dice);
        };
        for _ in 0..4 {
            let (along_m, across_m) = (dice.bell() * place.along_m, dice.bell() * place.across_m);
            let point = city::shifted(place.middle, along_m, across_m, MANHATTAN_AXIS);
            if self.city.is_street(point) {
                return self.city.onto_street(point, dice);
            }
        }
        place.middle
    }

    /// A point on land a short ride from `start`, rather up or down the avenues than across them.
    fn nearby(&self, start: Point, dice: &mut Dice) -> Option<Point> {
        for _ in 0..6 {
            let far_m = city::miles_m(0.45 + 3.8 * dice.unit() * dice.unit());
            let (along, across) = (dice.bell(), dice.bell() * 0.6);
            let length = (along * along + across * across).sqrt().max(1e-6);
            let end = city::shifted(start, along / length * far_m, across / length * far_m, MANHATTAN_AXIS);
            if self.city.is_street(end) {
                return Some(self.city.onto_street(end, dice));
            }
        }
        None
    }

    /// A point by what draws people at this hour, a near one rather than a far one.
    fn pulled(&self, start: Point, slot: usize, dice: &mut Dice) -> Point {
        let mut end = self.draw(&self.to[slot], dice);
        for _ in 0..3 {
            let far = city::miles(start, end) / 2.8;
            if dice.chance(1.0 / (1.0 + far * far)) {
                break;
            }
            end = self.draw(&self.to[slot], dice);
        }
        end
    }
}

fn kind_of_ride(hour: usize, dice: &mut Dice) -> Ride {
    let mut at = dice.below(1_000);
    for (index, airport) in AIRPORTS.iter().enumerate() {
        for (thousandths, ride) in [(airport.to[hour], Ride::To(index)), (airport.from[hour], Ride::From(index))] {
            if at < usize::from(thousandths) {
                return ride;
            }
            at -= usize::from(thousandths);
        }
    }
    Ride::Within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hot_place_lies_on_land() {
        let city = City::new();
        for place in &PLACES {
            assert!(city.is_street(place.middle), "{:?}", place.middle);
        }
    }

    #[test]
    fn airports_lie_in_their_boxes() {
        let mut dice = Dice::new(4);
        for _ in 0..5_000 {
            let kennedy = AIRPORTS[0].point(&mut dice);
            assert!(
                (40.632..=40.654).contains(&kennedy.lat) && (-73.800..=-73.761).contains(&kennedy.lon),
                "{kennedy:?}"
            );
            let laguardia = AIRPORTS[1].point(&mut dice);
            let inside = (40.766..=40.778).contains(&laguardia.lat) && (-73.881..=-73.859).contains(&laguardia.lon);
            assert!(inside, "{laguardia:?}");
        }
    }

    #[test]
    fn rides_within_the_city_stay_on_land() {
        let places = Places::new();
        let mut dice = Dice::new(5);
        for second in 0..20_000 {
            let (ride, start, end) = places.ride(second * 31, &mut dice);
            if ride == Ride::Within {
                assert!(places.city.is_street(start) && places.city.is_street(end), "{start:?} {end:?}");
            }
        }
    }
}
