//! Many writes to one row as one: a transaction may name a row only once.

use std::collections::HashMap;

use crate::row::{Change, Condition, Key, Value, Write};

/// Updates of one row without a condition become one update, and what is there twice is there once. Other writes to a
/// row that was named before stay as they are, and the store refuses them.
pub(crate) fn merge(writes: Vec<Write>) -> Vec<Write> {
    let mut merged: Vec<Write> = Vec::with_capacity(writes.len());
    let mut places: HashMap<Key, usize> = HashMap::new();
    for write in writes {
        let place = *places.entry(write.key().clone()).or_insert(merged.len());
        let Some(earlier) = merged.get_mut(place) else {
            merged.push(write);
            continue;
        };
        match both(earlier, &write) {
            Some(one) => *earlier = one,
            None => merged.push(write),
        }
    }
    merged
}

/// One write that does what the two do one after the other, if there is one.
fn both(earlier: &Write, later: &Write) -> Option<Write> {
    match (earlier, later) {
        (
            Write::Update {
                key,
                changes,
                when: Condition::Always,
            },
            Write::Update {
                changes: more,
                when: Condition::Always,
                ..
            },
        ) => {
            let mut changes = changes.clone();
            for change in more {
                follow(&mut changes, change)?;
            }
            let (key, when) = (key.clone(), Condition::Always);
            Some(Write::Update { key, changes, when })
        }
        _ => (earlier == later && !later.counts()).then(|| later.clone()),
    }
}

/// Lets a change follow those that there are.
fn follow(changes: &mut Vec<Change>, change: &Change) -> Option<()> {
    let name = change.attribute();
    let Some(earlier) = changes.iter_mut().find(|it| it.attribute() == name) else {
        changes.push(change.clone());
        return Some(());
    };
    *earlier = match (&*earlier, change) {
        (_, Change::Set(..) | Change::Remove(_)) => change.clone(),
        (Change::Add(name, a), Change::Add(_, b)) => Change::Add(name.clone(), a.checked_add(*b)?),
        (Change::Set(name, Value::N(a)), Change::Add(_, b)) => {
            Change::Set(name.clone(), Value::N(a.checked_add(*b)?))
        }
        // Not a number, or one that begins at nothing again: for the store to say.
        (Change::Set(..) | Change::Remove(_), Change::Add(..)) => return None,
    };
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;

    fn update() -> Write {
        Write::update(Key::new("day"))
    }

    #[test]
    fn what_is_added_to_one_row_is_added_up() {
        let other = Write::update(Key::new("other")).add("orders", 7);
        let writes = vec![
            update().add("orders", 1).add("revenue", 100),
            other.clone(),
            update().add("orders", 1).set("currency", "EUR"),
            update().add("revenue", -30),
        ];
        let sum = update()
            .add("orders", 2)
            .add("revenue", 70)
            .set("currency", "EUR");
        assert_eq!(merge(writes), [sum, other]);
    }

    #[test]
    fn the_last_word_about_an_attribute_counts() {
        let writes = vec![
            update().set("n", 5_i64).add("m", 1),
            update().add("n", 2).remove("m"),
            update().set("m", "x"),
        ];
        assert_eq!(merge(writes), [update().set("n", 7_i64).set("m", "x")]);
    }

    #[test]
    fn what_is_said_twice_is_said_once_unless_it_counts() {
        let put = Write::put(Row::new(Key::new("a")).set("n", 1_i64));
        let check = Write::check(Key::new("b"), Condition::Present);
        let twice = vec![put.clone(), check.clone(), put.clone(), check.clone()];
        assert_eq!(merge(twice), [put, check]);
        let counted = update().add("n", 1).when(Condition::Present);
        assert_eq!(merge(vec![counted.clone(), counted]).len(), 2);
    }

    #[test]
    fn what_does_not_go_together_stays_apart() {
        let put = Write::put(Row::new(Key::new("day")));
        for (a, b) in [
            (
                update().add("n", 1),
                update().add("n", 1).when(Condition::Present),
            ),
            (update().add("n", i64::MAX), update().add("n", 1)),
            (update().set("n", "x"), update().add("n", 1)),
            (update().remove("n"), update().add("n", 1)),
            (put, update().add("n", 1)),
        ] {
            assert_eq!(merge(vec![a.clone(), b.clone()]), [a, b]);
        }
    }
}
