//! A chunk: messages that are decided about together, and how it is formed and taken apart.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

use crate::context::Context;
use crate::outcome::Subject;
use crate::row::{Key, Row, Value};
use crate::store::Refusal;

/// What is known of one message of a chunk.
pub(crate) struct Member {
    /// Its place in the batch.
    pub(crate) index: usize,
    pub(crate) subject: Subject,
    pub(crate) cx: Context,
    /// The row that proves that it was handled.
    pub(crate) proof: Row,
}

/// Events, and beside each what is known of its message.
pub(crate) struct Chunk<E> {
    pub(crate) events: Vec<E>,
    pub(crate) members: Vec<Member>,
}

impl<E> FromIterator<(E, Member)> for Chunk<E> {
    fn from_iter<I: IntoIterator<Item = (E, Member)>>(taken: I) -> Self {
        let (events, members) = taken.into_iter().unzip();
        Self { events, members }
    }
}

impl<E> Chunk<E> {
    /// Two chunks of half its size.
    pub(crate) fn halves(mut self) -> [Self; 2] {
        let half = self.members.len() / 2;
        let second = Self {
            events: self.events.split_off(half),
            members: self.members.split_off(half),
        };
        [self, second]
    }

    /// The context of the only event, or of all of them.
    pub(crate) fn context(&self) -> Option<Context> {
        let (first, others) = self.members.split_first()?;
        let mut cx = first.cx.clone();
        if others.is_empty() {
            return Some(cx);
        }
        let ids: Vec<&str> = self.members.iter().map(|it| &*it.cx.event_id).collect();
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, ids.join("\n").as_bytes()).to_string();
        for Member { cx: other, .. } in others {
            cx.attempt = cx.attempt.max(other.attempt);
            cx.age = cx.age.max(other.age);
            cx.hops = cx.hops.max(other.hops);
            if cx.traceparent != other.traceparent {
                cx.traceparent = None;
            }
            if cx.correlation_id != other.correlation_id {
                cx.correlation_id.clone_from(&id);
            }
        }
        cx.message_id.clone_from(&id);
        cx.event_id = id;
        Some(cx)
    }

    /// Takes out those whose proof, which is the write of the same place, was refused by their own cause.
    pub(crate) fn take_duplicates(&mut self, refusals: &[Refusal]) -> Vec<Member> {
        let is_duplicate = |place: usize, member: &Member| {
            let refusal = refusals.iter().find(|refusal| refusal.index == place);
            let row = refusal.and_then(|refusal| refusal.row.as_ref());
            let cause = row.and_then(|row| row.get("cause")).and_then(Value::as_str);
            cause == Some(&*member.cx.event_id)
        };
        let (mut duplicates, mut others) = (Vec::new(), Vec::new());
        let taken = self.events.drain(..).zip(self.members.drain(..));
        for (place, (event, member)) in taken.enumerate() {
            if is_duplicate(place, &member) {
                duplicates.push(member);
            } else {
                others.push((event, member));
            }
        }
        *self = others.into_iter().collect();
        duplicates
    }
}

/// Events that were read, each with what is known of its message.
pub(crate) type Taken<E> = Vec<(E, Member)>;

/// The first of each event, and what says the same again.
pub(crate) fn apart<E>(taken: Taken<E>) -> (Taken<E>, Taken<E>) {
    let mut proofs: HashSet<Key> = HashSet::new();
    let is_first = |(_, member): &(E, Member)| proofs.insert(member.proof.key.clone());
    taken.into_iter().partition(is_first)
}

/// Chunks of at most `most` messages. Who comes back is tried after the others, and in a quarter of the company
/// each time: of 90, alone from the fourth receive.
pub(crate) fn form<E>(mut taken: Taken<E>, most: usize) -> VecDeque<Chunk<E>> {
    taken.sort_by_key(|(_, member)| member.cx.attempt);
    let mut chunks: VecDeque<Taken<E>> = VecDeque::new();
    for it in taken {
        let returns = it.1.cx.attempt.saturating_sub(1);
        let room = most
            .checked_shr(returns.saturating_mul(2))
            .unwrap_or_default();
        match chunks.back_mut() {
            Some(chunk) if chunk.len() < room => chunk.push(it),
            _ => chunks.push_back(vec![it]),
        }
    }
    let chunks = chunks.into_iter().map(|chunk| chunk.into_iter().collect());
    chunks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(event_id: &str, attempt: u32) -> (u32, Member) {
        let mut cx = Context::first_delivery("test", event_id);
        cx.attempt = attempt;
        let proof = Row::new(Key::new(format!("inbox#{event_id}")));
        let (index, subject) = (0, Subject::default());
        (
            attempt,
            Member {
                index,
                subject,
                cx,
                proof,
            },
        )
    }

    fn sizes(attempts: &[u32], most: usize) -> Vec<Vec<u32>> {
        let taken = attempts
            .iter()
            .map(|attempt| member("e", *attempt))
            .collect();
        form(taken, most)
            .into_iter()
            .map(|chunk| chunk.events)
            .collect()
    }

    #[test]
    fn who_comes_back_is_tried_later_and_in_less_and_less_company() {
        assert_eq!(sizes(&[1; 5], 3), [vec![1; 3], vec![1; 2]]);
        assert_eq!(
            sizes(&[2, 1, 9, 2, 1, 9], 8),
            [vec![1, 1], vec![2, 2], vec![9], vec![9]]
        );
        assert_eq!(sizes(&[u32::MAX], 90), [[u32::MAX]]);
        assert!(sizes(&[], 90).is_empty());
    }

    #[test]
    fn a_chunk_has_a_context_of_its_own_and_a_single_event_keeps_its_own() {
        let alone: Chunk<u32> = std::iter::once(member("a", 3)).collect();
        assert_eq!(alone.context().map(|cx| cx.event_id).as_deref(), Some("a"));
        let both = || [member("a", 1), member("b", 2)].into_iter();
        let cx = both().collect::<Chunk<u32>>().context();
        let again = both().collect::<Chunk<u32>>().context();
        let id = cx.as_ref().map(|cx| cx.event_id.clone());
        assert_eq!(
            id,
            again.map(|cx| cx.event_id),
            "the same events are the same chunk"
        );
        assert_eq!(id, cx.as_ref().map(|cx| cx.correlation_id.clone()));
        assert_eq!(cx.map(|cx| cx.attempt), Some(2));
    }
}
