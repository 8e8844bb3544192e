use serde_json::{Value, json};

use crate::{EVENT, REQUEST, STREAM, body, run};

const MIB: usize = 1024 * 1024;

fn with_body(body: &str) -> String {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["Records"][0]["body"] = body.into();
    event.to_string()
}

/// Bodies of a mebibyte, each hostile in another way.
fn large() -> Vec<String> {
    let nested = |open: &str, close: &str| {
        let depth = MIB / (open.len() + close.len());
        format!("{}{}", open.repeat(depth), close.repeat(depth))
    };
    let items = vec![r#"{"sku":"a","quantity":1}"#; MIB / 25].join(",");
    let many: Vec<String> = (0..MIB / 32)
        .map(|n| format!(r#"{{"sku":"s-{n}","quantity":1}}"#))
        .collect();
    let members: Vec<String> = (0..MIB / 12).map(|n| format!("\"{n}\":0")).collect();
    let order = |total: &str, items: &str| {
        format!(
            r#"{{"type":"order.created","payload":{{"orderId":"1","userId":"u","total":{total},"items":[{items}]}},"metadata":{{}}}}"#
        )
    };
    vec![
        "[".repeat(MIB),
        "{\"a\":".repeat(MIB / 5),
        nested("[", "]"),
        format!(
            r#"{{"type":"order.placed","payload":{},"metadata":{{"version":2}}}}"#,
            nested("[", "]")
        ),
        format!(
            r#"{{"type":"a.b","payload":0,"metadata":{},"other":{}}}"#,
            "{}",
            nested("[", "]")
        ),
        "9".repeat(MIB),
        "\"".to_owned() + &"\\u0000".repeat(MIB / 6) + "\"",
        "\\".repeat(MIB),
        " ".repeat(MIB),
        order(&"9".repeat(MIB), ""),
        order(&format!("1.{}", "0".repeat(MIB)), ""),
        order("5", &items),
        order("5", &many.join(",")),
        format!(
            r#"{{"type":"a.b","payload":{{}},"metadata":{{{}}}}}"#,
            members.join(",")
        ),
        format!(
            r#"{{"type":"{}","payload":{{}},"metadata":{{}}}}"#,
            "x".repeat(MIB)
        ),
        format!(r#""TopicArn" {}"#, body().repeat(MIB / 608)),
    ]
}

#[test]
fn a_mebibyte_of_anything_is_one_message_with_a_verdict() {
    for body in large() {
        run("batch", with_body(&body));
        run("envelope", &body);
    }
}

#[test]
fn a_mebibyte_of_anything_is_a_form_an_answer_and_a_payload_at_most() {
    for body in large() {
        run("form", &body);
        run("provider", format!("\u{4}{body}"));
        run("provider", format!("\0{body}"));
        run("payload", format!("\0{body}"));
        run("payload", format!("\u{1}{body}"));
        let mut request: Value = serde_json::from_str(REQUEST).unwrap();
        request["body"] = body.as_str().into();
        run("api", request.to_string());
    }
}

#[test]
fn of_ten_thousand_records_each_has_a_verdict() {
    let event: Value = serde_json::from_str(EVENT).unwrap();
    let record = |n: usize| {
        let mut record = event["Records"][n % 4].clone();
        record["messageId"] = json!(format!("m-{n}"));
        if n.is_multiple_of(7) {
            record["body"] = Value::Null;
        }
        record
    };
    let records: Vec<Value> = (0..10_000).map(record).collect();
    run("batch", json!({ "Records": records }).to_string());
    let stream: Value = serde_json::from_str(STREAM).unwrap();
    let records = stream["Records"].as_array().unwrap().iter().cycle();
    let records: Vec<&Value> = records.take(10_000).collect();
    run("stream", json!({ "Records": records }).to_string());
}

#[test]
fn a_document_nested_without_end_is_no_event_of_any_kind() {
    for open in ["[", "{\"Records\":", "{\"Records\":[", "{\"body\":"] {
        let deep = open.repeat(MIB / open.len());
        for target in ["batch", "api", "stream"] {
            run(target, &deep);
        }
    }
}
