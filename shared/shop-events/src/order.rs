//! Events about an order as a whole.

use dashpot_envelope::{Personal, Unreadable};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use strict_json::Malformed;

use crate::{Currency, IntentId, Line, Lines, Money, OrderId, TooManyLines, UserId};

/// How the customer is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Customer {
    /// The e-mail address.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub email: Personal<String>,
}

/// A customer has placed an order; their card is held for the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    fn read(name: &str, version: u32, payload: &str) -> Result<Self, Unreadable> {
        match (name, version) {
            ("order.placed", 2) => Ok(strict_json::from_str(payload)?),
            ("order.created", 1) => {
                let order: OrderCreatedV1<'_> = strict_json::from_str(payload)?;
                Ok(order.upcast(payload)?)
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
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "OrderCreated")
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderCreatedV1<'a> {
    order_id: OrderId,
    user_id: UserId,
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "first_version::total"))]
    total: &'a RawValue,
    #[serde(default, borrow)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "first_version::items"))]
    items: Vec<&'a RawValue>,
}

impl OrderCreatedV1<'_> {
    /// `payload` is the text that it was read from.
    fn upcast(self, payload: &str) -> Result<OrderPlaced, Malformed> {
        let total = Money::from_decimal(self.total.get(), Currency::EUR).map_err(|error| {
            Malformed::new(error.to_string()).within("total", payload, self.total)
        })?;
        let line = |(index, item): (usize, &&RawValue)| {
            strict_json::from_str(item.get())
                .map_err(|error| error.within(format!("items[{index}]"), payload, item))
        };
        let lines: Vec<Line> = self
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| names_a_line(item))
            .map(line)
            .collect::<Result<_, _>>()?;
        let items = lines.try_into().map_err(|error: TooManyLines| {
            let last = self.items.last().unwrap_or(&self.total);
            Malformed::new(error.to_string()).within("items", payload, last)
        })?;
        Ok(OrderPlaced {
            order_id: self.order_id,
            user_id: self.user_id,
            customer: None,
            total,
            items,
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
    strict_json::from_str::<Named>(item.get()).is_ok()
}

/// What the first version says by looking at the text.
#[cfg(feature = "schema")]
mod first_version {
    use schemars::{Schema, SchemaGenerator, json_schema};

    use crate::Line;

    /// [`Money::MAX`](crate::Money::MAX) and its unit, in euros.
    pub(super) fn total(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Euros, with at most two decimals.",
            "type": "number",
            "minimum": 0,
            "maximum": 999_999.99,
            "multipleOf": 0.01,
        })
    }

    /// See [`super::names_a_line`].
    pub(super) fn items(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What names a sku and a quantity is a line; anything else is passed over.",
            "type": "array",
            "items": {
                "if": { "type": "object", "required": ["sku", "quantity"] },
                "then": generator.subschema_for::<Line>(),
            },
        })
    }
}

/// The customer wants the order cancelled; warehouse decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
        <OrderPlaced as Event>::read(name, version, payload)
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
    fn what_is_wrong_with_the_first_version_is_told_where_it_lies() {
        for (payload, says) in [
            (
                r#"{"orderId":"1","userId":"u","total":5,"items":["a chair",{"sku":"a","quantity":-2}]}"#,
                "items[1].quantity: expected a whole number above 0, at line 1 column 81",
            ),
            (
                "{\"orderId\":\"1\",\"userId\":\"u\",\n\"total\": 5.001}",
                "total: an amount is a decimal number like 49.99, with at most 2 decimals, at line 2 column 10",
            ),
            (
                r#"["1","u",5,[]]"#,
                "expected an object, at line 1 column 0",
            ),
        ] {
            let Err(Unreadable::Malformed(error)) = read("order.created", 1, payload) else {
                panic!("{payload} is read");
            };
            assert_eq!(error.to_string(), says);
        }
    }

    #[test]
    fn an_array_is_neither_an_order_nor_a_line_nor_money() {
        let order = |total: &str, items: &str| {
            let payload =
                format!(r#"{{"orderId":"1","userId":"u","total":{total},"items":{items}}}"#);
            read("order.placed", 2, &payload)
        };
        let (total, items) = (
            r#"{"amount":5,"currency":"EUR"}"#,
            r#"[{"sku":"a","quantity":1}]"#,
        );
        assert!(order(total, items).is_ok());
        assert!(order(r#"[5,"EUR"]"#, items).is_err());
        assert!(order(total, r#"[["a",1]]"#).is_err());
        assert!(read("order.placed", 2, r#"["1","u",null,[5,"EUR"],[],null]"#).is_err());
    }

    #[test]
    fn a_newer_version_is_not_yet() {
        assert!(read("order.placed", 3, "{}").unwrap_err().is_not_yet());
        assert!(!read("order.placed", 1, "{}").unwrap_err().is_not_yet());
    }
}
