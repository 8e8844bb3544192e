//! Pieces of the shop's life.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use system_tests::shop::provider::{CAPTURE_REFUSED, DECLINED, GOOD};
use system_tests::shop::{Order, Shop};
use tokio::time::sleep;

use super::LOOKS;

/// Who orders.
const CUSTOMER: &str = "user_456";

/// How often a customer asks again.
const TRIES: usize = 12;

type Playing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A piece of the shop's life.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    play: fn(Arc<Shop>) -> Playing,
}

impl Scenario {
    pub(crate) async fn play(&self, shop: &Arc<Shop>) {
        (self.play)(Arc::clone(shop)).await;
    }
}

macro_rules! scenarios {
    ($($name:ident)+) => {
        pub(crate) const SCENARIOS: &[Scenario] = &[
            $(Scenario { name: stringify!($name), play: |shop| Box::pin($name(shop)) }),+
        ];
    };
}

scenarios! {
    an_order_that_inventory_never_hears_of
    a_customer_who_gives_up
    an_error_that_the_provider_repeats
    a_cancellation_after_the_money_is_captured
    a_cancellation_at_once
    a_cancellation_of_what_is_packed
    a_capture_that_the_bank_refuses
    two_orders_at_once_for_the_last_one
    the_same_request_twice_at_once
    an_order_that_is_served
    an_order_that_is_short
    a_card_that_is_declined
    an_order_of_the_first_version
    an_event_that_is_delivered_twice
    a_customer_who_asks_once
    messages_that_are_malformed
    an_invoice_that_is_wanted_at_once
    a_question_about_prices
}

fn order(card: &'static str, sku: &'static str, quantity: u32) -> Order {
    Order {
        customer: CUSTOMER.to_owned(),
        key: "key-1".to_owned(),
        card,
        lines: vec![(sku, quantity)],
    }
}

/// Whatever goes wrong, a customer who asks again and again gets an order.
async fn placed(shop: &Shop, order: &Order) -> Option<String> {
    let id = shop.place(order, TRIES).await.order_id()?;
    shop.look_at(&id, LOOKS).await;
    Some(id)
}

async fn an_order_that_is_served(shop: Arc<Shop>) {
    let outcome = shop.place(&order(GOOD, "chair", 2), TRIES).await;
    assert_eq!(outcome.status, 202, "{}", outcome.body);
}

async fn an_order_that_is_short(shop: Arc<Shop>) {
    placed(&shop, &order(GOOD, "table", 2)).await;
}

async fn a_card_that_is_declined(shop: Arc<Shop>) {
    let outcome = shop.place(&order(DECLINED, "chair", 1), TRIES).await;
    assert_eq!(outcome.status, 402, "{}", outcome.body);
}

async fn a_capture_that_the_bank_refuses(shop: Arc<Shop>) {
    placed(&shop, &order(CAPTURE_REFUSED, "chair", 1)).await;
}

async fn a_cancellation_after_the_money_is_captured(shop: Arc<Shop>) {
    if let Some(id) = placed(&shop, &order(GOOD, "chair", 1)).await {
        sleep(Duration::from_mins(5)).await;
        shop.cancel(&id, CUSTOMER, TRIES).await;
    }
}

async fn a_cancellation_at_once(shop: Arc<Shop>) {
    if let Some(id) = placed(&shop, &order(GOOD, "chair", 1)).await {
        shop.cancel(&id, CUSTOMER, TRIES).await;
    }
}

async fn a_cancellation_of_what_is_packed(shop: Arc<Shop>) {
    if let Some(id) = placed(&shop, &order(GOOD, "chair", 1)).await {
        sleep(Duration::from_mins(5)).await;
        shop.pack(&id, TRIES).await;
        shop.cancel(&id, CUSTOMER, TRIES).await;
    }
}

async fn two_orders_at_once_for_the_last_one(shop: Arc<Shop>) {
    let (first, second) = (order(GOOD, "table", 1), order(GOOD, "table", 1));
    let second = Order {
        key: "key-2".to_owned(),
        ..second
    };
    tokio::join!(biased; placed(&shop, &first), placed(&shop, &second));
}

async fn the_same_request_twice_at_once(shop: Arc<Shop>) {
    let order = order(GOOD, "chair", 1);
    let (first, second) = tokio::join!(biased; placed(&shop, &order), placed(&shop, &order));
    assert!(first == second || first.is_none() || second.is_none());
}

/// The process ends once the money is held, and nobody asks again.
async fn a_customer_who_gives_up(shop: Arc<Shop>) {
    shop.post_and_die(&order(GOOD, "chair", 1), "provider.authorise")
        .await;
    sleep(Duration::from_mins(20)).await;
}

async fn an_error_that_the_provider_repeats(shop: Arc<Shop>) {
    shop.provider.fail(0, true);
    placed(&shop, &order(GOOD, "chair", 1)).await;
    sleep(Duration::from_mins(20)).await;
}

async fn an_order_of_the_first_version(shop: Arc<Shop>) {
    shop.publish_first_version("123");
}

async fn an_event_that_is_delivered_twice(shop: Arc<Shop>) {
    placed(&shop, &order(GOOD, "chair", 1)).await;
    sleep(Duration::from_mins(5)).await;
    for event in 0..4 {
        shop.topic.deliver_again(event);
    }
}

async fn a_customer_who_asks_once(shop: Arc<Shop>) {
    shop.post(&order(GOOD, "chair", 1)).await;
    // Longer than anything is on its way, and than an attempt may be open.
    sleep(Duration::from_mins(40)).await;
}

async fn an_invoice_that_is_wanted_at_once(shop: Arc<Shop>) {
    if let Some(id) = placed(&shop, &order(GOOD, "chair", 1)).await {
        // Until it is paid, whatever goes wrong.
        sleep(Duration::from_hours(1)).await;
        shop.ask_for_invoice(&id);
    }
}

async fn a_question_about_prices(shop: Arc<Shop>) {
    // Longer than anything can go wrong.
    shop.ask_for_quote("q-1", Duration::from_hours(3));
    sleep(Duration::from_mins(1)).await;
}

/// Its money is held for a day, and then given back.
async fn an_order_that_inventory_never_hears_of(shop: Arc<Shop>) {
    let order = order(GOOD, "chair", 1);
    // Longer than a customer tries.
    let away = shop.unsubscribe("inventory", Duration::from_hours(2));
    let ((), id) = tokio::join!(biased; away, placed(&shop, &order));
    assert!(id.is_none_or(|id| shop.pick_list(&id).is_none()));
    sleep(Duration::from_hours(26)).await;
}

async fn messages_that_are_malformed(shop: Arc<Shop>) {
    for event_type in ["order.placed", "stock.reserved"] {
        shop.publish_malformed(event_type);
    }
}
