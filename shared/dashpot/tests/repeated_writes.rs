//! The SDK repeats a write whose answer it missed, and then trips over its own first success: a claim is not lost
//! that way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use std::sync::Arc;

use dashpot::{
    Claim, Claims, CommitError, Consumer, Context, Effects, Envelope, Failure, Handler, Item, Key,
    OnUnknown, Page, Query, Row, Store, StoreError, Write,
};
use dashpot_testing::{MemoryStore, RecordingQueue, sqs_event};
use shop::{Incoming, delivery, invocation};

/// Does every single write twice, and tells of the second time. A transaction carries a token that makes its
/// repeat succeed, so those are done once.
struct Repeating(Arc<MemoryStore>);

impl Store for Repeating {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        let first = self.0.commit(writes).await;
        if writes.len() == 1 && first.is_ok() {
            return self.0.commit(writes).await;
        }
        first
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        self.0.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.query(query).await
    }
}

struct Courier;

impl Handler<Envelope<Incoming>> for Courier {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, _: &Context) -> Result<Effects, Failure> {
        let Incoming::Bought(bought) = event.payload;
        // Two writes, so that the completion is a transaction.
        let note = Row::new(Key::new(format!("note#{}", bought.order)));
        Ok(Effects::none().settle("sent").write(Write::create(note)))
    }
}

impl Claims<Envelope<Incoming>> for Courier {
    fn claim(&self, event: &Envelope<Incoming>, _: &Context) -> Result<Option<Claim>, Failure> {
        let Incoming::Bought(bought) = &event.payload;
        Ok(Some(
            Claim::new(parcel(&bought.order), "sending").from(&["packed"]),
        ))
    }

    fn refused(&self, _: Envelope<Incoming>, row: &Item, _: &Context) -> Result<Effects, Failure> {
        panic!("refused by {row:?}");
    }
}

fn parcel(order: &str) -> Key {
    Key::new(format!("parcel#{order}"))
}

#[tokio::test]
async fn a_claim_that_was_made_twice_is_ours() {
    let (store, queue) = (Arc::new(MemoryStore::new()), RecordingQueue::new());
    let packed = Row::new(parcel("from-packed"))
        .set("state", "packed")
        .set("version", 7_i64);
    store.commit(&[Write::put(packed)]).await.unwrap();
    let consumer = Consumer::<_, Envelope<Incoming>>::new("courier", Courier)
        .recovering(&queue)
        .claiming(Repeating(Arc::clone(&store)), OnUnknown::Park)
        .log_to(|_| {});
    for (order, version) in [("from-nothing", 1), ("from-packed", 8)] {
        let event = sqs_event("courier", &[delivery(order, "ok")]);
        let response = consumer.handle_batch(&event, &invocation()).await.unwrap();
        assert_eq!(response.batch_item_failures, [], "{order}");
        let row = store.row(&parcel(order)).unwrap();
        assert_eq!(row["state"].as_str(), Some("sent"), "{order}");
        assert_eq!(row["version"].as_i64(), Some(version), "{order}");
    }
}
