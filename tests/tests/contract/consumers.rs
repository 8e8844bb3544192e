//! Each consumer as its `main` wires it, for one message, and everything that comes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use analytics::archive::{Archive, NotArchived};
use dashpot::{Clock, Invocation, Item, Key, Recovery, Row, Store, Write};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use deadlines::terms::Terms;
use email::letter::Letter;
use email::mailer::{MailError, Mailer};
use invoices::cabinet::{Cabinet, Kept, NotKept};
use invoices::seller::Seller;
use payment_gateway::{
    Authorisation, Currency, Gateway, GatewayError, Intent, IntentId, IntentStatus, OrderId, Refund,
};
use quotes::replies::{NotReplied, Replies};
use serde_json::{Value, json};

/// 2026-11-02 09:30 UTC.
const NOW: u64 = 1_793_611_800_000;

/// The world outside: it does what it is told, and remembers it.
#[derive(Debug, Default)]
struct Outside(Mutex<Vec<String>>);

impl Outside {
    fn remember(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn intent(&self, what: &str, id: &IntentId, status: IntentStatus) -> Intent {
        self.remember(format!("{what} {id:?}"));
        Intent {
            id: id.clone(),
            amount: 9999,
            currency: Currency::parse("EUR").unwrap(),
            amount_received: if status == IntentStatus::Succeeded {
                9999
            } else {
                0
            },
            amount_refunded: 0,
            order_id: None,
            status,
        }
    }
}

impl Mailer for &Outside {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        self.remember(format!("{} {letter:?}", letter.to.expose()));
        Ok(())
    }
}

/// What is archived is kept as it came: nobody relies on what it says.
impl Archive for &Outside {
    async fn put(&self, _: &str, _: String) -> Result<(), NotArchived> {
        Ok(())
    }
}

impl Cabinet for &Outside {
    async fn put_new(&self, key: &str, document: Vec<u8>) -> Result<Kept, NotKept> {
        self.remember(format!("{key} {document:?}"));
        Ok(Kept::Now)
    }
}

impl Replies for &Outside {
    async fn send(&self, to: &str, answer: &str) -> Result<(), NotReplied> {
        self.remember(format!("{to} {answer}"));
        Ok(())
    }
}

impl Gateway for &Outside {
    async fn authorise(&self, _: &Authorisation) -> Result<Intent, GatewayError> {
        unreachable!("no consumer authorises")
    }

    async fn capture(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        Ok(self.intent(&format!("capture {key}"), id, IntentStatus::Succeeded))
    }

    async fn cancel(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        Ok(self.intent(&format!("cancel {key}"), id, IntentStatus::Canceled))
    }

    async fn refund(&self, _: &IntentId, _: &str) -> Result<Refund, GatewayError> {
        unreachable!("nothing is captured before")
    }

    async fn retrieve(&self, id: &IntentId) -> Result<Intent, GatewayError> {
        Ok(self.intent("retrieve", id, IntentStatus::RequiresCapture))
    }

    async fn find(&self, _: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        unreachable!("every payment names its intent")
    }
}

/// Everything that comes of one message: what is written, said, parked, done outside, and comes back.
pub(crate) async fn outcome(consumer: &str, name: &str, version: u32, payload: &Value) -> String {
    dashpot::seed_ids(1);
    let store = Arc::new(MemoryStore::new());
    for sku in ["chair-oak", "lamp-brass"] {
        let stock = Row::new(Key::new(format!("stock#{sku}"))).set("available", 5_i64);
        store.commit(&[Write::put(stock)]).await.unwrap();
    }
    let (outside, queue) = (Outside::default(), RecordingQueue::new());
    let body = json!({
        "type": name,
        "payload": payload,
        "metadata": { "id": "e", "timestamp": NOW, "correlationId": "c", "version": version },
    });
    let event = sqs_event(consumer, &[Delivery::new("m", body.to_string())]);
    let invocation = Invocation {
        clock: Clock::at(NOW),
        ..Invocation::default()
    };
    macro_rules! handle {
        ($function:ident $(, $port:expr)*) => {
            $function::consumer(Arc::clone(&store), $($port,)* &queue, Recovery::default())
                .log_to(|_| ())
                .handle_batch(&event, &invocation)
                .await
        };
    }
    let answer = match consumer {
        "inventory" => handle!(inventory),
        "warehouse" => handle!(warehouse),
        "journal" => handle!(journal),
        "listing" => handle!(listing),
        "invoices" => {
            let seller = Seller::parse("Dashpot, Quay 1, DE123456789", "19").unwrap();
            handle!(invoices, &outside, seller)
        }
        "deadlines" => {
            let terms = Terms {
                late_after: Duration::from_mins(15),
                abandon_after: Duration::from_hours(24),
                log: |_| {},
            };
            deadlines::consumer(Arc::clone(&store), &queue, terms, Recovery::default())
                .log_to(|_| ())
                .handle_batch(&event, &invocation)
                .await
        }
        "quotes" => {
            let prices = MemoryStore::new();
            for sku in ["chair-oak", "lamp-brass"] {
                let price = Row::new(Key::new(format!("product#{sku}")));
                let price = price.set("price", 100_i64).set("currency", "EUR");
                prices.commit(&[Write::put(price)]).await.unwrap();
            }
            quotes::consumer(
                prices,
                Arc::clone(&store),
                &outside,
                &queue,
                Recovery::default(),
            )
            .log_to(|_| ())
            .handle_batch(&event, &invocation)
            .await
        }
        "analytics" => handle!(analytics, &outside),
        "payments" => {
            payments::consumer(Arc::clone(&store), &queue, &outside, Recovery::default())
                .log_to(|_| ())
                .handle_batch(&event, &invocation)
                .await
        }
        "email" => {
            email::consumer(Arc::clone(&store), &queue, &outside, Recovery::default())
                .log_to(|_| ())
                .handle_batch(&event, &invocation)
                .await
        }
        other => panic!("{other} takes events, and is not wired here"),
    };
    let rows: Vec<Item> = store
        .rows("")
        .into_iter()
        .filter_map(without_copies)
        .collect();
    let parked: Vec<_> = queue
        .parked()
        .iter()
        .map(|it| it.note["reason"].clone())
        .collect();
    format!(
        "{:#?}",
        (
            answer.unwrap(),
            parked,
            rows,
            outside.0.into_inner().unwrap()
        )
    )
}

/// A row without what is kept as it came: journal's body, and the row of an object in analytics' archive.
fn without_copies(mut row: Item) -> Option<Item> {
    let key = row["pk"].as_str()?.to_owned();
    if key.starts_with("order#") {
        row.remove("body");
    }
    (!key.starts_with("objects#")).then_some(row)
}
