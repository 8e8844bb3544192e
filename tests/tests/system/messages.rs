//! What becomes of messages that nobody expects.

use anyhow::{Context, Result, ensure};
use dashpot_cli::shop::until;
use serde_json::{Value, json};

use crate::world::{PATIENCE, World};

fn order(id: &str, sku: &str) -> Value {
    json!({
        "type": "order.placed",
        "payload": {
            "orderId": id, "userId": "foreign", "total": { "amount": 1, "currency": "EUR" },
            "items": [{ "sku": sku, "quantity": 1 }],
        },
        "metadata": { "id": format!("event-{id}"), "timestamp": dashpot::now(), "correlationId": "c", "version": 2 },
    })
}

async fn reserved(world: &World, order: &str) -> Result<()> {
    let key = format!("reservation#{order}");
    until(&format!("{key} is there"), PATIENCE, async || {
        let row = world.shop.row("inventory", &key, "-").await?;
        Ok(row.filter(|row| row["state"] == "reserved").map(drop))
    })
    .await
}

pub(crate) async fn a_strange_message_ends_in_exactly_one_place_and_hurts_no_neighbour(
    world: &World,
) -> Result<()> {
    world.stock("strange-mug", 10).await?;
    let mut newer = order("strange-newer", "strange-mug");
    newer["metadata"]["version"] = json!(99);
    let unknown = json!({ "type": "order.lent", "payload": {}, "metadata": { "id": "strange-unknown", "version": 1 } });
    let mut negative = order("strange-negative", "strange-mug");
    negative["payload"]["items"][0]["quantity"] = json!(-1);
    let many: Vec<Value> = (0..10_000)
        .map(|n| json!({ "sku": format!("s{n}"), "quantity": 1 }))
        .collect();
    let mut huge = order("strange-huge", "strange-mug");
    huge["payload"]["items"] = json!(many);
    let cases = [
        (newer.to_string(), "not_yet_known"),
        (unknown.to_string(), "not_yet_known"),
        (negative.to_string(), "malformed"),
        (huge.to_string(), "malformed"),
        ("strange-text".to_owned(), "malformed"),
        (
            r#"{"strange-object":{"a":[1,2,{}]}}"#.to_owned(),
            "malformed",
        ),
        (format!("{}strange-deep", "[".repeat(10_000)), "malformed"),
    ];
    let mut batch = vec![order("strange-good-1", "strange-mug").to_string()];
    batch.extend(cases.iter().map(|(body, _)| body.clone()));
    batch.push(order("strange-good-2", "strange-mug").to_string());
    world.shop.send("inventory", &batch).await?;
    for good in ["strange-good-1", "strange-good-2"] {
        reserved(world, good).await?;
    }
    let letters = until(
        "every strange message is a dead letter",
        PATIENCE,
        async || {
            let letters = world.dead_letters("inventory", "strange-").await?;
            Ok((letters.len() >= cases.len()).then_some(letters))
        },
    )
    .await?;
    ensure!(letters.len() == cases.len(), "{letters:?}");
    for (body, reason) in &cases {
        let letter = letters.iter().find(|letter| letter["body"] == **body);
        let letter = letter.with_context(|| format!("{reason}: it is not there"))?;
        ensure!(letter["reason"] == *reason, "{letter}");
    }
    ensure!(
        world.shop.available("strange-mug").await? == 8,
        "a strange message took stock"
    );
    Ok(())
}

pub(crate) async fn the_reference_texts_own_message_is_rejected_for_want_of_lines(
    world: &World,
) -> Result<()> {
    let body = json!({
        "type": "order.created",
        "payload": { "orderId": "reference-123", "userId": "user_456", "total": 99.99, "items": [] },
        "metadata": { "timestamp": dashpot::now(), "correlationId": "req_789", "version": 1 },
    });
    world.publish("order.created", &body.to_string()).await?;
    world.reaches("reference-123", "rejected").await?;
    let shown = world.shop.show("reference-123").await?.body;
    ensure!(
        shown["total"] == json!({ "amount": 9999, "currency": "EUR" }),
        "{shown}"
    );
    for service in ["inventory", "payments", "email", "journal", "analytics"] {
        let dead = world.dead_letters(service, "reference-123").await?;
        ensure!(dead.is_empty(), "{service}: {dead:?}");
    }
    Ok(())
}

pub(crate) async fn a_message_counts_once_however_it_comes(world: &World) -> Result<()> {
    world.stock("once-only", 10).await?;
    let body = order("once-only", "once-only").to_string();
    let wrapped = json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": world.shop.target().topic_arn(), "Message": body,
        "Timestamp": "2026-01-01T00:00:00.000Z", "SignatureVersion": "1", "Signature": "s",
        "SigningCertURL": "https://example.com", "UnsubscribeURL": "https://example.com",
    });
    let mut nameless = order("once-nameless", "once-only");
    nameless["metadata"] = json!({ "version": 2 });
    let nameless = nameless.to_string();
    let batch = [
        body.clone(),
        wrapped.to_string(),
        body.clone(),
        nameless.clone(),
        nameless,
    ];
    world.shop.send("inventory", &batch).await?;
    world.publish("order.placed", &body).await?;
    reserved(world, "once-only").await?;
    reserved(world, "once-nameless").await?;
    // What is sent after them, and is done, has seen them out.
    world
        .shop
        .send(
            "inventory",
            &[order("once-last", "once-only").to_string(), body],
        )
        .await?;
    reserved(world, "once-last").await?;
    let left = world.shop.available("once-only").await?;
    ensure!(
        left == 7,
        "{left} of 10 are left after three different orders"
    );
    ensure!(
        world.dead_letters("inventory", "once-").await?.is_empty(),
        "one of them died"
    );
    Ok(())
}
