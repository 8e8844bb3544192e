//! `golden/{type}.v{version}.json` is a payload as it was published under that version, and lies in queues, dead-letter queues and
//! the journal: it is read for ever. And what is said today is written exactly so.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dashpot_envelope::{Event, EventSet, Request, Unreadable};
use serde_json::Value;
use shop_events::{
    AbandonOrder, CheckOrder, Money, OrderCancellationRefused, OrderCancellationRequested,
    OrderCancelled, OrderPlaced, PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentVoided,
    PickListCreated, PickListPacked, QuoteGiven, QuoteRequested, ShopCommand, ShopEvent,
    StockRejected, StockReserved, WriteInvoice,
};

const WHAT_TO_DO: &str = "what lies in queues and in the journal was published under that version. A field that may be missing can \
    be added, to the golden file as well; anything else is a new version: raise VERSION, read the old one with an upcast in \
    Event::read, keep its golden file, and add one for the new version";

/// Name and version of each golden file, and its text.
fn golden() -> BTreeMap<(String, u32), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (name, version) = stem.rsplit_once(".v").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        ((name.to_owned(), version.parse().unwrap()), text)
    };
    fs::read_dir(folder).unwrap().map(read).collect()
}

/// Whether a payload is read, of whatever is said in the shop.
fn read(name: &str, version: u32, text: &str) -> Result<(), Unreadable> {
    match ShopCommand::read(name, version, text) {
        Err(Unreadable::UnknownType) => ShopEvent::read(name, version, text).map(drop),
        read => read.map(drop),
    }
}

fn is_written_as_its_golden_file<T: Event>(golden: &mut BTreeMap<(String, u32), String>) {
    let (name, version) = (T::TYPE, T::VERSION);
    let text = golden.remove(&(name.to_owned(), version));
    let text = text.unwrap_or_else(|| panic!("golden/{name}.v{version}.json is missing"));
    let event = <T as Event>::read(name, version, &text);
    let event = event.unwrap_or_else(|error| panic!("{name} v{version}: {error}; {WHAT_TO_DO}"));
    let written = serde_json::to_value(&event).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(written, golden, "{name} v{version}: {WHAT_TO_DO}");
}

#[test]
fn what_is_said_today_is_written_as_it_was_published() {
    let mut golden = golden();
    macro_rules! each {
        ($($event:ident)*) => { $(is_written_as_its_golden_file::<$event>(&mut golden);)* };
    }
    each! {
        OrderPlaced OrderCancellationRequested OrderCancelled OrderCancellationRefused StockReserved StockRejected
        PaymentCaptured PaymentVoided PaymentRefunded PaymentFailed PickListCreated PickListPacked
        WriteInvoice CheckOrder AbandonOrder QuoteGiven
    }
    is_written_as_its_golden_file::<Request<QuoteRequested>>(&mut golden);
    // What is left are older versions, of events that are still known.
    let left: Vec<_> = golden.into_keys().collect();
    assert_eq!(left, [("order.created".to_owned(), 1)]);
}

#[test]
fn what_was_ever_published_is_read() {
    let golden = golden();
    for ((name, version), text) in &golden {
        if let Err(error) = read(name, *version, text) {
            panic!("{name} v{version}: {error}; {WHAT_TO_DO}");
        }
    }
    for name in ShopEvent::types().into_iter().chain(ShopCommand::types()) {
        let is_there = golden.keys().any(|(it, _)| it == name);
        assert!(is_there, "of {name} there is no golden file");
    }
}

#[test]
fn the_first_message_of_all_is_an_order() {
    let text = &golden()[&("order.created".to_owned(), 1)];
    let order = <OrderPlaced as Event>::read("order.created", 1, text).unwrap();
    assert_eq!(
        order.total,
        Money {
            amount: 9999,
            ..order.total
        }
    );
    assert_eq!(order.total.currency.as_str(), "EUR");
    assert!(order.items.is_empty() && order.payment_intent_id.is_none());
}

/// Each field that a payload must have is missed when it is gone, and each that it may have is not.
#[test]
fn what_may_be_missing_is_what_is_documented() {
    for ((name, version), text) in golden() {
        let whole: Value = serde_json::from_str(&text).unwrap();
        for field in whole.as_object().unwrap().keys() {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(field);
            let may_be_missing = ["customer", "paymentIntentId"].contains(&field.as_str())
                && !name.starts_with("payment.")
                || ["customer", "unknown"].contains(&field.as_str())
                || (name == "quote.given" && field == "total")
                || (name == "order.created" && field == "items");
            let read = read(&name, version, &without.to_string());
            assert_eq!(
                read.is_ok(),
                may_be_missing,
                "{name} v{version} without {field}"
            );
        }
    }
}
