//! What one event says about an order.

use dashpot::{Envelope, Event as _, EventSet, Item, Value};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shop_events::{Lines, Money, OrderId, OrderPlaced, ShopEvent, UserId};

/// An event, as far as an order's state depends on it. Nothing personal gets in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is filed under: the order's id, where it is about an order.
    pub subject: String,
    /// What the history tells of it.
    pub entry: Entry,
    /// The customer's pseudonym.
    pub user_id: Option<UserId>,
    /// What the order costs.
    pub total: Option<Money>,
    /// What was ordered.
    pub items: Option<Lines>,
    /// The money that moved, or did not.
    pub amount: Option<Money>,
    /// Whether it names a hold on the customer's card.
    pub names_hold: bool,
}

/// A line of an order's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// The metadata of one of the shop's own events name another order than its payload. Whoever acts on it goes by the
/// payload, and the history of an order must not tell what happened to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("metadata.subject: is not the order that the payload is about")]
pub struct Contradiction;

impl Event {
    /// What an envelope says, known or not.
    ///
    /// # Errors
    /// [`Contradiction`]: nobody can say which order it is about.
    pub fn of(envelope: &Envelope<Box<RawValue>>) -> Result<Self, Contradiction> {
        let metadata = &envelope.metadata;
        let words: Words<'_> = strict_json::from_str(envelope.payload.get()).unwrap_or_default();
        let order: Option<OrderId> = read(words.order_id);
        if let (Some(subject), Some(order)) = (&metadata.subject, &order)
            && subject != order.as_str()
            && ShopEvent::types().contains(&envelope.event_type.as_str())
        {
            return Err(Contradiction);
        }
        // An order of an older version is upcast; in everything else the words mean the same.
        let placed = <OrderPlaced as dashpot::Event>::read(
            &envelope.event_type,
            metadata.version,
            envelope.payload.get(),
        );
        let (user_id, total, items) = match placed {
            Ok(order) => (Some(order.user_id), Some(order.total), Some(order.items)),
            Err(_) => (read(words.user_id), read(words.total), read(words.items)),
        };
        Ok(Self {
            subject: metadata
                .subject
                .as_deref()
                .or(order.as_ref().map(OrderId::as_str))
                .unwrap_or(&metadata.id)
                .to_owned(),
            entry: Entry {
                id: metadata.id.clone(),
                event_type: envelope.event_type.clone(),
                at: metadata.timestamp,
                source: metadata.source.clone(),
                causation_id: metadata.causation_id.clone(),
            },
            user_id,
            total,
            items,
            amount: read(words.amount),
            names_hold: words.payment_intent_id.is_some(),
        })
    }

    /// Reads the envelope that the journal keeps; none where it is none.
    #[must_use]
    pub fn in_body(body: &str) -> Option<Self> {
        Self::of(&strict_json::from_str(body).ok()?).ok()
    }

    /// Reads a row of the journal; none where that is no row of the journal.
    #[must_use]
    pub fn in_row(row: &Item) -> Option<Self> {
        Self::in_body(row.get("body").and_then(Value::as_str)?)
    }

    /// Whether it is the order itself, in any version.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        OrderPlaced::NAMES.contains(&self.entry.event_type.as_str())
    }

    /// The order that it is about; none where its subject cannot be one.
    #[must_use]
    pub fn order_id(&self) -> Option<OrderId> {
        self.subject.parse().ok()
    }
}

/// The shop's words that may be in any payload, known or not.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Words<'a> {
    #[serde(borrow)]
    order_id: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
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
        assert_eq!(event.order_id(), Some("123".parse().unwrap()));
        assert!(!event.names_hold);
    }

    #[test]
    fn an_unknown_event_says_what_its_words_say() {
        let payload = r#"{"userId":"u","total":{"amount":1,"currency":"EUR"},"paymentIntentId":"pi",
            "items":[{"sku":"a","quantity":2}],"amount":{"amount":2,"currency":"EUR"}}"#;
        let known = event("comet.seen", 9, payload);
        assert!(known.user_id.is_some() && known.total.is_some() && known.names_hold);
        assert_eq!(known.items.map(|lines| lines.len()), Some(1));
        assert_eq!(known.amount.map(|money| money.amount), Some(2));
        for payload in [
            "[]",
            "null",
            r#"{"userId":"a#b","total":1,"paymentIntentId":null,"items":3,"amount":"x"}"#,
        ] {
            let unknown = event("comet.seen", 9, payload);
            assert_eq!((unknown.user_id, unknown.total), (None, None), "{payload}");
            assert_eq!((unknown.items, unknown.amount), (None, None), "{payload}");
            assert!(!unknown.names_hold);
        }
    }

    #[test]
    fn what_names_no_order_is_filed_under_itself_and_is_about_none_of_ours_but_by_chance() {
        assert_eq!(event("comet.seen", 1, "[]").subject, "e");
        // What is no order id of ours cannot forge a key.
        assert_eq!(event("comet.seen", 1, r#"{"orderId":"a#b"}"#).subject, "e");
    }

    #[test]
    fn an_event_of_the_shop_is_about_one_order() {
        let body = |name: &str| {
            format!(
                r#"{{"type":"{name}","payload":{{"orderId":"o-1"}},"metadata":{{"id":"e","timestamp":7,"correlationId":"c","version":1,"subject":"o-2"}}}}"#
            )
        };
        let envelope = strict_json::from_str(&body("stock.reserved")).unwrap();
        assert_eq!(Event::of(&envelope), Err(Contradiction));
        // What another's event is about, only they know.
        assert_eq!(Event::in_body(&body("comet.seen")).unwrap().subject, "o-2");
    }

    #[test]
    fn what_is_no_row_of_the_journal_is_no_event() {
        assert_eq!(Event::in_row(&Item::new()), None);
        let row = Item::from([("body".to_owned(), Value::from("{}"))]);
        assert_eq!(Event::in_row(&row), None);
    }
}
