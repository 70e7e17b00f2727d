//! One trip: invented from a ride, with a duration, a fare and the flaws of recorded data, and written as JSON.

use super::city::{self, Point};
use super::day;
use super::dice::Dice;
use super::json::Json;
use super::places::{AIRPORTS, Places, Ride};

/// A trip. Money is in cents, distance in hundredths of a mile, times in seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trip {
    pub(super) trip_id: u64,
    pub(super) dropoff_s: i64,
    pickup_s: i64,
    pickup: Point,
    dropoff: Point,
    passenger_count: u8,
    distance: i64,
    fare: i64,
    tip: i64,
    /// What only some meters record.
    details: Option<Details>,
}

#[derive(Debug, Clone, PartialEq)]
struct Details {
    vendor_id: u8,
    rate_code_id: u8,
    stored: bool,
    payment_type: u8,
    extra: i64,
    tolls: i64,
}

const MTA_TAX: i64 = 50;
const IMPROVEMENT_SURCHARGE: i64 = 30;
const FLAT_FARE: i64 = 52_00;
const TOLL: i64 = 5_54;

/// How many trips have unknown details, no position, an end outside the city, a meter left on, a clock that ran back.
const UNKNOWN: f64 = 0.02;
const ZERO: f64 = 0.005;
const OUTSIDE: f64 = 0.005;
const LEFT_ON: f64 = 0.000_8;
const RAN_BACK: f64 = 0.000_02;

/// Ends outside the city's box: Newark Airport, Hoboken, Yonkers, Nassau County.
const FAR_ENDS: [Point; 4] = [
    Point { lat: 40.6895, lon: -74.1745 },
    Point { lat: 40.7440, lon: -74.0660 },
    Point { lat: 40.9310, lon: -73.8988 },
    Point { lat: 40.7060, lon: -73.6200 },
];

/// Passengers of a hundred trips, as running sums: one, two, three, four, five, six.
const PASSENGERS: [f64; 6] = [0.735, 0.865, 0.905, 0.922, 0.972, 1.0];
/// Payments, as running sums: card, cash, none, disputed.
const PAYMENTS: [f64; 4] = [0.645, 0.992, 0.997, 1.0];
const CARD: u8 = 1;

impl Trip {
    /// Trip `trip_id`, which ends at `dropoff_s`.
    pub(super) fn invent(trip_id: u64, dropoff_s: i64, places: &Places, dice: &mut Dice) -> Self {
        let (ride, pickup, mut dropoff) = places.ride(dropoff_s, dice);
        if ride == Ride::Within && dice.chance(OUTSIDE) {
            let far = FAR_ENDS[dice.below(FAR_ENDS.len())];
            dropoff = city::shifted(far, dice.bell() * 150.0, dice.bell() * 150.0, (1.0, 0.0));
        }
        // Streets have corners: a ride is longer than the straight line.
        let miles = (city::miles(pickup, dropoff) * (1.22 + 0.06 * dice.bell())).max(0.15);
        let duration_s = duration_s(miles, dropoff_s, ride, dice);
        let flat =
            matches!(ride, Ride::To(airport) | Ride::From(airport) if AIRPORTS[airport].has_flat_fare) && miles > 12.0;
        let fare = if flat { FLAT_FARE } else { metered(miles, duration_s) };
        let details = Details::invent(dropoff_s, ride, flat, dice);
        let tip = if details.payment_type == CARD { fare * (12 + dice.below(16) as i64) / 100 } else { 0 };
        let zero = dice.chance(ZERO);
        let known = |point: Point| if zero { Point { lat: 0.0, lon: 0.0 } } else { point };
        Self {
            trip_id,
            dropoff_s,
            pickup_s: dropoff_s - duration_s,
            pickup: known(pickup),
            dropoff: known(dropoff),
            passenger_count: 1 + dice.pick(&PASSENGERS) as u8,
            distance: (miles * 100.0) as i64,
            fare,
            tip,
            details: (!dice.chance(UNKNOWN)).then_some(details),
        }
    }

    /// Writes the trip as one JSON object, keys and formats as in recorded data.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        let details = self.details.as_ref();
        let mut json = Json::new(out);
        json.raw("{\"type\":\"trip\",\"trip_id\":").whole(self.trip_id);
        json.raw(",\"vendor_id\":").digit_text(details.map(|d| d.vendor_id));
        json.raw(",\"pickup_datetime\":").time(self.pickup_s);
        json.raw(",\"dropoff_datetime\":").time(self.dropoff_s);
        json.raw(",\"passenger_count\":").whole(self.passenger_count.into());
        json.raw(",\"trip_distance\":").hundredths(Some(self.distance));
        json.raw(",\"pickup_latitude\":").degrees(self.pickup.lat);
        json.raw(",\"pickup_longitude\":").degrees(self.pickup.lon);
        json.raw(",\"dropoff_latitude\":").degrees(self.dropoff.lat);
        json.raw(",\"dropoff_longitude\":").degrees(self.dropoff.lon);
        json.raw(",\"rate_code_id\":");
        match details {
            Some(details) => json.whole(details.rate_code_id.into()),
            None => json.raw("null"),
        };
        json.raw(",\"store_and_fwd_flag\":").raw(match details.map(|d| d.stored) {
            Some(true) => "\"Y\"",
            Some(false) => "\"N\"",
            None => "null",
        });
        json.raw(",\"payment_type\":").digit_text(details.map(|d| d.payment_type));
        json.raw(",\"fare_amount\":").hundredths(Some(self.fare));
        json.raw(",\"extra\":").hundredths(details.map(|d| d.extra));
        json.raw(",\"mta_tax\":").hundredths(details.map(|_| MTA_TAX));
        json.raw(",\"tip_amount\":").hundredths(Some(self.tip));
        json.raw(",\"tolls_amount\":").hundredths(details.map(|d| d.tolls));
        json.raw(",\"improvement_surcharge\":").hundredths(details.map(|_| IMPROVEMENT_SURCHARGE));
        let charges = |d: &Details| self.fare + d.extra + MTA_TAX + self.tip + d.tolls + IMPROVEMENT_SURCHARGE;
        json.raw(",\"total_amount\":").hundredths(details.map(charges));
        json.raw("}");
    }
}

impl Details {
    fn invent(dropoff_s: i64, ride: Ride, flat: bool, dice: &mut Dice) -> Self {
        let hour = day::hour(dropoff_s);
        let extra = match hour {
            16..20 if !day::is_weekend(dropoff_s) => 100,
            20.. | ..6 => 50,
            _ => 0,
        };
        Self {
            vendor_id: if dice.chance(0.53) { 2 } else { 1 },
            rate_code_id: if flat { 2 } else { 1 },
            stored: dice.chance(0.006),
            payment_type: 1 + dice.pick(&PAYMENTS) as u8,
            extra: if flat { 0 } else { extra },
            tolls: if ride != Ride::Within && dice.chance(0.4) { TOLL } else { 0 },
        }
    }
}

/// What the meter shows, in steps of half a dollar.
fn metered(miles: f64, duration_s: i64) -> i64 {
    let dollars = 2.5 + miles * 2.2 + duration_s as f64 / 60.0 * 0.18;
    (dollars * 2.0) as i64 * 50
}

/// How long a ride takes: streets for the first miles, highways beyond, by the hour's traffic; now and then nonsense.
fn duration_s(miles: f64, dropoff_s: i64, ride: Ride, dice: &mut Dice) -> i64 {
    const STREET_MILES: f64 = 3.5;
    let (street, highway) = day::mile_minutes(dropoff_s);
    let minutes = 0.8 + miles.min(STREET_MILES) * street + (miles - STREET_MILES).max(0.0) * highway;
    let luck = (1.0 + 0.2 * dice.bell()).max(0.45);
    let duration_s = (minutes * luck * 60.0) as i64;
    // Rides to and from airports are spared: a single one would bend an hour's average.
    if ride == Ride::Within && dice.chance(LEFT_ON) {
        return duration_s + 12 * 3_600 + dice.below(12 * 3_600 - 4_000) as i64;
    }
    if ride == Ride::Within && dice.chance(RAN_BACK) { -duration_s } else { duration_s }
}
