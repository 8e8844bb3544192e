//! Versions mixed: both of an order at once, and what nobody knows yet. Builds mixed are part of `tests/tests/simulation`: an
//! `OldBuild` does not know a type for a while.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use system_tests::shop::blueprint::Blueprint;
use system_tests::shop::mishaps::Fair;
use system_tests::shop::provider::GOOD;
use system_tests::shop::topic::Published;
use system_tests::shop::{BEGINNING, Order, Shop};
use tokio::time::sleep;

/// A producer of its own says it.
fn publish(shop: &Shop, name: &str, version: u32, payload: &Value) {
    let body = json!({
        "type": name,
        "payload": payload,
        "metadata": { "timestamp": BEGINNING, "correlationId": "req_789", "version": version },
    });
    shop.topic.publish(&[Published {
        body: body.to_string(),
        attributes: [("type".to_owned(), ("String", name.to_owned()))].into(),
        group: None,
    }]);
}

#[tokio::test(start_paused = true)]
async fn producers_of_both_versions_at_once_leave_every_dead_letter_queue_empty() {
    let shop = Shop::open(Arc::new(Fair)).await;
    let running = shop.start();
    let orders = (0..20).map(|n| {
        let shop = Arc::clone(&shop);
        async move {
            sleep(Duration::from_secs(n)).await;
            // The first version holds no money, so none can be served: some ask for too much, some for nothing.
            let lines = json!([{ "sku": "table", "quantity": 2 }, "gift wrap"]);
            let first = json!({
                "orderId": format!("first-{n}"), "userId": "user_456", "total": 99.99,
                "items": if n % 4 == 0 { lines } else { json!([]) },
            });
            publish(&shop, "order.created", 1, &first);
            let order = Order {
                customer: format!("user_{}", n % 3),
                key: format!("key-{n}"),
                card: GOOD,
                lines: vec![("chair", 1)],
            };
            shop.place(&order, 1).await.order_id().unwrap();
        }
    });
    futures_util::future::join_all(orders).await;
    assert!(shop.settle(Duration::from_hours(1)).await);
    drop(running);
    assert_eq!(shop.dead_letters(), 0);
    // That each service has handled each event is among what must hold.
    assert_eq!(shop.violations(0), Vec::<String>::new());
    let said = |name: &str| {
        shop.topic
            .taken()
            .iter()
            .filter(|it| it.event_type == name)
            .count()
    };
    assert_eq!((said("order.created"), said("order.placed")), (20, 20));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_nobody_knows_yet_is_retried_for_an_hour_then_parked_by_who_must_read_it() {
    let shop = Shop::open(Arc::new(Fair)).await;
    let running = shop.start();
    publish(
        &shop,
        "order.placed",
        3,
        &json!({ "orderId": "of-tomorrow" }),
    );
    sleep(Duration::from_mins(59)).await;
    assert_eq!(shop.dead_letters(), 0);
    assert!(!shop.settle(Duration::ZERO).await, "it is still retried");
    // The last delay is 15 minutes at most.
    sleep(Duration::from_mins(20)).await;
    // Who subscribes to it by name must read it; who takes everything takes what it does not know.
    let consumers = Blueprint::of_production().consumers.values();
    let filters = consumers.filter_map(|it| it.filter.as_ref());
    let must_read = filters.filter(|it| it.contains("order.placed")).count();
    assert_eq!(shop.dead_letters(), must_read);
    assert!(
        shop.settle(Duration::ZERO).await,
        "nobody retries it any more"
    );
    drop(running);
}
