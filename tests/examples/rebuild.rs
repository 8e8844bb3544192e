//! How fast the listing is rebuilt out of the journal, and how that grows.
//!
//! `cargo run --release --example rebuild -- 1000 10000 100000 1000000` has both tables in memory: what is left is
//! reading, folding and writing down. With `--local` in front it is the stack that `cargo dashpot up` runs, into whose
//! journal so many events are put first; they stay there.
#![expect(clippy::unwrap_used, reason = "an example fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use dashpot::{Clock, DynamoStore, Scan, Store, now};
use dashpot_cli::target::Target;
use dashpot_testing::{Index, MemoryStore};
use listing::check::check;
use listing::rebuild::{Rebuild, retire};
use order_history::{Event, fold};
use system_tests::past::{put, row};

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
