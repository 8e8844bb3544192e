//! A DynamoDB stream's event, through the relay: every row of an outbox is published or parked.

use std::collections::BTreeSet;
use std::sync::Mutex;

use dashpot::{Invocation, ParkNote};
use relay::dead_letters::{DeadLetters, NotParked};
use relay::fate::Fate;
use relay::handler::{Relay, RelayError};
use relay::outbox::{Event, Inserted, inserted};
use relay::queues::{LONGEST_DELAY, Queues, delay};
use relay::schedules::Schedules;
use relay::topic::Topic;

/// Takes everything, and counts.
#[derive(Default)]
struct World {
    published: Mutex<usize>,
    parked: Mutex<usize>,
    details: Mutex<BTreeSet<String>>,
}

impl Topic for &World {
    async fn publish(&self, events: &[&Event<'_>]) -> Vec<Fate> {
        for event in events {
            assert!(!event.body.is_empty());
            assert!(event.attributes().all(|it| !it.value.is_empty()));
        }
        *self.published.lock().unwrap() += events.len();
        vec![Fate::Published; events.len()]
    }
}

/// Knows no queue with an empty name.
impl Queues for &World {
    async fn send(&self, to: &str, commands: &[&Event<'_>], now: u64) -> Vec<Fate> {
        for command in commands {
            assert!(delay(command, now) <= LONGEST_DELAY);
        }
        if to.is_empty() {
            return vec![relay::queues::unknown(to); commands.len()];
        }
        self.publish(commands).await
    }
}

impl Schedules for &World {
    async fn create(&self, _: &str, to: &str, command: &Event<'_>, _: u64) -> Fate {
        if to.is_empty() {
            return relay::schedules::unknown(to);
        }
        self.publish(&[command]).await.remove(0)
    }

    async fn delete(&self, _: &str) -> Fate {
        *self.published.lock().unwrap() += 1;
        Fate::Published
    }
}

impl DeadLetters for &World {
    async fn park(&self, _: &Inserted<'_>, note: &ParkNote<'_>) -> Result<(), NotParked> {
        *self.parked.lock().unwrap() += 1;
        self.details.lock().unwrap().insert(note.detail.to_owned());
        Ok(())
    }
}

/// # Panics
/// When a row is neither published nor parked, or an error says too much.
pub fn check(data: &[u8]) {
    let Ok(payload) = std::str::from_utf8(data) else {
        return;
    };
    let world = World::default();
    let relay = Relay::new(&world, &world, &world, &world);
    let outcome = crate::block_on(relay.handle(payload, &Invocation::default()));
    match (inserted(payload), outcome) {
        (Ok(rows), Ok(())) => {
            let published = *world.published.lock().unwrap();
            let parked = *world.parked.lock().unwrap();
            assert_eq!(published + parked, rows.len());
            for detail in world.details.lock().unwrap().iter() {
                crate::is_discreet(detail, payload);
            }
        }
        (Err(_), Err(error @ RelayError::NoStreamEvent(_))) => {
            crate::is_discreet(&error.to_string(), payload);
        }
        (rows, outcome) => panic!("{rows:?} ends as {outcome:?}"),
    }
}
