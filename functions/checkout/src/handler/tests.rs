#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dashpot::{Envelope, Value};
use dashpot_testing::MemoryStore;
use serde_json::json;
use shop_events::OrderPlaced;

use super::*;
use crate::doubles::{FakeProvider, Stepwise, Trouble, advance};

const NOW: u64 = 1_800_000_000_000;
const BOUND: Duration = Duration::from_mins(15);

#[derive(Default)]
struct Shop {
    store: MemoryStore,
    provider: FakeProvider,
}

type ShopCheckout<'a> = Checkout<Stepwise<&'a MemoryStore>, Stepwise<&'a FakeProvider>>;

impl Shop {
    async fn open() -> Self {
        let shop = Self::default();
        let most = i64::try_from(Money::MAX).unwrap();
        shop.price("chair", 4999, "EUR").await;
        shop.price("lamp", 1, "EUR").await;
        shop.price("yacht", most, "EUR").await;
        shop.price("burger", 500, "USD").await;
        shop.price("skyr", 500, "ISK").await;
        shop
    }

    async fn price(&self, sku: &str, amount: i64, currency: &str) {
        let row = Row::new(Key::new(format!("product#{sku}")))
            .set("price", amount)
            .set("currency", currency);
        self.store.commit(&[Write::put(row)]).await.unwrap();
    }

    fn checkout(&self) -> ShopCheckout<'_> {
        Checkout::new(Stepwise(&self.store), Stepwise(&self.provider), BOUND)
    }

    async fn place(&self, request: &Request) -> Reply {
        self.checkout().place(request).await
    }

    fn orders(&self) -> Vec<String> {
        let rows = self.store.rows("order#");
        let id = |row: &Item| {
            row["pk"]
                .as_str()
                .unwrap()
                .trim_start_matches("order#")
                .to_owned()
        };
        rows.iter().map(id).collect()
    }

    fn attempt(&self) -> Item {
        self.store.rows("attempt#").pop().unwrap()
    }

    /// One order, said once, on the only hold that there ever was.
    fn assert_one_order(&self, context: &str) {
        assert_eq!(self.orders().len(), 1, "{context}");
        assert_eq!(self.provider.holds(), self.orders(), "{context}");
        assert_eq!(self.provider.holds_ever(), 1, "{context}");
        assert_eq!(self.store.said(), ["order.placed"], "{context}");
        assert_eq!(self.attempt()["state"], "PLACED".into(), "{context}");
        assert_eq!(self.attempt().get("pending"), None, "{context}");
        assert_eq!(self.attempt().get("frozen"), None, "{context}");
    }

    /// Nothing was begun: no attempt, no call.
    fn assert_untouched(&self, context: &str) {
        assert!(self.store.rows("attempt#").is_empty(), "{context}");
        assert_eq!(self.provider.calls(), 0, "{context}");
    }
}

fn body(items: &serde_json::Value, method: &str) -> Vec<u8> {
    let body = json!({"userId": "user_456", "email": "ada@example.com", "items": items, "paymentMethod": method});
    body.to_string().into_bytes()
}

fn request_of(items: &serde_json::Value, method: &str) -> Request {
    Request {
        idempotency_key: Some("key-1".to_owned()),
        correlation_id: "req_789".to_owned(),
        traceparent: None,
        body: body(items, method),
        now: NOW,
        deadline: Instant::now() + Duration::from_secs(5),
    }
}

fn request() -> Request {
    request_of(
        &json!([{"sku": "chair", "quantity": 2}, {"sku": "lamp", "quantity": 1}]),
        "pm_card_visa",
    )
}

fn later(request: &Request) -> Request {
    Request {
        now: request.now + 60_000,
        deadline: Instant::now() + Duration::from_secs(5),
        ..request.clone()
    }
}

fn field(reply: &Reply) -> String {
    let body: serde_json::Value = serde_json::from_str(&reply.answer.body).unwrap();
    body["field"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_order_is_placed_in_three_round_trips_and_said() {
    let shop = Shop::open().await;
    let before = shop.store.round_trips();
    let reply = shop.place(&request()).await;
    assert_eq!(shop.store.round_trips() - before, 3);
    assert_eq!(shop.provider.calls(), 1);
    shop.assert_one_order("placed");
    let id = shop.orders().remove(0);
    assert_eq!(reply.answer.status, 202);
    assert_eq!(
        reply.answer.body,
        format!(
            r#"{{"orderId":"{id}","correlationId":"req_789","status":"placed","total":{{"amount":9999,"currency":"EUR"}}}}"#
        )
    );
    let outbox = shop.store.rows("outbox#").remove(0);
    let said: Envelope<OrderPlaced> =
        serde_json::from_str(outbox["body"].as_str().unwrap()).unwrap();
    assert_eq!(said.metadata.correlation_id, "req_789");
    assert_eq!(said.metadata.subject, Some(id));
    assert_eq!(said.payload.payment_intent_id.unwrap().as_str(), "pi_0");
    assert_eq!(
        said.payload.customer.unwrap().email.expose(),
        "ada@example.com"
    );
    let prices: Vec<_> = said
        .payload
        .items
        .iter()
        .map(|line| line.unit_price.unwrap().amount)
        .collect();
    assert_eq!(prices, [4999, 1]);
}

#[tokio::test]
async fn a_repeat_brings_the_first_answer_byte_for_byte_whatever_changed_since() {
    let shop = Shop::open().await;
    let first = shop.place(&request()).await;
    shop.price("chair", 1, "USD").await;
    let spelt = r#" {"items":[{"sku":"lamp","quantity":1},{"sku":"chair","quantity":1},{"sku":"chair","quantity":1}],
        "paymentMethod":"pm_card_visa","email":"ada@example.com","userId":"user_456"}"#;
    let repeat = Request {
        correlation_id: "another".to_owned(),
        body: spelt.as_bytes().to_vec(),
        ..later(&request())
    };
    assert_eq!(shop.place(&repeat).await.answer, first.answer);
    shop.assert_one_order("repeated");
    assert_eq!(shop.provider.calls(), 1);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused_even_if_that_body_could_not_be_ordered() {
    let shop = Shop::open().await;
    shop.place(&request()).await;
    for items in [
        json!([{"sku": "chair", "quantity": 3}]),
        json!([{"sku": "nothing", "quantity": 1}]),
    ] {
        let reply = shop.place(&request_of(&items, "pm_card_visa")).await;
        assert_eq!(reply.answer.status, 422);
    }
    assert_eq!(
        shop.place(&request_of(
            &json!([{"sku": "chair", "quantity": 0}]),
            "pm_card_visa"
        ))
        .await
        .answer
        .status,
        400
    );
    shop.assert_one_order("refused");
}

#[tokio::test]
async fn one_key_of_two_customers_is_two_orders() {
    let shop = Shop::open().await;
    let other = String::from_utf8(request().body)
        .unwrap()
        .replace("user_456", "user_457");
    shop.place(&request()).await;
    let reply = shop
        .place(&Request {
            body: other.into_bytes(),
            ..request()
        })
        .await;
    assert_eq!(reply.answer.status, 202);
    assert_eq!(shop.orders().len(), 2);
    assert_eq!(shop.provider.holds().len(), 2);
}

#[tokio::test]
async fn a_declined_card_is_final_and_asked_once() {
    let shop = Shop::open().await;
    let items = json!([{"sku": "chair", "quantity": 1}]);
    for (method, status, field_name) in [
        ("pm_card_visa_chargeDeclined", 402, ""),
        ("pm_unknown", 400, "paymentMethod"),
    ] {
        let request = Request {
            idempotency_key: Some(method.to_owned()),
            ..request_of(&items, method)
        };
        let first = shop.place(&request).await;
        assert_eq!(first.answer.status, status);
        assert_eq!(field(&first), field_name);
        assert_eq!(first.retry_after, None);
        let calls = shop.provider.calls();
        assert_eq!(shop.place(&later(&request)).await.answer, first.answer);
        assert_eq!(shop.provider.calls(), calls);
    }
    let declined = shop.store.rows("attempt#");
    assert!(
        declined
            .iter()
            .all(|row| row["state"] == "DECLINED".into() && !row.contains_key("pending"))
    );
    assert!(declined.iter().any(|row| {
        row["answerBody"]
            .as_str()
            .unwrap()
            .contains(r#""code":"card_declined""#)
    }));
    // The bank's own reason is not for the customer's eyes.
    assert!(
        declined
            .iter()
            .all(|row| !row["answerBody"].as_str().unwrap().contains("stolen"))
    );
    assert!(shop.orders().is_empty() && shop.store.said().is_empty());
}

#[tokio::test]
async fn nothing_is_begun_before_everything_is_valid() {
    let shop = Shop::open().await;
    let lines = |n: usize| -> serde_json::Value {
        (0..n)
            .map(|n| json!({"sku": format!("sku-{n}"), "quantity": 1}))
            .collect()
    };
    for (items, name) in [
        (
            json!([{"sku": "chair", "quantity": 1}, {"sku": "nothing", "quantity": 1}]),
            "items[1].sku",
        ),
        (
            json!([{"sku": "chair", "quantity": -1}]),
            "items[0].quantity",
        ),
        (
            json!([{"sku": "chair", "quantity": 1}, {"sku": "burger", "quantity": 1}]),
            "items",
        ),
        (
            json!([{"sku": "yacht", "quantity": 1}, {"sku": "lamp", "quantity": 1}]),
            "items",
        ),
        (json!([{"sku": "yacht", "quantity": u32::MAX}]), "items"),
        (json!([{"sku": "skyr", "quantity": 1}]), "items"),
        (lines(91), "items"),
        (json!([]), "items"),
    ] {
        let reply = shop.place(&request_of(&items, "pm_card_visa")).await;
        assert_eq!(
            (reply.answer.status, field(&reply).as_str()),
            (400, name),
            "{items}"
        );
    }
    for key in [
        None,
        Some(""),
        Some("with space"),
        Some("schlüssel"),
        Some(&*"k".repeat(256)),
    ] {
        let reply = shop
            .place(&Request {
                idempotency_key: key.map(str::to_owned),
                ..request()
            })
            .await;
        assert_eq!(
            (reply.answer.status, field(&reply).as_str()),
            (400, "Idempotency-Key"),
            "{key:?}"
        );
    }
    let large = Request {
        body: vec![b' '; LARGEST_BODY + 1],
        ..request()
    };
    assert_eq!(shop.place(&large).await.answer.status, 413);
    shop.assert_untouched("invalid");
}

#[tokio::test]
async fn a_provider_in_trouble_is_no_decline_and_the_next_request_may_go_on_at_once() {
    for trouble in [Trouble::Unavailable, Trouble::LosesAnswer] {
        let shop = Shop::open().await;
        shop.provider.trouble(trouble);
        let once = shop.place(&request()).await;
        assert_eq!(
            once.answer.status, 202,
            "one trouble is overcome: {trouble:?}"
        );
        shop.assert_one_order("one trouble");
    }
    let shop = Shop::open().await;
    shop.provider.trouble(Trouble::Unavailable);
    shop.provider.trouble(Trouble::Unavailable);
    let reply = shop.place(&request()).await;
    assert_eq!((reply.answer.status, reply.retry_after), (503, Some(2)));
    assert!(reply.cause.unwrap().contains("told to be"));
    assert_eq!(shop.attempt()["state"], "PENDING".into());
    assert_eq!(shop.place(&request()).await.answer.status, 202);
    shop.assert_one_order("trouble is over");
}

#[tokio::test]
async fn a_hold_whose_answer_is_lost_again_and_again_is_found() {
    let shop = Shop::open().await;
    shop.provider.trouble(Trouble::LosesAnswer);
    shop.provider.trouble(Trouble::LosesAnswer);
    assert_eq!(shop.place(&request()).await.answer.status, 202);
    shop.assert_one_order("found");
}

#[tokio::test]
async fn after_a_stored_server_error_the_next_round_places_the_order_and_the_sweeper_looks_once_more()
 {
    let shop = Shop::open().await;
    shop.provider.trouble(Trouble::StoresError);
    assert_eq!(shop.place(&request()).await.answer.status, 202);
    assert_eq!(shop.provider.holds(), shop.orders());
    let attempt = shop.attempt();
    assert_eq!(attempt["state"], "PLACED".into());
    assert_eq!(attempt["round"], Value::N(1));
    assert!(attempt.contains_key("pending") && attempt.contains_key("due"));
    assert_eq!(attempt["due"], Value::N(1_800_000_900));
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up_in_time() {
    let shop = Shop::open().await;
    shop.provider.trouble(Trouble::Hangs);
    let deadline = Instant::now() + TIME_TO_COMMIT + Duration::from_millis(100);
    let reply = shop
        .place(&Request {
            deadline,
            ..request()
        })
        .await;
    assert!(Instant::now() < deadline);
    assert_eq!(reply.answer.status, 503);
    assert!(shop.provider.holds().is_empty());
    assert_eq!(shop.place(&request()).await.answer.status, 202);
    shop.assert_one_order("answers again");
}

#[tokio::test]
async fn a_store_that_loses_answers_places_the_order_once() {
    let unknown = || CommitError::Unknown("timed out".to_owned());
    for (at, step) in ["attempt", "transaction"].iter().enumerate() {
        for lost in [true, false] {
            let shop = Shop::open().await;
            let request = request();
            let checkout = shop.checkout();
            let mut placing = Box::pin(checkout.place(&request));
            if at == 1 {
                // get: 1 stop; create: 2; authorise: 2.
                assert_eq!(advance(placing.as_mut(), 5).await, None);
            }
            if lost {
                shop.store.lose_next_answer();
            } else {
                shop.store.fail_next(unknown());
            }
            assert_eq!(placing.await.answer.status, 202, "{step} {lost}");
            shop.assert_one_order(step);
        }
    }
}

#[tokio::test]
async fn a_commit_that_nobody_knows_of_is_told_by_the_next_request() {
    let shop = Shop::open().await;
    let request = request();
    let checkout = shop.checkout();
    let mut placing = Box::pin(checkout.place(&request));
    assert_eq!(advance(placing.as_mut(), 5).await, None);
    shop.store.lose_next_answer();
    shop.store
        .fail_next(CommitError::Unknown("timed out".to_owned()));
    shop.store.fail_next(CommitError::Throttled);
    assert_eq!(placing.await.answer.status, 503);
    assert_eq!(shop.place(&request).await.answer.status, 202);
    shop.assert_one_order("told later");
}

/// More stops than any request has.
const STOPS: usize = 16;

#[tokio::test]
async fn a_request_that_dies_at_any_step_leaves_an_attempt_that_the_next_one_ends() {
    let mut dead = 0;
    for stops in 0..STOPS {
        let shop = Shop::open().await;
        let request = request();
        let checkout = shop.checkout();
        let mut placing = Box::pin(checkout.place(&request));
        dead += usize::from(advance(placing.as_mut(), stops).await.is_none());
        drop(placing);
        // Prices may change in between: what is frozen stays.
        if !shop.store.rows("attempt#").is_empty() {
            shop.price("chair", 1, "EUR").await;
        }
        let reply = shop.place(&later(&request)).await;
        assert_eq!(reply.answer.status, 202, "dead after {stops}");
        assert!(
            reply.answer.body.contains(r#""amount":9999"#),
            "dead after {stops}"
        );
        shop.assert_one_order(&format!("dead after {stops}"));
    }
    assert!((6..STOPS).contains(&dead), "{dead} stops");
}

#[tokio::test]
async fn two_equal_requests_make_one_order_however_they_interleave() {
    for stops in 0..STOPS {
        for after in [0, 60_000] {
            let shop = Shop::open().await;
            let (one, two) = (
                request(),
                Request {
                    now: NOW + after,
                    ..request()
                },
            );
            let (checkout, other) = (shop.checkout(), shop.checkout());
            let mut first = Box::pin(checkout.place(&one));
            let early = advance(first.as_mut(), stops).await;
            let second = other.place(&two).await;
            let first = match early {
                Some(reply) => reply,
                None => first.await,
            };
            let context = format!("the second after {stops} stops and {after} ms");
            shop.assert_one_order(&context);
            for reply in [&first, &second] {
                match reply.answer.status {
                    202 => assert!(reply.answer.body.contains(&shop.orders()[0]), "{context}"),
                    409 => assert!(reply.retry_after.is_some_and(|s| s >= 1), "{context}"),
                    status => panic!("{status}, {context}"),
                }
            }
            assert_eq!(
                shop.place(&later(&request())).await.answer.status,
                202,
                "{context}"
            );
        }
    }
}

#[tokio::test]
async fn a_request_in_flight_says_when_to_come_back_and_an_abandoned_one_says_never() {
    let shop = Shop::open().await;
    let request = request();
    let checkout = shop.checkout();
    let mut placing = Box::pin(checkout.place(&request));
    assert_eq!(advance(placing.as_mut(), 4).await, None);
    let reply = shop.place(&request).await;
    assert_eq!((reply.answer.status, reply.retry_after), (409, Some(5)));
    drop(placing);

    let key = AttemptKey::of_row(&shop.attempt()).unwrap();
    let lease = Lease::new(NOW + 60_000, 1_000);
    shop.store
        .commit(&[key.fence(&lease, 0, 0, 0)])
        .await
        .unwrap();
    for _ in 0..2 {
        let reply = shop.place(&later(&request)).await;
        assert_eq!((reply.answer.status, reply.retry_after), (409, None));
        assert!(reply.answer.body.contains("use a new Idempotency-Key"));
        shop.store.commit(&[key.voided(&lease)]).await.ok();
    }
    assert_eq!(shop.attempt()["state"], "VOIDED".into());
    assert!(shop.orders().is_empty());
}
