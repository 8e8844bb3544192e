//! An order as the attempt freezes it: what the customer is charged is what was decided first.

use dashpot::Personal;
use payment_gateway::{Amount, Authorisation, PaymentMethodId};
use serde::{Deserialize, Serialize};
use shop_events::order::Customer;
use shop_events::{IntentId, Lines, Money, OrderId, OrderPlaced, UserId};

/// An order with its prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// The customer's address.
    pub email: Personal<String>,
    /// What was ordered, with the prices of that moment.
    pub items: Lines,
    /// What it costs.
    pub total: Money,
    /// The provider's token for the customer's card.
    #[serde(with = "token")]
    pub payment_method: PaymentMethodId,
}

/// An order that the provider has no words for: a currency that it counts in another unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an order in {0} cannot be charged")]
pub struct Unchargeable(pub shop_events::Currency);

impl Order {
    /// What the provider is asked: always the same for one order and round.
    ///
    /// # Errors
    /// [`Unchargeable`], which is found out before the order becomes an attempt.
    pub fn authorisation(&self, round: u32) -> Result<Authorisation, Unchargeable> {
        let unchargeable = Unchargeable(self.total.currency);
        let currency = payment_gateway::Currency::parse(self.total.currency.as_str());
        let order_id = payment_gateway::OrderId::parse(self.order_id.as_str());
        let (Ok(currency), Ok(order_id)) = (currency, order_id) else {
            return Err(unchargeable);
        };
        Ok(Authorisation {
            order_id,
            amount: Amount {
                minor_units: self.total.amount,
                currency,
            },
            payment_method: self.payment_method.clone(),
            round,
        })
    }

    /// The event that says it.
    #[must_use]
    pub fn placed(self, intent: IntentId) -> OrderPlaced {
        OrderPlaced {
            order_id: self.order_id,
            user_id: self.user_id,
            customer: Some(Customer { email: self.email }),
            total: self.total,
            items: self.items,
            payment_intent_id: Some(intent),
        }
    }
}

mod token {
    use payment_gateway::PaymentMethodId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        token: &PaymentMethodId,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(token.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<PaymentMethodId, D::Error> {
        PaymentMethodId::parse(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_payment_at_the_provider_names_it_in_events_and_back() {
        let (longest, longer) = ("x".repeat(255), "x".repeat(256));
        for text in [
            "pi_3MrPBM2e",
            "a-b",
            "",
            "pi.1",
            "pi:1",
            "a#b",
            &longest,
            &longer,
        ] {
            let ours: Option<IntentId> = text.parse().ok();
            let theirs = payment_gateway::IntentId::parse(text).ok();
            assert_eq!(ours.is_some(), theirs.is_some(), "{text:?}");
        }
    }
}
