//! The past: an order at any moment, and the listing rebuilt out of the journal.

use std::time::Duration;

use anyhow::{Result, ensure};
use dashpot::{Clock, DynamoStore, Origin, Store};
use dashpot_cli::commands::{outbox, replay};
use dashpot_cli::shop::until;
use listing::check::check;
use listing::list;
use listing::rebuild::{Rebuild, pointer, retire};
use order_history::{State, Summary};
use shop_events::OrderCancellationRefused;

use crate::world::{PATIENCE, World};

/// The function's time-out on this stack, and a little more.
const GRACE: Duration = Duration::from_secs(6);

/// Waits until a customer has so many orders, all of them confirmed, by what serves at that time.
async fn confirmed(listing: &DynamoStore, user: &str, count: usize) -> Result<Vec<Summary>> {
    let what = format!("{count} orders of {user} are listed as confirmed");
    let user = user.parse()?;
    until(&what, PATIENCE, async || {
        let serving = pointer(listing).await?.serving;
        let orders = list::of_customer(listing, serving, &user).await?;
        let all = orders.len() == count && orders.iter().all(|it| it.state == State::Confirmed);
        Ok(all.then_some(orders))
    })
    .await
}

pub(crate) async fn an_order_is_shown_as_it_was_at_any_moment(world: &World) -> Result<()> {
    world.stock("past-mug", 5).await?;
    let order = world.ordered("past", &[("past-mug", 2)]).await?;
    world.reaches(&order, "confirmed").await?;
    let now = world.shop.show(&order).await?.body;
    ensure!(now["money"]["captured"]["amount"] == 2500, "{now}");
    ensure!(now["items"][0]["sku"] == "past-mug", "{now}");
    let placed = now["placedAt"].as_u64().unwrap_or_default();
    let then = world.shop.show(&format!("{order}?asOf={placed}")).await?;
    ensure!(then.body["state"] == "placed", "{}", then.body);
    let before = world
        .shop
        .show(&format!("{order}?asOf={}", placed - 1))
        .await?;
    ensure!(before.status == 404, "{}", before.body);
    Ok(())
}

pub(crate) async fn the_listing_is_rebuilt_while_orders_come_in(world: &World) -> Result<()> {
    let target = world.shop.target();
    let store = |table| {
        let table = target.resources().id(table)?;
        Ok::<_, anyhow::Error>(DynamoStore::new(target.config(), table))
    };
    let (journal, listing) = (store("JournalTable")?, store("ListingTable")?);
    world.stock("rebuilt-mug", 100).await?;
    let order = async |n: u32| {
        let (key, items) = (n.to_string(), [("rebuilt-mug", 1)]);
        let answer = world.place(&key, "rebuilt", &items, "pm_card_visa").await?;
        answer.order_id()
    };
    for n in 0..3 {
        order(n).await?;
    }
    let before = confirmed(&listing, "rebuilt", 3).await?;
    let old = pointer(&listing).await?.serving;

    let clock = Clock::system();
    let rebuild = Rebuild::begin(listing.clone(), clock).await?;
    for n in 3..5 {
        order(n).await?;
    }
    rebuild.fill(&journal, Some(10), |_| {}).await?;
    order(5).await?;
    rebuild.catch_up(GRACE).await?;
    rebuild.flip().await?;
    ensure!(pointer(&listing).await?.serving == rebuild.generation());
    retire(&listing, clock).await?;

    let after = confirmed(&listing, "rebuilt", 6).await?;
    ensure!(
        before.iter().all(|order| after.contains(order)),
        "{after:?}"
    );
    let report = check(&journal, &listing, Duration::from_secs(2)).await?;
    ensure!(report.differences.is_empty(), "{:?}", report.differences);
    let old = world.shop.rows("listing", &format!("{old}#order#")).await?;
    let kept = old.iter().filter(|row| row["expiresAt"].is_null()).count();
    // What came while both were filled may have touched an old row once more.
    ensure!(kept < old.len(), "no old row goes");
    Ok(())
}

pub(crate) async fn the_past_changes_no_picture_and_is_told_to_nobody_who_acts(
    world: &World,
) -> Result<()> {
    world.stock("told-mug", 10).await?;
    let begun = dashpot::now();
    let order = world.ordered("told", &[("told-mug", 2)]).await?;
    world.reaches(&order, "confirmed").await?;
    world.letters_reach("told", 2).await?;
    for service in ["email", "payments", "inventory", "warehouse", "journal"] {
        let refused = replay::past(world.shop.target(), service, begun).await;
        let refused = refused
            .err()
            .map(|cause| cause.to_string())
            .unwrap_or_default();
        ensure!(
            refused.contains("does not take the past"),
            "{service}: {refused}"
        );
    }
    let counted = async || -> Result<_> {
        let seen = world.shop.rows("analytics", "seen#").await?;
        ensure!(!seen.is_empty(), "analytics has seen nothing");
        // By what serves: another test moves the pointer meanwhile.
        let table = world.shop.target().resources().id("ListingTable")?;
        let listing = DynamoStore::new(world.shop.target().config(), table);
        confirmed(&listing, "told", 1).await
    };
    let before = counted().await?;
    for service in ["analytics", "listing"] {
        let sent = replay::past(world.shop.target(), service, begun).await?;
        ensure!(sent >= 4, "{sent} events are four at least");
        until("the past is handled", PATIENCE, async || {
            let (waiting, dead) = world.shop.depth(service).await?;
            ensure!(dead == 0, "{service} has dead letters");
            Ok((waiting == 0).then_some(()))
        })
        .await?;
    }
    ensure!(
        counted().await? == before,
        "the listing says something else"
    );
    let payment = world.payment(&order).await?;
    ensure!(payment.acted("capture") == 1, "{payment:?}");
    world.letters_reach("told", 2).await
}

pub(crate) async fn what_a_broken_relay_did_not_publish_is_published(world: &World) -> Result<()> {
    let begun = dashpot::now();
    let target = world.shop.target();
    // As a relay that gave up left it: the row is older than its stream's mapping looks back, so nobody publishes it.
    let order = "lost-order-1";
    let lost = OrderCancellationRefused {
        order_id: order.parse()?,
        user_id: "lost".parse()?,
        customer: None,
    };
    let origin = Origin {
        source: "warehouse",
        correlation_id: "lost",
        causation_id: None,
        hops: 0,
        traceparent: None,
        now: begun,
    };
    // The analytics table has no stream, as it says nothing: a row there is one that no relay sees.
    let table = target.resources().id("AnalyticsTable")?;
    let outbox = DynamoStore::new(target.config(), table);
    outbox.commit(&[origin.says(&lost)?]).await?;
    let republish = |for_real| outbox::republish(target, begun, Some("analytics"), for_real);
    let looked = republish(false).await?;
    ensure!(
        (looked.said, looked.known, looked.published) == (1, 0, 0),
        "{looked:?}"
    );
    let done = republish(true).await?;
    ensure!(done.published == 1, "{done:?}");
    until("the journal has it", PATIENCE, async || {
        let again = republish(false).await?;
        Ok((again.known == 1).then_some(()))
    })
    .await?;
    let again = republish(true).await?;
    ensure!(again.published == 0, "{again:?}");
    Ok(())
}
