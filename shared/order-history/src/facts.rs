//! What several events say together, in little space.
//!
//! [`Facts`] are joined: the order in which that is done, and how often, changes nothing. So whoever keeps them may take
//! events as they come, and may take them again.

use std::collections::BTreeSet;

use dashpot::Event as _;
use serde::{Deserialize, Serialize};
use shop_events::{
    Money, OrderCancellationRefused, OrderCancellationRequested, OrderCancelled, OrderId,
    PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentVoided, PickListCreated,
    PickListPacked, StockRejected, StockReserved, UserId,
};

use crate::event::Event;

/// What is known of an order from some of its events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    seen: BTreeSet<Fact>,
    customer: Option<Told<UserId>>,
    total: Option<Told<Money>>,
    captured: Option<Told<Money>>,
    voided: Option<Told<Money>>,
    refunded: Option<Told<Money>>,
    begun: Option<Told<()>>,
    last: Option<Last>,
}

/// What there is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fact {
    Reserved,
    Short,
    /// Short, and nothing is held that would have to be let go.
    ShortWithoutHold,
    Captured,
    Voided,
    PaymentFailed,
    Listed,
    Packed,
    CancellationRequested,
    CancellationRefused,
    Cancelled,
}

/// What an event says about something that several may speak of. `order.placed` is believed first, then who spoke first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told<T> {
    weight: u8,
    at: u64,
    id: String,
    what: T,
}

impl<T> Told<T> {
    fn by(event: &Event, what: T) -> Self {
        Self {
            weight: u8::from(!event.is_placed()),
            at: event.entry.at,
            id: event.entry.id.clone(),
            what,
        }
    }

    fn key(&self) -> (u8, u64, &str) {
        (self.weight, self.at, &self.id)
    }
}

/// The latest event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Last {
    /// When it happened, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(rename = "type")]
    pub event_type: String,
}

/// An order in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// What it costs.
    pub total: Money,
    /// How far it is.
    pub state: State,
    /// Whether the customer wanted it cancelled, and what became of that.
    #[serde(default)]
    pub cancellation: Cancellation,
    /// What became of the money.
    #[serde(default)]
    pub money: Balance,
    /// When it was placed, in milliseconds since the Unix epoch.
    pub placed_at: u64,
    /// Its latest event.
    pub last: Last,
}

/// How far an order is. A later one wins where the events would allow several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is decided yet.
    Placed,
    /// Its stock is set aside.
    Reserved,
    /// The money is taken and the pick list made.
    Confirmed,
    /// The goods are packed too: it cannot be cancelled any more.
    Packed,
    /// Short of stock with the hold voided (or without one), or the capture was refused.
    Rejected,
    /// Cancelled.
    Cancelled,
}

impl State {
    /// All of them, the furthest last.
    pub const ALL: [Self; 6] = [
        Self::Placed,
        Self::Reserved,
        Self::Confirmed,
        Self::Packed,
        Self::Rejected,
        Self::Cancelled,
    ];

    /// The word for it: `confirmed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Packed => "packed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }
}

/// There is no state of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order is placed, reserved, confirmed, packed, rejected or cancelled")]
pub struct UnknownState;

impl std::str::FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or(UnknownState)
    }
}

/// Whether the customer wanted an order cancelled, and what became of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cancellation {
    /// Nobody asked.
    #[default]
    None,
    /// Warehouse has not answered yet.
    Requested,
    /// It was packed before.
    Refused,
    /// It is cancelled.
    Granted,
}

/// What became of an order's money, as far as it was told. What was told first counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// What was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// What had been held and was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided: Option<Money>,
    /// What went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Money>,
}

impl Facts {
    /// What one event says.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let name = event.entry.event_type.as_str();
        let amount = |of: &str| {
            let amount = event.amount.filter(|_| name == of)?;
            Some(Told::by(event, amount))
        };
        let told = |user: &UserId| Told::by(event, user.clone());
        Self {
            seen: seen(name, event.names_hold).into_iter().collect(),
            customer: event.user_id.as_ref().map(told),
            total: event.total.map(|total| Told::by(event, total)),
            captured: amount(PaymentCaptured::TYPE),
            voided: amount(PaymentVoided::TYPE),
            refunded: amount(PaymentRefunded::TYPE),
            begun: Some(Told::by(event, ())),
            last: Some(Last {
                at: event.entry.at,
                id: event.entry.id.clone(),
                event_type: event.entry.event_type.clone(),
            }),
        }
    }

    /// What both say together.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.seen.extend(other.seen);
        Self {
            seen: self.seen,
            customer: first(self.customer, other.customer),
            total: first(self.total, other.total),
            captured: first(self.captured, other.captured),
            voided: first(self.voided, other.voided),
            refunded: first(self.refunded, other.refunded),
            begun: first(self.begun, other.begun),
            last: self.last.max(other.last),
        }
    }

    /// What they say of the order; none while they do not tell whose it is and what it costs.
    #[must_use]
    pub fn summary(&self, order_id: OrderId) -> Option<Summary> {
        let amount = |told: &Option<Told<Money>>| told.as_ref().map(|it| it.what);
        Some(Summary {
            order_id,
            user_id: self.customer.as_ref()?.what.clone(),
            total: amount(&self.total)?,
            state: self.state(),
            cancellation: self.cancellation(),
            money: Balance {
                captured: amount(&self.captured),
                voided: amount(&self.voided),
                refunded: amount(&self.refunded),
            },
            placed_at: self.begun.as_ref()?.at,
            last: self.last.clone()?,
        })
    }

    fn state(&self) -> State {
        let seen = |fact| self.seen.contains(&fact);
        let is_short = seen(Fact::ShortWithoutHold) || (seen(Fact::Short) && seen(Fact::Voided));
        if seen(Fact::Cancelled) {
            State::Cancelled
        } else if is_short || seen(Fact::PaymentFailed) {
            State::Rejected
        } else if seen(Fact::Captured) && seen(Fact::Packed) {
            State::Packed
        } else if seen(Fact::Captured) && seen(Fact::Listed) {
            State::Confirmed
        } else if seen(Fact::Reserved) {
            State::Reserved
        } else {
            State::Placed
        }
    }

    fn cancellation(&self) -> Cancellation {
        let seen = |fact| self.seen.contains(&fact);
        if seen(Fact::Cancelled) {
            Cancellation::Granted
        } else if seen(Fact::CancellationRefused) {
            Cancellation::Refused
        } else if seen(Fact::CancellationRequested) {
            Cancellation::Requested
        } else {
            Cancellation::None
        }
    }
}

fn seen(name: &str, names_hold: bool) -> Option<Fact> {
    Some(match name {
        StockReserved::TYPE => Fact::Reserved,
        StockRejected::TYPE if names_hold => Fact::Short,
        StockRejected::TYPE => Fact::ShortWithoutHold,
        PaymentCaptured::TYPE => Fact::Captured,
        PaymentVoided::TYPE => Fact::Voided,
        PaymentFailed::TYPE => Fact::PaymentFailed,
        PickListCreated::TYPE => Fact::Listed,
        PickListPacked::TYPE => Fact::Packed,
        OrderCancellationRequested::TYPE => Fact::CancellationRequested,
        OrderCancellationRefused::TYPE => Fact::CancellationRefused,
        OrderCancelled::TYPE => Fact::Cancelled,
        _ => return None,
    })
}

fn first<T>(one: Option<Told<T>>, other: Option<Told<T>>) -> Option<Told<T>> {
    match (one, other) {
        (Some(one), Some(other)) if other.key() < one.key() => Some(other),
        (one, other) => one.or(other),
    }
}
