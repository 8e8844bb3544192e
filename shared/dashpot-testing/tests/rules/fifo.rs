//! FIFO queues.

use std::sync::Arc;
use std::time::Duration;

use dashpot_testing::{Outgoing, QueueSettings, SimQueue, SqsError};
use tokio::time::advance;

use crate::queue::{SECOND, bodies};

fn fifo() -> Arc<SimQueue> {
    SimQueue::new(QueueSettings::fifo("orders.fifo"))
}

fn send(queue: &SimQueue, group: &str, body: &str) {
    let outgoing = Outgoing::new(body).group(group).deduplication_id(body);
    queue.send(outgoing).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_group_is_closed_while_one_of_it_is_in_flight_and_others_go_on() {
    let queue = fifo();
    for (group, body) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("a", "a3")] {
        send(&queue, group, body);
    }
    let first = queue.receive(1).unwrap();
    assert_eq!(bodies(&first), ["a1"]);
    assert_eq!(bodies(&queue.receive(10).unwrap()), ["b1"], "a is closed");
    queue.delete(&first[0].receipt).unwrap();
    assert_eq!(bodies(&queue.receive(1).unwrap()), ["a2"]);
    assert!(queue.receive(10).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_receive_takes_as_many_of_a_group_as_it_can_in_order() {
    let queue = fifo();
    for (group, body) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("b", "b2")] {
        send(&queue, group, body);
    }
    let received = queue.receive(3).unwrap();
    assert_eq!(bodies(&received), ["a1", "a2", "b1"]);
    assert!(queue.receive(10).unwrap().is_empty());
    queue.delete(&received[2].receipt).unwrap();
    assert_eq!(bodies(&queue.receive(10).unwrap()), ["b2"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_back_comes_before_those_behind_it() {
    let queue = fifo();
    for body in ["1", "2", "3"] {
        send(&queue, "a", body);
    }
    let received = queue.receive(2).unwrap();
    queue
        .change_visibility(&received[1].receipt, Duration::ZERO)
        .unwrap();
    assert!(
        queue.receive(10).unwrap().is_empty(),
        "1 is still in flight"
    );
    queue
        .change_visibility(&received[0].receipt, SECOND * 60)
        .unwrap();
    advance(SECOND * 59).await;
    assert!(queue.receive(10).unwrap().is_empty());
    advance(SECOND).await;
    assert_eq!(bodies(&queue.receive(10).unwrap()), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_deduplication_id_within_five_minutes_is_accepted_and_discarded() {
    let queue = fifo();
    let outgoing = || Outgoing::new("a").group("g").deduplication_id("d");
    let first = queue.send(outgoing()).unwrap();
    let received = queue.receive(1).unwrap().remove(0);
    queue.delete(&received.receipt).unwrap();
    advance(SECOND * 299).await;
    assert_eq!(queue.send(outgoing()).unwrap(), first);
    assert!(queue.is_empty(), "also after it was deleted");
    advance(SECOND).await;
    assert_ne!(queue.send(outgoing()).unwrap(), first);
    assert_eq!(queue.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_handle_ends_with_the_visibility_time_out() {
    let queue = fifo();
    send(&queue, "g", "a");
    let received = queue.receive(1).unwrap().remove(0);
    advance(SECOND * 30).await;
    let expired = queue.delete(&received.receipt);
    assert!(matches!(expired, Err(SqsError::InvalidParameterValue(_))));
    assert_eq!(queue.len(), 1);
}

#[tokio::test]
async fn a_message_needs_a_group_and_a_deduplication_id_and_has_no_delay_of_its_own() {
    let queue = fifo();
    let whole = Outgoing::new("a").group("g").deduplication_id("d");
    for refused in [
        Outgoing {
            group: None,
            ..whole.clone()
        },
        Outgoing {
            deduplication_id: None,
            ..whole.clone()
        },
        Outgoing {
            delay: Some(SECOND),
            ..whole.clone()
        },
    ] {
        assert!(queue.send(refused.clone()).is_err(), "{refused:?}");
    }
    queue.send(whole).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poisonous_head_is_moved_and_its_group_goes_on() {
    let queue = fifo();
    let dead_letters = SimQueue::new(QueueSettings::fifo("dead.fifo"));
    queue.redrive_to(&dead_letters, 1);
    send(&queue, "g", "poison");
    let received = queue.receive(1).unwrap().remove(0);
    send(&queue, "g", "next");
    advance(SECOND * 30).await;
    assert_eq!(bodies(&queue.receive(10).unwrap()), ["next"]);
    let moved = dead_letters.receive(1).unwrap().remove(0).message;
    assert_eq!(moved.deduplication_id.as_ref(), Some(&moved.message_id));
    assert_eq!(moved.message_id, received.message.message_id);
    assert_eq!(moved.sent, received.message.sent + 30_000, "enqueued anew");
}
