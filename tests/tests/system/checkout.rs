//! What a client may send, and what it is answered.

use anyhow::{Context, Result, ensure};
use dashpot_cli::shop::Shop;
use serde_json::{Value, json};

use crate::world::World;

pub(crate) async fn a_good_order_is_answered_with_its_total_and_an_id(world: &World) -> Result<()> {
    world.stock("answer-mug", 10).await?;
    let items = [("answer-mug", 1), ("answer-mug", 2)];
    let answer = world
        .place("answer", "answer", &items, "pm_card_visa")
        .await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
    ensure!(answer.body["status"] == "placed", "{}", answer.body);
    let total = json!({ "amount": 3750, "currency": "EUR" });
    ensure!(answer.body["total"] == total, "{}", answer.body);
    ensure!(answer.body["correlationId"].is_string(), "{}", answer.body);
    let payment = world.payment(&answer.order_id()?).await?;
    ensure!(payment.amount == 3750, "{payment:?}");
    Ok(())
}

pub(crate) async fn a_request_that_is_wrong_is_refused_by_name(world: &World) -> Result<()> {
    world.stock("wrong-mug", 10).await?;
    let good = Shop::order("wrong", &[("wrong-mug", 1)], "pm_card_visa");
    let with = |pointer: &str, value: Value| {
        let mut order = good.clone();
        if let Some(place) = order.pointer_mut(pointer) {
            *place = value;
        }
        order
    };
    let many: Vec<Value> = (0..1000)
        .map(|n| json!({ "sku": format!("s{n}"), "quantity": 1 }))
        .collect();
    let cases = [
        (with("/userId", json!("")), "userId"),
        (with("/userId", json!(7)), "userId"),
        (with("/email", json!("nobody")), "email"),
        (with("/items", json!([])), "items"),
        (with("/items", json!("mug")), "items"),
        (with("/items", json!(many)), "items"),
        (with("/items/0/quantity", json!(0)), "items[0].quantity"),
        (with("/items/0/quantity", json!(-1)), "items[0].quantity"),
        (with("/items/0/quantity", json!(1.5)), "items[0].quantity"),
        (with("/items/0/quantity", json!(4_000_000_000_u32)), "items"),
        (
            with("/items/0/quantity", json!(99_999_999_999_u64)),
            "items[0].quantity",
        ),
        (with("/items/0/sku", json!("no-such-thing")), "items[0].sku"),
        (with("/items/0/sku", json!("a#b")), "items[0].sku"),
        (with("/paymentMethod", json!("")), "paymentMethod"),
        (
            with("/paymentMethod", json!("pm_card_nobody_has")),
            "paymentMethod",
        ),
    ];
    for (n, (order, field)) in cases.iter().enumerate() {
        let answer = world.shop.place(&format!("wrong-{n}"), order).await?;
        let named = answer.body["field"].as_str().unwrap_or_default();
        ensure!(
            answer.status == 400 && named == *field,
            "{field}: {} {}",
            answer.status,
            answer.body
        );
    }
    let ours = world.shop.ledger().await?;
    ensure!(
        ours.iter().all(|payment| payment.amount < 4_000_000),
        "an absurd amount was held"
    );
    Ok(())
}

pub(crate) async fn a_body_of_a_megabyte_is_refused(world: &World) -> Result<()> {
    let mut order = Shop::order("huge", &[("mug", 1)], "pm_card_visa");
    order["note"] = Value::String("x".repeat(1024 * 1024));
    let answer = world.shop.place("huge", &order).await?;
    ensure!(answer.status == 413, "{} {}", answer.status, answer.body);
    Ok(())
}

pub(crate) async fn a_key_names_one_request_for_ever(world: &World) -> Result<()> {
    world.stock("key-mug", 10).await?;
    let place = async |quantity| {
        world
            .place("key", "key", &[("key-mug", quantity)], "pm_card_visa")
            .await
    };
    let first = place(1).await?;
    let again = place(1).await?;
    ensure!(
        again.status == 202 && again.body == first.body,
        "{} {}",
        again.status,
        again.body
    );
    let other = place(2).await?;
    ensure!(other.status == 422, "{} {}", other.status, other.body);
    // The same key of another customer is another key.
    let stranger = world
        .place("key", "key-stranger", &[("key-mug", 1)], "pm_card_visa")
        .await?;
    ensure!(
        stranger.status == 202,
        "{} {}",
        stranger.status,
        stranger.body
    );
    ensure!(
        stranger.order_id()? != first.order_id()?,
        "two customers share an order"
    );
    let keyless = world
        .shop
        .place("", &Shop::order("key", &[("key-mug", 1)], "pm_card_visa"))
        .await?;
    ensure!(keyless.status == 400, "{} {}", keyless.status, keyless.body);
    Ok(())
}

pub(crate) async fn the_same_request_many_times_at_once_is_one_order(world: &World) -> Result<()> {
    world.stock("once-mug", 10).await?;
    let place = || world.place("once", "once", &[("once-mug", 1)], "pm_card_visa");
    let answers = tokio::join!(place(), place(), place(), place(), place());
    let answers = [answers.0?, answers.1?, answers.2?, answers.3?, answers.4?];
    let mut orders: Vec<String> = Vec::new();
    for answer in &answers {
        match answer.status {
            202 => orders.push(answer.order_id()?),
            status => ensure!(status == 409, "{status} {}", answer.body),
        }
    }
    orders.dedup();
    ensure!(orders.len() == 1, "{orders:?}");
    let order = orders.first().context("no order")?;
    world.reaches(order, "confirmed").await?;
    ensure!(
        world.payment(order).await?.acted("capture") == 1,
        "captured more than once"
    );
    ensure!(
        world.shop.available("once-mug").await? == 9,
        "more than one was taken"
    );
    Ok(())
}

pub(crate) async fn a_declined_card_is_no_order_and_stays_declined(world: &World) -> Result<()> {
    world.stock("declined-mug", 10).await?;
    for _ in 0..2 {
        let items = [("declined-mug", 1)];
        let card = "pm_card_visa_chargeDeclined";
        let answer = world.place("declined", "declined", &items, card).await?;
        ensure!(answer.status == 402, "{} {}", answer.status, answer.body);
    }
    ensure!(
        world.shop.available("declined-mug").await? == 10,
        "stock was taken"
    );
    ensure!(
        world.letters("declined").await?.is_empty(),
        "a letter was sent"
    );
    Ok(())
}
