//! The attempt to place one order: the row of one customer's `Idempotency-Key`, and the only way that it changes.
//!
//! ```text
//! PENDING ──▶ PLACED     by the owner of the lease, in the transaction that says `order.placed`
//!    │  └───▶ DECLINED   by the owner of the lease: nothing is held
//!    └─▶ VOIDING ──▶ VOIDED     by the sweeper, once the lease has run out: the hold is let go of
//! ```
//!
//! Whoever acts outside owns the row: `owner` and `leaseUntil` (milliseconds) are taken by condition, and an
//! expired lease may be taken over. The time of a lease is only for liveness; what keeps an attempt from being
//! both placed and voided is that every step is conditional on state and owner.
//!
//! While money may be held for it without an order, a row is in the sparse index [`INDEX`] (`pending`, the
//! shard; `due`, in seconds, when the sweeper looks at it). The customer's address and the frozen order leave the
//! row when it ends; key, digest and answer stay for ever, as no time is long enough for money.

use dashpot::{Condition, Item, Key, Row, Value, Write};
use sha2::{Digest, Sha256};
use shop_events::{IntentId, OrderId, UserId};

use crate::order::Order;

/// The sparse index of the attempts that the sweeper has to look at.
pub const INDEX: &str = "pending";

/// Its partitions.
pub const SHARDS: [&str; 4] = ["0", "1", "2", "3"];

/// Where an attempt lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptKey(Key);

/// Who may act on an attempt, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    owner: String,
    /// Milliseconds since the Unix epoch.
    now: u64,
    /// Milliseconds since the Unix epoch.
    until: u64,
}

/// An attempt as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The order that it is about.
    pub order_id: OrderId,
    /// The form's digest: another form under the same key is another request.
    pub digest: String,
    /// How it stands.
    pub state: State,
    /// When the sweeper first fenced it, in milliseconds since the Unix epoch.
    pub fenced_at: Option<u64>,
    owner: Option<String>,
    lease_until: u64,
}

/// The states of an attempt, with what is known in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The order is frozen; its money may be held, in the rounds up to this one.
    Pending(Order, u32),
    /// The order is placed, on this hold.
    Placed(Answer, IntentId),
    /// Nothing is held.
    Declined(Answer),
    /// The sweeper is letting go of what may be held, in the rounds up to this one.
    Voiding(Order, u32),
    /// Nothing is held any more.
    Voided,
}

/// What the client was told, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// A row that is no attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the attempt cannot be read: {0}")]
pub struct UnreadableAttempt(&'static str);

/// Lowercase hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Lease {
    /// A lease for a new owner, for so many milliseconds from `now` on.
    #[must_use]
    pub fn new(now: u64, milliseconds: u64) -> Self {
        Self {
            owner: dashpot::new_token(),
            now,
            until: now + milliseconds,
        }
    }

    /// The attempt is in this state, and ours.
    fn holds(&self, state: &str) -> Condition {
        Condition::equals("state", state).and(Condition::equals("owner", self.owner.as_str()))
    }

    /// The attempt is nobody's any more.
    fn is_free(&self) -> Condition {
        Condition::Below("leaseUntil".to_owned(), signed(self.now).saturating_add(1))
    }

    fn taken(&self, write: Write) -> Write {
        write
            .set("owner", self.owner.as_str())
            .set("leaseUntil", self.until)
    }
}

impl AttemptKey {
    /// The attempt of a customer's key.
    #[must_use]
    pub fn of(user_id: &UserId, idempotency_key: &str) -> Self {
        // No user id has a line break, so no two pairs share a text.
        let digest = sha256(format!("{user_id}\n{idempotency_key}").as_bytes());
        Self(Key::new(format!("attempt#{digest}")))
    }

    /// The key of a row that was read.
    #[must_use]
    pub fn of_row(row: &Item) -> Option<Self> {
        let pk = row.get("pk")?.as_str()?;
        pk.starts_with("attempt#").then(|| Self(Key::new(pk)))
    }

    /// The row's key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.0
    }

    fn shard(&self) -> &'static str {
        let last = self.0.pk.bytes().last().unwrap_or_default();
        SHARDS[usize::from(last) % SHARDS.len()]
    }

    fn update(&self) -> Write {
        Write::update(self.0.clone())
    }

    /// Freezes the order, if the key is new.
    #[must_use]
    pub fn create(&self, order: &Order, digest: &str, lease: &Lease, due: u64) -> Write {
        // Strings and numbers: nothing that serde_json could refuse.
        let frozen = serde_json::to_string(order).unwrap_or_default();
        let row = Row::new(self.0.clone())
            .set("state", "PENDING")
            .set("orderId", order.order_id.as_str())
            .set("digest", digest)
            .set("frozen", frozen)
            .set("round", 0_u32)
            .set("owner", lease.owner.as_str())
            .set("leaseUntil", lease.until)
            .set(INDEX, self.shard())
            .set("due", due);
        Write::create(row)
    }

    /// Goes on with an attempt that its owner did not end.
    #[must_use]
    pub fn take_over(&self, lease: &Lease) -> Write {
        let pending = Condition::equals("state", "PENDING");
        lease
            .taken(self.update())
            .when(pending.and(lease.is_free()))
    }

    /// Lets the next request go on at once.
    #[must_use]
    pub fn release(&self, lease: &Lease) -> Write {
        self.update()
            .set("leaseUntil", 0_u64)
            .when(lease.holds("PENDING"))
    }

    /// Notes that the provider is about to be asked under another key.
    #[must_use]
    pub fn next_round(&self, lease: &Lease, round: u32) -> Write {
        self.update()
            .set("round", round)
            .when(lease.holds("PENDING"))
    }

    /// The order is placed.
    #[must_use]
    pub fn place(&self, lease: &Lease, answer: &Answer, intent: &IntentId, round: u32) -> Write {
        decided(self.update(), "PLACED", answer, round)
            .set("intentId", intent.as_str())
            .when(lease.holds("PENDING"))
    }

    /// Nothing is held, and the answer is final.
    #[must_use]
    pub fn decline(&self, lease: &Lease, answer: &Answer, round: u32) -> Write {
        decided(self.update(), "DECLINED", answer, round).when(lease.holds("PENDING"))
    }

    /// Fences an attempt that nobody acts on, in the round that is known: from here on it can never be placed.
    /// `since` is when it was first fenced, in milliseconds since the Unix epoch. If it does not end this time, it is
    /// due again at `due_again`, in seconds, behind those that wait now.
    #[must_use]
    pub fn fence(&self, lease: &Lease, round: u32, since: u64, due_again: u64) -> Write {
        let open = Condition::one_of("state", ["PENDING", "VOIDING"]);
        let known = Condition::equals("round", round);
        lease
            .taken(self.update())
            .set("state", "VOIDING")
            .set("fencedAt", since)
            .set("due", due_again)
            .when(Condition::All(vec![open, known, lease.is_free()]))
    }

    /// Nothing is held any more.
    #[must_use]
    pub fn voided(&self, lease: &Lease) -> Write {
        out_of_index(ended(self.update(), "VOIDED")).when(lease.holds("VOIDING"))
    }

    /// Nothing is held besides what belongs to an order: the sweeper has looked once more.
    #[must_use]
    pub fn looked_at(&self) -> Write {
        out_of_index(self.update()).when(Condition::one_of("state", ["PLACED", "DECLINED"]))
    }
}

/// After more than one round there may be another hold than the one that the decision is about: the attempt
/// stays in the index, so that the sweeper looks once more.
fn decided(write: Write, state: &str, answer: &Answer, round: u32) -> Write {
    let write = ended(write, state)
        .set("answerStatus", u32::from(answer.status))
        .set("answerBody", answer.body.as_str());
    if round == 0 {
        out_of_index(write)
    } else {
        write
    }
}

fn ended(write: Write, state: &str) -> Write {
    write
        .set("state", state)
        .remove("owner")
        .remove("leaseUntil")
        .remove("frozen")
}

fn out_of_index(write: Write) -> Write {
    write.remove(INDEX).remove("due")
}

impl Attempt {
    /// Reads a row.
    ///
    /// # Errors
    /// [`UnreadableAttempt`] names what is wrong with it.
    pub fn read(row: &Item) -> Result<Self, UnreadableAttempt> {
        let text = |name: &'static str| {
            let text = row.get(name).and_then(Value::as_str);
            text.ok_or(UnreadableAttempt(name))
        };
        let number = |name: &'static str| {
            let number = row.get(name).and_then(Value::as_i64);
            number.ok_or(UnreadableAttempt(name))
        };
        let order = || {
            serde_json::from_str::<Order>(text("frozen")?).map_err(|_| UnreadableAttempt("frozen"))
        };
        let round = || u32::try_from(number("round")?).map_err(|_| UnreadableAttempt("round"));
        let answer = || {
            Ok(Answer {
                status: u16::try_from(number("answerStatus")?)
                    .map_err(|_| UnreadableAttempt("answerStatus"))?,
                body: text("answerBody")?.to_owned(),
            })
        };
        let intent = || {
            text("intentId")?
                .parse()
                .map_err(|_| UnreadableAttempt("intentId"))
        };
        Ok(Self {
            order_id: text("orderId")?
                .parse()
                .map_err(|_| UnreadableAttempt("orderId"))?,
            digest: text("digest")?.to_owned(),
            state: match text("state")? {
                "PENDING" => State::Pending(order()?, round()?),
                "PLACED" => State::Placed(answer()?, intent()?),
                "DECLINED" => State::Declined(answer()?),
                "VOIDING" => State::Voiding(order()?, round()?),
                "VOIDED" => State::Voided,
                _ => return Err(UnreadableAttempt("state")),
            },
            fenced_at: number("fencedAt")
                .ok()
                .and_then(|since| since.try_into().ok()),
            owner: text("owner").ok().map(str::to_owned),
            lease_until: number("leaseUntil")
                .ok()
                .and_then(|until| until.try_into().ok())
                .unwrap_or_default(),
        })
    }

    /// Whether the lease is this one's: its write happened, and only the answer was lost.
    #[must_use]
    pub fn is_owned_by(&self, lease: &Lease) -> bool {
        self.owner.as_deref() == Some(&lease.owner) && self.lease_until == lease.until
    }

    /// How many milliseconds somebody else may still act on it; 0 when it may be taken over.
    #[must_use]
    pub fn lease_left(&self, now: u64) -> u64 {
        self.lease_until.saturating_sub(now)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_attempt_is_one_customers_key() {
        let key = |user: &str, key| AttemptKey::of(&user.parse().unwrap(), key).0.pk;
        assert_eq!(key("u", "k"), key("u", "k"));
        assert_ne!(key("u", "k"), key("v", "k"));
        assert_ne!(key("u", "k1"), key("uk", "1"));
        assert_eq!(key("u", "k").len(), "attempt#".len() + 64);
    }

    #[test]
    fn attempts_are_spread_over_all_shards() {
        let shards: std::collections::BTreeSet<_> = (0..100)
            .map(|n| AttemptKey::of(&"u".parse().unwrap(), &n.to_string()).shard())
            .collect();
        assert_eq!(shards.into_iter().collect::<Vec<_>>(), SHARDS);
    }
}
