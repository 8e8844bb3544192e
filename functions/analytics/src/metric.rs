//! What one event adds to which metric.
//!
//! | metric | what |
//! |---|---|
//! | `events.{type}` | events of the shop, by name |
//! | `events.other` | events of any other name: each would be an attribute, and a row has room for so many |
//! | `events.unreadable` | of the shop's events, those whose payload or version could not be read |
//! | `orders` | orders placed |
//! | `revenue.{currency}` | their totals, in minor units |
//! | `captured.{currency}`, `refunded.{currency}` | money that moved, in minor units |

use dashpot::{Envelope, EventSet};
use serde_json::value::RawValue;
use shop_events::{Money, ShopEvent};

/// What the event adds: each metric once.
#[must_use]
pub fn metrics(event: &Envelope<Box<RawValue>>) -> Vec<(String, i64)> {
    if !ShopEvent::types().contains(&event.event_type.as_str()) {
        return vec![("events.other".into(), 1)];
    }
    let mut metrics = vec![(format!("events.{}", event.event_type), 1)];
    let known = ShopEvent::read(
        &event.event_type,
        event.metadata.version,
        event.payload.get(),
    );
    match known {
        Ok(event) => metrics.extend(money(event)),
        Err(_) => metrics.push(("events.unreadable".into(), 1)),
    }
    metrics
}

/// What an event says about money.
fn money(event: ShopEvent) -> Vec<(String, i64)> {
    let add = |metric: &str, money: Money| {
        // Nothing above Money::MAX is read, so the conversion never falls back.
        let amount = i64::try_from(money.amount).unwrap_or_default();
        (format!("{metric}.{}", money.currency), amount)
    };
    match event {
        ShopEvent::OrderPlaced(order) => vec![("orders".into(), 1), add("revenue", order.total)],
        ShopEvent::PaymentCaptured(payment) => vec![add("captured", payment.amount)],
        ShopEvent::PaymentRefunded(payment) => vec![add("refunded", payment.amount)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use dashpot::Metadata;

    use super::*;

    fn of(event_type: &str, version: u32, payload: &str) -> Vec<(String, i64)> {
        metrics(&Envelope {
            event_type: event_type.into(),
            payload: RawValue::from_string(payload.into()).unwrap(),
            metadata: Metadata {
                id: "e".into(),
                timestamp: 0,
                correlation_id: "c".into(),
                causation_id: None,
                version,
                source: None,
                subject: None,
                hops: 0,
            },
        })
    }

    fn owned(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
        expected
            .iter()
            .map(|(name, n)| ((*name).into(), *n))
            .collect()
    }

    #[test]
    fn an_order_counts_in_both_its_versions() {
        let placed =
            r#"{"orderId":"o","userId":"u","total":{"amount":500,"currency":"USD"},"items":[]}"#;
        assert_eq!(
            of("order.placed", 2, placed),
            owned(&[
                ("events.order.placed", 1),
                ("orders", 1),
                ("revenue.USD", 500)
            ])
        );
        let created = r#"{"orderId":"123","userId":"user_456","total":99.99,"items":[]}"#;
        assert_eq!(
            of("order.created", 1, created),
            owned(&[
                ("events.order.created", 1),
                ("orders", 1),
                ("revenue.EUR", 9999)
            ])
        );
    }

    #[test]
    fn money_that_moved_is_added_up_by_currency() {
        let payment = r#"{"orderId":"o","userId":"u","amount":{"amount":7,"currency":"EUR"},"paymentIntentId":"pi"}"#;
        assert_eq!(
            of("payment.captured", 1, payment),
            owned(&[("events.payment.captured", 1), ("captured.EUR", 7)])
        );
        assert_eq!(
            of("payment.refunded", 1, payment),
            owned(&[("events.payment.refunded", 1), ("refunded.EUR", 7)])
        );
        assert_eq!(
            of("payment.voided", 1, payment),
            owned(&[("events.payment.voided", 1)])
        );
    }

    #[test]
    fn what_cannot_be_read_of_the_shops_own_events_is_seen() {
        let huge = r#"{"orderId":"o","userId":"u","total":{"amount":99999999999,"currency":"EUR"},"items":[]}"#;
        for (version, payload) in [(2, "{}"), (1, "{}"), (3, "{}"), (2, "null"), (2, huge)] {
            assert_eq!(
                of("order.placed", version, payload),
                owned(&[("events.order.placed", 1), ("events.unreadable", 1)]),
                "{version} {payload}"
            );
        }
    }

    #[test]
    fn an_event_of_any_other_name_is_one_of_the_others() {
        for name in ["", "other", "comet.seen", "order.placed ", "a#b.c", "a.b\n"] {
            assert_eq!(of(name, 1, "{}"), owned(&[("events.other", 1)]), "{name}");
        }
    }
}
