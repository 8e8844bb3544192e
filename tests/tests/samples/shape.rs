use std::collections::BTreeSet;

use dashpot::Request;
use dashpot_envelope::{EventSet, RawEnvelope};
use md5::{Digest, Md5};
use serde_json::Value;
use shop_events::{QuoteRequested, ShopEvent, WriteInvoice};

use crate::{CANCEL, CONSUMERS, FUNCTIONS, SAMPLES, folder, parsed, records};

/// A type that only those take who take everything.
const UNKNOWN_TO_THE_SHOP: &str = "gift_card.sold";

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is not text in {value}"))
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:032x}", u128::from_be_bytes(Md5::digest(bytes).into()))
}

/// What SQS makes its checksum of: by name, each attribute's name, type and value after its length, and a 1 before
/// a value that is text.
fn summed(attributes: &Value) -> Vec<u8> {
    let by_name: std::collections::BTreeMap<_, _> =
        attributes.as_object().unwrap().iter().collect();
    let mut bytes = Vec::new();
    let mut add = |prefix: &[u8], part: &str| {
        bytes.extend_from_slice(prefix);
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    };
    for (name, attribute) in by_name {
        add(&[], name);
        add(&[], text(attribute, "dataType"));
        add(&[1], text(attribute, "stringValue"));
    }
    bytes
}

/// Whether a body is an event or a command that the shop knows, read as its consumers would.
fn is_an_event(body: &str) -> bool {
    serde_json::from_str::<RawEnvelope<'_>>(body).is_ok_and(|raw| {
        let (version, payload) = (raw.metadata.version, raw.payload.get());
        raw.event_type == UNKNOWN_TO_THE_SHOP
            || ShopEvent::read(&raw.event_type, version, payload).is_ok()
            || <WriteInvoice as EventSet>::read(&raw.event_type, version, payload).is_ok()
            || <Request<QuoteRequested> as EventSet>::read(&raw.event_type, version, payload)
                .is_ok()
    })
}

#[test]
fn every_function_has_the_same_four_samples_and_checkout_one_for_its_second_route() {
    let entries = |path: &std::path::Path| -> BTreeSet<String> {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(entries(&folder()), FUNCTIONS.map(str::to_owned).into());
    for function in FUNCTIONS {
        let second_route = (function == "checkout").then_some(CANCEL);
        let names = SAMPLES.into_iter().chain(second_route);
        let files = names.map(|name| format!("{name}.json")).collect();
        assert_eq!(entries(&folder().join(function)), files, "{function}");
    }
}

#[test]
fn each_message_is_as_sqs_hands_it_over() {
    for function in CONSUMERS {
        for name in SAMPLES {
            for record in records(function, name) {
                assert_eq!(text(&record, "eventSource"), "aws:sqs");
                assert_eq!(
                    text(&record, "eventSourceARN"),
                    format!(
                        "arn:aws:sqs:{}:123456789012:dashpot-{function}",
                        text(&record, "awsRegion")
                    )
                );
                assert_eq!(
                    text(&record, "md5OfBody"),
                    checksum(text(&record, "body").as_bytes())
                );
                assert_eq!(
                    text(&record, "md5OfMessageAttributes"),
                    checksum(&summed(&record["messageAttributes"]))
                );
                let delivery = &record["attributes"];
                for number in [
                    "ApproximateReceiveCount",
                    "SentTimestamp",
                    "ApproximateFirstReceiveTimestamp",
                ] {
                    let read = text(delivery, number).parse::<u64>();
                    assert!(read.is_ok(), "{function}/{name}: {number}");
                }
                assert!(!text(delivery, "MessageGroupId").is_empty());
            }
        }
    }
}

#[test]
fn each_messages_attributes_say_what_its_body_says() {
    for function in CONSUMERS {
        for name in SAMPLES {
            for record in records(function, name) {
                let body = text(&record, "body");
                let Ok(event) = serde_json::from_str::<Value>(body) else {
                    continue;
                };
                let said = |name: &str| text(&record["messageAttributes"][name], "stringValue");
                assert_eq!(said("type"), text(&event, "type"));
                assert_eq!(
                    said("version"),
                    event["metadata"]["version"].to_string(),
                    "{function}/{name}"
                );
                assert_eq!(
                    said("correlationId"),
                    text(&event["metadata"], "correlationId")
                );
                let payload = &event["payload"];
                // Of a request, what is asked.
                let payload = payload.get("question").unwrap_or(payload);
                assert_eq!(
                    text(&record["attributes"], "MessageGroupId"),
                    text(payload, "userId")
                );
            }
        }
    }
}

#[test]
fn a_duplicate_is_the_good_message_delivered_again() {
    for function in CONSUMERS {
        let [good, again] = ["good", "duplicate"].map(|name| records(function, name).remove(0));
        for same in ["messageId", "body", "attributes/SentTimestamp"] {
            let at = format!("/{same}");
            assert_eq!(good.pointer(&at), again.pointer(&at), "{function}: {same}");
        }
        assert_eq!(
            text(&good["attributes"], "ApproximateReceiveCount"),
            "1",
            "{function}"
        );
        assert_eq!(
            text(&again["attributes"], "ApproximateReceiveCount"),
            "2",
            "{function}"
        );
        assert_ne!(good["receiptHandle"], again["receiptHandle"], "{function}");
    }
    for function in ["relay", "sweeper"] {
        assert_eq!(parsed(function, "good"), parsed(function, "duplicate"));
    }
    for function in ["checkout", "orders"] {
        let [good, again] = ["good", "duplicate"].map(|name| parsed(function, name));
        for same in ["/body", "/headers/idempotency-key", "/rawPath"] {
            assert_eq!(good.pointer(same), again.pointer(same), "{function}");
        }
        assert_ne!(
            good["requestContext"]["requestId"],
            again["requestContext"]["requestId"]
        );
    }
}

#[test]
fn a_good_message_is_an_event_and_a_malformed_one_is_not() {
    for function in CONSUMERS {
        for (name, readable) in [("good", true), ("duplicate", true), ("malformed", false)] {
            for record in records(function, name) {
                assert_eq!(
                    is_an_event(text(&record, "body")),
                    readable,
                    "{function}/{name}"
                );
            }
        }
    }
}

#[test]
fn a_mixed_batch_has_good_messages_a_malformed_one_and_an_event_twice() {
    for function in CONSUMERS {
        let batch = records(function, "mixed-batch");
        let ids: BTreeSet<_> = batch.iter().map(|it| text(it, "messageId")).collect();
        assert_eq!(ids.len(), batch.len(), "{function}: SQS repeats no id");
        let (events, malformed): (Vec<_>, Vec<_>) = batch
            .iter()
            .map(|record| text(record, "body"))
            .partition(|body| is_an_event(body));
        assert_eq!(malformed.len(), 1, "{function}");
        let different: BTreeSet<_> = events.iter().collect();
        assert_eq!(different.len(), events.len() - 1, "{function}");
    }
}

#[test]
fn each_stream_record_is_an_inserted_outbox_row() {
    for name in SAMPLES {
        for record in records("relay", name) {
            assert_eq!(text(&record, "eventName"), "INSERT");
            assert_eq!(text(&record, "eventSource"), "aws:dynamodb");
            let change = &record["dynamodb"];
            assert_eq!(text(change, "StreamViewType"), "NEW_IMAGE");
            let row = &change["NewImage"];
            for key in ["pk", "sk"] {
                assert_eq!(row[key], change["Keys"][key]);
            }
            assert!(text(&row["pk"], "S").starts_with("outbox#"));
            if let Some(body) = row["body"]["S"].as_str() {
                assert!(is_an_event(body), "{name}");
                let event: Value = serde_json::from_str(body).unwrap();
                assert_eq!(text(&row["sk"], "S"), text(&event["metadata"], "id"));
                assert_eq!(text(&row["type"], "S"), text(&event, "type"));
            }
        }
    }
    let unpublishable = |name| {
        let bodies = records("relay", name);
        let missing = bodies
            .iter()
            .filter(|it| it["dynamodb"]["NewImage"]["body"].is_null());
        (missing.count(), bodies.len())
    };
    assert_eq!(unpublishable("good"), (0, 1));
    assert_eq!(unpublishable("malformed"), (1, 1));
    assert_eq!(unpublishable("mixed-batch"), (1, 4));
}

#[test]
fn each_request_is_as_the_gateway_hands_it_over() {
    for (function, route, names) in [
        ("checkout", "POST /orders", &SAMPLES[..]),
        ("checkout", "POST /orders/{id}/cancel", &[CANCEL]),
        ("orders", "GET /orders/{id}", &SAMPLES),
    ] {
        for name in names {
            let request = parsed(function, name);
            assert_eq!(text(&request, "version"), "2.0");
            assert_eq!(text(&request, "routeKey"), route);
            let context = &request["requestContext"];
            assert_eq!(context["routeKey"], request["routeKey"]);
            assert_eq!(context["http"]["path"], request["rawPath"]);
            let headers = request["headers"].as_object().unwrap();
            assert!(headers.keys().all(|name| *name == name.to_lowercase()));
            if let Some(body) = request["body"].as_str() {
                assert_eq!(headers["content-length"], body.len().to_string());
            }
        }
    }
}

#[test]
fn the_schedule_speaks_as_eventbridge_does() {
    for name in ["good", "duplicate", "mixed-batch"] {
        let tick = parsed("sweeper", name);
        assert_eq!(text(&tick, "source"), "aws.events");
        assert_eq!(text(&tick, "detail-type"), "Scheduled Event");
    }
}
