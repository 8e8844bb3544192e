//! A replay of at most ten dead letters: send, make sure that each was taken, and only then delete it.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, anyhow};
use aws_sdk_sqs::types::MessageAttributeValue;
use serde::Serialize;
use tokio::time::Instant;

use super::parked::{NOTE, Parked, REDRIVES};

/// What a replay asks of the two ends, for at most ten letters at a time.
pub(super) trait Ends {
    /// The most bytes that one send takes.
    fn room(&self) -> usize;

    /// Where to.
    fn to(&self) -> &str;

    /// Sends. Of each letter: the id that it has there, which is the proof that it was taken.
    async fn send(&self, letters: Vec<Letter<'_>>) -> Vec<Result<String>>;

    /// Deletes from the dead-letter queue. Of each letter: whether it is gone.
    async fn delete(&self, letters: &[&Parked]) -> Vec<Result<()>>;
}

/// A letter as it is sent again.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    /// Its id in the dead-letter queue.
    pub(super) id: &'a str,
    pub(super) body: &'a str,
    pub(super) attributes: HashMap<String, MessageAttributeValue>,
    pub(super) group: Option<&'a str>,
}

/// How a replay is done.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    /// Instead of the body that died.
    pub(super) body: Option<&'a str>,
    /// Refused are letters that were replayed so often already.
    pub(super) max_redrives: u32,
    /// Whether anything is sent at all.
    pub(super) dry_run: bool,
    pub(super) pace: Pace,
}

/// What became, or would become, of one letter.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub(super) enum Fate {
    /// A dry run: it would be sent there.
    WouldReplay { to: String },
    /// It was sent, and is gone from the dead-letter queue.
    Replayed { to: String, sent_as: String },
    /// It has been replayed too often.
    Refused { why: String },
    /// It was not sent, or not deleted; it still lies there.
    Failed { why: String },
}

/// Replays letters, in as few sends as they fit into, and says of each what became of it.
pub(super) async fn resend(ends: &impl Ends, letters: &[Parked], terms: &Terms<'_>) -> Vec<Fate> {
    let mut fates: Vec<Option<Fate>> = letters
        .iter()
        .map(|parked| refusal(parked, terms.max_redrives))
        .collect();
    let due: Vec<usize> = (0..letters.len()).filter(|&n| fates[n].is_none()).collect();
    if terms.dry_run {
        for n in due {
            let to = ends.to().to_owned();
            fates[n] = Some(Fate::WouldReplay { to });
        }
    } else {
        for batch in fit(letters, due, terms, ends.room()) {
            terms.pace.wait(batch.len()).await;
            let outcomes = send_and_delete(ends, letters, &batch, terms).await;
            for (n, fate) in batch.into_iter().zip(outcomes) {
                fates[n] = Some(fate);
            }
        }
    }
    let left_out = || Fate::Failed {
        why: "nothing was said about it".to_owned(),
    };
    fates
        .into_iter()
        .map(|fate| fate.unwrap_or_else(left_out))
        .collect()
}

async fn send_and_delete(
    ends: &impl Ends,
    letters: &[Parked],
    batch: &[usize],
    terms: &Terms<'_>,
) -> Vec<Fate> {
    let again = |&n: &usize| {
        let parked: &Parked = &letters[n];
        Letter {
            id: &parked.id,
            body: terms.body.unwrap_or(&parked.body),
            attributes: attributes(parked),
            group: parked.group.as_deref(),
        }
    };
    let sent = ends.send(batch.iter().map(again).collect()).await;
    let taken = batch.iter().zip(&sent).filter(|(_, sent)| sent.is_ok());
    let taken: Vec<&Parked> = taken.map(|(&n, _)| &letters[n]).collect();
    let deleted = match taken.as_slice() {
        [] => Vec::new(),
        taken => ends.delete(taken).await,
    };
    let mut deleted = deleted.into_iter();
    let silent = || Err(anyhow!("SQS says nothing about it"));
    sent.into_iter()
        .map(|sent| match sent {
            Err(cause) => Fate::Failed {
                why: format!("not sent: {cause:#}"),
            },
            Ok(sent_as) => match deleted.next().unwrap_or_else(silent) {
                Ok(()) => Fate::Replayed {
                    to: ends.to().to_owned(),
                    sent_as,
                },
                Err(cause) => Fate::Failed {
                    why: format!(
                        "sent as {sent_as}, but it still lies in the dead-letter queue ({cause:#}); \
                         a second replay is harmless, as consumers take an event once"
                    ),
                },
            },
        })
        .collect()
}

fn refusal(parked: &Parked, max_redrives: u32) -> Option<Fate> {
    let redrives = parked.redrives();
    let why = || {
        format!(
            "it was replayed {redrives} times and died again each time: find the cause first \
             (`cargo dashpot dlq show {}`), then allow more with --max-redrives {}",
            parked.id,
            redrives.saturating_add(1)
        )
    };
    (redrives >= max_redrives).then(|| Fate::Refused { why: why() })
}

/// The sender's attributes, without the note, and with one replay more on the count.
fn attributes(parked: &Parked) -> HashMap<String, MessageAttributeValue> {
    let mut attributes = parked.attributes.clone();
    attributes.remove(NOTE);
    let count = MessageAttributeValue::builder()
        .data_type("Number")
        .string_value(parked.redrives().saturating_add(1).to_string())
        .build();
    // It fails only without a data type.
    attributes.extend(count.ok().map(|count| (REDRIVES.to_owned(), count)));
    attributes
}

/// Puts letters together as long as one send takes them. A letter that is too large by itself goes by itself: the queue
/// says so best.
fn fit(letters: &[Parked], due: Vec<usize>, terms: &Terms<'_>, room: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut full = 0;
    for n in due {
        let parked = &letters[n];
        let size = terms.body.map_or(parked.body.len(), str::len) + size(&parked.attributes);
        if batches.is_empty() || full + size > room {
            batches.push(Vec::new());
            full = 0;
        }
        full += size;
        batches
            .last_mut()
            .into_iter()
            .for_each(|batch| batch.push(n));
    }
    batches
}

/// What attributes count for. The note goes and the count of replays comes, which is less.
fn size(attributes: &HashMap<String, MessageAttributeValue>) -> usize {
    let value = |value: &MessageAttributeValue| {
        let text = value.string_value().map_or(0, str::len);
        let binary = value.binary_value().map_or(0, |bytes| bytes.as_ref().len());
        value.data_type().len() + text + binary
    };
    let sizes = attributes.iter().map(|(name, of)| name.len() + value(of));
    sizes.sum::<usize>() + REDRIVES.len() + "Number".len() + 10
}

/// At most so many letters a second.
#[derive(Debug)]
pub(in crate::commands) struct Pace {
    each: Duration,
    next: Cell<Instant>,
}

impl Pace {
    /// Without a number, as fast as it goes.
    pub(in crate::commands) fn new(per_second: Option<u32>) -> Self {
        let each = per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        Self {
            each,
            next: Cell::new(Instant::now()),
        }
    }

    /// Waits until it is the turn of so many letters.
    pub(in crate::commands) async fn wait(&self, letters: usize) {
        let turn = self.next.get().max(Instant::now());
        let letters = u32::try_from(letters).unwrap_or(u32::MAX);
        self.next.set(turn + self.each.saturating_mul(letters));
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use anyhow::bail;

    use super::super::parked::tests::parked;
    use super::*;

    /// Two ends that take everything, but for what is said of them.
    #[derive(Default)]
    struct Memory {
        /// Bodies of which the send is not confirmed.
        unconfirmed: Vec<&'static str>,
        undeletable: Vec<&'static str>,
        room: Option<usize>,
        /// What happened, in order.
        log: RefCell<Vec<String>>,
    }

    impl Ends for Memory {
        fn room(&self) -> usize {
            self.room.unwrap_or(usize::MAX)
        }

        fn to(&self) -> &'static str {
            "queue"
        }

        async fn send(&self, letters: Vec<Letter<'_>>) -> Vec<Result<String>> {
            let bodies: Vec<&str> = letters.iter().map(|letter| letter.body).collect();
            self.log
                .borrow_mut()
                .push(format!("send {}", bodies.join(" ")));
            let confirm = |body: &&str| {
                if self.unconfirmed.contains(body) {
                    bail!("no answer");
                }
                Ok(format!("new-{body}"))
            };
            bodies.iter().map(confirm).collect()
        }

        async fn delete(&self, letters: &[&Parked]) -> Vec<Result<()>> {
            let ids: Vec<&str> = letters.iter().map(|parked| parked.id.as_str()).collect();
            self.log
                .borrow_mut()
                .push(format!("delete {}", ids.join(" ")));
            let gone = |id: &&str| {
                if self.undeletable.contains(id) {
                    bail!("no answer");
                }
                Ok(())
            };
            ids.iter().map(gone).collect()
        }
    }

    fn letters(ids: &[&str]) -> Vec<Parked> {
        let letter = |id: &&str| {
            let mut parked = parked(id, None, None);
            parked.body = (*id).to_owned();
            parked
        };
        ids.iter().map(letter).collect()
    }

    fn terms() -> Terms<'static> {
        Terms {
            body: None,
            max_redrives: 3,
            dry_run: false,
            pace: Pace::new(None),
        }
    }

    fn is_replayed(fate: &Fate) -> bool {
        matches!(fate, Fate::Replayed { .. })
    }

    #[tokio::test]
    async fn only_what_was_taken_is_deleted_and_that_after_it_was_taken() {
        let ends = Memory {
            unconfirmed: vec!["b"],
            undeletable: vec!["c"],
            ..Memory::default()
        };
        let fates = resend(&ends, &letters(&["a", "b", "c", "d"]), &terms()).await;

        assert_eq!(*ends.log.borrow(), ["send a b c d", "delete a c d"]);
        assert!(is_replayed(&fates[0]) && is_replayed(&fates[3]));
        let why = |fate: &Fate| match fate {
            Fate::Failed { why } => why.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(why(&fates[1]), "not sent: no answer");
        assert!(why(&fates[2]).starts_with("sent as new-c, but it still lies"));
    }

    #[tokio::test]
    async fn where_nothing_was_taken_nothing_is_deleted() {
        let ends = Memory {
            unconfirmed: vec!["a", "b"],
            ..Memory::default()
        };
        resend(&ends, &letters(&["a", "b"]), &terms()).await;
        assert_eq!(*ends.log.borrow(), ["send a b"]);
    }

    #[tokio::test]
    async fn a_dry_run_touches_nothing() {
        let ends = Memory::default();
        let terms = Terms {
            dry_run: true,
            ..terms()
        };
        let fates = resend(&ends, &letters(&["a"]), &terms).await;
        let to = "queue".to_owned();
        assert_eq!(fates, [Fate::WouldReplay { to }]);
        assert!(ends.log.borrow().is_empty());
    }

    #[tokio::test]
    async fn what_was_replayed_too_often_is_refused_and_its_neighbours_go() {
        let ends = Memory::default();
        let mut letters = letters(&["a", "b"]);
        letters[0] = parked("a", None, Some(3));
        let fates = resend(&ends, &letters, &terms()).await;
        assert!(matches!(fates[0], Fate::Refused { .. }) && is_replayed(&fates[1]));
        assert_eq!(*ends.log.borrow(), ["send b", "delete b"]);
    }

    #[tokio::test]
    async fn what_does_not_fit_into_one_send_goes_in_more_each_deleted_before_the_next() {
        let ends = Memory {
            // The attributes of each count for some fifty bytes.
            room: Some(200),
            ..Memory::default()
        };
        let large = "x".repeat(500);
        let fates = resend(&ends, &letters(&["a", &large, "b", "c"]), &terms()).await;
        assert!(fates.iter().all(is_replayed));
        let log = ends.log.borrow();
        let expected = [
            "send a",
            "delete a",
            "send x",
            "delete x",
            "send b c",
            "delete b c",
        ];
        assert_eq!(log.len(), expected.len(), "{log:?}");
        assert!(
            log.iter()
                .zip(expected)
                .all(|(did, what)| did.starts_with(what)),
            "{log:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept() {
        let pace = Pace::new(Some(100));
        let start = Instant::now();
        for _ in 0..11 {
            pace.wait(10).await;
        }
        assert_eq!(start.elapsed().as_millis(), 1000);
    }

    #[test]
    fn a_replay_keeps_the_senders_attributes_drops_the_note_and_counts() {
        let again = attributes(&parked(
            "a",
            Some(r#"{"reason":"permanent","redrives":1}"#),
            Some(1),
        ));

        assert!(!again.contains_key(NOTE));
        assert_eq!(again["type"].string_value(), Some("order.placed"));
        assert_eq!(again[REDRIVES].string_value(), Some("2"));
        assert_eq!(again[REDRIVES].data_type(), "Number");
    }
}
