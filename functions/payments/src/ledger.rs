//! What happened to the money of an order, entry by entry; where the payment stands is what they add up to.
//!
//! Entries are appended, and never changed. Each has the number of the claim that its act was made under, which is the
//! version of the payment's state: it is put if there is none of that number, in the transaction that moves the state from
//! that version, so no two writers append the same one. `authorised`, number 0, comes with the first.

use dashpot::{Context, Item, Key, Row, Value, Write};
use shop_events::{Money, OrderId};

use crate::payment::State;

/// What an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Checkout had the money held.
    Authorised,
    /// It is ours.
    Captured,
    /// The hold is gone.
    Voided,
    /// The bank refused the capture; the hold is gone.
    Failed,
    /// It went back.
    Refunded,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Authorised,
        Self::Captured,
        Self::Voided,
        Self::Failed,
        Self::Refunded,
    ];

    /// The word for it in the row.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::Captured => "captured",
            Self::Voided => "voided",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
        }
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its place: the version of the state under which it was made.
    pub number: i64,
    /// What happened.
    pub kind: Kind,
    /// To how much.
    pub amount: Money,
}

impl Entry {
    /// The entry that a row holds; none where it is no entry.
    #[must_use]
    pub fn read(row: &Item) -> Option<Self> {
        let text = |name: &str| row.get(name).and_then(Value::as_str);
        let kind = text("kind")?;
        Some(Self {
            number: text("sk")?.strip_prefix("entry#")?.parse().ok()?,
            kind: Kind::ALL.into_iter().find(|it| it.as_str() == kind)?,
            amount: Money {
                amount: u64::try_from(row.get("amount")?.as_i64()?).ok()?,
                currency: text("currency")?.parse().ok()?,
            },
        })
    }

    /// Appends it, if there is none of that number.
    #[must_use]
    pub fn append(self, order: &OrderId, intent: &str, cx: &Context) -> Write {
        let key = Key::of(
            format!("payment#{order}"),
            format!("entry#{:06}", self.number),
        );
        Write::create(
            Row::new(key)
                .set("kind", self.kind.as_str())
                .set("amount", self.amount.amount)
                .set("currency", self.amount.currency.as_str())
                .set("intentId", intent)
                .set("eventId", cx.event_id.as_str())
                .set("at", cx.now),
        )
    }
}

/// What the entries of an order add up to, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// What was held.
    pub authorised: u64,
    /// Of that, what was taken.
    pub captured: u64,
    /// Of that, what was let go.
    pub voided: u64,
    /// Of what was taken, what went back.
    pub refunded: u64,
    /// Where the payment stands; none while nothing is settled.
    pub state: Option<State>,
}

impl Balance {
    /// Folds entries, in whatever order they come.
    #[must_use]
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        entries.sort_by_key(|entry| entry.number);
        entries.into_iter().fold(Self::default(), Self::after)
    }

    fn after(mut self, entry: Entry) -> Self {
        let amount = entry.amount.amount;
        match entry.kind {
            Kind::Authorised => {
                self.authorised += amount;
                return self;
            }
            Kind::Captured => {
                self.captured += amount;
                self.state = Some(State::Captured);
            }
            Kind::Voided => {
                self.voided += amount;
                self.state = Some(State::Voided);
            }
            Kind::Failed => {
                self.voided += amount;
                self.state = Some(State::Failed);
            }
            Kind::Refunded => {
                self.refunded += amount;
                // Taken by hand, behind our back: only that it went back is ours.
                self.captured = self.captured.max(self.refunded);
                self.state = Some(State::Refunded);
            }
        }
        self
    }

    /// What is still held.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.authorised.saturating_sub(self.captured + self.voided)
    }

    /// What is the shop's.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.captured.saturating_sub(self.refunded)
    }

    /// Whether a payment whose state's row says this has these entries: while somebody acts, what they add up to is what the
    /// act begins with.
    #[must_use]
    pub fn agrees_with(&self, state: Option<State>) -> bool {
        match state {
            None | Some(State::Capturing | State::Voiding) => self.state.is_none(),
            Some(State::Refunding) => self.state == Some(State::Captured),
            settled => self.state == settled,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use shop_events::Currency;

    use super::*;

    fn entries(kinds: &[Kind]) -> Vec<Entry> {
        let entry = |(kind, number): (&Kind, i64)| Entry {
            number,
            kind: *kind,
            amount: Money {
                amount: 998,
                currency: Currency::EUR,
            },
        };
        kinds.iter().zip(0..).map(entry).collect()
    }

    #[test]
    fn a_balance_is_what_the_entries_add_up_to() {
        use Kind::{Authorised, Captured, Failed, Refunded, Voided};
        for (kinds, state, held, kept) in [
            (&[][..], None, 0, 0),
            (&[Authorised], None, 998, 0),
            (&[Authorised, Captured], Some(State::Captured), 0, 998),
            (
                &[Authorised, Captured, Refunded],
                Some(State::Refunded),
                0,
                0,
            ),
            (&[Authorised, Voided], Some(State::Voided), 0, 0),
            (&[Authorised, Failed], Some(State::Failed), 0, 0),
            // Captured by hand.
            (&[Authorised, Refunded], Some(State::Refunded), 0, 0),
        ] {
            let balance = Balance::of(entries(kinds));
            let seen = (balance.state, balance.held(), balance.kept());
            assert_eq!(seen, (state, held, kept), "{kinds:?}");
            let mut back = entries(kinds);
            back.reverse();
            assert_eq!(Balance::of(back), balance);
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let entry = entries(&[Kind::Refunded])[0];
        let cx = Context::first_delivery("payments", "e");
        let write = entry.append(&"1".parse().unwrap(), "pi_1", &cx);
        let Write::Put { row, .. } = write else {
            panic!("an entry is put");
        };
        let mut item = row.attributes;
        item.insert("sk".into(), row.key.sk.into());
        assert_eq!(Entry::read(&item), Some(entry));
        item.insert("sk".into(), "state".into());
        assert_eq!(Entry::read(&item), None);
    }
}
