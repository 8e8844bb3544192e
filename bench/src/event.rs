//! The event: an SQS batch as Lambda hands it over, raw delivery from SNS, three message attributes.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

/// So many records, whose orders have so many lines each; with two lines a body has 668 bytes.
pub fn batch(records: usize, lines: usize) -> Arc<Vec<u8>> {
    let mut event = String::from("{\"Records\":[");
    for n in 0..records {
        let comma = if n == 0 { "" } else { "," };
        write!(event, "{comma}{}", record(n, lines)).expect("a string takes everything");
    }
    event.push_str("]}");
    Arc::new(event.into_bytes())
}

pub fn body(n: usize, lines: usize) -> String {
    let item = |line: usize| {
        json!({
            "sku": format!("chair-oak-natural-{:04}", line % 10_000), "quantity": 2,
            "unitPrice": { "amount": 4999, "currency": "EUR" }
        })
    };
    let order = format!("01a19b98-1dc0-7df5-bbfd-{n:012x}");
    json!({
        "type": "order.placed",
        "payload": {
            "orderId": order, "userId": format!("user_{n:06}"), "customer": { "email": "ada.augusta.king.countess.lovelace@example.com" },
            "total": { "amount": 9998 * lines, "currency": "EUR" },
            "items": (0..lines).map(item).collect::<Vec<Value>>(),
            "paymentIntentId": "pi_3SV4SHPNFDCYD3OL33F3AH3S"
        },
        "metadata": {
            "id": format!("01a19b98-1e74-76cd-bbad-{n:012x}"), "timestamp": 1_793_611_800_180_u64,
            "correlationId": "req_b04257e512030", "version": 2, "source": "checkout", "subject": order, "hops": 0
        }
    })
    .to_string()
}

fn record(n: usize, lines: usize) -> Value {
    let attribute = |text: &str| json!({ "stringValue": text, "stringListValues": [], "binaryListValues": [], "dataType": "String" });
    json!({
        "messageId": format!("98cdf011-6671-4c6a-8d5c-{n:012x}"),
        "receiptHandle": format!("AQEB{}", "vspw2vjCZXIqe2/5N6U1dBTExj1t+dBvBQhVWJ4CEM".repeat(8)),
        "body": body(n, lines),
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": "1793611800310", "SenderId": "AIDAISMY7JYY5F7RTT6AO",
            "MessageGroupId": "user_456", "ApproximateFirstReceiveTimestamp": "1793611800316"
        },
        "messageAttributes": {
            "correlationId": attribute("req_b04257e51203"), "type": attribute("order.placed"), "version": attribute("2")
        },
        "md5OfMessageAttributes": "f428e9b6c3e7c90267a0a72357e2613d",
        "md5OfBody": "f24f0779c57e21eaa1d09b60d145fb1d",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:dashpot-inventory",
        "awsRegion": "eu-west-1"
    })
}

#[test]
fn a_body_with_two_lines_has_668_bytes() {
    assert_eq!(body(1, 2).len(), 668);
}
