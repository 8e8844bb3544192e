//! A consumer that is added later catches up by a replay: it ends where it would be, had it been there from the start.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashpot::{
    Atomic, Consumer, Context, Effects, Envelope, Failure, Handler, Item, Key, NoQueue, Store,
    Write, event_set, now,
};
use dashpot_cli::commands::replay::Way;
use dashpot_cli::feed::Chosen;
use dashpot_testing::{Index, MemoryStore, Outgoing, QueueSettings, SimQueue, SqsMapping};
use relay::fate::Fate;
use relay::outbox::Event;
use relay::queues::Queues;
use shop_events::{OrderPlaced, PaymentCaptured};
use system_tests::past::{put, row};

/// Orders that were served before there was such a consumer, and those that are while it catches up; five events each.
const PAST: u64 = 300;
const MEANWHILE: u64 = 100;

event_set! {
    /// What it takes.
    enum Incoming {
        OrderPlaced(OrderPlaced),
        PaymentCaptured(PaymentCaptured),
    }
}

/// The consumer that is added: points for customers. What is counted twice is seen.
#[derive(Debug, Clone, Copy)]
struct Loyalty;

impl Handler<Envelope<Incoming>> for Loyalty {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, _: &Context) -> Result<Effects, Failure> {
        let (customer, metric) = match event.payload {
            Incoming::OrderPlaced(order) => (order.user_id, "orders"),
            Incoming::PaymentCaptured(payment) => (payment.user_id, "points"),
        };
        let row = Write::update(Key::new(format!("points#{customer}")));
        Ok(Effects::none().write(row.add(metric, 1)))
    }
}

fn loyalty(
    store: &Arc<MemoryStore>,
) -> Consumer<Loyalty, Envelope<Incoming>, NoQueue, Atomic<Arc<MemoryStore>>> {
    Consumer::<_, Envelope<Incoming>>::new("loyalty", Loyalty)
        .atomic(Arc::clone(store))
        .log_to(|_| ())
}

fn text<'a>(row: &'a Item, name: &str) -> &'a str {
    row[name].as_str().unwrap()
}

/// What its subscription lets through.
fn takes(event_type: &str) -> bool {
    <Incoming as dashpot::EventSet>::types().contains(&event_type)
}

/// The newcomer's queue as the replay sees it. With each call some of what happens meanwhile arrives as well, twice, and is
/// filed in the journal, where the replay may find it again.
struct Busy {
    queue: Arc<SimQueue>,
    journal: Arc<MemoryStore>,
    run: u64,
    live: AtomicU64,
}

impl Busy {
    async fn happens(&self) {
        let nth = self.live.fetch_add(1, Ordering::Relaxed);
        if nth < MEANWHILE * 5 {
            let row = row(self.run, PAST * 5 + nth);
            let (event_type, body) = (text(&row.attributes, "type"), text(&row.attributes, "body"));
            if takes(event_type) {
                self.queue.send(Outgoing::new(body)).unwrap();
                self.queue.send(Outgoing::new(body)).unwrap();
            }
            self.journal.commit(&[Write::put(row)]).await.unwrap();
        }
    }
}

impl Queues for &Busy {
    async fn send(&self, _: &str, events: &[&Event<'_>], _: u64) -> Vec<Fate> {
        for _ in 0..10 {
            self.happens().await;
        }
        for event in events {
            self.queue.send(Outgoing::new(event.body.as_ref())).unwrap();
        }
        vec![Fate::Published; events.len()]
    }
}

/// Lets a consumer handle all that lies in a queue.
async fn drain(queue: &Arc<SimQueue>, store: &Arc<MemoryStore>) {
    let mapping = SqsMapping {
        report_batch_item_failures: true,
        ..SqsMapping::default()
    };
    let consumer = loyalty(store);
    while let Some(polled) = mapping.poll_once(queue, &consumer).await.unwrap() {
        assert_eq!(
            polled.deleted.len(),
            polled.messages.len(),
            "{:?}",
            polled.answer
        );
    }
}

#[tokio::test]
async fn a_consumer_that_is_added_later_ends_where_it_would_have_been() {
    let run = now();
    let journal = Arc::new(MemoryStore::with_indexes([Index::by_text(
        "feed", "feed", "sk",
    )]));
    put(&journal, run, PAST * 5).await.unwrap();
    let newcomer = Arc::new(MemoryStore::new());
    let busy = Busy {
        queue: SimQueue::new(QueueSettings::standard("loyalty")),
        journal: Arc::clone(&journal),
        run,
        live: AtomicU64::new(0),
    };
    let chosen = Chosen {
        from: run - 86_400_000,
        until: now(),
        types: <Incoming as dashpot::EventSet>::types()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        order: None,
    };
    let way = Way::new(&busy, None);
    way.take(&journal, &chosen, None, &|_| (), async |_| Ok(()))
        .await
        .unwrap();
    while busy.live.load(Ordering::Relaxed) < MEANWHILE * 5 {
        busy.happens().await;
    }
    let sent = way.sent();
    assert!(sent >= PAST * 2, "only {sent} of the past were sent");
    drain(&busy.queue, &newcomer).await;

    let (veteran, queue) = (
        Arc::new(MemoryStore::new()),
        SimQueue::new(QueueSettings::standard("veteran")),
    );
    for event in journal
        .rows("order#")
        .iter()
        .filter(|event| takes(text(event, "type")))
    {
        queue.send(Outgoing::new(text(event, "body"))).unwrap();
    }
    drain(&queue, &veteran).await;
    assert_eq!(newcomer.rows("points#"), veteran.rows("points#"));
    let orders = veteran
        .rows("points#")
        .into_iter()
        .map(|row| row["orders"].as_i64().unwrap());
    assert_eq!(
        orders.sum::<i64>(),
        i64::try_from(PAST + MEANWHILE).unwrap()
    );

    // And again, as somebody might who does not know that it was done.
    way.take(&journal, &chosen, None, &|_| (), async |_| Ok(()))
        .await
        .unwrap();
    assert!(way.sent() >= sent * 2, "nothing was sent again");
    drain(&busy.queue, &newcomer).await;
    assert_eq!(newcomer.rows("points#"), veteran.rows("points#"));
}
