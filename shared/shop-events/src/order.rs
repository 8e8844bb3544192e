//! Events about an order as a whole.

use dashpot_envelope::{Personal, Unreadable};
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Currency, IntentId, Line, Lines, Money, OrderId, UserId};

/// How the customer is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The e-mail address.
    pub email: Personal<String>,
}

/// A customer has placed an order; their card is held for the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderPlaced {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached; unknown in orders of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What it costs.
    pub total: Money,
    /// What was ordered.
    pub items: Lines,
    /// The provider's hold on the customer's card; none in orders of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<IntentId>,
}

order_event! {
    OrderPlaced,
    "order.placed",
    2,
    const NAMES: &'static [&'static str] = &["order.placed", "order.created"];
    fn read(name: &str, version: u32, payload: &RawValue) -> Result<Self, Unreadable> {
        match (name, version) {
            ("order.placed", 2) => Ok(serde_json::from_str(payload.get())?),
            ("order.created", 1) => {
                Ok(serde_json::from_str::<OrderCreatedV1<'_>>(payload.get())?.upcast()?)
            }
            ("order.placed" | "order.created", 0 | 1) => {
                Err(Unreadable::RetiredVersion { oldest: 2 })
            }
            ("order.placed" | "order.created", _) => Err(Unreadable::NewerVersion { known: 2 }),
            _ => Err(Unreadable::UnknownType),
        }
    }
}

/// `order.created`, version 1: the total a decimal number of euros, no customer, no hold.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderCreatedV1<'a> {
    order_id: OrderId,
    user_id: UserId,
    #[serde(borrow)]
    total: &'a RawValue,
    #[serde(default, borrow)]
    items: Vec<&'a RawValue>,
}

impl OrderCreatedV1<'_> {
    fn upcast(self) -> Result<OrderPlaced, serde_json::Error> {
        let total = Money::from_decimal(self.total.get(), Currency::EUR)
            .map_err(|error| serde_json::Error::custom(format_args!("total: {error}")))?;
        let lines: Vec<Line> = self
            .items
            .into_iter()
            .filter(|item| names_a_line(item))
            .map(|item| serde_json::from_str(item.get()))
            .collect::<Result<_, _>>()?;
        Ok(OrderPlaced {
            order_id: self.order_id,
            user_id: self.user_id,
            customer: None,
            total,
            items: lines.try_into().map_err(serde_json::Error::custom)?,
            payment_intent_id: None,
        })
    }
}

/// Version 1 never said what an item looks like: one that names a sku and a quantity counts.
fn names_a_line(item: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "sku")]
        _sku: IgnoredAny,
        #[serde(rename = "quantity")]
        _quantity: IgnoredAny,
    }
    serde_json::from_str::<Named>(item.get()).is_ok()
}

/// The customer wants the order cancelled; warehouse decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancellationRequested {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What it costs.
    pub total: Money,
    /// The provider's hold on the customer's card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<IntentId>,
}

order_event!(
    OrderCancellationRequested,
    "order.cancellation_requested",
    1
);

/// The order is cancelled: nothing was packed, and nothing will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What it cost.
    pub total: Money,
    /// The provider's hold or charge, to be voided or refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<IntentId>,
}

order_event!(OrderCancelled, "order.cancelled", 1);

/// The order cannot be cancelled any more: it is packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancellationRefused {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
}

order_event!(OrderCancellationRefused, "order.cancellation_refused", 1);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use dashpot_envelope::Event;

    fn read(name: &str, version: u32, payload: &str) -> Result<OrderPlaced, Unreadable> {
        <OrderPlaced as Event>::read(name, version, serde_json::from_str(payload).unwrap())
    }

    #[test]
    fn the_first_version_is_upcast() {
        let order = read(
            "order.created",
            1,
            r#"{"orderId":"123","userId":"user_456","total":99.99,"items":[]}"#,
        )
        .unwrap();
        assert_eq!(
            order.total,
            Money {
                amount: 9999,
                currency: Currency::EUR
            }
        );
        assert_eq!(
            (order.items.len(), order.payment_intent_id, order.customer),
            (0, None, None)
        );
    }

    #[test]
    fn an_item_of_the_first_version_counts_where_it_names_sku_and_quantity() {
        let order = read(
            "order.created",
            1,
            r#"{"orderId":"1","userId":"u","total":5,"items":[{"sku":"a","quantity":2},"a chair",{"name":"b"}]}"#,
        )
        .unwrap();
        assert_eq!(order.items.len(), 1);
    }

    #[test]
    fn a_line_of_the_first_version_with_a_senseless_quantity_is_malformed() {
        let payload =
            r#"{"orderId":"1","userId":"u","total":5,"items":[{"sku":"a","quantity":-2}]}"#;
        assert!(matches!(
            read("order.created", 1, payload),
            Err(Unreadable::Malformed(_))
        ));
    }

    #[test]
    fn a_total_that_is_no_amount_is_malformed() {
        for total in ["-1", "1.999", "1e99", "\"5\"", "null", "{}"] {
            let payload = format!(r#"{{"orderId":"1","userId":"u","total":{total},"items":[]}}"#);
            assert!(
                matches!(
                    read("order.created", 1, &payload),
                    Err(Unreadable::Malformed(_))
                ),
                "{total}"
            );
        }
    }

    #[test]
    fn a_newer_version_is_not_yet() {
        assert!(read("order.placed", 3, "{}").unwrap_err().is_not_yet());
        assert!(!read("order.placed", 1, "{}").unwrap_err().is_not_yet());
    }
}
