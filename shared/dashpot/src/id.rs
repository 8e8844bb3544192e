//! Ids and tokens that nobody else makes.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use fastrand::Rng;
use uuid::{Builder, Uuid};

thread_local! {
    /// Seeded by the operating system: two processes that start at the same moment must not make the same ids.
    static GENERATOR: RefCell<Generator> = RefCell::new(Generator::new(RandomState::new().hash_one("ids")));
}

struct Generator {
    rng: Rng,
    /// The moment of the last id, and its place among those of that moment.
    last: (u64, u16),
}

impl Generator {
    fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            last: (0, 0),
        }
    }

    fn id(&mut self, now: u64) -> Uuid {
        // Ids of one moment sort in the order in which they were made: RFC 9562, 6.2, method 1. It begins in the lower
        // half of the twelve bits that there are; when they are used up it begins anew.
        let place = match self.last {
            (moment, place) if moment == now && place < 0xfff => place + 1,
            _ => self.rng.u16(..0x800),
        };
        self.last = (now, place);
        let mut bits = [0; 10];
        self.rng.fill(&mut bits[2..]);
        bits[..2].copy_from_slice(&place.to_be_bytes());
        Builder::from_unix_timestamp_millis(now, &bits).into_uuid()
    }
}

/// A new id: a `UUIDv7` of the moment `now`, in milliseconds since the Unix epoch.
#[must_use]
pub fn new_id(now: u64) -> Uuid {
    GENERATOR.with_borrow_mut(|generator| generator.id(now))
}

/// A token that names one holder: the owner of a lease, a key that is used once.
#[must_use]
pub fn new_token() -> String {
    format!(
        "{:032x}",
        GENERATOR.with_borrow_mut(|generator| generator.rng.u128(..))
    )
}

/// Fixes which ids and tokens this thread makes from now on: for simulations that a seed must reproduce.
pub fn seed_ids(seed: u64) {
    GENERATOR.set(Generator::new(seed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_moment_and_is_new_each_time() {
        let moment = 1_732_464_000_000;
        let (first, second) = (new_id(moment), new_id(moment));
        assert!(first < second, "in the order in which they were made");
        assert_eq!(first.get_version_num(), 7);
        assert_eq!(first.to_string()[..13], second.to_string()[..13]);
        assert!(new_id(moment - 1) < first);
    }

    #[test]
    fn a_seed_reproduces_ids() {
        let three = || [new_id(0).to_string(), new_token(), new_token()];
        seed_ids(7);
        let first = three();
        seed_ids(7);
        assert_eq!(three(), first);
    }
}
