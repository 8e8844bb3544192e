//! The commands against a stack that has everything they look at, and no functions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod running;

use std::path::Path;
use std::process::Command;

use aws_sdk_sqs::types::MessageAttributeValue;
use dashpot::{DynamoStore, Key, Row, Store, Write};
use listing::generation::Generation;
use order_history::{Event, Facts};
use running::Running;
use serde_json::{Value, json};

impl Running {
    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(self.stack.target().config())
    }

    /// Puts a message into inventory's dead-letter queue, as a consumer would, and returns its id there.
    async fn park(&self, body: &str, redrives: u32) -> String {
        let text = |value: String| {
            MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .unwrap()
        };
        let note = json!({
            "reason": "malformed", "detail": "expected value at line 1", "consumer": "inventory",
            "sourceQueue": "arn:aws:sqs:us-east-1:000000000000:inventory", "messageId": "m", "eventId": null,
            "type": null, "attempts": 1, "firstSeen": 1, "parkedAt": 2, "fingerprint": "00ff00ff00ff00ff",
            "redrives": redrives,
        });
        self.sqs()
            .send_message()
            .queue_url(
                self.stack
                    .target()
                    .resources()
                    .id("InventoryDeadLetterQueue")
                    .unwrap(),
            )
            .message_body(body)
            .message_attributes("type", text("order.placed".to_owned()))
            .message_attributes("dashpot", text(note.to_string()))
            .send()
            .await
            .unwrap()
            .message_id
            .unwrap()
    }

    fn counts(&self) -> (u64, u64) {
        let status = self.json(&["status"]);
        let queue = status["queues"]
            .as_array()
            .unwrap()
            .iter()
            .find(|queue| queue["service"] == "inventory")
            .unwrap();
        (
            queue["visible"].as_u64().unwrap(),
            queue["deadLetters"].as_u64().unwrap(),
        )
    }
}

#[tokio::test]
async fn a_stack_is_described_fed_and_its_dead_letters_find_their_way_back() {
    let running = Running::start("commands").await;
    the_status_says_where_everything_is(&running);
    a_product_has_a_price_and_a_stock(&running);
    orders_are_listed_by_customer_state_and_day_and_recounted(&running).await;
    looking_at_a_dead_letter_leaves_it_there(&running).await;
    a_dead_letter_is_corrected_and_replayed(&running).await;
    what_dies_again_and_again_is_not_replayed(&running).await;
    a_parked_command_goes_to_its_queue_and_not_to_everybody(&running).await;
}

fn the_status_says_where_everything_is(running: &Running) {
    let status = running.json(&["status"]);

    let fields: Vec<_> = status
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields,
        [
            "apiUrl",
            "endpoint",
            "queues",
            "sandboxUrl",
            "tables",
            "topicArn"
        ]
    );
    assert_eq!(status["endpoint"], running.stack.endpoint());
    assert!(status["tables"]["inventory"].is_string());
    assert_eq!(
        status["queues"][1],
        json!({
            "service": "inventory",
            "url": running.stack.target().resources().id("InventoryQueue").unwrap(),
            "visible": 0, "inFlight": 0, "deadLetters": 0,
        })
    );
}

fn a_product_has_a_price_and_a_stock(running: &Running) {
    running.json(&[
        "products", "set", "chair", "--price", "49.99EUR", "--stock", "100",
    ]);
    running.json(&["products", "set", "chair", "--stock", "7"]);

    assert_eq!(
        running.json(&["products", "list"]),
        json!([{ "sku": "chair", "price": { "amount": 4999, "currency": "EUR" }, "stock": 7 }])
    );
    assert_eq!(
        running
            .dashpot(&["products", "set", "chair", "--price", "4.999EUR"])
            .status
            .code(),
        Some(2)
    );
}

async fn orders_are_listed_by_customer_state_and_day_and_recounted(running: &Running) {
    let target = running.stack.target();
    let table = |id| DynamoStore::new(target.config(), target.resources().id(id).unwrap());
    for (n, user) in [(1, "ada"), (2, "grace"), (3, "ada")] {
        let body = format!(
            r#"{{"type":"order.placed","payload":{{"orderId":"o-{n}","userId":"{user}","total":{{"amount":500,"currency":"EUR"}},"items":[]}},"metadata":{{"id":"e-{n}","timestamp":{},"correlationId":"c","version":2,"subject":"o-{n}"}}}}"#,
            1_732_464_000_000_u64 + n
        );
        let event = Event::in_body(&body).unwrap();
        let filed = Row::new(Key::of(format!("order#o-{n}"), "e")).set("body", body);
        table("JournalTable")
            .commit(&[Write::put(filed)])
            .await
            .unwrap();
        let order = event.order_id().unwrap();
        let row = listing::row::row(Generation(1), &order, &Facts::of(&event), 1).unwrap();
        table("ListingTable")
            .commit(&[Write::put(row)])
            .await
            .unwrap();
    }
    let ids = |arguments: &[&str]| {
        let orders = running.json(&[&["orders", "list"], arguments].concat());
        let orders = orders.as_array().unwrap().iter();
        let ids = orders.map(|order| order["orderId"].as_str().unwrap().to_owned());
        ids.collect::<Vec<String>>()
    };
    assert_eq!(ids(&["--customer", "ada"]), ["o-3", "o-1"]);
    assert_eq!(ids(&["--day", "2024-11-24"]), ["o-3", "o-2", "o-1"]);
    assert_eq!(ids(&["--day", "2024-11-24", "--limit", "1"]), ["o-3"]);
    assert!(ids(&["--day", "2024-11-24", "--state", "cancelled"]).is_empty());
    let wrong = running.dashpot(&["orders", "list", "--day", "24.11.2024"]);
    assert_eq!(wrong.status.code(), Some(2));

    let check = ["orders", "rebuild", "--check", "--json"];
    let report = running.json(&check[..3]);
    assert_eq!(
        (&report["orders"], &report["differences"]),
        (&json!(3), &json!([]))
    );
    let lost = Write::delete(Key::new("g1#order#o-2"));
    table("ListingTable").commit(&[lost]).await.unwrap();
    let output = running.dashpot(&check);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        report["differences"],
        json!([{ "orderId": "o-2", "differs": ["it has no row"] }])
    );
}

async fn looking_at_a_dead_letter_leaves_it_there(running: &Running) {
    let id = running.park("{broken", 0).await;

    let list = running.json(&["dlq", "list", "--service", "inventory"]);
    assert_eq!(list[0]["count"], 1);
    assert_eq!(list[0]["groups"][0]["reason"], "malformed");
    assert_eq!(list[0]["groups"][0]["messageIds"], json!([id]));
    let shown = running.json(&["dlq", "show", &id]);
    assert_eq!(
        (&shown["body"], &shown["note"]["parkedAt"]),
        (&json!("{broken"), &json!(2))
    );

    let dry = running.json(&["dlq", "replay", &id]);
    assert_eq!(dry["dryRun"], true);
    assert_eq!(dry["messages"][0]["outcome"], "wouldReplay");
    assert_eq!(running.counts(), (0, 1));
    assert_eq!(
        running
            .dashpot(&["dlq", "show", "no-such-id"])
            .status
            .code(),
        Some(1)
    );
}

async fn a_dead_letter_is_corrected_and_replayed(running: &Running) {
    let corrected = running.directory.join("corrected.json");
    std::fs::write(&corrected, r#"{"type":"order.placed"}"#).unwrap();
    let id = running.json(&["dlq", "list"])[0]["groups"][0]["messageIds"][0]
        .as_str()
        .unwrap()
        .to_owned();

    let replayed = running.json(&[
        "dlq",
        "replay",
        &id,
        "--body",
        corrected.to_str().unwrap(),
        "--yes",
    ]);

    assert_eq!(replayed["messages"][0]["outcome"], "replayed");
    assert_eq!(running.counts(), (1, 0));
    let queue = running
        .stack
        .target()
        .resources()
        .id("InventoryQueue")
        .unwrap();
    let received = running
        .sqs()
        .receive_message()
        .queue_url(queue)
        .message_attribute_names("All")
        .send()
        .await
        .unwrap();
    let message = &received.messages()[0];
    let attributes = message.message_attributes().unwrap();
    assert_eq!(message.body(), Some(r#"{"type":"order.placed"}"#));
    assert_eq!(attributes["type"].string_value(), Some("order.placed"));
    assert_eq!(attributes["redrives"].string_value(), Some("1"));
    assert!(!attributes.contains_key("dashpot"));
}

async fn what_dies_again_and_again_is_not_replayed(running: &Running) {
    running.park("{}", 3).await;
    running.park("{}", 2).await;

    let output = running.dashpot(&["dlq", "replay", "--all", "--yes", "--json"]);

    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut outcomes: Vec<_> = report["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["outcome"].as_str().unwrap())
        .collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["refused", "replayed"]);
    assert_eq!(running.counts().1, 1);
}

async fn a_parked_command_goes_to_its_queue_and_not_to_everybody(running: &Running) {
    let resources = running.stack.target().resources();
    let text = |value: &str| {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value);
        value.build().unwrap()
    };
    for to in ["inventory", "nobody"] {
        let parked = running
            .sqs()
            .send_message()
            .queue_url(resources.id("RelayDeadLetterQueue").unwrap())
            .message_body(format!("a command for {to}"))
            .message_attributes("to", text(to));
        parked.send().await.unwrap();
    }
    let before = running.counts().0;
    let arguments = [
        "dlq",
        "replay",
        "--all",
        "--service",
        "relay",
        "--yes",
        "--json",
    ];
    let output = running.dashpot(&arguments);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let messages = report["messages"].as_array().unwrap();
    let outcome = |outcome: &str| {
        messages
            .iter()
            .filter(|it| it["outcome"] == outcome)
            .count()
    };
    assert_eq!((outcome("replayed"), outcome("failed")), (1, 1), "{report}");
    assert!(
        report
            .to_string()
            .contains("the stack has none of that name"),
        "{report}"
    );
    assert_eq!(running.counts().0, before + 1);
}

#[test]
fn without_a_local_stack_a_command_says_how_to_start_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_dashpot"))
        .arg("status")
        .env(
            "DASHPOT_STATE_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("nothing"),
        )
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: no local stack is running: start one with `cargo dashpot up`\n"
    );
}
