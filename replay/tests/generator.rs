//! Is the generated day plausible? Shape, shares, durations, order, format, and the same bytes for the same seed.
#![allow(clippy::unwrap_used, missing_docs)]

use replay::{Generator, Source, TRIPS_PER_HOUR_MAX};
use serde_json::Value;

/// Wednesday, 6 January 2016.
const WEDNESDAY_MS: i64 = 1_452_038_400_000;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

const KEYS: [&str; 21] = [
    "type",
    "trip_id",
    "vendor_id",
    "pickup_datetime",
    "dropoff_datetime",
    "passenger_count",
    "trip_distance",
    "pickup_latitude",
    "pickup_longitude",
    "dropoff_latitude",
    "dropoff_longitude",
    "rate_code_id",
    "store_and_fwd_flag",
    "payment_type",
    "fare_amount",
    "extra",
    "mta_tax",
    "tip_amount",
    "tolls_amount",
    "improvement_surcharge",
    "total_amount",
];

struct Seen {
    dropoff_ms: i64,
    minutes: f64,
    pickup: (f64, f64),
    dropoff: (f64, f64),
}

fn in_box((lat, lon): (f64, f64), lats: (f64, f64), lons: (f64, f64)) -> bool {
    (lats.0..=lats.1).contains(&lat) && (lons.0..=lons.1).contains(&lon)
}

fn in_city(at: (f64, f64)) -> bool {
    in_box(at, (40.560, 40.878), (-74.054, -73.722))
}

fn in_jfk(at: (f64, f64)) -> bool {
    in_box(at, (40.632, 40.654), (-73.800, -73.761))
}

fn in_lga(at: (f64, f64)) -> bool {
    in_box(at, (40.766, 40.778), (-73.881, -73.859))
}

/// The millisecond of a `YYYY-MM-DDTHH:MM:SS.000Z` within January 2016, since its first moment.
fn january_ms(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    assert!(text.starts_with("2016-01-") && text.ends_with(".000Z"), "{text}");
    let days_ms = (number(8..10) - 1) * DAY_MS;
    days_ms + ((number(11..13) * 60 + number(14..16)) * 60 + number(17..19)) * 1_000
}

fn one_day(seed: u64) -> Vec<Seen> {
    let january_first_ms = WEDNESDAY_MS - 5 * DAY_MS;
    let mut source = Generator::new(seed, 1_000_000, WEDNESDAY_MS);
    let mut seen = Vec::new();
    while let Some(row) = source.next_row().unwrap() {
        if row.event_time.0 >= WEDNESDAY_MS + DAY_MS {
            break;
        }
        let trip: Value = serde_json::from_slice(&row.data).unwrap();
        let degrees = |key: &str| trip[key].as_f64().unwrap();
        let dropoff_ms = january_ms(trip["dropoff_datetime"].as_str().unwrap());
        let pickup_ms = january_ms(trip["pickup_datetime"].as_str().unwrap());
        assert_eq!(dropoff_ms + january_first_ms, row.event_time.0);
        seen.push(Seen {
            dropoff_ms: row.event_time.0,
            minutes: (dropoff_ms - pickup_ms) as f64 / 60_000.0,
            pickup: (degrees("pickup_latitude"), degrees("pickup_longitude")),
            dropoff: (degrees("dropoff_latitude"), degrees("dropoff_longitude")),
        });
    }
    seen
}

#[test]
fn a_working_day_is_plausible() {
    let trips = one_day(1);
    let total = trips.len() as f64;
    assert!((190_000.0..220_000.0).contains(&total), "{total} trips");
    assert!(trips.is_sorted_by_key(|trip| trip.dropoff_ms));

    let mut hours = [0_u32; 24];
    trips.iter().for_each(|trip| hours[((trip.dropoff_ms - WEDNESDAY_MS) / HOUR_MS) as usize] += 1);
    let (busiest, quietest) = (hours.iter().max().unwrap(), hours.iter().min().unwrap());
    assert!(*busiest <= TRIPS_PER_HOUR_MAX + 300, "{hours:?}");
    assert!(*busiest >= TRIPS_PER_HOUR_MAX - 700 && *quietest * 6 < *busiest, "{hours:?}");
    assert!(hours[8] > 3 * hours[4] && hours[19] > hours[16] && hours[19] > hours[11], "{hours:?}");

    let share = |condition: &dyn Fn(&Seen) -> bool| trips.iter().filter(|trip| condition(trip)).count() as f64 / total;
    let inside = share(&|trip| in_city(trip.pickup) && in_city(trip.dropoff));
    assert!((0.985..0.995).contains(&inside), "inside the city: {inside}");
    let zero = share(&|trip| trip.pickup == (0.0, 0.0));
    assert!((0.004..0.006).contains(&zero), "zero: {zero}");
    let to_jfk = share(&|trip| in_jfk(trip.dropoff));
    let to_lga = share(&|trip| in_lga(trip.dropoff));
    assert!((0.008..0.014).contains(&to_jfk) && (0.013..0.022).contains(&to_lga), "{to_jfk} {to_lga}");
    // Rivers and bays: well-known water holds nobody.
    let wet = share(&|trip| {
        let at = trip.pickup;
        in_box(at, (40.60, 40.70), (-74.05, -74.035)) && at.0 > 40.65
            || in_box(at, (40.745, 40.755), (-74.025, -74.0125))
            || in_box(at, (40.714, 40.720), (-73.972, -73.968))
            || in_box(at, (40.770, 40.795), (-73.965, -73.962)) && in_box(at, (40.782, 40.788), (-73.97, -73.96))
    });
    assert_eq!(wet, 0.0);

    let mut minutes: Vec<f64> = trips.iter().map(|trip| trip.minutes).collect();
    minutes.sort_unstable_by(f64::total_cmp);
    let quantile = |part: f64| minutes[(minutes.len() as f64 * part) as usize];
    assert!((8.5..12.5).contains(&quantile(0.5)), "median {}", quantile(0.5));
    assert!((24.0..40.0).contains(&quantile(0.95)), "95 % {}", quantile(0.95));
    assert!(quantile(0.99) < 80.0);
}

#[test]
fn airports_are_far_when_the_roads_are_full() {
    let trips = one_day(2);
    let mean = |hours: std::ops::Range<i64>, to: fn((f64, f64)) -> bool| {
        let of_hours = |trip: &&Seen| hours.contains(&((trip.dropoff_ms - WEDNESDAY_MS) / HOUR_MS)) && to(trip.dropoff);
        let minutes: Vec<f64> = trips.iter().filter(of_hours).map(|trip| trip.minutes).collect();
        assert!(minutes.len() > 50, "{} rides", minutes.len());
        minutes.iter().sum::<f64>() / minutes.len() as f64
    };
    let (jfk_dawn, jfk_rush) = (mean(4..6, in_jfk), mean(15..18, in_jfk));
    assert!((20.0..33.0).contains(&jfk_dawn) && (48.0..70.0).contains(&jfk_rush), "{jfk_dawn} {jfk_rush}");
    let (lga_dawn, lga_rush) = (mean(4..6, in_lga), mean(15..18, in_lga));
    assert!((11.0..20.0).contains(&lga_dawn) && (26.0..44.0).contains(&lga_rush), "{lga_dawn} {lga_rush}");
}

#[test]
fn rows_are_written_as_in_recorded_data() {
    let mut source = Generator::new(3, 20_000, WEDNESDAY_MS);
    let (mut bytes, mut rows, mut unknown) = (0, 0, 0);
    while let Some(row) = source.next_row().unwrap() {
        rows += 1;
        bytes += row.data.len();
        let text = std::str::from_utf8(&row.data).unwrap();
        let mut at = 0;
        for key in KEYS {
            let quoted = format!("\"{key}\":");
            at += text[at..].find(&quoted).unwrap_or_else(|| panic!("{key} is missing or misplaced in {text}"));
        }
        let trip: Value = serde_json::from_str(text).unwrap();
        assert_eq!((trip.as_object().unwrap().len(), trip["trip_id"].as_u64()), (KEYS.len(), Some(rows)));
        assert_eq!(row.key, rows.to_string());
        let money = |key: &str| trip[key].as_f64();
        match money("total_amount") {
            None => unknown += 1,
            Some(total) => {
                let parts = ["fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge"];
                let sum: f64 = parts.iter().map(|part| money(part).unwrap()).sum();
                assert!((sum - total).abs() < 0.001, "{text}");
            }
        }
    }
    assert_eq!(rows, 20_000);
    assert!((430..530).contains(&(bytes / 20_000)), "{} bytes a row", bytes / 20_000);
    assert!((200..800).contains(&unknown), "{unknown}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let hash = |seed: u64| {
        let mut source = Generator::new(seed, 5_000, WEDNESDAY_MS);
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        while let Some(row) = source.next_row().unwrap() {
            hash = row.data.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        }
        hash
    };
    assert_eq!(hash(7), hash(7));
    // Recorded, so that a change of the generated trips, or a machine that computes otherwise, is noticed.
    assert_eq!(hash(7), 0x04d8_51d7_9981_e56e);
    assert_ne!(hash(7), hash(8));
}

#[test]
fn what_is_skipped_is_what_would_have_come() {
    let mut whole = Generator::new(7, 2_000, WEDNESDAY_MS);
    let mut part = Generator::new(7, 2_000, WEDNESDAY_MS);
    assert_eq!(part.skip_rows(1_500).unwrap(), 1_500);
    for _ in 0..1_500 {
        whole.next_row().unwrap();
    }
    assert_eq!(whole.next_row().unwrap(), part.next_row().unwrap());
    assert_eq!(part.skip_rows(1_000).unwrap(), 499);
    assert_eq!(part.next_row().unwrap(), None);
}

#[test]
fn days_follow_each_other_and_the_weekend_is_another() {
    // From Friday midnight on; enough trips for three days.
    let mut source = Generator::new(11, 800_000, WEDNESDAY_MS + 2 * DAY_MS + 12_345);
    let mut hours = vec![0_u32; 100];
    let mut newest = i64::MIN;
    while let Some(row) = source.next_row().unwrap() {
        assert!(row.event_time.0 >= newest);
        newest = row.event_time.0;
        let hour = (newest - WEDNESDAY_MS - 2 * DAY_MS) / HOUR_MS;
        if hour >= 72 {
            break;
        }
        hours[hour as usize] += 1;
    }
    assert!(hours[..72].iter().all(|trips| *trips > 1_000), "{hours:?}");
    let (friday, saturday, sunday) = (&hours[..24], &hours[24..48], &hours[48..72]);
    assert!(saturday[1] > 2 * friday[1] && sunday[2] > 2 * friday[2], "nights out");
    assert!(saturday[8] < friday[8] * 2 / 3 && sunday[8] < friday[8] / 2, "no rush to work");
}
