//! How fast the past is fed to a queue, and how that grows.
//!
//! `cargo run --example replay -- 1000 10000 100000 1000000` has the journal and the queue in memory: what is left is the command's
//! own way, from rows to calls. With `--local` in front it is the stack that `cargo dashpot up` runs, into whose journal so many
//! events are put first, and the queue of analytics, which counts them; they stay there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use dashpot::{DynamoStore, Store, now};
use dashpot_cli::commands::replay::{CONSUMER, Way};
use dashpot_cli::feed::Chosen;
use dashpot_cli::target::Target;
use dashpot_testing::{Index, MemoryStore};
use relay::fate::Fate;
use relay::outbox::Event;
use relay::queues::{Queues, SqsQueues};
use system_tests::past::put;

/// Takes everything, and counts the calls.
#[derive(Default)]
struct Sink(AtomicU64);

impl Queues for &Sink {
    async fn send(&self, _: &str, events: &[&Event<'_>], _: u64) -> Vec<Fate> {
        self.0.fetch_add(1, Ordering::Relaxed);
        vec![Fate::Published; events.len()]
    }
}

/// Replays what was put since `from`; how many events, in which time.
async fn replay<S: Store, Q: Queues>(journal: &S, queues: Q, from: u64) -> Result<(u64, Duration)> {
    let chosen = Chosen {
        from,
        until: now(),
        types: Vec::new(),
        order: None,
    };
    let way = Way::new(queues, None);
    let begun = Instant::now();
    way.take(journal, &chosen, None, &|_| (), async |_| Ok(()))
        .await?;
    Ok((way.sent(), begun.elapsed()))
}

fn tell(count: u64, (sent, time): (u64, Duration), more: &str) {
    #[expect(clippy::cast_precision_loss, reason = "a rate is printed whole")]
    let rate = sent as f64 / time.as_secs_f64();
    let seconds = time.as_secs_f64();
    println!("{count:>9} put  {sent:>9} sent in {seconds:>7.2} s  {rate:>9.0}/s  {more}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_local = arguments.iter().any(|it| it == "--local");
    let counts = arguments.iter().filter_map(|it| it.parse().ok());
    let run = now();
    if is_local {
        let target = Target::find(None).await?;
        let id = |logical| target.resources().id(logical);
        let journal = DynamoStore::new(target.config(), id("JournalTable")?);
        let queue = id("AnalyticsQueue")?;
        for (n, count) in (0..).zip(counts) {
            let from = now() - 86_400_000;
            put(&journal, run + n, count).await?;
            let queues = SqsQueues::new(target.config(), [(CONSUMER, queue)]);
            tell(count, replay(&journal, queues, from).await?, "");
        }
        return Ok(());
    }
    for count in counts {
        let from = now() - 86_400_000;
        let journal = MemoryStore::with_indexes([Index::by_text("feed", "feed", "sk")]);
        put(&journal, run, count).await?;
        let sink = Sink::default();
        let sent = replay(&journal, &sink, from).await?;
        assert_eq!(sent.0, count);
        let calls = sink.0.load(Ordering::Relaxed);
        tell(count, sent, &format!("{calls} calls"));
    }
    Ok(())
}
