//! What becomes of an order.

use anyhow::{Context, Result, ensure};
use aws_sdk_scheduler::error::ProvideErrorMetadata;
use dashpot_cli::commands;
use dashpot_cli::commands::pick::pack;
use dashpot_cli::commands::quote::Asker;
use dashpot_cli::shop::until;
use serde_json::{Value, json};
use shop_events::{OrderId, QuoteRequested};

use crate::world::{PATIENCE, World};

pub(crate) async fn an_order_is_confirmed_by_every_service(world: &World) -> Result<()> {
    world.stock("flow-mug", 10).await?;
    let order = world.ordered("flow", &[("flow-mug", 3)]).await?;
    world.reaches(&order, "confirmed").await?;
    ensure!(
        world.shop.available("flow-mug").await? == 7,
        "not three were taken"
    );
    let payment = world.payment(&order).await?;
    ensure!(
        payment.amount_received == 3750 && payment.acted("capture") == 1,
        "{payment:?}"
    );
    world.letters_reach("flow", 2).await?;

    let shown = world.shop.show(&order).await?.body;
    ensure!(
        shown["userId"] == "flow" && shown["total"]["amount"] == 3750,
        "{shown}"
    );
    let history = shown["history"].as_array().context("no history")?;
    let types: Vec<&str> = history
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    let expected = [
        "order.placed",
        "stock.reserved",
        "payment.captured",
        "pick_list.created",
    ];
    ensure!(
        types.len() == 4 && expected.iter().all(|event| types.contains(event)),
        "{types:?}"
    );
    let cause = |event: &str| {
        let event = history.iter().find(|told| told["type"] == event)?;
        let cause = history
            .iter()
            .find(|told| told["id"] == event["causationId"])?;
        cause["type"].as_str()
    };
    ensure!(cause("stock.reserved") == Some("order.placed"), "{shown}");
    ensure!(
        cause("payment.captured") == Some("stock.reserved"),
        "{shown}"
    );
    ensure!(
        !shown.to_string().contains("@example.com"),
        "the answer tells an address"
    );

    let seen = world.shop.rows("analytics", "seen#").await?;
    for event in history {
        let id = event["id"].as_str().context("no id")?;
        let counted = |row: &Value| row["pk"].as_str().is_some_and(|pk| pk.ends_with(id));
        ensure!(
            seen.iter().any(counted),
            "analytics has not counted {event}"
        );
    }
    Ok(())
}

pub(crate) async fn a_paid_order_has_one_invoice_however_often_it_is_asked_for(
    world: &World,
) -> Result<()> {
    world.stock("invoiced-mug", 10).await?;
    let order = world.ordered("invoiced", &[("invoiced-mug", 3)]).await?;
    let order: OrderId = order.parse()?;
    let target = world.shop.target();
    let (written, document) = until("the invoice", PATIENCE, async || {
        commands::invoices::fetch(target, &order).await
    })
    .await?;
    let said = String::from_utf8_lossy(&document).into_owned();
    ensure!(said.starts_with("%PDF-"), "{said}");
    for words in [&*written.number, "37.50 EUR", "invoiced@example.com"] {
        ensure!(said.contains(words), "{words:?} is not in {said}");
    }
    commands::invoices::request(target, &order).await?;
    until("the second job is done", PATIENCE, async || {
        Ok((world.shop.depth("invoices-urgent").await? == (0, 0)).then_some(()))
    })
    .await?;
    let dead = world
        .dead_letters("invoices-urgent", order.as_str())
        .await?;
    ensure!(dead.is_empty(), "{dead:?}");
    let again = commands::invoices::fetch(target, &order).await?;
    ensure!(again == Some((written, document)), "it has changed");
    Ok(())
}

pub(crate) async fn whoever_asks_gets_their_own_answer_and_leaves_no_queue(
    world: &World,
) -> Result<()> {
    world.stock("quoted-mug", 1).await?;
    let asker = Asker::open(world.shop.target()).await?;
    let question = |skus: &[(&str, u32)]| -> Result<QuoteRequested> {
        let items: Vec<Value> = skus
            .iter()
            .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }))
            .collect();
        Ok(serde_json::from_value(
            json!({ "userId": "quoted", "items": items }),
        )?)
    };
    let questions = [
        question(&[("quoted-mug", 3)])?,
        question(&[("quoted-moon", 1)])?,
    ];
    let [mug, moon] = &questions;
    let (mug, moon) = tokio::try_join!(asker.ask(mug, PATIENCE, 2), asker.ask(moon, PATIENCE, 1),)?;
    ensure!(mug.0.total.is_some_and(|it| it.amount == 3750), "{mug:?}");
    ensure!(
        moon.0.unknown.len() == 1 && moon.0.total.is_none(),
        "{moon:?}"
    );
    asker.close().await
}

/// Told to deadlines alone, so that nobody finishes it.
pub(crate) async fn an_order_that_is_late_is_given_up_tomorrow_unless_it_goes_on(
    world: &World,
) -> Result<()> {
    const ORDER: &str = "late-1";
    let target = world.shop.target();
    let event = |event_type: &str, version: u32| {
        json!({
            "type": event_type,
            "payload": {
                "orderId": ORDER, "userId": "late", "total": { "amount": 1, "currency": "EUR" },
                "items": [], "paymentIntentId": "pi_late",
            },
            "metadata": {
                "id": format!("{ORDER}-{event_type}"), "timestamp": dashpot::now(), "version": version,
            },
        })
        .to_string()
    };
    let client = aws_sdk_scheduler::Client::new(target.config());
    let group = target.resources().id("ScheduleGroup")?;
    let scheduled = async || {
        let get = client.get_schedule().group_name(group).name(ORDER);
        match get.send().await {
            Ok(schedule) => Ok(schedule.schedule_expression),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(anyhow::Error::from(error)),
        }
    };
    world
        .shop
        .send("deadlines", &[event("order.placed", 2)])
        .await?;
    let at = until("the giving up is scheduled", PATIENCE, scheduled).await?;
    let tomorrow = dashpot::day(dashpot::now() + 24 * 3600 * 1000);
    ensure!(at.starts_with(&format!("at({tomorrow}T")), "{at}");
    let late = async || {
        let stuck = commands::orders::stuck::stuck(target).await?;
        anyhow::Ok(stuck.into_iter().find(|it| it.order_id == ORDER))
    };
    let stuck = late().await?.context("it is not late")?;
    ensure!(stuck.waits_for[0].event == "order.placed", "{stuck:?}");
    world
        .shop
        .send("deadlines", &[event("order.cancelled", 1)])
        .await?;
    until("it is late no more", PATIENCE, async || {
        Ok(late().await?.is_none().then_some(()))
    })
    .await?;
    until("the giving up is taken back", PATIENCE, async || {
        Ok(scheduled().await?.is_none().then_some(()))
    })
    .await
}

pub(crate) async fn an_order_short_of_stock_costs_nothing(world: &World) -> Result<()> {
    world.stock("short-mug", 10).await?;
    world.stock("short-lamp", 1).await?;
    let order = world
        .ordered("short", &[("short-mug", 2), ("short-lamp", 2)])
        .await?;
    world.reaches(&order, "rejected").await?;
    let payment = world.payment(&order).await?;
    ensure!(
        payment.status == "canceled" && payment.amount_received == 0,
        "{payment:?}"
    );
    ensure!(
        world.shop.available("short-mug").await? == 10,
        "a part was reserved"
    );
    ensure!(
        world.shop.available("short-lamp").await? == 1,
        "a part was reserved"
    );
    world.letters_reach("short", 2).await
}

pub(crate) async fn a_refused_capture_gives_everything_back(world: &World) -> Result<()> {
    world.stock("refused-mug", 10).await?;
    let card = "pm_card_dashpot_captureRefused";
    let order = world
        .ordered_with("refused", &[("refused-mug", 2)], card)
        .await?;
    world.reaches(&order, "rejected").await?;
    let row = format!("pick_list#{order}");
    until(
        "stock is given back and the pick list withdrawn",
        PATIENCE,
        async || {
            let list = world.shop.row("warehouse", &row, "-").await?;
            let withdrawn = list.is_some_and(|list| list["state"] == "withdrawn");
            Ok((withdrawn && world.shop.available("refused-mug").await? == 10).then_some(()))
        },
    )
    .await?;
    let payment = world.payment(&order).await?;
    ensure!(payment.amount_received == 0, "{payment:?}");
    ensure!(
        payment.status != "requires_capture",
        "the hold is still there: {payment:?}"
    );
    Ok(())
}

pub(crate) async fn many_orders_at_once_never_sell_more_than_there_is(world: &World) -> Result<()> {
    world.stock("scarce", 5).await?;
    let users: Vec<String> = (0..12).map(|n| format!("scarce-{n}")).collect();
    let mut orders = Vec::new();
    for user in &users {
        orders.push(world.ordered(user, &[("scarce", 1)]).await?);
    }
    let states = until("all twelve are decided", PATIENCE, async || {
        let mut states = Vec::new();
        for order in &orders {
            match world.shop.state(order).await?.as_deref() {
                Some(state @ ("confirmed" | "rejected")) => states.push(state.to_owned()),
                _ => return Ok(None),
            }
        }
        Ok(Some(states))
    })
    .await?;
    let confirmed = states.iter().filter(|state| *state == "confirmed").count();
    ensure!(confirmed == 5, "{confirmed} of 5 were sold");
    ensure!(
        world.shop.available("scarce").await? == 0,
        "stock is not conserved"
    );
    for (order, state) in orders.iter().zip(&states) {
        let payment = world.payment(order).await?;
        let taken = payment.amount_received == payment.amount;
        ensure!(taken == (state == "confirmed"), "{state}: {payment:?}");
    }
    Ok(())
}

pub(crate) async fn a_cancelled_order_gives_everything_back(world: &World) -> Result<()> {
    world.stock("regret-mug", 10).await?;
    let order = world.ordered("regret", &[("regret-mug", 2)]).await?;
    world.reaches(&order, "confirmed").await?;
    let stranger = world.shop.cancel(&order, "somebody-else").await?;
    ensure!(
        stranger.status == 404,
        "{} {}",
        stranger.status,
        stranger.body
    );
    for _ in 0..2 {
        let answer = world.shop.cancel(&order, "regret").await?;
        ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
    }
    world.reaches(&order, "cancelled").await?;
    until("stock and money are given back", PATIENCE, async || {
        let back = world.shop.available("regret-mug").await? == 10;
        let payment = world.payment(&order).await?;
        Ok((back && payment.amount_refunded == payment.amount_received).then_some(()))
    })
    .await?;
    let packed = pack(world.shop.target(), &order.parse()?).await;
    ensure!(packed.is_err(), "what is withdrawn was packed");
    // Placed, picking, cancelled, refunded.
    world.letters_reach("regret", 4).await
}

pub(crate) async fn what_is_packed_is_not_cancelled_any_more(world: &World) -> Result<()> {
    world.stock("packed-mug", 10).await?;
    let order = world.ordered("packed", &[("packed-mug", 1)]).await?;
    world.reaches(&order, "confirmed").await?;
    pack(world.shop.target(), &order.parse()?).await?;
    let answer = world.shop.cancel(&order, "packed").await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
    // Placed, picking, packed, and that it cannot be cancelled.
    world.letters_reach("packed", 4).await?;
    world.reaches(&order, "packed").await?;
    ensure!(
        world.shop.available("packed-mug").await? == 9,
        "it came back"
    );
    let payment = world.payment(&order).await?;
    ensure!(payment.amount_refunded == 0, "{payment:?}");
    Ok(())
}
