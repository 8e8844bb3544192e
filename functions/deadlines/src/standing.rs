//! An order's row: which events there were, and what follows. Events are noted in whatever order they come.

use dashpot::{Condition, Item, Key, Value, Write, shard};
use shop_events::{OrderCancellationRequested, OrderId};

/// The index of orders that are late, and its partition key: a shard of the order's id.
pub const LATE: &str = "late";
/// Its sort key: when the order was placed, in milliseconds since the Unix epoch.
pub const SINCE: &str = "since";

const VERSION: &str = "version";
const PLACED: &str = "placed";
const REQUEST: &str = "request";
const HELD: &str = "held";
const ABANDONED: &str = "abandoned";

/// What there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The money is taken.
    Captured,
    /// The pick list is made.
    Listed,
    /// It is short of stock, and money is held for it.
    Short,
    /// It is short of stock, and nothing is held.
    ShortWithoutHold,
    /// The hold is gone.
    Voided,
    /// The bank refused to hand the money over.
    Failed,
    /// It is cancelled.
    Cancelled,
}

impl Mark {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Listed => "listed",
            Self::Short => "short",
            Self::ShortWithoutHold => "shortWithoutHold",
            Self::Voided => "voided",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where an order's row lies.
#[must_use]
pub fn key(order: &OrderId) -> Key {
    Key::new(format!("order#{order}"))
}

/// An order's row as it stands; empty while there is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing(Item);

impl Standing {
    pub(crate) fn of(row: Option<&Item>) -> Self {
        Self(row.cloned().unwrap_or_default())
    }

    pub(crate) fn with(mut self, mark: Mark) -> Self {
        self.0.insert(mark.as_str().to_owned(), true.into());
        self
    }

    fn has(&self, mark: Mark) -> bool {
        self.0.contains_key(mark.as_str())
    }

    /// Nothing is waited for any more.
    pub(crate) fn is_finished(&self) -> bool {
        (self.has(Mark::Captured) && self.has(Mark::Listed))
            || (self.has(Mark::Short) && self.has(Mark::Voided))
            || [Mark::ShortWithoutHold, Mark::Failed, Mark::Cancelled]
                .into_iter()
                .any(|mark| self.has(mark))
    }

    /// Money is held, and is neither taken, nor let go, nor to be let go.
    pub(crate) fn only_holds(&self) -> bool {
        let decided = [Mark::Captured, Mark::Voided, Mark::Short];
        let decided = decided.into_iter().any(|mark| self.has(mark));
        self.0.contains_key(HELD) && !decided && !self.is_finished()
    }

    pub(crate) fn is_late(&self) -> bool {
        self.0.contains_key(LATE)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.contains_key(ABANDONED)
    }

    pub(crate) fn placed_at(&self) -> Option<u64> {
        self.0.get(PLACED)?.as_i64()?.try_into().ok()
    }

    /// What is said to give it up.
    pub(crate) fn request(&self) -> Option<OrderCancellationRequested> {
        serde_json::from_str(self.0.get(REQUEST)?.as_str()?).ok()
    }

    /// A change that is made if nothing else has changed.
    fn change(&self, order: &OrderId) -> Write {
        let version = self.0.get(VERSION).and_then(Value::as_i64);
        let unchanged = match version {
            Some(version) => Condition::equals(VERSION, version),
            None => Condition::Absent,
        };
        Write::update(key(order)).add(VERSION, 1).when(unchanged)
    }

    /// Notes what came late; what is finished by it is late no more.
    pub(crate) fn note(&self, order: &OrderId, mark: Mark) -> Write {
        let write = self.change(order).set(mark.as_str(), true);
        if self.clone().with(mark).is_finished() {
            write.remove(LATE).remove(SINCE)
        } else {
            write
        }
    }

    /// Marks it as late.
    pub(crate) fn late(&self, order: &OrderId, placed_at: u64) -> Write {
        self.change(order)
            .set(LATE, shard(order.as_str()).to_string())
            .set(SINCE, placed_at)
    }

    /// Gives it up.
    pub(crate) fn abandon(&self, order: &OrderId, now: u64) -> Write {
        self.change(order).set(ABANDONED, now)
    }
}

/// Notes that an order is placed, and what is to be said should it be given up: the customer's address stays inside that
/// one attribute.
pub(crate) fn placed(
    request: &OrderCancellationRequested,
    at: u64,
) -> Result<Write, serde_json::Error> {
    let write = Write::update(key(&request.order_id))
        .add(VERSION, 1)
        .set(PLACED, at)
        .set(REQUEST, serde_json::to_string(request)?);
    Ok(match request.payment_intent_id {
        Some(_) => write.set(HELD, true),
        None => write,
    })
}

/// Notes what came in time; refused where the order is late.
pub(crate) fn note(order: &OrderId, mark: Mark) -> Write {
    Write::update(key(order))
        .add(VERSION, 1)
        .set(mark.as_str(), true)
        .when(Condition::Missing(LATE.to_owned()))
}

/// The order that a row is about.
#[must_use]
pub fn order(row: &Item) -> Option<OrderId> {
    row.get("pk")?
        .as_str()?
        .strip_prefix("order#")?
        .parse()
        .ok()
}
