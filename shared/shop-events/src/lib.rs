//! Every event of the shop: what it is called, what it says, and how older versions are read.
//!
//! - [`order`], [`stock`], [`payment`], [`pick_list`]: the events, one file per subject
//! - [`invoice`], [`deadline`]: commands, each for its one receiver; [`quote`]: a question and its answer
//! - [`address`], [`id`], [`mod@line`], [`money`]: what they are made of, valid by construction
//! - `schema`, with the feature of that name: JSON Schemas of them all
//!
//! Every payload is self-contained: whoever takes it finds in it all that its work needs.

/// Says of an event what the envelope has to know: its name, its version, and whose it is.
macro_rules! order_event {
    ($event:ident, $name:literal, $version:literal $(, $($own:tt)+)?) => {
        impl dashpot_envelope::Event for $event {
            const TYPE: &'static str = $name;
            const VERSION: u32 = $version;

            fn subject(&self) -> &str {
                self.order_id.as_str()
            }

            fn group(&self) -> &str {
                self.user_id.as_str()
            }

            $($($own)+)?
        }
    };
}

pub mod address;
pub mod deadline;
pub mod id;
pub mod invoice;
pub mod line;
pub mod money;
pub mod order;
pub mod payment;
pub mod pick_list;
pub mod quote;
#[cfg(feature = "schema")]
pub mod schema;
pub mod stock;

pub use address::{Address, InvalidAddress};
pub use deadline::{AbandonOrder, CheckOrder};
pub use id::{IntentId, OrderId, Sku, UserId};
pub use invoice::WriteInvoice;
pub use line::{Line, Lines, TooManyLines};
pub use money::{Currency, Money};
pub use order::{
    Customer, OrderCancellationRefused, OrderCancellationRequested, OrderCancelled, OrderPlaced,
};
pub use payment::{PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentVoided};
pub use pick_list::{PickListCreated, PickListPacked};
pub use quote::{QuoteGiven, QuoteRequested};
pub use stock::{StockRejected, StockReserved};

dashpot_envelope::event_set! {
    /// All that the shop says; each consumer declares its own part of it.
    pub enum ShopEvent {
        OrderPlaced(OrderPlaced),
        OrderCancellationRequested(OrderCancellationRequested),
        OrderCancelled(OrderCancelled),
        OrderCancellationRefused(OrderCancellationRefused),
        StockReserved(StockReserved),
        StockRejected(StockRejected),
        PaymentCaptured(PaymentCaptured),
        PaymentVoided(PaymentVoided),
        PaymentRefunded(PaymentRefunded),
        PaymentFailed(PaymentFailed),
        PickListCreated(PickListCreated),
        PickListPacked(PickListPacked),
    }
}

dashpot_envelope::event_set! {
    /// All that is said to one receiver: what it is told to do, asked, or answered.
    pub enum ShopCommand {
        WriteInvoice(WriteInvoice),
        CheckOrder(CheckOrder),
        AbandonOrder(AbandonOrder),
        QuoteRequested(dashpot_envelope::Request<QuoteRequested>),
        QuoteGiven(QuoteGiven),
    }
}
