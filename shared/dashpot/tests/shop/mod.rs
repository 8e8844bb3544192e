//! A shop of one event, for the tests of the pipeline.
#![expect(
    unreachable_pub,
    reason = "each test file is a crate that uses its own part of this"
)]
#![allow(
    dead_code,
    reason = "each test file is a crate that uses its own part of this"
)]

use std::sync::{Arc, Mutex};

use dashpot::{Event, Invocation, Row, event_set};
use dashpot_testing::Delivery;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Something was bought. What the tests' handlers do depends on `what`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bought {
    pub order: String,
    pub what: String,
}

impl Event for Bought {
    const TYPE: &'static str = "thing.bought";
    const VERSION: u32 = 1;

    fn subject(&self) -> &str {
        &self.order
    }

    fn group(&self) -> &str {
        &self.order
    }
}

event_set! {
    pub enum Incoming { Bought(Bought) }
}

/// What a handler answers with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shipped {
    pub order: String,
}

impl Event for Shipped {
    const TYPE: &'static str = "thing.shipped";
    const VERSION: u32 = 1;

    fn subject(&self) -> &str {
        &self.order
    }

    fn group(&self) -> &str {
        &self.order
    }
}

/// The body of a purchase; the event's id is the order's.
pub fn bought(order: &str, what: &str) -> String {
    json!({
        "type": "thing.bought",
        "payload": { "order": order, "what": what },
        "metadata": { "id": format!("event-{order}"), "timestamp": 1_732_464_000_000_u64, "correlationId": "req-1", "version": 1 },
    })
    .to_string()
}

/// A first delivery of a purchase; the message's id is the order's.
pub fn delivery(order: &str, what: &str) -> Delivery {
    Delivery::new(order, bought(order, what))
}

pub fn shipment(order: &str) -> Row {
    Row::new(dashpot::Key::new(format!("shipment#{order}"))).set("state", "open")
}

pub fn invocation() -> Invocation {
    Invocation::default()
}

/// Log lines, to be looked at.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<String>>);

impl Log {
    pub fn sink(&self) -> impl Fn(&str) + Send + Sync + 'static {
        let log = Arc::clone(&self.0);
        move |lines| log.lock().expect("no test panics with it").push_str(lines)
    }

    pub fn text(&self) -> String {
        self.0.lock().expect("no test panics with it").clone()
    }

    pub fn lines(&self) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str(line).expect("every line is JSON");
        self.text().lines().map(line).collect()
    }
}
