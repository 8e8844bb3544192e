//! Who may have ended the process: a message whose last delivery ended without a word.
//!
//! A delivery ends with a word when the pipeline has said of it that it comes back, and has noted so. It ends without
//! one when the process died under it, or when the note could not be written: then the message runs alone the next
//! time, for nothing but its own safety and its neighbours'. The note is `suspect#{message id}`:
//! - `spoke`: the attempt that last ended with a word;
//! - `runs`: how often it has been run alone since, without a word so far.
//!
//! By SQS's id of the message, not by the event's: reading the event may be what ends the process, and a redrive,
//! which changes the id, is meant anew.

use crate::message::Message;
use crate::row::{Key, Row, Value, Write};
use crate::store::{CommitError, MOST_WRITES, Store, StoreError};

/// How often a suspect may run alone without a word, before it is called a killer.
pub(crate) const SUSPECT_RUNS: u32 = 3;

/// Without a store nothing is noted, and a message is suspected from this receive on.
const SUSPECT_FROM: u32 = 3;

/// How long a note is kept, in seconds: 7 days. Longer than any message waits between two receives.
const KEPT_SECONDS: u64 = 7 * 24 * 3600;

/// How the message's last delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastDelivery {
    /// There was none, or it ended with a word.
    Spoke,
    /// It ended without a word; and so did so many runs alone.
    Silent { runs: u32 },
}

/// Looks up how the last deliveries of `messages` ended, in their order: one read, for those that were received
/// before.
///
/// # Errors
/// [`StoreError`] when the store does not answer: then nobody knows.
pub(crate) async fn last_deliveries<S: Store>(
    store: Option<&S>,
    messages: &[Message<'_>],
) -> Result<Vec<LastDelivery>, StoreError> {
    let Some(store) = store else {
        let guess = |message: &Message<'_>| match message.attempt() {
            ..SUSPECT_FROM => LastDelivery::Spoke,
            _ => LastDelivery::Silent { runs: 0 },
        };
        return Ok(messages.iter().map(guess).collect());
    };
    let returned = messages.iter().filter(|message| message.attempt() > 1);
    let keys: Vec<Key> = returned.map(note_key).collect();
    let mut notes = if keys.is_empty() {
        Vec::new()
    } else {
        store.get(&keys).await?
    }
    .into_iter();
    let judge = |message: &Message<'_>| {
        if message.attempt() <= 1 {
            return LastDelivery::Spoke;
        }
        let note = notes.next().flatten().unwrap_or_default();
        let number = |name| note.get(name).and_then(Value::as_i64).unwrap_or_default();
        if number("spoke") >= i64::from(message.attempt() - 1) {
            LastDelivery::Spoke
        } else {
            LastDelivery::Silent {
                runs: u32::try_from(number("runs")).unwrap_or_default(),
            }
        }
    };
    Ok(messages.iter().map(judge).collect())
}

/// Notes, before a suspect runs alone, that it runs for the `run`th time.
///
/// # Errors
/// [`CommitError`] when that is not certain; then it must not run.
pub(crate) async fn note_run<S: Store>(
    store: &S,
    message: &Message<'_>,
    run: u32,
    now: u64,
) -> Result<(), CommitError> {
    // No counting in the store: the same write twice is the same note.
    let note = Row::new(note_key(message))
        .set("runs", run)
        .set("expiresAt", now / 1000 + KEPT_SECONDS);
    store.commit(&[Write::put(note)]).await
}

/// Notes that these deliveries end with a word. At best: what is not noted runs alone the next time.
pub(crate) async fn note_words<S: Store>(store: &S, messages: &[&Message<'_>], now: u64) {
    let word = |message: &&Message<'_>| {
        Write::put(
            Row::new(note_key(message))
                .set("spoke", message.attempt())
                .set("expiresAt", now / 1000 + KEPT_SECONDS),
        )
    };
    let writes: Vec<Write> = messages.iter().map(word).collect();
    let commits = writes
        .chunks(MOST_WRITES)
        .map(|writes| store.commit(writes));
    futures_util::future::join_all(commits).await;
}

fn note_key(message: &Message<'_>) -> Key {
    Key::new(format!("suspect#{}", message.message_id))
}
