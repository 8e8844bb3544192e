//! What caused what: a history as a tree.

use std::collections::BTreeMap;

use crate::event::Entry;

/// An event in its place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// The event.
    pub entry: &'a Entry,
    /// How many of the events before it led to it.
    pub depth: usize,
    /// Whether nothing else follows from the same cause.
    pub is_last: bool,
    /// It names a cause that is not among the events: it is not known, or not yet.
    pub lacks_cause: bool,
}

/// The events, each after its cause and before what its siblings led to; siblings by time and id.
///
/// Whatever the events claim, each is there once: where they claim to have caused one another in a circle, the earliest
/// of the circle begins it.
#[must_use]
pub fn timeline(history: &[Entry]) -> Vec<Step<'_>> {
    let mut entries: Vec<&Entry> = history.iter().collect();
    entries.sort_by_key(|entry| (entry.at, &entry.id));
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        by_id.entry(&entry.id).or_insert(index);
    }
    let named = |entry: &Entry| by_id.get(entry.causation_id.as_deref()?).copied();
    let mut causes: Vec<Option<usize>> = entries.iter().map(|entry| named(entry)).collect();
    break_circles(&mut causes);

    let mut follow: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    let mut begin = Vec::new();
    for (index, cause) in causes.iter().enumerate() {
        cause
            .map_or(&mut begin, |cause| &mut follow[cause])
            .push(index);
    }
    let mut steps = Vec::with_capacity(entries.len());
    // Not by recursion: how deep it goes is for whoever writes the events to say.
    let mut open: Vec<(usize, std::vec::IntoIter<usize>)> = vec![(0, begin.into_iter())];
    while let Some((depth, siblings)) = open.last_mut() {
        let (depth, next) = (*depth, siblings.next());
        let Some(index) = next else {
            open.pop();
            continue;
        };
        let entry = entries[index];
        steps.push(Step {
            entry,
            depth,
            is_last: siblings.len() == 0,
            lacks_cause: entry.causation_id.is_some() && named(entry).is_none(),
        });
        open.push((depth + 1, std::mem::take(&mut follow[index]).into_iter()));
    }
    steps
}

/// Takes the cause from the earliest of each circle. The events are in order, so it is the one with the least index.
fn break_circles(causes: &mut [Option<usize>]) {
    // In which walk each was met, so that none is walked twice.
    let mut met: Vec<Option<usize>> = vec![None; causes.len()];
    for start in 0..causes.len() {
        let mut at = start;
        while met[at].is_none() {
            met[at] = Some(start);
            let Some(cause) = causes[at] else { break };
            at = cause;
        }
        // Back at something of this very walk that goes on: a circle.
        if met[at] == Some(start) && causes[at].is_some() {
            let (mut least, mut next) = (at, causes[at]);
            while let Some(other) = next.filter(|other| *other != at) {
                least = least.min(other);
                next = causes[other];
            }
            causes[least] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn entry(at: u64, id: &str, cause: Option<&str>) -> Entry {
        Entry {
            id: id.into(),
            event_type: "a.b".into(),
            at,
            source: None,
            causation_id: cause.map(str::to_owned),
        }
    }

    fn drawn(history: &[Entry]) -> Vec<String> {
        let draw = |step: &Step<'_>| {
            let marks = [(step.is_last, "."), (step.lacks_cause, "?")];
            let marks = marks.iter().filter(|it| it.0).map(|it| it.1);
            format!(
                "{}{}{}",
                " ".repeat(step.depth),
                step.entry.id,
                marks.collect::<String>()
            )
        };
        timeline(history).iter().map(draw).collect()
    }

    #[test]
    fn each_event_stands_under_its_cause_and_siblings_by_time() {
        let history = [
            entry(5, "packed", Some("asked")),
            entry(3, "captured", Some("reserved")),
            entry(1, "placed", None),
            entry(4, "listed", Some("reserved")),
            entry(2, "reserved", Some("placed")),
        ];
        assert_eq!(
            drawn(&history),
            [
                "placed",
                " reserved.",
                "  captured",
                "  listed.",
                "packed.?"
            ]
        );
    }

    #[test]
    fn a_circle_begins_with_its_earliest_event() {
        let history = [
            entry(3, "c", Some("b")),
            entry(2, "b", Some("a")),
            entry(1, "a", Some("c")),
            entry(0, "self", Some("self")),
            entry(4, "d", Some("c")),
        ];
        assert_eq!(drawn(&history), ["self", "a.", " b.", "  c.", "   d."]);
    }

    #[test]
    fn a_chain_may_be_as_long_as_it_likes() {
        let history: Vec<Entry> = (0..50_000_u64)
            .map(|n| {
                entry(
                    n,
                    &n.to_string(),
                    n.checked_sub(1).map(|n| n.to_string()).as_deref(),
                )
            })
            .collect();
        assert_eq!(
            timeline(&history).last().map(|step| step.depth),
            Some(49_999)
        );
    }

    #[test]
    fn an_id_that_comes_twice_causes_once() {
        let history = [
            entry(1, "a", None),
            entry(2, "a", None),
            entry(3, "b", Some("a")),
        ];
        assert_eq!(drawn(&history), ["a", " b.", "a."]);
    }

    fn anything() -> impl Strategy<Value = Vec<Entry>> {
        let one = (0_u64..4, 0_u8..8, proptest::option::of(0_u8..10));
        vec(one, 0..12).prop_map(|all| {
            let make = |(at, id, cause): (u64, u8, Option<u8>)| {
                entry(
                    at,
                    &id.to_string(),
                    cause.map(|it| it.to_string()).as_deref(),
                )
            };
            all.into_iter().map(make).collect()
        })
    }

    proptest! {
        #[test]
        fn each_event_is_there_once_whatever_they_claim(history in anything()) {
            let mut told: Vec<&Entry> = timeline(&history).iter().map(|step| step.entry).collect();
            let mut all: Vec<&Entry> = history.iter().collect();
            let key = |entry: &&Entry| (entry.at, entry.id.clone(), entry.causation_id.clone());
            told.sort_by_key(key);
            all.sort_by_key(key);
            prop_assert_eq!(told, all);
        }

        #[test]
        fn a_step_is_one_deeper_than_its_cause_or_begins(history in anything()) {
            let steps = timeline(&history);
            let mut above: Vec<&Entry> = Vec::new();
            for step in &steps {
                prop_assert!(step.depth <= above.len());
                above.truncate(step.depth);
                if let Some(cause) = above.last() {
                    prop_assert_eq!(Some(&cause.id), step.entry.causation_id.as_ref());
                }
                above.push(step.entry);
            }
        }

        #[test]
        fn the_order_of_arrival_changes_nothing((history, shuffled) in anything().prop_flat_map(|history| {
            let mut seen = std::collections::BTreeSet::new();
            let mut history = history;
            history.retain(|entry| seen.insert((entry.at, entry.id.clone())));
            (Just(history.clone()), Just(history).prop_shuffle())
        })) {
            prop_assert_eq!(timeline(&history), timeline(&shuffled));
        }
    }
}
