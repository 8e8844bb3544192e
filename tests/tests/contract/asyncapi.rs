use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use system_tests::contract::folder;
use system_tests::template::project_root;

use crate::golden;

/// Where the documents are taken to lie, so that they find one another.
const BASE: &str = "https://dashpot.example/";

fn committed() -> Value {
    let text = fs::read_to_string(folder().join("asyncapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The official schema: see `asyncapi-spec/README.md`.
static OFFICIAL: LazyLock<Validator> = LazyLock::new(|| {
    let text = include_str!("asyncapi-spec/3.0.0.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

#[test]
fn the_document_is_asyncapi_3() {
    let document = committed();
    let errors: Vec<_> = OFFICIAL
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn what_is_not_asyncapi_3_is_told() {
    for (at, wrong) in [
        ("/asyncapi", json!("2.6.0")),
        ("/info/version", Value::Null),
        ("/operations/inventory/action", json!("take")),
        ("/channels/inventory/messages", json!([])),
        (
            "/channels/inventory/bindings/sqs/queue/fifoQueue",
            Value::Null,
        ),
        ("/operations/publish/bindings/sns/consumers", json!([])),
        (
            "/components/messages/order.placed.v2/headers",
            json!("type"),
        ),
    ] {
        let mut document = committed();
        *document.pointer_mut(at).unwrap() = wrong;
        assert!(!OFFICIAL.is_valid(&document), "{at}");
    }
}

/// Every `$ref` in a value, wherever it stands.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            own.into_iter()
                .chain(members.values().flat_map(references))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = committed();
    let references = references(&document);
    assert!(references.len() > 100);
    for reference in references {
        let leads = match reference.strip_prefix('#') {
            Some(pointer) => document.pointer(pointer).is_some(),
            None => folder().join(reference).is_file(),
        };
        assert!(leads, "{reference}");
    }
}

/// What a message of each key must be, as a whole.
fn messages() -> BTreeMap<String, Validator> {
    let document = committed();
    let mut registry = Registry::new();
    for reference in references(&document)
        .into_iter()
        .filter(|it| !it.starts_with('#'))
    {
        let text = fs::read_to_string(folder().join(reference)).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        registry = registry.add(format!("{BASE}{reference}"), schema).unwrap();
    }
    let registry = registry
        .add(format!("{BASE}asyncapi.json"), document.clone())
        .unwrap();
    let registry = registry.prepare().unwrap();
    let validator = |key: &String| {
        let at = format!("{BASE}asyncapi.json#/components/messages/{key}/payload/schema");
        let schema = json!({ "$ref": at });
        let validator = jsonschema::options()
            .with_registry(&registry)
            .build(&schema);
        (key.clone(), validator.unwrap())
    };
    document["components"]["messages"]
        .as_object()
        .unwrap()
        .keys()
        .map(validator)
        .collect()
}

#[test]
fn a_message_is_an_envelope_of_its_own_type_version_and_payload() {
    let messages = messages();
    for ((name, version), payload) in golden() {
        let validator = &messages[&format!("{name}.v{version}")];
        let envelope = json!({
            "type": name,
            "payload": payload,
            "metadata": { "id": "e", "timestamp": 1_732_464_000_000_u64, "correlationId": "c", "version": version },
        });
        validator
            .validate(&envelope)
            .unwrap_or_else(|error| panic!("{name} v{version}: {error}"));
        let subject = match name.as_str() {
            "quote.requested" => "/payload/question/userId",
            "quote.given" => "/payload/userId",
            _ => "/payload/orderId",
        };
        for (at, wrong) in [
            ("/type", json!("order.painted")),
            (subject, json!("a b")),
            ("/metadata/version", json!(version + 1)),
            ("/metadata/timestamp", json!("now")),
        ] {
            let mut envelope = envelope.clone();
            *envelope.pointer_mut(at).unwrap() = wrong;
            assert!(!validator.is_valid(&envelope), "{name} v{version}: {at}");
        }
    }
}

#[test]
fn the_samples_of_every_consumer_are_messages_of_its_queue() {
    let (document, messages) = (committed(), messages());
    let consumers = document["operations"].as_object().unwrap();
    let mut sampled = 0;
    for consumer in consumers.keys() {
        // That every function has its samples is seen to by `tests/tests/samples`.
        let path = project_root().join(format!("events/{consumer}/good.json"));
        let Ok(sample) = fs::read_to_string(path) else {
            continue;
        };
        sampled += 1;
        let sample: Value = serde_json::from_str(&sample).unwrap();
        let body = sample["Records"][0]["body"].as_str().unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let key = format!(
            "{}.v{}",
            body["type"].as_str().unwrap(),
            body["metadata"]["version"]
        );
        assert!(
            document["channels"][consumer]["messages"]
                .get(&key)
                .is_some(),
            "{consumer}: {key}"
        );
        assert!(messages[&key].is_valid(&body), "{consumer}: {body}");
    }
    assert!(sampled > 5, "{sampled}");
}
