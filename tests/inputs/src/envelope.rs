//! A body, its envelope, SNS's wrapper around it, and each payload.

use dashpot::{Envelope, Event, FromMessage, Message};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use shop_events::ShopEvent;

/// What a consumer makes of a body.
fn decode<T: FromMessage>(body: &str) -> Result<T, String> {
    let record = serde_json::json!({ "messageId": "m", "body": body }).to_string();
    let message: Message<'_> = serde_json::from_str(&record).unwrap();
    T::from_message(&message).map_err(|undecodable| undecodable.detail)
}

/// # Panics
/// When an error says too much, or what was read is read differently once it is written again.
pub fn check(data: &[u8]) {
    let Ok(body) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(detail) = decode::<Envelope<ShopEvent>>(body) {
        crate::is_discreet(&detail, body);
    }
    match decode::<Envelope<Box<RawValue>>>(body) {
        Err(detail) => crate::is_discreet(&detail, body),
        Ok(envelope) => {
            let name = &envelope.event_type;
            assert!(!name.is_empty() && !name.chars().any(char::is_control));
            assert!(!envelope.metadata.id.is_empty());
            let written = serde_json::to_string(&envelope).unwrap();
            let again: Envelope<Box<RawValue>> = decode(&written).unwrap();
            assert_eq!(again.metadata, envelope.metadata);
            assert_eq!(again.payload.get(), envelope.payload.get());
        }
    }
}

/// The first byte says as what the rest is read.
///
/// # Panics
/// As [`check`].
pub fn check_payload(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let Ok(payload) = strict_json::from_slice::<&RawValue>(data) else {
        return;
    };
    let names = <ShopEvent as dashpot::EventSet>::types();
    let name = names[usize::from(*choice) % names.len()];
    for version in 1..=2 {
        match <ShopEvent as dashpot::EventSet>::read(name, version, payload.get()) {
            Err(error) => {
                let detail = dashpot::chain(&error);
                crate::is_discreet(&detail, payload.get());
            }
            Ok(event) => survives(event),
        }
    }
}

macro_rules! survives {
    ($($variant:ident)*) => {
        fn survives(event: ShopEvent) {
            match event {
                $(ShopEvent::$variant(event) => is_read_as_it_is_written(&event),)*
            }
        }
    };
}

survives! {
    OrderPlaced OrderCancellationRequested OrderCancelled OrderCancellationRefused StockReserved StockRejected
    PaymentCaptured PaymentVoided PaymentRefunded PaymentFailed PickListCreated PickListPacked
}

fn is_read_as_it_is_written<T: Event + Serialize + PartialEq + std::fmt::Debug>(event: &T) {
    let written = to_raw_value(event).unwrap();
    let again = T::read(T::TYPE, T::VERSION, written.get()).unwrap();
    assert_eq!(&again, event);
}
