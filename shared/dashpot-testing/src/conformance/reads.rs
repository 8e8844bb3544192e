//! What comes back, and in which order.

use std::time::Duration;

use dashpot::{Item, Key, Page, Part, Query, Row, Scan, Store, Value, Write};

use super::{DUE, INDEX, Kept, commit, hold, item, put};

pub(super) async fn rows_come_in_the_order_of_the_keys_also_repeated_and_missing_ones<S: Store>(
    store: &S,
) -> Kept {
    let rows = ["b", "a"].map(|name| Row::new(Key::of("read", name)).set("n", 1_i64));
    for row in &rows {
        put(store, row).await?;
    }
    let (b, a, missing) = (&rows[0].key, &rows[1].key, Key::of("read", "c"));
    let keys = [b.clone(), missing.clone(), a.clone(), b.clone(), missing];
    let read = get(store, &keys).await?;
    let (b, a) = (Some(item(&rows[0])), Some(item(&rows[1])));
    hold!(read == [b.clone(), None, a, b, None], "{read:?}");
    Ok(())
}

pub(super) async fn no_keys_are_no_rows<S: Store>(store: &S) -> Kept {
    let read = get(store, &[]).await?;
    hold!(read.is_empty(), "{read:?}");
    Ok(())
}

pub(super) async fn more_than_a_hundred_rows_are_read_at_once<S: Store>(store: &S) -> Kept {
    let keys: Vec<Key> = (0..150)
        .map(|n| Key::of("read#many", format!("{n:03}")))
        .collect();
    for keys in keys.chunks(75) {
        let writes: Vec<Write> = keys
            .iter()
            .map(|key| Write::put(Row::new(key.clone())))
            .collect();
        commit(store, &writes).await?;
    }
    let read = get(store, &keys).await?;
    let expected: Vec<_> = keys
        .into_iter()
        .map(|key| Some(item(&Row::new(key))))
        .collect();
    hold!(read == expected, "{read:?}");
    Ok(())
}

pub(super) async fn what_was_written_is_read_at_once<S: Store>(store: &S) -> Kept {
    for n in 0..20_i64 {
        let row = Row::new(Key::new("read#fresh")).set("n", n);
        put(store, &row).await?;
        let read = get(store, std::slice::from_ref(&row.key)).await?;
        hold!(read == [Some(item(&row))], "{n}: {read:?}");
        let page = query(store, &Query::partition("read#fresh")).await?;
        hold!(page.items == [item(&row)], "{n}: {page:?}");
    }
    Ok(())
}

pub(super) async fn a_partition_is_read_in_the_order_of_the_sort_key<S: Store>(store: &S) -> Kept {
    // In the order of their bytes.
    let sorted = [
        "!",
        "0",
        "10",
        "9",
        "A",
        "a",
        "ab",
        "ä",
        "\u{ffff}",
        "\u{1f980}",
    ];
    for (n, sk) in sorted.iter().enumerate() {
        let at = (n * 7) % sorted.len();
        put(store, &Row::new(Key::of("read#sorted", sorted[at]))).await?;
        put(store, &Row::new(Key::of("read#sorted2", *sk))).await?;
    }
    let rows = pages(store, Query::partition("read#sorted"))
        .await?
        .concat();
    let keys: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.get("sk")?.as_str())
        .collect();
    hold!(keys == sorted, "{keys:?}");
    Ok(())
}

pub(super) async fn pages_tell_every_row_once<S: Store>(store: &S) -> Kept {
    let sorted: Vec<String> = (0..7).map(|n| n.to_string()).collect();
    for sk in &sorted {
        put(store, &Row::new(Key::of("read#paged", sk))).await?;
    }
    for limit in 1..9 {
        let query = Query {
            limit: Some(limit),
            ..Query::partition("read#paged")
        };
        let pages = pages(store, query).await?;
        hold!(
            pages.iter().all(|page| page.len() <= limit as usize),
            "a page of {limit} rows has more"
        );
        let rows = pages.concat();
        let keys: Vec<&str> = rows
            .iter()
            .filter_map(|row| row.get("sk")?.as_str())
            .collect();
        hold!(keys == sorted, "by {limit}: {keys:?}");
    }
    Ok(())
}

pub(super) async fn a_page_holds_no_more_than_a_megabyte<S: Store>(store: &S) -> Kept {
    for n in 0..8_i64 {
        let key = Key::of("read#large", n.to_string());
        put(store, &Row::new(key).set("text", "x".repeat(300 * 1024))).await?;
    }
    let pages = pages(store, Query::partition("read#large")).await?;
    hold!(pages.concat().len() == 8, "{} rows", pages.concat().len());
    let most = pages.iter().map(Vec::len).max().unwrap_or_default();
    hold!(most <= 4, "a page has {most} rows of 300 KB");
    Ok(())
}

pub(super) async fn a_partition_without_rows_is_an_empty_page<S: Store>(store: &S) -> Kept {
    let page = query(store, &Query::partition("read#nothing")).await?;
    hold!(page == Page::default(), "{page:?}");
    Ok(())
}

pub(super) async fn an_index_has_the_rows_that_have_its_keys<S: Store>(store: &S) -> Kept {
    let row = |sk: &str| Row::new(Key::of("index#sparse", sk));
    let inside = row("inside")
        .set(INDEX, "sparse")
        .set(DUE, 1_i64)
        .set("more", "x");
    for row in [
        inside.clone(),
        row("no keys"),
        row("no sort key").set(INDEX, "sparse"),
        row("no partition key").set(DUE, 1_i64),
        row("elsewhere").set(INDEX, "other").set(DUE, 1_i64),
        row("gone").set(INDEX, "sparse").set(DUE, 2_i64),
        row("deleted").set(INDEX, "sparse").set(DUE, 3_i64),
    ] {
        put(store, &row).await?;
    }
    let gone = Write::update(row("gone").key).remove(INDEX).remove(DUE);
    commit(store, &[gone, Write::delete(row("deleted").key)]).await?;
    eventually(store, &in_index("sparse"), |rows| rows == [item(&inside)]).await
}

pub(super) async fn an_index_is_read_in_the_order_of_its_sort_key_up_to_a_bound<S: Store>(
    store: &S,
) -> Kept {
    for due in [10_i64, -5, 9, 100, 0] {
        let key = Key::of("index#sorted", due.to_string());
        put(store, &Row::new(key).set(INDEX, "sorted").set(DUE, due)).await?;
    }
    let dues = |rows: &[Item]| -> Vec<i64> {
        rows.iter()
            .filter_map(|row| row.get(DUE)?.as_i64())
            .collect()
    };
    let all = in_index("sorted");
    eventually(store, &all, |rows| dues(rows) == [-5, 0, 9, 10, 100]).await?;
    for (bound, expected) in [
        (9, &[-5, 0, 9][..]),
        (-6, &[]),
        (i64::MAX, &[-5, 0, 9, 10, 100]),
    ] {
        let query = Query {
            up_to: Some((DUE, bound)),
            ..in_index("sorted")
        };
        let rows = pages(store, query).await?.concat();
        hold!(dues(&rows) == expected, "up to {bound}: {:?}", dues(&rows));
    }
    Ok(())
}

pub(super) async fn pages_of_an_index_tell_every_row_once<S: Store>(store: &S) -> Kept {
    for n in 0..6_i64 {
        // Two rows at each place.
        let key = Key::of("index#paged", n.to_string());
        put(store, &Row::new(key).set(INDEX, "paged").set(DUE, n / 2)).await?;
    }
    eventually(store, &in_index("paged"), |rows| rows.len() == 6).await?;
    for limit in 1..8 {
        let query = Query {
            limit: Some(limit),
            up_to: Some((DUE, 1)),
            ..in_index("paged")
        };
        let rows = pages(store, query).await?.concat();
        let mut keys: Vec<&str> = rows
            .iter()
            .filter_map(|row| row.get("sk")?.as_str())
            .collect();
        keys.sort_unstable();
        hold!(keys == ["0", "1", "2", "3"], "by {limit}: {keys:?}");
    }
    Ok(())
}

pub(super) async fn an_index_that_does_not_exist_is_an_error<S: Store>(store: &S) -> Kept {
    let query = Query {
        index: Some("no such index"),
        ..in_index("a")
    };
    let page = store.query(&query).await;
    hold!(page.is_err(), "{page:?}");
    Ok(())
}

pub(super) async fn parts_of_a_table_tell_every_row_once<S: Store + Scan>(store: &S) -> Kept {
    for n in 0..30_i64 {
        let key = Key::of(format!("scan#{}", n / 3), n.to_string());
        put(store, &Row::new(key)).await?;
    }
    for (of, limit) in [(1, None), (1, Some(7)), (4, None), (4, Some(5))] {
        let mut told: Vec<i64> = Vec::new();
        for number in 0..of {
            let mut part = Part {
                number,
                of,
                limit,
                after: None,
            };
            loop {
                let page = store.scan(&part).await.map_err(|error| error.to_string())?;
                let ours = |row: &&Item| {
                    let pk = row.get("pk").and_then(Value::as_str);
                    pk.is_some_and(|pk| pk.starts_with("scan#"))
                };
                let number = |row: &Item| row.get("sk")?.as_str()?.parse::<i64>().ok();
                told.extend(page.items.iter().filter(ours).filter_map(number));
                part.after = page.next;
                if part.after.is_none() {
                    break;
                }
            }
        }
        told.sort_unstable();
        let all: Vec<i64> = (0..30).collect();
        hold!(told == all, "in {of} parts by {limit:?}: {told:?}");
    }
    Ok(())
}

fn in_index(partition: &str) -> Query {
    Query {
        index: Some(INDEX),
        partition: (INDEX, partition.to_owned()),
        ..Query::partition("")
    }
}

async fn get<S: Store>(store: &S, keys: &[Key]) -> Result<Vec<Option<Item>>, String> {
    store.get(keys).await.map_err(|error| error.to_string())
}

async fn query<S: Store>(store: &S, query: &Query) -> Result<Page, String> {
    let page = store.query(query).await;
    page.map_err(|error| format!("{query:?}: {error}"))
}

/// Every page of a query. The last may be empty: a store need not know that nothing follows.
async fn pages<S: Store>(store: &S, mut query: Query) -> Result<Vec<Vec<Item>>, String> {
    let mut pages = Vec::new();
    loop {
        let page = self::query(store, &query).await?;
        pages.push(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return Ok(pages);
        }
        hold!(pages.len() < 1000, "{query:?} never ends");
    }
}

/// An index follows its table in its own time.
async fn eventually<S: Store>(store: &S, query: &Query, is: impl Fn(&[Item]) -> bool) -> Kept {
    let mut rows = Vec::new();
    for _ in 0..50 {
        rows = pages(store, query.clone()).await?.concat();
        if is(&rows) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("{rows:?}"))
}
