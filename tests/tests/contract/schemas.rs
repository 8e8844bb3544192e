use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use dashpot_envelope::EventSet;
use jsonschema::Validator;
use serde_json::{Value, json};
use shop_events::schema::published;
use shop_events::{ShopCommand, ShopEvent};

use system_tests::contract::{RENEW, committed, documents, folder, text};

use crate::golden;

fn validators() -> BTreeMap<(String, u32), Validator> {
    let validator = |(key, schema)| (key, jsonschema::draft202012::new(&schema).unwrap());
    committed(&folder()).into_iter().map(validator).collect()
}

fn is_read(name: &str, version: u32, payload: &Value) -> bool {
    let payload = payload.to_string();
    ShopEvent::read(name, version, &payload).is_ok()
        || ShopCommand::read(name, version, &payload).is_ok()
}

#[test]
fn what_is_committed_is_what_is_generated() {
    let documents = documents(&published());
    for (path, document) in &documents {
        let committed = fs::read_to_string(folder().join(path)).unwrap_or_default();
        assert!(
            committed == text(document),
            "docs/events/{path} is not what today's types and template make of it: run `{RENEW}`, which says so if that \
             would break a consumer"
        );
    }
    let schemas = documents.len() - 1;
    assert_eq!(
        committed(&folder()).len(),
        schemas,
        "a schema is there of what is no event"
    );
}

#[test]
fn everything_that_is_said_has_in_every_version_a_schema_and_a_golden_file() {
    let schemas: BTreeSet<_> = committed(&folder()).into_keys().collect();
    assert_eq!(golden().into_keys().collect::<BTreeSet<_>>(), schemas);
    let names: BTreeSet<_> = schemas.iter().map(|(name, _)| name.as_str()).collect();
    let known = ShopEvent::types().into_iter().chain(ShopCommand::types());
    assert_eq!(names, known.collect());
}

#[test]
fn what_was_published_is_valid() {
    let validators = validators();
    for (key, payload) in golden() {
        validators[&key]
            .validate(&payload)
            .unwrap_or_else(|error| panic!("{key:?}: {error}"));
    }
}

/// What may stand where something else is expected.
fn strangers() -> Vec<Value> {
    let mut strangers = vec![
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!([null]),
        json!([{}]),
    ];
    strangers.push(json!({ "amount": 1, "currency": "EUR" }));
    strangers.push(json!([{ "sku": "a", "quantity": 1 }]));
    strangers.push(json!([{ "sku": "a", "quantity": 0 }]));
    strangers.push(json!([{ "sku": "a b", "quantity": 1 }]));
    strangers.extend(
        [
            0,
            -1,
            1,
            99_999_999,
            100_000_000,
            4_294_967_295,
            4_294_967_296_i64,
            i64::MIN,
        ]
        .map(Value::from),
    );
    strangers.extend(
        [
            0.01,
            0.5,
            1.005,
            99.99,
            99.999,
            999_999.99,
            1_000_000.5,
            -0.01,
            1e300,
        ]
        .map(Value::from),
    );
    strangers.push(u64::MAX.into());
    let long = [1, 64, 65, 255, 256].map(|length| "x".repeat(length));
    strangers.extend(long.map(Value::from));
    let texts = [
        "",
        " ",
        "a b",
        "a#b",
        "a/b",
        "a.b",
        "a:b",
        "ä",
        "EUR",
        "eur",
        "EURO",
        "EUR\n",
        "EÜR",
        "5",
        "ada@example.com",
    ];
    strangers.extend(texts.map(Value::from));
    strangers
}

/// The payload with each of its parts gone, or another in its place; and with something that nobody knows.
fn near_misses(payload: &Value) -> Vec<Value> {
    let mut near_misses = strangers();
    match payload {
        Value::Object(members) => {
            for (name, member) in members {
                let mut without = members.clone();
                without.remove(name);
                near_misses.push(without.into());
                near_misses.extend(self::near_misses(member).into_iter().map(|other| {
                    let mut with = members.clone();
                    with.insert(name.clone(), other);
                    with.into()
                }));
            }
            let mut more = members.clone();
            more.insert("nobodyKnows".to_owned(), json!([1]));
            near_misses.push(more.into());
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                near_misses.extend(self::near_misses(item).into_iter().map(|other| {
                    let mut with = items.clone();
                    with[at] = other;
                    with.into()
                }));
            }
        }
        _ => {}
    }
    near_misses
}

#[test]
fn a_schema_accepts_what_the_code_reads_and_nothing_else() {
    let (mut read, mut refused) = (0, 0);
    let validators = validators();
    for ((name, version), payload) in golden() {
        let validator = &validators[&(name.clone(), version)];
        for near_miss in near_misses(&payload) {
            let is_read = is_read(&name, version, &near_miss);
            assert_eq!(
                validator.is_valid(&near_miss),
                is_read,
                "by the schema and by the code: {name} v{version} {near_miss}"
            );
            *(if is_read { &mut read } else { &mut refused }) += 1;
        }
    }
    assert!(
        read > 500 && refused > 5000,
        "{read} read, {refused} refused"
    );
}

/// Named where the schemas are made: see [`shop_events::schema`].
#[test]
fn json_schema_has_no_words_for_how_a_number_is_written_nor_for_how_many_skus_differ() {
    let validators = validators();
    let placed = ("order.placed".to_owned(), 2);
    let but = |field: &str, value: Value| {
        let mut payload = golden()[&placed].clone();
        payload[field] = value;
        payload
    };
    let skus = |many: usize| -> Value {
        (0..many)
            .map(|n| json!({ "sku": n.to_string(), "quantity": 1 }))
            .collect()
    };
    for (payload, is_read_too) in [
        (
            but("total", json!({ "amount": 5.0, "currency": "EUR" })),
            false,
        ),
        (but("items", skus(90)), true),
        (but("items", skus(91)), false),
    ] {
        assert!(validators[&placed].is_valid(&payload), "{payload}");
        assert_eq!(
            is_read("order.placed", 2, &payload),
            is_read_too,
            "{payload}"
        );
    }
}
