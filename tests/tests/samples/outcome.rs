use std::sync::Arc;

use dashpot::{Consumer, Envelope, Invocation};
use dashpot_testing::{MemoryStore, RecordingQueue};

use crate::sample;

/// One consumer's samples, one after the other, on one table: what its outbox holds, sorted, after the good one and after
/// the mixed batch.
macro_rules! samples_of {
    ($test:ident, $function:literal, $incoming:ty, $handler:expr,
     good: $good:expr, mixed: $mixed:expr $(,)?) => {
        #[tokio::test]
        async fn $test() {
            let queue = RecordingQueue::new();
            let store = Arc::new(MemoryStore::new());
            let consumer = Consumer::<_, Envelope<$incoming>>::new($function, $handler)
                .recovering(&queue)
                .atomic(Arc::clone(&store))
                .log_to(|_| ());
            let mut malformed = Vec::new();
            for (name, said, parks) in [
                ("good", &$good[..], false),
                ("duplicate", &$good[..], false),
                ("malformed", &$good[..], true),
                ("mixed-batch", &$mixed[..], true),
            ] {
                let invocation = Invocation::default();
                let answer = consumer
                    .handle_batch(&sample($function, name), &invocation)
                    .await
                    .unwrap();
                assert_eq!(answer.batch_item_failures, [], "{name}");
                if parks {
                    malformed.push("malformed");
                }
                let reasons: Vec<_> = queue
                    .parked()
                    .into_iter()
                    .map(|it| it.note["reason"].as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(reasons, malformed, "{name}");
                let mut found = store.said();
                found.sort_unstable();
                assert_eq!(found, said, "{name}");
            }
        }
    };
}

samples_of!(
    inventory_answers_for_each_order_once,
    "inventory",
    inventory::handler::Incoming,
    inventory::handler::Inventory,
    good: ["stock.rejected"],
    mixed: ["stock.rejected", "stock.rejected"],
);

samples_of!(
    warehouse_makes_one_pick_list_for_each_order,
    "warehouse",
    warehouse::handler::Incoming,
    warehouse::handler::Warehouse,
    good: ["pick_list.created"],
    mixed: ["order.cancelled", "pick_list.created", "pick_list.created"],
);
