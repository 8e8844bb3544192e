//! How fast the listing is rebuilt out of the journal, and how that grows.
//!
//! `cargo run --release --example rebuild -- 1000 10000 100000 1000000` has both tables in memory: what is left is
//! reading, folding and writing down. With `--local` in front it is the stack that `cargo dashpot up` runs, into whose
//! journal so many events are put first; they stay there.
#![expect(clippy::unwrap_used, reason = "an example fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use dashpot::{Clock, DynamoStore, Key, Row, Scan, Store, Write, hour, now, shard};
use dashpot_cli::target::Target;
use dashpot_testing::{Index, MemoryStore};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use listing::check::check;
use listing::rebuild::{Rebuild, retire};
use order_history::{Event, fold};

/// The events of an order that is served.
const NAMES: [&str; 5] = [
    "order.placed",
    "stock.reserved",
    "payment.captured",
    "pick_list.created",
    "pick_list.packed",
];

/// The journal's row of an event, the `nth` of all.
fn row(run: u64, nth: u64) -> Row {
    let (order, step) = (nth / 5, nth % 5);
    let name = NAMES[usize::try_from(step).unwrap()];
    let at = now() - 86_400_000 + order + step;
    let version = if step == 0 { 2 } else { 1 };
    let id = format!("{run:x}-{nth}");
    let cause = match step {
        0 => String::new(),
        _ => format!(r#""causationId":"{run:x}-{}","#, nth - 1),
    };
    let body = format!(
        r#"{{"type":"{name}","payload":{{"orderId":"{run:x}-{order}","userId":"user-{}","customer":{{"email":"ada@example.com"}},"total":{{"amount":12997,"currency":"EUR"}},"amount":{{"amount":12997,"currency":"EUR"}},"items":[{{"sku":"chair-oak","quantity":2,"unitPrice":{{"amount":4999,"currency":"EUR"}}}},{{"sku":"lamp-brass","quantity":1,"unitPrice":{{"amount":2999,"currency":"EUR"}}}}],"paymentIntentId":"pi_3SV4SHPNFDCYD3OL33F3AH3S"}},"metadata":{{"id":"{id}","timestamp":{at},"correlationId":"req-{order}",{cause}"version":{version},"source":"shop","subject":"{run:x}-{order}","hops":{step}}}}}"#,
        order % 1000
    );
    Row::new(Key::of(
        format!("order#{run:x}-{order}"),
        format!("{at:013}#{id}"),
    ))
    .set("feed", format!("{}#{}", hour(at), shard(&id)))
    .set("body", body)
}

async fn put<S: Store>(journal: &S, run: u64, count: u64) -> Result<()> {
    let writes = stream::iter(0..count).map(|nth| async move {
        let write = [Write::put(row(run, nth))];
        journal.commit(&write).await
    });
    Ok(writes.buffer_unordered(32).try_collect().await?)
}

/// Rebuilds, checks, and prints a line.
async fn measure<J, S>(count: u64, journal: &J, listing: &S) -> Result<()>
where
    J: Store + Scan,
    S: Store + Scan + Clone,
{
    let rate = |events: u64, time: Duration| {
        #[expect(clippy::cast_precision_loss, reason = "a rate is printed whole")]
        let rate = events as f64 / time.as_secs_f64();
        format!("{rate:.0}/s")
    };
    let begun = Instant::now();
    let rebuild = Rebuild::begin(listing.clone(), Clock::system()).await?;
    let filled = rebuild.fill(journal, None, |_| {}).await?;
    let took = begun.elapsed();
    rebuild.catch_up(Duration::ZERO).await?;
    rebuild.flip().await?;
    retire(listing, Clock::system()).await?;
    let begun = Instant::now();
    let report = check(journal, listing, Duration::from_secs(1)).await?;
    let checked = begun.elapsed();
    assert!(
        report.differences.is_empty(),
        "{:?}",
        report.differences.first()
    );
    println!(
        "{count:>9} put  {:>9} events  {:>8} orders  rebuilt in {:>7.2} s  {:>9}  checked in {:>7.2} s  {:>9}",
        filled.events,
        report.orders,
        took.as_secs_f64(),
        rate(filled.events, took),
        checked.as_secs_f64(),
        rate(report.events, checked),
    );
    Ok(())
}

/// How fast one order's events become an order.
fn measure_fold() {
    const TIMES: u32 = 20_000;
    let rows: Vec<_> = (0..5).map(|nth| row(1, nth).attributes).collect();
    let begun = Instant::now();
    for _ in 0..TIMES {
        let events = rows.iter().map(|row| Event::in_row(row).unwrap());
        assert!(fold("1-0".parse().unwrap(), events, None).is_some());
    }
    let each = begun.elapsed() / TIMES;
    println!("from 5 envelopes to an order: {each:?}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_local = arguments.iter().any(|it| it == "--local");
    let counts = arguments.iter().filter_map(|it| it.parse().ok());
    let run = now();
    if is_local {
        let target = Target::find(None).await?;
        let store = |table| {
            let table = target.resources().id(table);
            table.map(|table| DynamoStore::new(target.config(), table))
        };
        let (journal, listing) = (store("JournalTable")?, store("ListingTable")?);
        for (n, count) in (0..).zip(counts) {
            put(&journal, run + n, count).await?;
            measure(count, &journal, &listing).await?;
        }
        return Ok(());
    }
    measure_fold();
    for count in counts {
        let journal = MemoryStore::new();
        put(&journal, run, count).await?;
        let listing = Arc::new(MemoryStore::with_indexes([
            Index::by_text("customer", "customer", "placed"),
            Index::by_text("state", "stateDay", "placed"),
        ]));
        measure(count, &journal, &listing).await?;
    }
    Ok(())
}
