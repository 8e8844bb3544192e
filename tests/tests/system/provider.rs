//! A payment provider that is slow, away, or silent after acting. Each test has a card of its own, so that
//! what one provokes no other suffers.

use anyhow::{Context, Result, ensure};
use dashpot_cli::shop::until;
use serde_json::json;

use crate::world::{PATIENCE, World};

pub(crate) async fn an_answer_that_was_lost_is_asked_for_again(world: &World) -> Result<()> {
    world.stock("lost-mug", 10).await?;
    let card = "pm_card_amex";
    let rule = json!([{ "operation": "create", "paymentMethod": card, "effect": { "loseAnswer": true }, "times": 1 }]);
    world.shop.misbehave(&rule).await?;
    // The client does what a client does: the same request, until it knows.
    let order = until("the order is taken", PATIENCE, async || {
        let answer = world
            .place("lost", "lost", &[("lost-mug", 1)], card)
            .await?;
        match answer.status {
            202 => answer.order_id().map(Some),
            status => {
                ensure!(status == 409 || status == 503, "{status} {}", answer.body);
                Ok(None)
            }
        }
    })
    .await?;
    world.reaches(&order, "confirmed").await?;
    let payment = world.payment(&order).await?;
    ensure!(
        payment.acted("create") == 1 && payment.acted("capture") == 1,
        "{payment:?}"
    );
    Ok(())
}

pub(crate) async fn a_hold_that_nobody_came_back_for_is_voided(world: &World) -> Result<()> {
    world.stock("gone-mug", 10).await?;
    let card = "pm_card_diners";
    // The hold is made and checkout cannot tell: neither an answer nor a search reaches it.
    let rules = json!([
        { "operation": "create", "paymentMethod": card, "effect": { "loseAnswer": true }, "times": 6 },
        { "operation": "search", "effect": { "refuse": true }, "times": 1 },
    ]);
    world.shop.misbehave(&rules).await?;
    let answer = world
        .place("gone", "gone", &[("gone-mug", 1)], card)
        .await?;
    ensure!(answer.status == 503, "{} {}", answer.status, answer.body);
    let attempts = world.shop.rows("checkout", "attempt#").await?;
    let ours = world.shop.ledger().await?.into_iter().find(|payment| {
        attempts.iter().any(|row| {
            row["state"] == "PENDING" && row["orderId"].as_str() == payment.order_id.as_deref()
        }) && payment.status == "requires_capture"
    });
    let order = ours
        .and_then(|payment| payment.order_id)
        .context("no hold was made")?;
    until("the sweeper has voided the hold", PATIENCE, async || {
        world.invoke("sweeper", "{}").await?;
        Ok((world.payment(&order).await?.status == "canceled").then_some(()))
    })
    .await?;
    let answer = world
        .place("gone", "gone", &[("gone-mug", 1)], card)
        .await?;
    ensure!(answer.status == 409, "{} {}", answer.status, answer.body);
    ensure!(
        world.shop.available("gone-mug").await? == 10,
        "stock was taken"
    );
    Ok(())
}

pub(crate) async fn an_outage_of_captures_heals_and_nothing_dies(world: &World) -> Result<()> {
    world.stock("away-mug", 10).await?;
    let card = "pm_card_discover";
    let mut orders = Vec::new();
    let rule = json!([{ "operation": "capture", "paymentMethod": card, "effect": { "refuse": true }, "times": 9 }]);
    world.shop.misbehave(&rule).await?;
    for n in 0..3 {
        let user = format!("away-{n}");
        orders.push(world.ordered_with(&user, &[("away-mug", 1)], card).await?);
    }
    for order in &orders {
        world.reaches(order, "confirmed").await?;
        let payment = world.payment(order).await?;
        ensure!(payment.acted("capture") == 1, "{payment:?}");
        ensure!(
            world.dead_letters("payments", order).await?.is_empty(),
            "{order} died"
        );
    }
    Ok(())
}

pub(crate) async fn a_consumer_killed_after_the_capture_captures_once(world: &World) -> Result<()> {
    world.stock("killed-mug", 10).await?;
    let card = "pm_card_jcb";
    let rule = json!([{ "operation": "capture", "paymentMethod": card,
        "effect": { "loseAnswer": true, "delayMs": 500 }, "times": 1 }]);
    world.shop.misbehave(&rule).await?;
    let order = world
        .ordered_with("killed", &[("killed-mug", 1)], card)
        .await?;
    let key = format!("payment#{order}");
    until("payments is about to capture", PATIENCE, async || {
        let row = world.shop.row("payments", &key, "state").await?;
        Ok(row.filter(|row| row["state"] == "capturing").map(drop))
    })
    .await?;
    ensure!(
        world.stack.kill_function("payments")? > 0,
        "no process was killed"
    );
    world.reaches(&order, "confirmed").await?;
    let payment = world.payment(&order).await?;
    ensure!(
        payment.acted("capture") == 1 && payment.amount_received == 1250,
        "{payment:?}"
    );
    let entries = world.shop.rows("payments", &key).await?;
    let captured = entries.iter().filter(|row| {
        row["sk"]
            .as_str()
            .is_some_and(|sk| sk.starts_with("entry#") && row["kind"] == "captured")
    });
    ensure!(captured.count() == 1, "{entries:?}");
    Ok(())
}
