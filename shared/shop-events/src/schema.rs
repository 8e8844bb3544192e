//! JSON Schemas (draft 2020-12) of every payload that is published, and of every older one that lies in the journal.
//!
//! They say what is read. What JSON Schema has no words for is left to the reader: a whole number is written without a
//! point or an exponent, a member is there once, and an order has at most 90 different skus.

use dashpot_envelope::{Event, Metadata};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::order::OrderCreatedV1;
use crate::{
    OrderCancellationRefused, OrderCancellationRequested, OrderCancelled, OrderPlaced,
    PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentVoided, PickListCreated,
    PickListPacked, StockRejected, StockReserved,
};

/// One version of one event's payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The event's name.
    pub name: &'static str,
    /// The payload's version.
    pub version: u32,
    /// What the payload must be.
    pub schema: Value,
}

/// Each event in each of its versions. A version that is no longer said stays: what was said in it is kept for ever.
#[must_use]
pub fn published() -> Vec<Published> {
    vec![
        Published {
            name: "order.created",
            version: 1,
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
        schema: schema::<T>(),
    }
}

fn schema<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<T>().to_value()
}
