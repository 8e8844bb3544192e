//! Deliveries side by side, in any order of their steps, while leases end under whoever still acts.

use dashpot::{CommitError, Item, Page, Query, Recovery, StoreError};
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// A table whose calls let others go first, by chance, on the way there and on the way back.
#[derive(Clone)]
struct Slow<'a>(&'a Shop);

async fn let_others() {
    for _ in 0..fastrand::u8(..4) {
        tokio::task::yield_now().await;
    }
}

impl Store for Slow<'_> {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        let_others().await;
        let answer = self.0.store.commit(writes).await;
        self.0.assert_state_is_the_fold();
        let_others().await;
        answer
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        self.0.store.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.store.query(query).await
    }
}

async fn deliver(shop: &Shop, event_type: &str) {
    let body = body(event_type, &payload(&json!("pi_1")));
    let_others().await;
    let consumer = crate::consumer(Slow(shop), &shop.queue, &shop.bank, Recovery::default());
    let event = sqs_event("payments", &[Delivery::new("m", body)]);
    let answer = consumer
        .log_to(|_| {})
        .handle_batch(&event, &Invocation::default())
        .await;
    answer.unwrap();
}

fn faults() -> impl Strategy<Value = Option<Fault>> {
    select(vec![
        None,
        None,
        Some(Fault::Silence),
        Some(Fault::LostAnswer),
        Some(Fault::Crash),
        Some(Fault::LostRecord),
        Some(Fault::RateLimited),
    ])
}

proptest! {
    #[test]
    fn the_state_is_the_fold_of_the_entries_in_every_interleaving(
        seed in any::<u64>(),
        rounds in vec(vec(select(vec![RESERVED, RESERVED, REJECTED, CANCELLED]), 1..4), 1..4),
        faults in vec(faults(), 0..5),
        refuses_captures in proptest::bool::weighted(0.2),
    ) {
        fastrand::seed(seed);
        let shop = Shop::new();
        shop.bank.faults(faults);
        if refuses_captures {
            shop.bank.refuse_captures();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for round in &rounds {
                let deliveries = join_all(round.iter().map(|event| deliver(&shop, event)));
                // Somebody's time is over while they act: the next may take it from them.
                let leases = async {
                    let_others().await;
                    shop.end_lease().await;
                };
                tokio::join!(deliveries, leases);
                shop.end_lease().await;
            }
            // What came back comes again until all is settled.
            let all: Vec<&str> = rounds.concat();
            shop.settle(&all).await;
        });
        let intent = shop.bank.intent();
        let balance = Balance::of(shop.entries());
        prop_assert_eq!(balance.kept(), intent.amount_received - intent.amount_refunded);
        prop_assert_eq!(balance.held(), 0);
        prop_assert_eq!(balance.authorised, AMOUNT);
    }
}
