//! Whoever asks gets their own answer, whatever else comes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use dashpot::{Clock, Envelope, Event, Replies, Request, Requester, Unanswered};
use dashpot_testing::{Outgoing, QueueSettings, SimMailbox, SimQueue};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
struct Double {
    number: u64,
}

impl Event for Double {
    const TYPE: &'static str = "number.double";
    const VERSION: u32 = 1;

    fn subject(&self) -> &'static str {
        "numbers"
    }

    fn group(&self) -> &'static str {
        "numbers"
    }
}

const NOW: u64 = 1_793_611_800_000;

struct World {
    requests: Arc<SimQueue>,
    replies: Arc<SimQueue>,
    requester: Requester<SimMailbox>,
}

impl World {
    fn new() -> Self {
        let clock = Clock::at(NOW);
        let queue = |name| {
            SimQueue::new(QueueSettings {
                shuffled: true,
                clock,
                ..QueueSettings::standard(name)
            })
        };
        let (requests, replies) = (queue("requests"), queue("replies-1"));
        let mailbox = SimMailbox::new(&requests, &replies);
        Self {
            requester: Requester::at(mailbox, clock),
            requests,
            replies,
        }
    }

    /// The requests that came so far, once so many have.
    async fn asked(&self, count: usize) -> Vec<Envelope<Request<Double>>> {
        self.requests.until(|it| it.len() >= count).await;
        let requests = self.requests.messages();
        let read = |body: &str| serde_json::from_str(body).unwrap();
        requests.iter().map(|it| read(&it.message.body)).collect()
    }

    fn answer(&self, request: &str, answer: impl Into<Value>) {
        let body = json!({
            "type": "number.doubled", "payload": answer.into(),
            "metadata": {"id": "a", "timestamp": 1, "version": 1, "correlationId": request},
        });
        self.replies.send(Outgoing::new(body.to_string())).unwrap();
    }

    async fn ask(&self, number: u64, timeout: Duration) -> Result<u64, Unanswered> {
        self.requester.ask(Double { number }, timeout).await
    }

    /// Until every reply was looked at.
    async fn collected(&self) -> Replies {
        self.replies.until(SimQueue::is_empty).await;
        self.requester.replies()
    }
}

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(work)
}

proptest! {
    #[test]
    fn replies_find_their_questions_whatever_their_order_and_company(
        numbers in proptest::collection::vec(0..1000_u64, 1..40),
        copies in proptest::collection::vec(1..4_usize, 40),
        foreign in 0..5_usize,
        unreadable in 0..3_usize,
        seed: u64,
    ) {
        fastrand::seed(seed);
        in_virtual_time(async {
            let world = World::new();
            let asking = numbers.iter().map(|number| world.ask(*number, Duration::from_secs(30)));
            let answering = async {
                let mut replies: Vec<(String, u64)> = Vec::new();
                for (request, copies) in world.asked(numbers.len()).await.iter().zip(&copies) {
                    let answer = (request.metadata.id.clone(), request.payload.question.number * 2);
                    replies.extend(std::iter::repeat_n(answer, *copies));
                }
                let mine = replies.len();
                replies.extend((0..foreign).map(|n| (format!("foreign-{n}"), 7)));
                fastrand::shuffle(&mut replies);
                for (request, answer) in replies {
                    world.answer(&request, answer);
                }
                for _ in 0..unreadable {
                    world.replies.send(Outgoing::new("{")).unwrap();
                }
                mine
            };
            let (answers, mine) = tokio::join!(futures_util::future::join_all(asking), answering);
            for (number, answer) in numbers.iter().zip(answers) {
                prop_assert_eq!(answer.unwrap(), number * 2);
            }
            let asked = numbers.len();
            prop_assert_eq!(world.collected().await, Replies {
                answered: asked as u64,
                late: 0,
                duplicate: (mine - asked) as u64,
                foreign: foreign as u64,
                unreadable: unreadable as u64,
            });
            Ok(())
        })?;
    }
}

#[test]
fn whoever_gives_up_is_told_what_is_known_and_the_late_answer_is_dropped() {
    in_virtual_time(async {
        let world = World::new();
        let error = world.ask(7, Duration::from_secs(2)).await.unwrap_err();
        let request = world.asked(1).await.remove(0);
        assert_eq!(request.payload.deadline, NOW + 2000);
        assert_eq!(request.payload.reply_to, "replies-1");
        assert_eq!(
            error.to_string(),
            format!(
                "no answer to request {} within 2000 ms: it was sent, and its deadline is over, so whoever has not begun will not; \
                 an answer that comes now is dropped (0 other answers came meanwhile)",
                request.metadata.id
            )
        );
        world.answer(&request.metadata.id, 14);
        world.answer(&request.metadata.id, 14);
        let replies = world.collected().await;
        assert_eq!((replies.late, replies.duplicate), (1, 1));
    });
}

#[test]
fn a_question_that_nobody_waits_for_any_more_is_closed() {
    in_virtual_time(async {
        let world = World::new();
        let gave_up =
            tokio::time::timeout(Duration::from_secs(1), world.ask(7, Duration::from_mins(1)));
        assert!(gave_up.await.is_err());
        world.answer(&world.asked(1).await[0].metadata.id, 14);
        assert_eq!(world.collected().await.late, 1);
    });
}

#[test]
fn an_answer_of_another_kind_is_named() {
    in_virtual_time(async {
        let world = World::new();
        let answering = async {
            let request = world.asked(1).await.remove(0);
            world.answer(&request.metadata.id, "much");
        };
        let (answer, ()) = tokio::join!(world.ask(7, Duration::from_secs(2)), answering);
        let error = answer.unwrap_err().to_string();
        assert!(
            error.contains("cannot be read") && error.contains("expected u64"),
            "{error}"
        );
    });
}

#[test]
fn a_request_that_cannot_be_sent_is_told_at_once() {
    in_virtual_time(async {
        let world = World::new();
        let too_large = "x".repeat(2 * 1024 * 1024);
        let question = Named { name: too_large };
        let answer = world
            .requester
            .ask::<_, u64>(question, Duration::from_secs(2))
            .await;
        assert!(
            matches!(answer, Err(Unanswered::NotSent { .. })),
            "{answer:?}"
        );
    });
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    name: String,
}

impl Event for Named {
    const TYPE: &'static str = "name.spell";
    const VERSION: u32 = 1;

    fn subject(&self) -> &'static str {
        "names"
    }

    fn group(&self) -> &'static str {
        "names"
    }
}
