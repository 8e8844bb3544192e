//! What one event of the journal says about an order.

use dashpot::{Envelope, Event as _, Item, Value};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shop_events::{Money, OrderPlaced, UserId};

/// An event, as far as the order's state depends on it. Nothing personal gets in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What the history tells of it.
    pub entry: Entry,
    /// The customer's pseudonym.
    pub user_id: Option<UserId>,
    /// What the order costs.
    pub total: Option<Money>,
    /// Whether it names a hold on the customer's card.
    pub names_hold: bool,
}

/// A line of an order's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The event's id.
    pub id: String,
    /// Its name.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The service that said it.
    pub source: Option<String>,
    /// The event that caused it.
    pub causation_id: Option<String>,
}

impl Event {
    /// Reads a row of the journal; none where that is no row of the journal.
    #[must_use]
    pub fn in_row(row: &Item) -> Option<Self> {
        let body = row.get("body").and_then(Value::as_str)?;
        let envelope: Envelope<Box<RawValue>> = strict_json::from_str(body).ok()?;
        let words: Words<'_> = strict_json::from_str(envelope.payload.get()).unwrap_or_default();
        // An order of an older version is upcast; in everything else the words mean the same.
        let order = OrderPlaced::read(
            &envelope.event_type,
            envelope.metadata.version,
            envelope.payload.get(),
        )
        .ok();
        let (user_id, total) = match order {
            Some(order) => (Some(order.user_id), Some(order.total)),
            None => (read(words.user_id), read(words.total)),
        };
        Some(Self {
            entry: Entry {
                id: envelope.metadata.id,
                event_type: envelope.event_type,
                at: envelope.metadata.timestamp,
                source: envelope.metadata.source,
                causation_id: envelope.metadata.causation_id,
            },
            user_id,
            total,
            names_hold: words.payment_intent_id.is_some(),
        })
    }
}

/// The shop's words that may be in any payload, known or not.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Words<'a> {
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
    #[serde(borrow)]
    payment_intent_id: Option<&'a RawValue>,
}

fn read<'a, T: Deserialize<'a>>(text: Option<&'a RawValue>) -> Option<T> {
    strict_json::from_str(text?.get()).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn event(event_type: &str, version: u32, payload: &str) -> Event {
        let body = format!(
            r#"{{"type":"{event_type}","payload":{payload},"metadata":{{"id":"e","timestamp":7,"correlationId":"c","version":{version}}}}}"#
        );
        Event::in_row(&Item::from([("body".to_owned(), Value::from(body))])).unwrap()
    }

    #[test]
    fn the_first_version_of_an_order_has_its_total_in_euros() {
        let payload = r#"{"orderId":"123","userId":"user_456","total":99.99,"items":[]}"#;
        let event = event("order.created", 1, payload);
        assert_eq!(
            event.total.map(|total| total.to_string()),
            Some("99.99 EUR".into())
        );
        assert_eq!(event.user_id, Some("user_456".parse().unwrap()));
        assert!(!event.names_hold);
    }

    #[test]
    fn an_unknown_event_says_what_its_words_say() {
        let payload =
            r#"{"userId":"u","total":{"amount":1,"currency":"EUR"},"paymentIntentId":"pi"}"#;
        let known = event("comet.seen", 9, payload);
        assert!(known.user_id.is_some() && known.total.is_some() && known.names_hold);
        for payload in [
            "[]",
            "null",
            r#"{"userId":"a#b","total":1,"paymentIntentId":null}"#,
        ] {
            let unknown = event("comet.seen", 9, payload);
            assert_eq!((unknown.user_id, unknown.total), (None, None), "{payload}");
            assert!(!unknown.names_hold);
        }
    }

    #[test]
    fn what_is_no_row_of_the_journal_is_no_event() {
        assert_eq!(Event::in_row(&Item::new()), None);
        let row = Item::from([("body".to_owned(), Value::from("{}"))]);
        assert_eq!(Event::in_row(&row), None);
    }
}
