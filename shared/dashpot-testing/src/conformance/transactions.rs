//! All or nothing.

use dashpot::{CommitError, Condition, Key, Refusal, Row, Store, Value, Write};
use futures_util::future::join_all;

use super::{Kept, commit, hold, item, put, row};

pub(super) async fn one_refusal_undoes_everything<S: Store>(store: &S) -> Kept {
    let (kept, updated) = (Key::new("all#kept"), Key::new("all#updated"));
    let new = Key::new("all#new");
    for key in [&kept, &updated] {
        put(store, &Row::new(key.clone()).set("n", 1_i64)).await?;
    }
    let writes = [
        Write::put(Row::new(new.clone())),
        Write::update(updated.clone()).add("n", 1),
        Write::delete(kept.clone()),
        Write::check(Key::new("all#absent"), Condition::Present),
    ];
    let committed = store.commit(&writes).await;
    hold!(
        matches!(committed, Err(CommitError::Refused(_))),
        "{committed:?}"
    );
    let before = |key: Key| Some(item(&Row::new(key).set("n", 1_i64)));
    hold!(row(store, &new).await?.is_none(), "the put was done");
    hold!(
        row(store, &updated).await? == before(updated.clone()),
        "the update was done"
    );
    hold!(
        row(store, &kept).await? == before(kept.clone()),
        "the deletion was done"
    );
    Ok(())
}

pub(super) async fn every_refusal_is_told_in_the_order_of_the_writes<S: Store>(store: &S) -> Kept {
    // Their order by key is another than that of the writes.
    let rows =
        ["z", "a", "m"].map(|name| Row::new(Key::new(format!("order#{name}"))).set("n", 1_i64));
    for row in &rows {
        put(store, row).await?;
    }
    let two = || Condition::equals("n", 2_i64);
    let absent = Key::new("order#b");
    let writes = [
        Write::create(rows[0].clone()),
        Write::update(rows[1].key.clone()).add("n", 1),
        Write::delete(absent.clone()).when(two()),
        Write::check(rows[2].key.clone(), two()),
    ];
    let refusal = |index, key: &Key, row| Refusal {
        index,
        key: key.clone(),
        row,
    };
    let expected = [
        refusal(0, &rows[0].key, Some(item(&rows[0]))),
        refusal(2, &absent, None),
        refusal(3, &rows[2].key, Some(item(&rows[2]))),
    ];
    match store.commit(&writes).await {
        Err(CommitError::Refused(refusals)) if refusals == expected => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

pub(super) async fn writes_of_every_kind_are_one_transaction<S: Store>(store: &S) -> Kept {
    let (put_key, updated) = (Key::new("kinds#put"), Key::new("kinds#updated"));
    let (deleted, checked) = (Key::new("kinds#deleted"), Key::new("kinds#checked"));
    for key in [&deleted, &checked] {
        put(store, &Row::new(key.clone()).set("n", 1_i64)).await?;
    }
    let one = || Condition::equals("n", 1_i64);
    let writes = [
        Write::create(Row::new(put_key.clone())),
        Write::update(updated.clone()).add("n", 2),
        Write::delete(deleted.clone()).when(one()),
        Write::check(checked, one()),
    ];
    commit(store, &writes).await?;
    let after = store.get(&[put_key, updated.clone(), deleted]).await;
    let after = after.map_err(|error| error.to_string())?;
    hold!(after[0].is_some() && after[2].is_none(), "{after:?}");
    hold!(
        after[1] == Some(item(&Row::new(updated).set("n", 2_i64))),
        "{after:?}"
    );
    Ok(())
}

pub(super) async fn nothing_is_committed_at_once<S: Store>(store: &S) -> Kept {
    commit(store, &[]).await
}

pub(super) async fn a_hundred_rows_are_one_transaction<S: Store>(store: &S) -> Kept {
    let keys: Vec<Key> = (0..100)
        .map(|n| Key::of("hundred", format!("{n:03}")))
        .collect();
    let writes: Vec<Write> = keys
        .iter()
        .map(|key| Write::create(Row::new(key.clone())))
        .collect();
    commit(store, &writes).await?;
    let rows = store.get(&keys).await.map_err(|error| error.to_string())?;
    hold!(rows.iter().all(Option::is_some), "some of them are missing");
    match store.commit(&writes).await {
        Err(CommitError::Refused(refusals)) if refusals.len() == 100 => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Commits until no other transaction is at the same rows.
async fn patiently<S: Store>(store: &S, writes: &[Write]) -> Result<(), CommitError> {
    loop {
        match store.commit(writes).await {
            Err(CommitError::Conflict | CommitError::Throttled) => tokio::task::yield_now().await,
            other => return other,
        }
    }
}

pub(super) async fn of_many_who_create_one_succeeds<S: Store>(store: &S) -> Kept {
    let creations: Vec<[Write; 2]> = (0..8_i64)
        .map(|n| {
            let contested = Row::new(Key::new("race#contested")).set("by", n);
            let own = Row::new(Key::new(format!("race#{n}")));
            [Write::create(contested), Write::create(own)]
        })
        .collect();
    let committed = join_all(creations.iter().map(|writes| patiently(store, writes))).await;
    let winners: Vec<i64> = (0..8)
        .zip(&committed)
        .filter(|(_, won)| won.is_ok())
        .map(|(n, _)| n)
        .collect();
    hold!(winners.len() == 1, "{committed:?}");
    let contested = row(store, &Key::new("race#contested")).await?;
    let by = contested.and_then(|row| row.get("by").and_then(Value::as_i64));
    hold!(
        by == Some(winners[0]),
        "{winners:?} won, and the row is by {by:?}"
    );
    for n in 0..8 {
        let own = row(store, &Key::new(format!("race#{n}"))).await?;
        hold!(own.is_some() == (n == winners[0]), "{n}: {own:?}");
    }
    Ok(())
}

pub(super) async fn concurrent_additions_are_all_counted<S: Store>(store: &S) -> Kept {
    let key = Key::new("race#counted");
    let additions: Vec<[Write; 2]> = (0..16)
        .map(|n| {
            let add = Write::update(key.clone()).add("n", 1);
            [
                add,
                Write::create(Row::new(Key::new(format!("race#added {n}")))),
            ]
        })
        .collect();
    let committed = join_all(additions.iter().map(|writes| patiently(store, writes))).await;
    hold!(committed.iter().all(Result::is_ok), "{committed:?}");
    let after = row(store, &key).await?;
    hold!(
        after == Some(item(&Row::new(key).set("n", 16_i64))),
        "{after:?}"
    );
    Ok(())
}
