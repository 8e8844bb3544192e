//! Events about the money of an order.

use serde::{Deserialize, Serialize};

use crate::{Customer, IntentId, Money, OrderId, UserId};

macro_rules! payment_event {
    ($(#[$meta:meta])* $event:ident, $name:literal, $amount:literal $(, $(#[$field_meta:meta])* $field:ident: $type:ty)?) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct $event {
            /// The order.
            pub order_id: OrderId,
            /// The customer's pseudonym.
            pub user_id: UserId,
            /// How the customer is reached.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub customer: Option<Customer>,
            #[doc = $amount]
            pub amount: Money,
            /// The provider's payment intent.
            pub payment_intent_id: IntentId,
            $($(#[$field_meta])* pub $field: $type,)?
        }

        order_event!($event, $name, 1);
    };
}

payment_event!(
    /// The held money is ours.
    PaymentCaptured, "payment.captured", "What was captured."
);
payment_event!(
    /// The hold is gone; no money has moved.
    PaymentVoided, "payment.voided", "What had been held."
);
payment_event!(
    /// Captured money went back.
    PaymentRefunded, "payment.refunded", "What went back."
);
payment_event!(
    /// The capture was refused for good; no money has moved.
    PaymentFailed, "payment.failed", "What should have been captured.",
    /// The provider's code for the reason: `card_declined`.
    reason: String
);
