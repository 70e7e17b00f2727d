//! Failed attempts to come in, counted for each address and for each key asked for from it, so that guessing takes too long.

use model::Env;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// Failures of one key from one address before it must wait, and how long one of them counts.
const OF_KEY: Allowance = Allowance { most: 10, each_ms: 30_000 };
/// The same for all keys from one address.
const OF_ADDRESS: Allowance = Allowance { most: 100, each_ms: 1_000 };
/// Most addresses, and most pairs of address and key, that are remembered; those that failed least are forgotten first.
const REMEMBERED_MAX: usize = 8_192;
/// Longest id that is remembered; a longer one is no key's.
const ID_BYTES_MAX: usize = 256;

/// How many failures are let pass.
#[derive(Clone, Copy)]
struct Allowance {
    most: u64,
    each_ms: u64,
}

/// The failures of late.
pub(crate) struct Attempts {
    env: Env,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    keys: HashMap<(IpAddr, String), u64>,
    addresses: HashMap<IpAddr, u64>,
}

impl Attempts {
    /// Nobody has failed yet.
    pub(crate) fn new(env: Env) -> Self {
        Self { env, counted: Mutex::default() }
    }

    /// Whether somebody may try; else after how many seconds, at least 1.
    pub(crate) fn admit(&self, address: IpAddr, id: &str) -> Result<(), u64> {
        let (now, place) = (self.now_ms(), place(address));
        let counted = self.counted.lock();
        let of_key = OF_KEY.wait_ms(counted.keys.get(&(place, bounded(id))), now);
        let wait_ms = of_key.max(OF_ADDRESS.wait_ms(counted.addresses.get(&place), now));
        if wait_ms == 0 { Ok(()) } else { Err(wait_ms.div_ceil(1_000)) }
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, address: IpAddr, id: &str) {
        let (now, place) = (self.now_ms(), place(address));
        let mut counted = self.counted.lock();
        OF_KEY.count(&mut counted.keys, (place, bounded(id)), now);
        OF_ADDRESS.count(&mut counted.addresses, place, now);
    }

    /// Forgets the failures of a key that came in after all.
    pub(crate) fn succeeded(&self, address: IpAddr, id: &str) {
        self.counted.lock().keys.remove(&(place(address), bounded(id)));
    }

    fn now_ms(&self) -> u64 {
        self.env.monotonic_ns() / 1_000_000
    }
}

impl Allowance {
    /// A counter is the moment at which all of its failures are forgotten: each one puts it off by `each_ms`.
    fn wait_ms(self, until: Option<&u64>, now: u64) -> u64 {
        let left = until.map_or(0, |until| until.saturating_sub(now));
        (left + self.each_ms).saturating_sub(self.most * self.each_ms)
    }

    fn count<K: Hash + Eq + Clone>(self, all: &mut HashMap<K, u64>, key: K, now: u64) {
        if all.len() >= REMEMBERED_MAX && !all.contains_key(&key) {
            all.retain(|_, until| *until > now);
            let least = all.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
            if let Some(least) = least.filter(|_| all.len() >= REMEMBERED_MAX) {
                all.remove(&least);
            }
        }
        let until = all.entry(key).or_insert(now);
        *until = (*until).max(now) + self.each_ms;
    }
}

/// What counts as one address: of IPv6 a whole network of 64 bits, which is what one customer has.
fn place(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

fn bounded(id: &str) -> String {
    id.get(..ID_BYTES_MAX).unwrap_or(if id.len() > ID_BYTES_MAX { "" } else { id }).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_is_shut_for_one_address_after_ten_failures_and_opens_by_and_by() {
        let (env, clock) = Env::manual(0, 1);
        let attempts = Attempts::new(env);
        let here = ip("192.0.2.1");
        for i in 0..OF_KEY.most {
            assert_eq!(attempts.admit(here, "A"), Ok(()), "{i}");
            attempts.failed(here, "A");
        }
        assert_eq!(attempts.admit(here, "A"), Err(30));
        assert_eq!(attempts.admit(here, "B"), Ok(()));
        assert_eq!(attempts.admit(ip("192.0.2.2"), "A"), Ok(()));
        clock.advance_ms(29_500);
        assert_eq!(attempts.admit(here, "A"), Err(1));
        clock.advance_ms(500);
        assert_eq!(attempts.admit(here, "A"), Ok(()));
        attempts.failed(here, "A");
        assert_eq!(attempts.admit(here, "A"), Err(30));
        attempts.succeeded(here, "A");
        assert_eq!(attempts.admit(here, "A"), Ok(()));
    }

    #[test]
    fn an_address_is_shut_for_every_key_after_a_hundred() {
        let attempts = Attempts::new(Env::manual(0, 1).0);
        for i in 0..OF_ADDRESS.most {
            let address = format!("2001:db8::{i:x}");
            assert_eq!(attempts.admit(ip(&address), &i.to_string()), Ok(()), "{i}");
            attempts.failed(ip(&address), &i.to_string());
        }
        assert_eq!(attempts.admit(ip("2001:db8::ffff"), "new"), Err(1), "one network of IPv6 is one address");
        assert_eq!(attempts.admit(ip("2001:db8:0:1::1"), "new"), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_worst_stay() {
        let attempts = Attempts::new(Env::manual(0, 1).0);
        let worst = ip("192.0.2.1");
        for _ in 0..OF_KEY.most {
            attempts.failed(worst, "A");
        }
        for i in 0..(REMEMBERED_MAX as u32 + 500) {
            attempts.failed(IpAddr::V4((0x0a00_0000 + i).into()), &"x".repeat(10_000));
        }
        let counted = attempts.counted.lock();
        assert!(counted.keys.len() <= REMEMBERED_MAX && counted.addresses.len() <= REMEMBERED_MAX);
        assert!(counted.keys.keys().all(|(_, id)| id.len() <= ID_BYTES_MAX));
        drop(counted);
        assert!(attempts.admit(worst, "A").is_err());
    }
}
