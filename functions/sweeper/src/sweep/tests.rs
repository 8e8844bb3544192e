#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use checkout::handler::{Checkout, Reply, Request};
use dashpot::{Key, Row, Value};
use dashpot_testing::{Index, MemoryStore};
use serde_json::json;

use super::*;
use crate::doubles::{FakeProvider, Stepwise, Trouble, advance};

const NOW: u64 = 1_800_000_000_000;
const BOUND: Duration = Duration::from_mins(15);
/// After the bound, when an attempt is due.
const DUE: u64 = NOW + 901_000;

struct Shop {
    store: MemoryStore,
    provider: FakeProvider,
}

impl Shop {
    async fn open() -> Self {
        let shop = Self {
            store: MemoryStore::with_indexes([Index::by_number(INDEX, INDEX, "due")]),
            provider: FakeProvider::default(),
        };
        let row = Row::new(Key::new("product#chair"));
        let row = row.set("price", 4999_i64).set("currency", "EUR");
        shop.store.commit(&[Write::put(row)]).await.unwrap();
        shop
    }

    fn checkout(&self) -> Checkout<Stepwise<&MemoryStore>, Stepwise<&FakeProvider>> {
        Checkout::new(Stepwise(&self.store), Stepwise(&self.provider), BOUND)
    }

    fn sweeper(&self) -> Sweeper<Stepwise<&MemoryStore>, Stepwise<&FakeProvider>> {
        Sweeper::new(Stepwise(&self.store), Stepwise(&self.provider))
    }

    async fn place(&self, request: &Request) -> Reply {
        self.checkout().place(request).await
    }

    /// An attempt whose request died after so many stops; 5 is after the hold.
    async fn abandon(&self, key: &str, stops: usize) {
        let request = request(key, "pm_card_visa", NOW);
        let checkout = self.checkout();
        let mut placing = Box::pin(checkout.place(&request));
        assert_eq!(advance(placing.as_mut(), stops).await, None);
    }

    async fn sweep(&self, now: u64) -> Swept {
        let deadline = Instant::now() + Duration::from_secs(5);
        self.sweeper().sweep(now, deadline).await
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

    fn states(&self) -> Vec<String> {
        let rows = self.store.rows("attempt#");
        let state = |row: &Item| row["state"].as_str().unwrap().to_owned();
        rows.iter().map(state).collect()
    }

    /// Every hold has its order, every order has its hold, and nothing is left to look at.
    fn assert_settled(&self, context: &str) {
        assert_eq!(self.provider.holds(), self.orders(), "{context}");
        let open = |row: &Item| row.contains_key("pending") || row.contains_key("frozen");
        assert!(!self.store.rows("attempt#").iter().any(open), "{context}");
    }
}

fn request(key: &str, method: &str, now: u64) -> Request {
    let body = json!({
        "userId": "user_456", "email": "ada@example.com",
        "items": [{"sku": "chair", "quantity": 1}], "paymentMethod": method,
    });
    Request {
        idempotency_key: Some(key.to_owned()),
        correlation_id: "req_789".to_owned(),
        traceparent: None,
        body: body.to_string().into_bytes(),
        now,
        deadline: Instant::now() + Duration::from_secs(5),
    }
}

#[tokio::test]
async fn a_hold_that_nobody_came_back_for_is_voided_once_it_is_due() {
    let shop = Shop::open().await;
    shop.abandon("k", 5).await;
    assert_eq!(shop.sweep(NOW + 899_000).await.ended, 0);
    assert_eq!(shop.provider.holds().len(), 1);
    assert_eq!(shop.sweep(DUE).await.ended, 1);
    shop.assert_settled("swept");
    assert_eq!(shop.states(), ["VOIDED"]);
    assert_eq!(shop.provider.holds_ever(), 1);
    let calls = shop.provider.calls();
    assert_eq!(shop.sweep(DUE).await.ended, 0);
    assert_eq!(shop.provider.calls(), calls);
    let reply = shop.place(&request("k", "pm_card_visa", DUE)).await;
    assert_eq!(reply.answer.status, 409);
}

#[tokio::test]
async fn a_hold_that_the_search_does_not_know_is_learnt_under_its_key() {
    let shop = Shop::open().await;
    shop.provider.hide_search(true);
    shop.abandon("k", 5).await;
    assert_eq!(shop.sweep(DUE).await.ended, 1);
    shop.assert_settled("learnt");
    assert_eq!(shop.provider.holds_ever(), 1);
}

#[tokio::test]
async fn an_attempt_whose_request_never_came_to_a_hold_ends_as_well() {
    for method in ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_unknown"] {
        let shop = Shop::open().await;
        shop.provider.trouble(Trouble::Hangs);
        let request = request("k", method, NOW);
        let checkout = shop.checkout();
        // The provider has the request, and has not looked at it yet.
        let mut placing = Box::pin(checkout.place(&request));
        assert_eq!(advance(placing.as_mut(), 5).await, None);
        assert_eq!(shop.sweep(DUE).await.ended, 1, "{method}");
        shop.assert_settled(method);
        assert_eq!(shop.states(), ["VOIDED"]);
    }
}

#[tokio::test]
async fn what_does_not_end_is_due_again_and_keeps_nobody_else_from_its_end() {
    let troubles = [Trouble::Unavailable, Trouble::LosesAnswer];
    for trouble in troubles {
        let shop = Shop::open().await;
        for key in 0..25 {
            shop.abandon(&key.to_string(), 5).await;
        }
        shop.provider.trouble(trouble);
        let swept = shop.sweep(DUE).await;
        assert_eq!((swept.ended, swept.stuck.len()), (24, 1), "{trouble:?}");
        assert!(swept.stuck[0].cause.contains("told to be"));
        assert!(swept.stuck[0].order_id.is_some());
        // Behind those that wait now, and its lease has run out by then.
        assert_eq!(shop.sweep(DUE + 59_000).await.ended, 0);
        assert_eq!(shop.sweep(DUE + 61_000).await.ended, 1);
        shop.assert_settled("in the end");
    }
}

#[tokio::test]
async fn a_key_that_only_repeats_an_error_is_believed_once_the_search_must_know() {
    for acted in [false, true] {
        let shop = Shop::open().await;
        if acted {
            shop.abandon("k", 5).await;
            shop.provider.forget_answers();
        } else {
            shop.provider.trouble(Trouble::StoresError);
            shop.abandon("k", 5).await;
        }
        shop.provider.hide_search(true);
        let (minute, mut now, mut looks) = (60_000, DUE, 0);
        while now < DUE + 5 * minute {
            looks += shop.sweep(now).await.stuck.len();
            assert_eq!(
                shop.states(),
                ["VOIDING"],
                "it may be held, and the search may lag"
            );
            now += minute;
        }
        assert!(looks < 5, "it is looked at less and less often: {looks}");
        shop.provider.hide_search(false);
        assert_eq!(shop.sweep(DUE + 20 * minute).await.ended, 1);
        shop.assert_settled("in the end");
    }
}

#[tokio::test]
async fn no_shard_starves_behind_what_does_not_end() {
    let shop = Shop::open().await;
    for key in 0..8 {
        shop.abandon(&key.to_string(), 5).await;
    }
    // Each sweep meets a call that hangs, and has no time for another shard after that.
    for minute in 0..4 {
        shop.provider.trouble(Trouble::Hangs);
        let deadline = Instant::now() + Duration::from_millis(600);
        shop.sweeper().sweep(DUE + minute * 60_000, deadline).await;
    }
    let states = shop.states();
    assert!(!states.contains(&"PENDING".to_owned()), "{states:?}");
}

#[tokio::test]
async fn a_void_whose_answer_is_lost_is_known_to_have_happened() {
    let shop = Shop::open().await;
    shop.abandon("k", 5).await;
    let sweeper = shop.sweeper();
    let mut sweeping = Box::pin(sweeper.sweep(DUE, Instant::now() + Duration::from_secs(5)));
    // Up to the provider's search; other shards may come first.
    while shop.provider.calls() < 2 {
        assert!(advance(sweeping.as_mut(), 1).await.is_none());
    }
    shop.provider.trouble(Trouble::LosesAnswer);
    shop.provider.hide_search(false);
    assert_eq!(
        advance(sweeping.as_mut(), 100).await.unwrap().stuck.len(),
        1
    );
    assert!(shop.provider.holds().is_empty());
    assert_eq!(shop.states(), ["VOIDING"]);
    assert_eq!(shop.sweep(DUE + 61_000).await.ended, 1);
    shop.assert_settled("known");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_counted_and_nothing_more() {
    let shop = Shop::open().await;
    let row = Row::new(Key::new("attempt#x"))
        .set("pending", "0")
        .set("due", 1_i64);
    shop.store.commit(&[Write::put(row)]).await.unwrap();
    shop.abandon("k", 5).await;
    let swept = shop.sweep(DUE).await;
    assert_eq!((swept.ended, swept.stuck.len()), (1, 1));
    assert_eq!(swept.stuck[0].order_id, None);
}

#[tokio::test]
async fn a_hold_of_an_earlier_round_is_voided_and_the_orders_own_is_kept() {
    let shop = Shop::open().await;
    shop.provider.hide_search(true);
    // The first round acts, and says so to nobody.
    shop.provider.trouble(Trouble::LosesAnswer);
    shop.provider.trouble(Trouble::Unavailable);
    let reply = shop.place(&request("k", "pm_card_visa", NOW)).await;
    assert_eq!(reply.answer.status, 503);
    shop.provider.forget_answers();
    let reply = shop.place(&request("k", "pm_card_visa", NOW + 1_000)).await;
    assert_eq!(reply.answer.status, 202);
    assert_eq!(shop.provider.holds().len(), 2);
    shop.provider.hide_search(false);
    assert_eq!(shop.sweep(DUE).await.ended, 1);
    shop.assert_settled("looked at");
    assert_eq!(shop.states(), ["PLACED"]);
    assert_eq!(shop.orders().len(), 1);
}

/// More stops than a request or a sweep has.
const STOPS: usize = 24;

/// A request stops anywhere; a whole sweep comes; the request goes on.
#[tokio::test]
async fn a_sweep_between_any_two_steps_of_a_request_leaves_no_hold_without_an_order() {
    let mut seen = std::collections::BTreeSet::new();
    for stops in 0..STOPS {
        let shop = Shop::open().await;
        let request = request("k", "pm_card_visa", NOW);
        let checkout = shop.checkout();
        let mut placing = Box::pin(checkout.place(&request));
        let early = advance(placing.as_mut(), stops).await;
        shop.sweep(DUE).await;
        let reply = match early {
            Some(reply) => reply,
            None => placing.await,
        };
        // What the first sweep came too early for.
        shop.sweep(DUE + 61_000).await;
        let context = format!("swept after {stops} stops: {}", reply.answer.status);
        shop.assert_settled(&context);
        assert_eq!(
            shop.orders().len(),
            usize::from(reply.answer.status == 202),
            "{context}"
        );
        assert!(matches!(reply.answer.status, 202 | 409), "{context}");
        seen.insert(reply.answer.status);
    }
    assert_eq!(seen.len(), 2, "both may win: {seen:?}");
}

/// A sweep stops anywhere; a repeat of the abandoned request comes, and is handled whole; the sweep goes on.
#[tokio::test]
async fn a_repeat_between_any_two_steps_of_a_sweep_leaves_no_hold_without_an_order() {
    let mut seen = std::collections::BTreeSet::new();
    for abandoned in 3..=6 {
        for stops in 0..STOPS {
            let shop = Shop::open().await;
            shop.abandon("k", abandoned).await;
            let sweeper = shop.sweeper();
            let mut sweeping =
                Box::pin(sweeper.sweep(DUE, Instant::now() + Duration::from_secs(5)));
            let ended = advance(sweeping.as_mut(), stops).await.is_some();
            let reply = shop.place(&request("k", "pm_card_visa", DUE)).await;
            if !ended {
                sweeping.await;
            }
            shop.sweep(DUE + 61_000).await;
            let context = format!(
                "repeated after {abandoned} and {stops}: {}",
                reply.answer.status
            );
            shop.assert_settled(&context);
            assert_eq!(
                shop.orders().len(),
                usize::from(reply.answer.status == 202),
                "{context}"
            );
            seen.insert(reply.answer.status);
        }
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [202, 409],
        "both may win"
    );
}

/// A repeat of an abandoned request, which is due, stops anywhere; a whole sweep comes; the repeat goes on.
#[tokio::test]
async fn whoever_has_taken_an_attempt_over_is_left_alone() {
    let mut left_alone = 0;
    for stops in 0..STOPS {
        let shop = Shop::open().await;
        shop.abandon("k", 5).await;
        let request = request("k", "pm_card_visa", DUE);
        let checkout = shop.checkout();
        let mut placing = Box::pin(checkout.place(&request));
        if advance(placing.as_mut(), stops).await.is_some() {
            break;
        }
        let lease = shop.store.rows("attempt#")[0]
            .get("leaseUntil")
            .and_then(Value::as_i64);
        let taken_over = lease > i64::try_from(DUE).ok();
        let swept = shop.sweep(DUE).await;
        let status = placing.await.answer.status;
        if taken_over {
            assert_eq!((swept.ended, status), (0, 202), "after {stops} stops");
            left_alone += 1;
        }
        shop.assert_settled("the repeat, or the sweep, has ended it");
    }
    assert!(left_alone > 1, "{left_alone}");
}

#[tokio::test]
async fn what_the_index_says_too_late_changes_nothing() {
    let shop = Shop::open().await;
    shop.place(&request("k", "pm_card_visa", NOW)).await;
    // The index still shows the attempt as it was while its order was being placed.
    let key = AttemptKey::of_row(&shop.store.rows("attempt#")[0]).unwrap();
    let lease = Lease::new(DUE, 1_000);
    assert!(
        shop.store
            .commit(&[key.fence(&lease, 0, 0, 0)])
            .await
            .is_err()
    );
    assert_eq!(shop.states(), ["PLACED"]);
    assert_eq!(shop.store.rows("attempt#")[0].get("owner"), None::<&Value>);
}

/// Does every single write twice, and tells of the second time, as the SDK does when it missed the first answer.
struct Repeating<'a>(&'a MemoryStore);

impl Store for Repeating<'_> {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        self.0.commit(writes).await?;
        self.0.commit(writes).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        self.0.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<dashpot::Page, StoreError> {
        self.0.query(query).await
    }
}

#[tokio::test]
async fn a_fence_that_the_sdk_has_repeated_is_ours() {
    let shop = Shop::open().await;
    shop.abandon("k", 5).await;
    let sweeper = Sweeper::new(Repeating(&shop.store), &shop.provider);
    let deadline = Instant::now() + Duration::from_secs(5);
    let swept = sweeper.sweep(DUE, deadline).await;
    assert!(swept.stuck.is_empty(), "{:?}", swept.stuck);
    shop.assert_settled("swept");
}
