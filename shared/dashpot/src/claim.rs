//! A claim: who acts outside, so that nobody else does, and so that a crash leaves "unknown", not "never".

use std::time::Duration;

use crate::row::{Condition, Item, Key, Row, Value, Write};

/// What must be claimed before an effect outside.
///
/// The row at the key is a small state machine. It is claimed by moving it to the acting state with an owner
/// and a lease; it leaves that state only in the transaction that records the outcome, by the same owner.
/// An expired lease without an outcome means that nobody knows: see
/// [`Context::may_have_happened`](crate::Context::may_have_happened).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub(crate) key: Key,
    pub(crate) acting: &'static str,
    /// From which states, besides absence, to which acting state.
    pub(crate) moves: Vec<(&'static str, &'static str)>,
    pub(crate) unless: Vec<Key>,
    pub(crate) attributes: Item,
}

impl Claim {
    /// Claims the row, absent so far, for the acting state: `capturing`.
    #[must_use]
    pub fn new(key: Key, acting: &'static str) -> Self {
        Self {
            key,
            acting,
            moves: Vec::new(),
            unless: Vec::new(),
            attributes: Item::new(),
        }
    }

    /// It may also be claimed from these states.
    #[must_use]
    pub fn from(self, states: &[&'static str]) -> Self {
        let acting = self.acting;
        self.instead(states, acting)
    }

    /// From these states it is claimed for another acting state instead: what is captured is not voided, but
    /// refunded.
    #[must_use]
    pub fn instead(mut self, states: &[&'static str], acting: &'static str) -> Self {
        self.moves
            .extend(states.iter().map(|state| (*state, acting)));
        self
    }

    /// Not if this row exists: the effect is no longer wanted, and the message is done.
    #[must_use]
    pub fn unless(mut self, key: Key) -> Self {
        self.unless.push(key);
        self
    }

    /// Another attribute of the row.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// The first try: the row is absent.
    pub(crate) fn create(&self, by: &Claimant<'_>) -> Vec<Write> {
        let mut row = Row::new(self.key.clone())
            .set("state", self.acting)
            .set("owner", by.owner)
            .set("leaseUntil", by.lease_until)
            .set("cause", by.cause)
            .set("version", 1_i64);
        row.attributes.extend(self.attributes.clone());
        self.guarded(Write::create(row))
    }

    /// The second try: the row is there, exactly as it was looked at. The version alone does not say so: whoever settles
    /// a claim leaves it as it is, also one whose lease has run out.
    pub(crate) fn take_over(
        &self,
        by: &Claimant<'_>,
        row: &Item,
        version: i64,
        acting: &'static str,
    ) -> Vec<Write> {
        let mut write = Write::update(self.key.clone())
            .set("state", acting)
            .set("owner", by.owner)
            .set("leaseUntil", by.lease_until)
            .set("cause", by.cause)
            .set("version", version + 1);
        for (name, value) in &self.attributes {
            write = write.set(name, value.clone());
        }
        let state = row.get("state").and_then(Value::as_str).unwrap_or_default();
        let as_found = Condition::equals("version", version).and(Condition::equals("state", state));
        self.guarded(write.when(as_found))
    }

    fn guarded(&self, write: Write) -> Vec<Write> {
        let absent = |key: &Key| Write::check(key.clone(), Condition::Absent);
        std::iter::once(write)
            .chain(self.unless.iter().map(absent))
            .collect()
    }

    /// What a row that is already there means for us. Pure: the whole of the claim's logic.
    pub(crate) fn judge(&self, row: &Item, by: &Claimant<'_>) -> Standing {
        let text = |name: &str| row.get(name).and_then(Value::as_str);
        let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or_default();
        let version = number("version");
        let state = text("state").unwrap_or_default();
        let lease_left = number("leaseUntil") - i64::try_from(by.now).unwrap_or(i64::MAX);
        let free = self.moves.iter().find(|(from, _)| *from == state);
        let acting = std::iter::once(self.acting)
            .chain(self.moves.iter().map(|(_, acting)| *acting))
            .find(|acting| *acting == state);
        match (free, acting) {
            // Our own claim, whose answer was lost on the way.
            (_, Some(acting)) if text("owner") == Some(by.owner) => {
                Standing::Ours { version, acting }
            }
            (Some((_, acting)), _) => Standing::Free { version, acting },
            (None, Some(acting)) if lease_left <= 0 => Standing::Unknown { version, acting },
            (None, Some(_)) => Standing::Busy(Duration::from_millis(lease_left.unsigned_abs())),
            (None, None) => Standing::Refused,
        }
    }

    /// Leaves the acting state, in the transaction that records the outcome.
    pub(crate) fn settle(&self, state: &str, owner: &str) -> Write {
        Write::update(self.key.clone())
            .set("state", state)
            .remove("owner")
            .remove("leaseUntil")
            .when(Condition::equals("owner", owner).and(Condition::equals("state", self.acting)))
    }
}

/// Who claims, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimant<'a> {
    /// Unique to this delivery.
    pub(crate) owner: &'a str,
    /// The event's id.
    pub(crate) cause: &'a str,
    /// In milliseconds since the Unix epoch.
    pub(crate) now: u64,
    /// In milliseconds since the Unix epoch.
    pub(crate) lease_until: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ours { version: i64, acting: &'static str },
    Free { version: i64, acting: &'static str },
    Unknown { version: i64, acting: &'static str },
    Busy(Duration),
    Refused,
}

/// A claim in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The version of the row while it is claimed: 1 the first time, one more each time.
    pub version: i64,
    /// The state that it is claimed for: which of its effects the handler is to have.
    pub acting: &'static str,
    /// An earlier try, of this or another delivery, may have had its effect outside.
    pub may_have_happened: bool,
    /// The row as it stood before; none if it was absent.
    pub before: Option<Item>,
}

/// What becomes of a message when an earlier try may have had its effect outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// The handler runs, is told by [`Context::may_have_happened`](crate::Context::may_have_happened), and
    /// asks the other side, or repeats what may be repeated.
    Handle,
    /// The message is parked: only a person can find out.
    Park,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: Claimant<'static> = Claimant {
        owner: "me",
        cause: "e",
        now: 1_000,
        lease_until: 31_000,
    };

    fn row(state: &str, owner: &str, lease_until: i64) -> Item {
        Row::new(Key::new("x"))
            .set("state", state)
            .set("owner", owner)
            .set("leaseUntil", lease_until)
            .set("version", 4_i64)
            .attributes
    }

    #[test]
    fn a_row_that_is_there_is_judged_by_state_owner_and_lease() {
        let claim = Claim::new(Key::new("x"), "capturing").from(&["authorised"]);
        let judge = |state, owner, lease| claim.judge(&row(state, owner, lease), &BY);
        let (version, acting) = (4, "capturing");
        assert_eq!(
            judge("capturing", "me", 31_000),
            Standing::Ours { version, acting }
        );
        assert_eq!(
            judge("authorised", "", 0),
            Standing::Free { version, acting }
        );
        assert_eq!(
            judge("capturing", "other", 1_001),
            Standing::Busy(Duration::from_millis(1))
        );
        assert_eq!(
            judge("capturing", "other", 1_000),
            Standing::Unknown { version, acting }
        );
        assert_eq!(judge("captured", "me", 0), Standing::Refused);
        assert_eq!(judge("voiding", "other", 0), Standing::Refused);
    }

    #[test]
    fn what_is_settled_in_the_meantime_is_not_taken_over() {
        let claim = Claim::new(Key::new("x"), "capturing");
        let found = row("capturing", "other", 1_000);
        let take_over = claim.take_over(&BY, &found, 4, "capturing");
        let condition = take_over[0].condition();
        assert!(condition.holds(Some(&found)));
        assert!(!condition.holds(Some(&row("captured", "", 0))));
    }

    #[test]
    fn what_is_done_depends_on_the_state_that_is_found() {
        let claim = Claim::new(Key::new("x"), "voiding").instead(&["captured"], "refunding");
        let judge = |state, owner, lease| claim.judge(&row(state, owner, lease), &BY);
        let (version, acting) = (4, "refunding");
        assert_eq!(judge("captured", "", 0), Standing::Free { version, acting });
        assert_eq!(
            judge("refunding", "me", 31_000),
            Standing::Ours { version, acting }
        );
        assert_eq!(
            judge("refunding", "other", 1_000),
            Standing::Unknown { version, acting }
        );
        assert_eq!(
            judge("voiding", "other", 1_000),
            Standing::Unknown {
                version,
                acting: "voiding"
            }
        );
        assert_eq!(judge("refunded", "", 0), Standing::Refused);
    }
}
