//! Standard queues.

use std::sync::Arc;
use std::time::Duration;

use dashpot_testing::{Outgoing, QueueSettings, Received, SimQueue, SqsError, Standing};
use tokio::time::advance;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn standard() -> Arc<SimQueue> {
    SimQueue::new(QueueSettings::standard("orders"))
}

pub(crate) fn bodies(received: &[Received]) -> Vec<&str> {
    received
        .iter()
        .map(|received| received.message.body.as_str())
        .collect()
}

fn invalid(error: &SqsError) -> bool {
    matches!(error, SqsError::InvalidParameterValue(_))
}

#[tokio::test(start_paused = true)]
async fn a_received_message_is_hidden_until_its_visibility_time_out_ends() {
    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    assert_eq!(queue.receive(10).unwrap()[0].receive_count, 1);
    assert_eq!(queue.messages()[0].standing, Standing::InFlight);
    advance(SECOND * 29).await;
    assert!(queue.receive(10).unwrap().is_empty());
    advance(SECOND).await;
    assert_eq!(queue.receive(10).unwrap()[0].receive_count, 2);
}

#[tokio::test(start_paused = true)]
async fn the_first_receive_is_told_with_every_later_one() {
    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    advance(SECOND * 5).await;
    let first = queue.receive(1).unwrap().remove(0);
    assert_eq!(first.first_received, first.message.sent + 5000);
    advance(SECOND * 30).await;
    let second = queue.receive(1).unwrap().remove(0);
    assert_eq!(second.first_received, first.first_received);
}

#[tokio::test(start_paused = true)]
async fn an_old_receipt_handle_deletes_nothing_and_is_no_error() {
    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    let first = queue.receive(1).unwrap().remove(0);
    advance(SECOND * 30).await;
    let second = queue.receive(1).unwrap().remove(0);
    assert_eq!(queue.delete(&first.receipt), Ok(false));
    assert!(
        queue
            .change_visibility(&first.receipt, SECOND)
            .is_err_and(|error| invalid(&error))
    );
    assert_eq!(queue.delete(&second.receipt), Ok(true));
    assert_eq!(
        queue.delete(&second.receipt),
        Ok(true),
        "deleting is idempotent"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_receipt_handle_deletes_even_after_the_visibility_time_out() {
    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    let received = queue.receive(1).unwrap().remove(0);
    advance(SECOND * 31).await;
    assert_eq!(queue.delete(&received.receipt), Ok(true));
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_receipt_handle_of_the_queue_is_refused() {
    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    let receipt = queue.receive(1).unwrap().remove(0).receipt;
    let other = SimQueue::new(QueueSettings::standard("letters"));
    for (queue, receipt) in [(&queue, "x"), (&queue, ""), (&other, receipt.as_str())] {
        assert_eq!(queue.delete(receipt), Err(SqsError::ReceiptHandleIsInvalid));
    }
}

#[tokio::test(start_paused = true)]
async fn visibility_is_changed_from_now_and_ends_twelve_hours_after_the_receive() {
    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    let receipt = queue.receive(1).unwrap().remove(0).receipt;
    advance(SECOND * 20).await;
    queue.change_visibility(&receipt, SECOND * 20).unwrap();
    advance(SECOND * 19).await;
    assert!(queue.receive(1).unwrap().is_empty());
    let hours = Duration::from_hours(12);
    assert!(
        queue
            .change_visibility(&receipt, hours)
            .is_err_and(|error| invalid(&error))
    );
    queue
        .change_visibility(&receipt, SECOND * (43_200 - 39))
        .unwrap();
    queue.change_visibility(&receipt, Duration::ZERO).unwrap();
    assert_eq!(
        queue.change_visibility(&receipt, SECOND),
        Err(SqsError::MessageNotInflight)
    );
    assert_eq!(queue.receive(1).unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_receive_that_would_be_one_too_many_moves_the_message() {
    let (queue, dead_letters) = (standard(), SimQueue::new(QueueSettings::standard("dead")));
    queue.redrive_to(&dead_letters, 2);
    let id = queue
        .send(Outgoing::new("poison").attribute("type", "t"))
        .unwrap();
    queue.send(Outgoing::new("good")).unwrap();
    for _ in 0..2 {
        assert_eq!(bodies(&queue.receive(10).unwrap())[0], "poison");
        advance(SECOND * 30).await;
        assert!(dead_letters.is_empty(), "not when its time-out ends");
    }
    assert_eq!(
        queue.receive(10).unwrap().len(),
        0,
        "good has been received twice as well"
    );
    let moved = dead_letters.receive(10).unwrap();
    assert_eq!(bodies(&moved), ["poison", "good"]);
    assert_eq!(moved[0].message.message_id, id);
    assert_eq!(moved[0].message.attributes.len(), 1);
    assert_eq!(moved[0].receive_count, 3, "counted across all queues");
}

#[tokio::test(start_paused = true)]
async fn a_moved_message_is_as_old_as_it_was_and_the_dead_letter_queues_retention_counts_from_then()
{
    let settings = |name: &str, days: u64| QueueSettings {
        retention: Duration::from_hours(24 * days),
        ..QueueSettings::standard(name)
    };
    let (queue, dead_letters) = (
        SimQueue::new(settings("q", 4)),
        SimQueue::new(settings("d", 5)),
    );
    queue.redrive_to(&dead_letters, 1);
    queue.send(Outgoing::new("a")).unwrap();
    advance(Duration::from_hours(24 * 3)).await;
    queue.receive(1).unwrap();
    advance(SECOND * 30).await;
    queue.receive(1).unwrap();
    advance(SECOND * (2 * 86_400 - 31)).await;
    assert_eq!(dead_letters.len(), 1);
    advance(SECOND).await;
    assert!(dead_letters.is_empty());
    assert_eq!(dead_letters.expired().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_lost_at_the_end_of_the_retention_time_even_in_flight() {
    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    advance(SECOND * (4 * 86_400 - 1)).await;
    let receipt = queue.receive(1).unwrap().remove(0).receipt;
    advance(SECOND).await;
    assert!(queue.is_empty());
    assert_eq!(queue.expired()[0].body, "a");
    assert_eq!(queue.delete(&receipt), Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_delay_hides_a_message_at_first_and_is_at_most_a_quarter_of_an_hour() {
    let queue = SimQueue::new(QueueSettings {
        delay: SECOND * 5,
        ..QueueSettings::standard("orders")
    });
    queue.send(Outgoing::new("by the queue")).unwrap();
    queue
        .send(Outgoing::new("at once").delay(Duration::ZERO))
        .unwrap();
    queue
        .send(Outgoing::new("late").delay(SECOND * 900))
        .unwrap();
    let too_late = Outgoing::new("never").delay(SECOND * 901);
    assert!(queue.send(too_late).is_err_and(|error| invalid(&error)));
    assert_eq!(bodies(&queue.receive(10).unwrap()), ["at once"]);
    assert_eq!(queue.messages()[0].standing, Standing::Delayed);
    advance(SECOND * 5).await;
    assert_eq!(bodies(&queue.receive(10).unwrap()), ["by the queue"]);
    advance(SECOND * 895).await;
    assert!(bodies(&queue.receive(10).unwrap()).contains(&"late"));
}

#[tokio::test]
async fn a_message_is_at_most_a_mebibyte_attributes_included() {
    let queue = standard();
    let full = Outgoing::new("x".repeat(1024 * 1024 - 10)).attribute("abc", "v");
    assert_eq!(full.bytes(), 1024 * 1024, "name, type and value count");
    let mut above = full.clone();
    above.body.push('x');
    queue.send(full).unwrap();
    assert!(queue.send(above).is_err_and(|error| invalid(&error)));
}

#[tokio::test]
async fn what_sqs_has_no_place_for_is_refused() {
    let queue = standard();
    let mut eleven = Outgoing::new("a");
    for n in 0..11 {
        eleven = eleven.attribute(&format!("a{n}"), "v");
    }
    let mut untyped = Outgoing::new("a").attribute("name", "v");
    untyped.attributes.get_mut("name").unwrap().data_type = "Text".into();
    let mut no_number = Outgoing::new("a").attribute("name", "v");
    no_number.attributes.get_mut("name").unwrap().data_type = "Number".into();
    for refused in [
        eleven,
        untyped,
        no_number,
        Outgoing::new(""),
        Outgoing::new("a\u{1}"),
        Outgoing::new("a\u{ffff}"),
        Outgoing::new("a").attribute("name", ""),
        Outgoing::new("a").attribute("name", "\u{0}"),
        Outgoing::new("a").attribute("AWS.name", "v"),
        Outgoing::new("a").attribute(".name", "v"),
        Outgoing::new("a").attribute("na me", "v"),
        Outgoing::new("a").group("with space"),
        Outgoing::new("a").deduplication_id("for fifo only"),
    ] {
        assert!(queue.send(refused.clone()).is_err(), "{refused:?}");
    }
    assert!(queue.is_empty());
}

#[tokio::test]
async fn a_batch_has_one_to_ten_entries_with_distinct_ids_and_a_mebibyte_together() {
    let queue = standard();
    let entries = |ids: &'static [&'static str]| -> Vec<(&str, Outgoing)> {
        ids.iter().map(|id| (*id, Outgoing::new("a"))).collect()
    };
    let refusal = |ids| queue.send_batch(entries(ids)).unwrap_err();
    assert_eq!(refusal(&[]), SqsError::EmptyBatchRequest);
    let eleven = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    assert_eq!(refusal(eleven), SqsError::TooManyEntriesInBatchRequest(11));
    assert_eq!(
        refusal(&["a", "a"]),
        SqsError::BatchEntryIdsNotDistinct("a".into())
    );
    assert_eq!(
        refusal(&["a b"]),
        SqsError::InvalidBatchEntryId("a b".into())
    );
    let half = || Outgoing::new("x".repeat(512 * 1024));
    let large = vec![("a", half()), ("b", half()), ("c", Outgoing::new("x"))];
    assert_eq!(
        queue.send_batch(large).unwrap_err(),
        SqsError::BatchRequestTooLong(1024 * 1024 + 1)
    );
    let mixed = vec![("a", half()), ("b", Outgoing::new("\u{1}"))];
    let sent = queue.send_batch(mixed).unwrap();
    assert!(
        sent[0].is_ok() && sent[1].is_err(),
        "one bad entry hurts no other"
    );
}

#[tokio::test]
async fn a_receive_takes_one_to_ten() {
    let queue = standard();
    for n in 0..12 {
        queue.send(Outgoing::new(n.to_string())).unwrap();
    }
    assert!(queue.receive(0).is_err() && queue.receive(11).is_err());
    assert_eq!(queue.receive(10).unwrap().len(), 10);
    assert_eq!(queue.receive(10).unwrap().len(), 2);
}

#[tokio::test]
async fn settings_that_sqs_refuses_are_refused() {
    let named = |name: &str| QueueSettings::standard(name);
    for settings in [
        named(""),
        named("a.b"),
        named("orders.fifo"),
        QueueSettings::fifo("orders"),
        QueueSettings {
            visibility_timeout: SECOND * 43_201,
            ..named("q")
        },
        QueueSettings {
            retention: SECOND * 59,
            ..named("q")
        },
        QueueSettings {
            retention: SECOND * 1_209_601,
            ..named("q")
        },
        QueueSettings {
            delay: SECOND * 901,
            ..named("q")
        },
        QueueSettings {
            shuffled: true,
            ..QueueSettings::fifo("q.fifo")
        },
    ] {
        let refused = SimQueue::create(settings.clone());
        assert!(
            matches!(refused, Err(SqsError::InvalidAttributeValue(_))),
            "{settings:?}"
        );
    }
}

#[tokio::test]
async fn a_standard_queue_may_hand_out_in_any_order_and_twice() {
    fastrand::seed(7);
    let queue = SimQueue::new(QueueSettings {
        shuffled: true,
        ..QueueSettings::standard("orders")
    });
    let ids: Vec<_> = (0..10)
        .map(|n| queue.send(Outgoing::new(n.to_string())).unwrap())
        .collect();
    let first = queue.receive(10).unwrap();
    assert_ne!(
        bodies(&first),
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
    assert!(queue.deliver_twice(&ids[3]));
    let second = queue.receive(10).unwrap();
    assert_eq!(bodies(&second), ["3"]);
    assert_eq!(second[0].receive_count, 2);
    assert!(!queue.deliver_twice("none"));
}

#[tokio::test]
async fn a_redrive_gives_new_ids_and_counts_anew() {
    let (queue, dead_letters) = (standard(), SimQueue::new(QueueSettings::standard("dead")));
    let id = dead_letters
        .send(Outgoing::new("a").attribute("dashpot", "{}"))
        .unwrap();
    dead_letters.receive(1).unwrap();
    assert_eq!(dead_letters.move_all_to(&queue), 1);
    let again = queue.receive(1).unwrap().remove(0);
    assert_eq!(again.receive_count, 1);
    assert_ne!(again.message.message_id, id);
    assert_eq!(again.message.attributes.len(), 1);
    assert!(dead_letters.is_empty());
}
