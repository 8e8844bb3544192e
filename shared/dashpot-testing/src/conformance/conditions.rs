//! When a write happens.

use dashpot::{CommitError, Condition, Key, Refusal, Row, Store, Value, Write};

use super::{Kept, commit, hold, item, put, row};

/// Rows, absent or present, that conditions are tried on.
fn rows() -> [(Key, Option<Row>); 3] {
    let absent = Key::new("condition#absent");
    let (full, bare) = (Key::new("condition#full"), Key::new("condition#bare"));
    let row = Row::new(full.clone())
        .set("state", "open")
        .set("n", 5_i64)
        .set("is", true)
        .set("list", vec!["a", "b"]);
    [
        (absent, None),
        (full, Some(row)),
        (bare.clone(), Some(Row::new(bare))),
    ]
}

/// Conditions of every kind, each of which holds somewhere and does not hold elsewhere.
fn conditions() -> Vec<Condition> {
    let at_least = |bound| Condition::AtLeast("n".into(), bound);
    let below = |bound| Condition::Below("n".into(), bound);
    vec![
        Condition::Absent,
        Condition::Present,
        Condition::Missing("n".into()),
        Condition::equals("state", "open"),
        Condition::equals("state", "closed"),
        Condition::equals("n", 5_i64),
        Condition::equals("n", "5"),
        Condition::equals("is", true),
        Condition::equals("list", vec!["a", "b"]),
        Condition::equals("list", vec!["b", "a"]),
        at_least(5),
        at_least(6),
        below(6),
        below(5),
        Condition::AtLeast("state".into(), 0),
        Condition::Below("state".into(), i64::MAX),
        at_least(5).and(Condition::equals("state", "open")),
        at_least(6).and(Condition::equals("state", "open")),
        Condition::Any(vec![at_least(6), Condition::equals("state", "open")]),
        Condition::Any(vec![Condition::Absent, below(6)]),
        Condition::one_of("state", ["closed", "open"]),
        // One of none is never.
        Condition::one_of("state", []),
    ]
}

async fn set_up<S: Store>(store: &S) -> Kept {
    for (key, row) in rows() {
        match row {
            Some(row) => put(store, &row).await?,
            None => commit(store, &[Write::delete(key)]).await?,
        }
    }
    Ok(())
}

pub(super) async fn a_condition_holds_where_it_says_alone<S: Store>(store: &S) -> Kept {
    for (key, before) in rows() {
        for condition in conditions() {
            set_up(store).await?;
            let old = before.as_ref().map(item);
            let write = Write::update(key.clone()).set("touched", true);
            let committed = store.commit(&[write.when(condition.clone())]).await;
            let expected = condition.holds(old.as_ref());
            hold!(
                committed.is_ok() == expected,
                "{condition:?} of {old:?}: {committed:?}"
            );
        }
    }
    Ok(())
}

pub(super) async fn a_condition_holds_where_it_says_in_a_transaction<S: Store>(store: &S) -> Kept {
    set_up(store).await?;
    for (key, before) in rows() {
        for condition in conditions() {
            let old = before.as_ref().map(item);
            let other = Row::new(Key::new("condition#other"));
            let check = Write::check(key.clone(), condition.clone());
            let committed = store.commit(&[Write::put(other), check]).await;
            let expected = condition.holds(old.as_ref());
            hold!(
                committed.is_ok() == expected,
                "{condition:?} of {old:?}: {committed:?}"
            );
        }
    }
    Ok(())
}

pub(super) async fn a_refused_write_tells_the_row_as_it_stands<S: Store>(store: &S) -> Kept {
    let present = Row::new(Key::new("refused#present")).set("n", 1_i64);
    put(store, &present).await?;
    let (there, absent) = (&present.key, Key::new("refused#absent"));
    let two = || Condition::equals("n", 2_i64);
    let cases = [
        (Write::create(present.clone()), Some(item(&present))),
        (
            Write::update(there.clone()).set("n", 3_i64).when(two()),
            Some(item(&present)),
        ),
        (
            Write::update(there.clone()).add("n", 3).when(two()),
            Some(item(&present)),
        ),
        (
            Write::delete(there.clone()).when(two()),
            Some(item(&present)),
        ),
        (Write::check(there.clone(), two()), Some(item(&present))),
        (
            Write::put(Row::new(absent.clone())).when(Condition::Present),
            None,
        ),
        (
            Write::update(absent.clone()).set("n", 3_i64).when(two()),
            None,
        ),
        (Write::delete(absent.clone()).when(Condition::Present), None),
        (Write::check(absent, Condition::Present), None),
    ];
    for (write, old) in cases {
        let refusal = Refusal {
            index: 0,
            key: write.key().clone(),
            row: old,
        };
        match store.commit(std::slice::from_ref(&write)).await {
            Err(CommitError::Refused(refusals)) if refusals == [refusal.clone()] => {}
            other => return Err(format!("{write:?}: {other:?}")),
        }
    }
    Ok(())
}

pub(super) async fn a_refused_write_changes_nothing<S: Store>(store: &S) -> Kept {
    let before = Row::new(Key::new("refused#unchanged")).set("n", 1_i64);
    put(store, &before).await?;
    let never = || Condition::equals("n", Value::N(2));
    for write in [
        Write::put(Row::new(before.key.clone())).when(never()),
        Write::update(before.key.clone()).add("n", 1).when(never()),
        Write::update(before.key.clone())
            .set("n", 7_i64)
            .when(never()),
        Write::delete(before.key.clone()).when(never()),
    ] {
        let committed = store.commit(std::slice::from_ref(&write)).await;
        hold!(committed.is_err(), "{write:?} was committed");
        let after = row(store, &before.key).await?;
        hold!(after == Some(item(&before)), "{write:?} left {after:?}");
    }
    Ok(())
}
