//! An attempt to order: as checkout makes it, and as the sweeper finds it.

use anyhow::{Context, Result, ensure};
use checkout::attempt::{AttemptKey, Lease};
use dashpot::{CommitError, Key, Row, Store};
use dashpot_cli::shop::Shop;
use serde_json::{Value, json};
use shop_events::UserId;
use system_tests::real::{self, Place, attribute};

use super::case::create;
use super::run::Story;
use crate::world::World;

const CARD: &str = "pm_card_visa";

/// Puts the product in that is going to be ordered, at 12.50 EUR.
pub(super) async fn offer(place: &Place, order: &str, world: &World) -> Result<()> {
    let product = Row::new(Key::new(format!("product#{order}")))
        .set("price", 1250_i64)
        .set("currency", "EUR");
    create(place, product, world).await
}

/// A customer's request for two of it, as API Gateway tells it.
pub(super) fn request(order: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "POST /orders", "rawPath": "/orders", "rawQueryString": "",
        "headers": { "content-type": "application/json", "idempotency-key": order },
        "requestContext": {
            "accountId": "123456789012", "apiId": "a", "domainName": "d", "domainPrefix": "a",
            "http": {
                "method": "POST", "path": "/orders", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.24", "userAgent": "a",
            },
            "requestId": "r", "routeKey": "POST /orders", "stage": "$default",
            "time": "02/Nov/2026:09:30:00 +0000", "timeEpoch": 1_793_611_800_000_u64,
        },
        "body": Shop::order(order, &[(order, 2)], CARD).to_string(), "isBase64Encoded": false,
    })
}

/// Whether the order is taken. Anything but that it is, or that nobody knows yet, is wrong.
pub(super) fn is_taken(answer: &str) -> Result<bool> {
    let answer: Value = serde_json::from_str(answer)?;
    let status = answer["statusCode"].as_u64().unwrap_or_default();
    ensure!(matches!(status, 202 | 409 | 503), "{answer}");
    Ok(status == 202)
}

/// The one order that was taken, by what the customer was told.
pub(super) async fn check_placed(
    rows: &[real::Row],
    order: &str,
    story: &Story,
    world: &World,
) -> Result<()> {
    let answer: Value = serde_json::from_str(story.answer())?;
    let told = answer["body"].as_str().context("no body")?;
    let body: Value = serde_json::from_str(told)?;
    let id = body["orderId"].as_str().context("no order")?;
    let attempt = key(order)?;
    let attempt = rows.iter().find(|row| attribute(row, "pk") == attempt);
    let attempt = attempt.context("no attempt")?;
    ensure!(
        attribute(attempt, "state") == "PLACED" && attribute(attempt, "answerBody") == told,
        "{attempt:?}"
    );
    let theirs = |prefix: &str| {
        let ours = |row: &&real::Row| {
            attribute(row, "pk").starts_with(prefix)
                && row
                    .keys()
                    .any(|name| attribute(row, name).contains(&format!("\"{order}\"")))
        };
        rows.iter().filter(ours).count()
    };
    ensure!(
        rows.iter()
            .any(|row| attribute(row, "pk") == format!("order#{id}")),
        "there is no order {id}"
    );
    ensure!(theirs("order#") == 1, "{} orders", theirs("order#"));
    ensure!(theirs("outbox#") == 1, "{} events", theirs("outbox#"));
    let payment = world.payment(id).await?;
    ensure!(
        payment.status == "requires_capture"
            && payment.amount == 2500
            && payment.acted("create") == 1,
        "{payment:?}"
    );
    Ok(())
}

/// An attempt that is due, and that nobody acts on any more.
pub(super) async fn leave(place: &Place, order: &str, world: &World) -> Result<()> {
    let frozen = serde_json::from_value(json!({
        "orderId": order, "userId": order, "email": format!("{order}@example.com"),
        "items": [{ "sku": order, "quantity": 2, "unitPrice": { "amount": 1250, "currency": "EUR" } }],
        "total": { "amount": 2500, "currency": "EUR" }, "paymentMethod": CARD,
    }))?;
    let key = AttemptKey::of(&order.parse::<UserId>()?, order);
    let left = key.create(&frozen, "digest", &Lease::new(0, 0), 0);
    let store = place.store(world.shop.target().config());
    Ok(store.commit(&[left]).await?)
}

/// Whether the sweeper is done with the one attempt. If it is not, a minute goes by, and more: what is due again is due.
pub(super) async fn is_ended(place: &Place, order: &str, world: &World) -> Result<bool> {
    let rows = place.rows("attempt#").await?;
    let [attempt] = rows.as_slice() else {
        anyhow::bail!("{} attempts", rows.len());
    };
    if !attempt.contains_key("due") {
        return Ok(true);
    }
    let due = dashpot::Condition::AtLeast("due".to_owned(), 0);
    let due = dashpot::Write::update(Key::new(key(order)?))
        .set("due", 0_i64)
        .when(due);
    let store = place.store(world.shop.target().config());
    match store.commit(&[due]).await {
        // A call of a process that is gone has ended it meanwhile: the next look shows it.
        Ok(()) | Err(CommitError::Refused(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Nothing is held, whatever was, and nothing was said.
pub(super) async fn check_voided(rows: &[real::Row], order: &str, world: &World) -> Result<()> {
    let [attempt] = rows else {
        anyhow::bail!("{rows:?}");
    };
    ensure!(attribute(attempt, "state") == "VOIDED", "{attempt:?}");
    let payment = world.payment(order).await?;
    ensure!(
        payment.status == "canceled"
            && payment.acted("create") == 1
            && payment.acted("cancel") == 1,
        "{payment:?}"
    );
    Ok(())
}

fn key(order: &str) -> Result<String> {
    let user = order.parse::<UserId>()?;
    Ok(AttemptKey::of(&user, order).key().pk.clone())
}
