//! The functions, each as its `main` wires it, as processes in which things go wrong.

use std::future::ready;
use std::sync::Arc;

use dashpot::{Consumer, FromMessage, Invocation, Mode, Queue};
use dashpot_testing::fault::Faults;
use dashpot_testing::{Function, FunctionError};
use invoices::seller::Seller;
use sweeper::sweep::{Sweeper, Swept};

use super::Shop;
use super::client::{
    Carrier, NoDeadLetters, Post, QueuePort, QueuesPort, SchedulesPort, Sdk, Shelf, Table,
    TopicPort, Wire,
};

/// What a process is about where its messages are about several things.
pub(super) const MIXED: &str = "a mixed batch";

/// The types that the shop knows.
const TYPES: [&str; 18] = [
    "order.placed",
    "order.created",
    "order.cancellation_requested",
    "order.cancelled",
    "order.cancellation_refused",
    "stock.reserved",
    "stock.rejected",
    "payment.captured",
    "payment.voided",
    "payment.refunded",
    "payment.failed",
    "pick_list.created",
    "pick_list.packed",
    "invoice.write",
    "order.check",
    "order.abandon",
    "schedule.cancel",
    "quote.requested",
];

/// What an event of Lambda is about.
fn subject(event: &str) -> &'static str {
    // Of a queue's message the envelope, of a stream's record the row.
    const MARKS: [&str; 2] = ["{\\\"type\\\":\\\"", "\"type\":{\"S\":\""];
    let mark = MARKS[usize::from(event.contains("\"aws:dynamodb\""))];
    let named = event.split(mark).skip(1).map(|rest| {
        let known = TYPES.into_iter().find(|name| {
            rest.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['"', '\\']))
        });
        known.unwrap_or("an unknown event")
    });
    let mut subject = None;
    for name in named {
        if subject.is_some_and(|first| first != name) {
            return MIXED;
        }
        subject = Some(name);
    }
    subject.unwrap_or("an unknown event")
}

/// One function's execution environment.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) shop: Arc<Shop>,
    pub(super) name: &'static str,
}

impl Function for Environment {
    async fn invoke(&self, event: &str, invocation: &Invocation) -> Result<String, FunctionError> {
        // Boxed: with every function's futures inside, the whole would be large to move.
        Box::pin(self.shop.invoke(self.name, event, invocation)).await
    }
}

impl Shop {
    /// A process of a function from its first call to its answer, which may be lost with it.
    pub(super) async fn in_process<T, F: Future<Output = T>>(
        &self,
        name: &'static str,
        subject: &'static str,
        work: impl FnOnce(Faults) -> F,
    ) -> Result<T, FunctionError> {
        let process = self.mishaps.process(name, subject);
        self.run_in(process, name, work).await
    }

    /// The same in a process that is there.
    pub(super) async fn run_in<T, F: Future<Output = T>>(
        &self,
        process: Faults,
        name: &'static str,
        work: impl FnOnce(Faults) -> F,
    ) -> Result<T, FunctionError> {
        let living = async {
            let answer = work(process.clone()).await;
            // The way back is a call as any other: the process may end before it.
            let on_its_way = process.call("lambda.answer", ready(()), |_| ());
            on_its_way.await;
            answer
        };
        let ended = process.run(living).await;
        self.mishaps
            .note(if ended.is_ok() { name } else { "killed" });
        ended.map_err(|died| FunctionError::Exited(died.to_string()))
    }

    pub(super) async fn invoke(
        self: &Arc<Self>,
        name: &'static str,
        event: &str,
        invocation: &Invocation,
    ) -> Result<String, FunctionError> {
        if name == "relay" {
            return self.relay(event, invocation).await;
        }
        let event = &*self.as_deployed(name, event);
        let consumed = |process: Faults| async move {
            let sdk = self.sdk(&process);
            let store = self.table(name, &process);
            let (queue, dead_letters) = &self.queues[name];
            let queue = QueuePort {
                sdk,
                port: process.queue(queue.port(dead_letters)),
            };
            let recovery = self.blueprint.recovery;
            match name {
                "inventory" => {
                    answer(
                        inventory::consumer(store, queue, recovery),
                        event,
                        invocation,
                    )
                    .await
                }
                "payments" => {
                    let gateway = self.wire(&process);
                    let consumer = payments::consumer(store, queue, gateway, recovery);
                    answer(consumer, event, invocation).await
                }
                "warehouse" => {
                    answer(
                        warehouse::consumer(store, queue, recovery),
                        event,
                        invocation,
                    )
                    .await
                }
                "email" => {
                    let carrier = Carrier {
                        // A letter is sent once a try: see `email::ses`.
                        sdk: Sdk::new(&process, 1),
                        letterbox: Arc::clone(&self.letterbox),
                    };
                    let consumer = email::consumer(store, queue, carrier, recovery);
                    answer(consumer, event, invocation).await
                }
                "analytics" => {
                    let archive = Shelf {
                        sdk: self.sdk(&process),
                        bucket: Arc::clone(&self.archive),
                    };
                    let consumer = analytics::consumer(store, archive, queue, recovery);
                    consumer.log_to(|_| {}).invoke(event, invocation).await
                }
                "journal" => {
                    answer(journal::consumer(store, queue, recovery), event, invocation).await
                }
                "listing" => {
                    answer(listing::consumer(store, queue, recovery), event, invocation).await
                }
                "deadlines" => {
                    let consumer =
                        deadlines::consumer(store, queue, self.blueprint.terms, recovery);
                    answer(consumer, event, invocation).await
                }
                "quotes" => {
                    let (prices, replies) =
                        (self.table("checkout", &process), self.reply_port(&process));
                    let consumer = quotes::consumer(prices, store, replies, queue, recovery);
                    answer(consumer, event, invocation).await
                }
                "invoices" | "invoices-urgent" => {
                    let cabinet = Shelf {
                        sdk: self.sdk(&process),
                        bucket: Arc::clone(&self.cabinet),
                    };
                    let seller = Seller::parse("Shop", "19").unwrap();
                    let consumer = invoices::consumer(store, cabinet, seller, queue, recovery);
                    answer(consumer, event, invocation).await
                }
                other => panic!("{other} consumes nothing"),
            }
        };
        self.in_process(name, subject(event), consumed).await?
    }

    async fn relay(
        self: &Arc<Self>,
        event: &str,
        invocation: &Invocation,
    ) -> Result<String, FunctionError> {
        let relayed = |process: Faults| async move {
            let topic = TopicPort {
                sdk: self.sdk(&process),
                topic: Arc::clone(&self.topic),
            };
            let queues = QueuesPort {
                sdk: self.sdk(&process),
                shop: Arc::clone(self),
            };
            let schedules = SchedulesPort {
                sdk: self.sdk(&process),
                agenda: Arc::clone(&self.agenda),
            };
            let relay =
                relay::handler::Relay::new(topic, queues, schedules, NoDeadLetters).log_to(|_| {});
            relay.handle(event, invocation).await
        };
        let answer = self.in_process("relay", subject(event), relayed).await?;
        match answer {
            Ok(()) => Ok("null".to_owned()),
            Err(error) => Err(FunctionError::Failed(error.to_string())),
        }
    }

    /// One invocation of the sweeper by its schedule.
    pub(super) async fn sweep(&self, invocation: &Invocation) -> Result<Swept, FunctionError> {
        let swept = |process: Faults| async move {
            let sweeper = Sweeper::new(self.table("checkout", &process), self.wire(&process));
            sweeper
                .sweep(invocation.clock.now(), invocation.deadline)
                .await
        };
        self.in_process("sweeper", "a sweep", swept).await
    }

    pub(super) fn sdk(&self, process: &Faults) -> Sdk {
        Sdk::new(process, self.mishaps.attempts())
    }

    pub(super) fn table(&self, name: &'static str, process: &Faults) -> Table {
        Table {
            sdk: self.sdk(process),
            table: Arc::clone(&self.tables[name.trim_end_matches("-urgent")]),
        }
    }

    fn reply_port(&self, process: &Faults) -> Post {
        Post {
            sdk: self.sdk(process),
            replies: Arc::clone(&self.replies),
        }
    }

    pub(super) fn wire(&self, process: &Faults) -> Wire {
        Wire {
            faults: process.clone(),
            provider: Arc::clone(&self.provider),
            timeout: self.blueprint.payment_timeout,
        }
    }

    /// An older build of a function does not know some types yet: to it they are any other name.
    fn as_deployed<'a>(&self, name: &'static str, event: &'a str) -> std::borrow::Cow<'a, str> {
        let unknown = self.mishaps.not_yet_known(name);
        unknown.into_iter().fold(event.into(), |event, event_type| {
            let (known, older) = (
                format!("{{\\\"type\\\":\\\"{event_type}\\\""),
                format!("{{\\\"type\\\":\\\"{event_type}{NOT_YET}\\\""),
            );
            event.replace(&known, &older).into()
        })
    }
}

/// Follows the name of a type that the function as it is deployed does not know.
pub(super) const NOT_YET: &str = ".not_yet";

async fn answer<H, E, Q, M>(
    consumer: Consumer<H, E, Q, M>,
    event: &str,
    invocation: &Invocation,
) -> Result<String, FunctionError>
where
    H: Send + Sync,
    E: FromMessage,
    Q: Queue,
    M: Mode<H, E>,
{
    consumer.log_to(|_| {}).invoke(event, invocation).await
}
