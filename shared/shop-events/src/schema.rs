//! JSON Schemas (draft 2020-12) of the payload of every event and command, and of every older one that lies in the journal.
//!
//! They say what is read. What JSON Schema has no words for is left to the reader: a whole number is written without a
//! point or an exponent, a member is there once, and an order has at most 90 different skus.

use dashpot_envelope::{Event, Metadata, Request};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::order::OrderCreatedV1;
use crate::{
    AbandonOrder, CheckOrder, OrderCancellationRefused, OrderCancellationRequested, OrderCancelled,
    OrderPlaced, PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentVoided, PickListCreated,
    PickListPacked, QuoteGiven, QuoteRequested, StockRejected, StockReserved, WriteInvoice,
};

/// One version of the payload of an event or a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The event's or the command's name.
    pub name: &'static str,
    /// The payload's version.
    pub version: u32,
    /// The queues that a command may be sent to; none for an event, which is published to the topic.
    pub queues: &'static [&'static str],
    /// What the payload must be.
    pub schema: Value,
}

/// Each event and each command in each of its versions. A version that is no longer said stays: what was said in it is kept for ever.
#[must_use]
pub fn published() -> Vec<Published> {
    vec![
        Published {
            name: "order.created",
            version: 1,
            queues: &[],
            schema: schema::<OrderCreatedV1<'_>>(),
        },
        today::<OrderPlaced>(),
        today::<OrderCancellationRequested>(),
        today::<OrderCancelled>(),
        today::<OrderCancellationRefused>(),
        today::<StockReserved>(),
        today::<StockRejected>(),
        today::<PaymentCaptured>(),
        today::<PaymentVoided>(),
        today::<PaymentRefunded>(),
        today::<PaymentFailed>(),
        today::<PickListCreated>(),
        today::<PickListPacked>(),
        command::<WriteInvoice>(&["invoices", "invoices-urgent"]),
        command::<CheckOrder>(&["deadlines"]),
        command::<AbandonOrder>(&["deadlines"]),
        command::<Request<QuoteRequested>>(&["quotes"]),
        command::<QuoteGiven>(&["quote-replies-*"]),
    ]
}

/// What the metadata around every payload must be.
#[must_use]
pub fn metadata() -> Value {
    schema::<Metadata>()
}

fn today<T: Event + JsonSchema>() -> Published {
    Published {
        name: T::TYPE,
        version: T::VERSION,
        queues: &[],
        schema: schema::<T>(),
    }
}

fn command<T: Event + JsonSchema>(queues: &'static [&'static str]) -> Published {
    Published {
        queues,
        ..today::<T>()
    }
}

fn schema<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<T>().to_value()
}
