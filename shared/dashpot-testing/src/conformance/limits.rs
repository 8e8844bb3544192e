//! What is refused for ever.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>

use dashpot::{Condition, Key, Row, Store, Write};

use super::{DUE, INDEX, Kept, commit, hold, invalid, item, put, row};

pub(super) async fn a_row_named_twice_is_invalid<S: Store>(store: &S) -> Kept {
    let row = Row::new(Key::new("limit#twice"));
    invalid(store, &[Write::put(row.clone()), Write::put(row.clone())]).await?;
    let check = Write::check(row.key.clone(), Condition::Absent);
    invalid(store, &[check, Write::put(row)]).await
}

pub(super) async fn more_than_a_hundred_rows_are_invalid<S: Store>(store: &S) -> Kept {
    let writes: Vec<Write> = (0..101)
        .map(|n| Write::put(Row::new(Key::of("limit#many", n.to_string()))))
        .collect();
    invalid(store, &writes).await
}

pub(super) async fn an_empty_key_is_invalid<S: Store>(store: &S) -> Kept {
    for key in [Key::of("", "-"), Key::of("limit#empty", "")] {
        invalid(store, &[Write::put(Row::new(key.clone()))]).await?;
        let other = Write::put(Row::new(Key::new("limit#other")));
        invalid(store, &[other, Write::put(Row::new(key))]).await?;
    }
    Ok(())
}

pub(super) async fn a_key_that_is_too_long_is_invalid<S: Store>(store: &S) -> Kept {
    let key = |pk: usize, sk| Key::of(format!("limit#{}", "p".repeat(pk - 6)), "s".repeat(sk));
    put(store, &Row::new(key(2048, 1024))).await?;
    invalid(store, &[Write::put(Row::new(key(2049, 1)))]).await?;
    invalid(store, &[Write::put(Row::new(key(2048, 1025)))]).await
}

pub(super) async fn a_row_above_400_kilobytes_is_invalid<S: Store>(store: &S) -> Kept {
    let key = Key::new("limit#large");
    // Names count: pk, sk, and text.
    let rest = 400 * 1024 - (2 + key.pk.len() + 2 + 1 + 4);
    put(store, &Row::new(key.clone()).set("text", "x".repeat(rest))).await?;
    let above = Row::new(key.clone()).set("text", "x".repeat(rest + 1));
    invalid(store, &[Write::put(above)]).await?;
    invalid(store, &[Write::update(key).set("t", "x")]).await
}

pub(super) async fn a_transaction_above_4_megabytes_is_invalid<S: Store>(store: &S) -> Kept {
    let writes: Vec<Write> = (0..11)
        .map(|n| {
            Row::new(Key::of("limit#heavy", n.to_string())).set("text", "x".repeat(390 * 1024))
        })
        .map(Write::put)
        .collect();
    commit(store, &writes[..10]).await?;
    invalid(store, &writes).await
}

pub(super) async fn an_update_of_nothing_is_invalid<S: Store>(store: &S) -> Kept {
    let update = Write::update(Key::new("limit#nothing"));
    invalid(store, std::slice::from_ref(&update)).await?;
    let other = Write::put(Row::new(Key::new("limit#other")));
    invalid(store, &[update, other]).await
}

pub(super) async fn an_update_of_one_attribute_twice_is_invalid<S: Store>(store: &S) -> Kept {
    let update = Write::update(Key::new("limit#twice")).set("n", 1_i64);
    invalid(store, &[update.clone().add("n", 1)]).await?;
    invalid(store, &[update.set("n", 2_i64)]).await
}

pub(super) async fn an_update_of_a_key_is_invalid<S: Store>(store: &S) -> Kept {
    let update = Write::update(Key::new("limit#key"));
    invalid(store, &[update.clone().set("pk", "other")]).await?;
    invalid(store, &[update.remove("sk")]).await
}

pub(super) async fn an_addition_to_a_text_is_invalid<S: Store>(store: &S) -> Kept {
    let before = Row::new(Key::new("limit#text")).set("n", "5");
    put(store, &before).await?;
    let add = Write::update(before.key.clone()).add("n", 1);
    invalid(store, std::slice::from_ref(&add)).await?;
    let other = Write::put(Row::new(Key::new("limit#other")));
    invalid(store, &[other, add]).await
}

pub(super) async fn a_check_without_a_condition_is_invalid<S: Store>(store: &S) -> Kept {
    for always in [Condition::Always, Condition::All(Vec::new())] {
        invalid(store, &[Write::check(Key::new("limit#check"), always)]).await?;
    }
    Ok(())
}

pub(super) async fn an_index_key_of_another_type_is_invalid<S: Store>(store: &S) -> Kept {
    let row = || Row::new(Key::new("limit#index"));
    invalid(
        store,
        &[Write::put(row().set(INDEX, 1_i64).set(DUE, 1_i64))],
    )
    .await?;
    invalid(store, &[Write::put(row().set(INDEX, "a").set(DUE, "1"))]).await?;
    invalid(store, &[Write::put(row().set(INDEX, "").set(DUE, 1_i64))]).await
}

pub(super) async fn what_is_invalid_changes_nothing<S: Store>(store: &S) -> Kept {
    let text = Row::new(Key::new("limit#unchanged")).set("n", "5");
    put(store, &text).await?;
    let first = Key::new("limit#first");
    let writes = [
        Write::put(Row::new(first.clone())),
        Write::update(text.key.clone()).add("n", 1),
    ];
    invalid(store, &writes).await?;
    let after = (row(store, &first).await?, row(store, &text.key).await?);
    hold!(after == (None, Some(item(&text))), "{after:?}");
    Ok(())
}
