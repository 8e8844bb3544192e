//! What a write does.

use dashpot::{Condition, Item, Key, Row, Store, Value, Write};

use super::{Kept, commit, hold, item, put, row};

pub(super) async fn a_put_replaces_the_whole_row<S: Store>(store: &S) -> Kept {
    let key = Key::new("write#put");
    put(store, &Row::new(key.clone()).set("old", 1_i64)).await?;
    let new = Row::new(key.clone()).set("new", 2_i64);
    put(store, &new).await?;
    let after = row(store, &key).await?;
    hold!(after == Some(item(&new)), "{after:?}");
    Ok(())
}

pub(super) async fn a_row_comes_back_as_it_went_with_its_key<S: Store>(store: &S) -> Kept {
    let inner = Item::from([
        ("empty".to_owned(), Value::List(Vec::new())),
        ("map".to_owned(), Value::Map(Item::new())),
    ]);
    let row_in = Row::new(Key::of("write#kinds", "sort ü"))
        .set("text", "a\u{0}\"ä\u{1f980}\u{ffff}")
        .set("empty", "")
        .set("least", i64::MIN)
        .set("greatest", i64::MAX)
        .set("zero", 0_i64)
        .set("false", false)
        .set(
            "list",
            vec![Value::from("a"), Value::N(1), Value::Map(inner)],
        )
        .set("name with.odd-characters", "x")
        .set("size", "a reserved word");
    put(store, &row_in).await?;
    let out = row(store, &row_in.key).await?;
    hold!(out == Some(item(&row_in)), "{out:?}");
    Ok(())
}

pub(super) async fn an_update_creates_a_row_that_is_absent<S: Store>(store: &S) -> Kept {
    let alone = Key::new("write#created alone");
    let together = Key::new("write#created together");
    commit(store, &[Write::update(alone.clone()).set("a", 1_i64)]).await?;
    let other = Write::put(Row::new(Key::new("write#other")));
    commit(
        store,
        &[Write::update(together.clone()).set("a", 1_i64), other],
    )
    .await?;
    for key in [alone, together] {
        let after = row(store, &key).await?;
        hold!(
            after == Some(item(&Row::new(key).set("a", 1_i64))),
            "{after:?}"
        );
    }
    Ok(())
}

pub(super) async fn an_update_leaves_the_rest_of_the_row<S: Store>(store: &S) -> Kept {
    let key = Key::new("write#updated");
    let before = Row::new(key.clone())
        .set("a", 1_i64)
        .set("b", 2_i64)
        .set("c", 3_i64);
    put(store, &before).await?;
    let update = Write::update(key.clone())
        .set("a", "one")
        .add("c", -4)
        .remove("b")
        .remove("never there");
    commit(store, &[update]).await?;
    let after = row(store, &key).await?;
    let expected = Row::new(key).set("a", "one").set("c", -1_i64);
    hold!(after == Some(item(&expected)), "{after:?}");
    Ok(())
}

pub(super) async fn an_addition_to_nothing_starts_from_zero<S: Store>(store: &S) -> Kept {
    let (absent, bare) = (Key::new("write#no row"), Key::new("write#no number"));
    put(store, &Row::new(bare.clone())).await?;
    for key in [absent, bare] {
        commit(store, &[Write::update(key.clone()).add("n", -3)]).await?;
        let after = row(store, &key).await?;
        hold!(
            after == Some(item(&Row::new(key).set("n", -3_i64))),
            "{after:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_deletion_of_nothing_is_done<S: Store>(store: &S) -> Kept {
    let key = Key::new("write#deleted");
    put(store, &Row::new(key.clone())).await?;
    for _ in 0..2 {
        commit(store, &[Write::delete(key.clone())]).await?;
        let after = row(store, &key).await?;
        hold!(after.is_none(), "{after:?}");
    }
    Ok(())
}

pub(super) async fn a_check_changes_nothing<S: Store>(store: &S) -> Kept {
    let before = Row::new(Key::new("write#checked")).set("a", 1_i64);
    put(store, &before).await?;
    let absent = Key::new("write#checked and absent");
    let checks = [
        Write::check(before.key.clone(), Condition::equals("a", 1_i64)),
        Write::check(absent.clone(), Condition::Absent),
    ];
    commit(store, &checks).await?;
    let after = (row(store, &before.key).await?, row(store, &absent).await?);
    hold!(after == (Some(item(&before)), None), "{after:?}");
    Ok(())
}
