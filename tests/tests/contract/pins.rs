//! `functions/{consumer}/pins.json` is what a consumer relies on: of each message that it gets the smallest payload of which
//! the same comes as of the whole. Whoever changes an event sees here whom it concerns.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use shop_events::schema::published;
use system_tests::contract::{documents, schema_path};
use system_tests::shop::mishaps::Fair;
use system_tests::shop::provider::{CAPTURE_REFUSED, GOOD};
use system_tests::shop::{Order, Shop};
use system_tests::template::project_root;
use tokio::time::sleep;

use crate::consumers::outcome;
use crate::golden;

/// By consumer and message: `order.placed.v2`. Empty where a consumer pins nothing.
type Pins = BTreeMap<String, Map<String, Value>>;

/// The messages that each consumer gets: those of its channel.
fn taken() -> BTreeMap<String, Vec<String>> {
    let documents = documents(&published());
    let asyncapi = &documents["asyncapi.json"];
    let receiving = asyncapi["operations"].as_object().unwrap().iter();
    let consumers = receiving.filter(|(_, operation)| operation["action"] == "receive");
    let messages = |consumer: &String| {
        let messages = asyncapi["channels"][consumer]["messages"].as_object();
        messages.unwrap().keys().cloned().collect()
    };
    // A function may run once for each of its queues: each is named after it.
    let is_function = |consumer: &&String| project_root().join("functions").join(consumer).is_dir();
    let consumers = consumers.map(|(consumer, _)| consumer).filter(is_function);
    consumers
        .map(|consumer| (consumer.clone(), messages(consumer)))
        .collect()
}

fn pins() -> Pins {
    let read = |consumer: String| {
        let path = project_root().join(format!("functions/{consumer}/pins.json"));
        let pins = fs::read_to_string(&path).map(|text| serde_json::from_str(&text).unwrap());
        (consumer, pins.unwrap_or_default())
    };
    taken().into_keys().map(read).collect()
}

/// Where the members of a value lie, the outer ones first.
fn members(value: &Value, at: &str) -> Vec<String> {
    let parts: Vec<(String, &Value, bool)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, it)| (name.clone(), it, true))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, it)| (n.to_string(), it, false))
            .collect(),
        _ => Vec::new(),
    };
    let below = parts.into_iter().flat_map(|(name, part, is_member)| {
        let at = format!("{at}/{name}");
        let inner = members(part, &at);
        is_member.then_some(at).into_iter().chain(inner)
    });
    below.collect()
}

/// The value with that member gone, if it is there.
fn without(value: &Value, pointer: &str) -> Option<Value> {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/')?;
    value.pointer_mut(parent)?.as_object_mut()?.remove(name)?;
    Some(value)
}

/// What is left of a payload once all is gone that makes no difference to the consumer.
async fn relied_on(consumer: &str, name: &str, version: u32, payload: &Value) -> Value {
    let whole = outcome(consumer, name, version, payload).await;
    let mut left = payload.clone();
    for member in members(payload, "") {
        if let Some(less) = without(&left, &member)
            && outcome(consumer, name, version, &less).await == whole
        {
            left = less;
        }
    }
    left
}

#[tokio::test(start_paused = true)]
async fn each_consumer_pins_what_it_relies_on_and_nothing_else() {
    let (taken, pins, golden) = (taken(), pins(), golden());
    for (consumer, messages) in taken {
        let mut expected = Map::new();
        for ((name, version), payload) in &golden {
            let message = format!("{name}.v{version}");
            if messages.contains(&message) {
                expected.insert(message, relied_on(&consumer, name, *version, payload).await);
            }
        }
        assert!(
            pins[&consumer] == expected,
            "functions/{consumer}/pins.json is not what {consumer} relies on. A pin is a promise that its producers keep: \
             check that they say what is new in here, and always did where the version is old; then pin\n{:#}",
            Value::from(expected)
        );
    }
}

/// What no service says in the life that [`said`] looks at: a producer of the first version is not among them, and
/// nothing is held for a day; and people ask what things cost.
const NOT_SAID: [&str; 4] = [
    "order.abandon.v1",
    "order.created.v1",
    "quote.given.v1",
    "quote.requested.v1",
];

/// One of everything that is said in the shop, as it is really said.
async fn said() -> BTreeMap<String, Value> {
    const CUSTOMER: &str = "user_456";
    let shop = Shop::open(Arc::new(Fair)).await;
    let running = shop.start();
    let place = async |key: &str, card, sku, quantity| {
        let order = Order {
            customer: CUSTOMER.to_owned(),
            key: key.to_owned(),
            card,
            lines: vec![(sku, quantity)],
        };
        let id = shop.place(&order, 1).await.order_id().unwrap();
        sleep(Duration::from_mins(5)).await;
        id
    };
    let packed = place("packed", GOOD, "chair", 1).await;
    shop.pack(&packed, 1).await;
    shop.cancel(&packed, CUSTOMER, 1).await;
    let cancelled = place("cancelled", GOOD, "chair", 1).await;
    shop.cancel(&cancelled, CUSTOMER, 1).await;
    place("short", GOOD, "table", 2).await;
    place("refused", CAPTURE_REFUSED, "chair", 1).await;
    assert!(shop.settle(Duration::from_hours(1)).await);
    drop(running);
    let envelopes = shop.said();
    let said = envelopes.iter().map(|body| {
        let mut envelope: Value = serde_json::from_str(body).unwrap();
        let version = &envelope["metadata"]["version"];
        let message = format!("{}.v{version}", envelope["type"].as_str().unwrap());
        (message, envelope["payload"].take())
    });
    said.collect()
}

#[tokio::test(start_paused = true)]
async fn producers_really_say_what_is_pinned() {
    let said = said().await;
    for (consumer, pins) in pins() {
        for (message, pin) in pins
            .into_iter()
            .filter(|(it, _)| !NOT_SAID.contains(&it.as_str()))
        {
            let said = said.get(&message).unwrap_or(&Value::Null);
            for member in members(&pin, "") {
                // One line says what any line says.
                let at = member.replace("/1/", "/0/");
                assert!(
                    said.pointer(&at).is_some_and(|it| !it.is_null()),
                    "{consumer} relies on {member} of {message} (functions/{consumer}/pins.json), which its producer does \
                     not say: {said}. Go on saying it; or say it otherwise in a new version, which {consumer} reads and \
                     pins before anybody says it (docs/events/README.md)"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_producers_really_say_is_valid_by_its_schema() {
    let (mut said, documents) = (said().await, documents(&published()));
    for it in published() {
        let message = format!("{}.v{}", it.name, it.version);
        let Some(said) = said.remove(&message) else {
            assert!(
                NOT_SAID.contains(&message.as_str()),
                "{message} is not said"
            );
            continue;
        };
        let schema = &documents[&schema_path(it.name, it.version)];
        let valid = jsonschema::validate(schema, &said);
        valid.unwrap_or_else(|error| panic!("{message}: {error}"));
    }
    assert_eq!(said.keys().next(), None, "what is that?");
}
