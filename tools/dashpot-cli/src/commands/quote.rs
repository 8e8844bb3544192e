//! `dashpot quote`: asks what goods would cost, over queues.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use dashpot::{Requester, SqsMailbox};
use serde_json::json;
use shop_events::{Line, Lines, QuoteGiven, QuoteRequested, Sku};

use super::Common;
use crate::output::{self, BOLD};
use crate::target::Target;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What: a sku, or a sku and how many: `chair` or `chair=2`
    #[arg(required = true, value_name = "SKU[=QUANTITY]")]
    items: Vec<Wanted>,
    /// For whom
    #[arg(long, default_value = "dashpot", value_name = "ID")]
    user: String,
    /// How long an answer is waited for; whoever has not begun by then does not begin
    #[arg(long, default_value_t = 5000, value_name = "MILLISECONDS")]
    timeout: u64,
    /// Ask so many times, one after the other, and say how long it took
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    times: u32,
}

#[derive(Debug, Clone)]
struct Wanted(Line);

impl FromStr for Wanted {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (sku, quantity) = text.rsplit_once('=').unwrap_or((text, "1"));
        let sku: Sku = sku.parse()?;
        let quantity: NonZeroU32 = quantity
            .parse()
            .with_context(|| format!("{quantity:?} is no number of goods"))?;
        Ok(Self(Line {
            sku,
            quantity,
            unit_price: None,
        }))
    }
}

pub(super) async fn run(common: &Common, asked: &Arguments) -> Result<()> {
    ensure!(asked.times > 0, "asking no time at all gets no answer");
    let target = common.target().await?;
    let items: Vec<Line> = asked.items.iter().map(|it| it.0.clone()).collect();
    let question = QuoteRequested {
        user_id: asked.user.parse()?,
        items: Lines::try_from(items)?,
    };
    let timeout = Duration::from_millis(asked.timeout);
    let requester = Asker::open(&target).await?;
    let answers = requester.ask(&question, timeout, asked.times).await;
    // Also where there was none.
    let replies = requester.requester.replies();
    requester.close().await?;
    let (answer, mut times) = answers?;
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (median, slowest) = (millis(at(50)), millis(at(99)));
    if common.json {
        return output::json(&json!({
            "quote": answer, "times": asked.times, "p50Millis": median, "p99Millis": slowest, "replies": replies,
        }));
    }
    show(&answer)?;
    let took = if asked.times == 1 {
        format!("answered in {median} ms")
    } else {
        format!(
            "{} answers: half in {median} ms, 99 of 100 in {slowest} ms",
            asked.times
        )
    };
    output::line(&format!("\n{took}"))
}

/// Somebody who asks, with a queue for the answers.
#[derive(Debug)]
pub struct Asker {
    requester: Requester<SqsMailbox>,
}

impl Asker {
    /// Makes the queue for the answers.
    ///
    /// # Errors
    ///
    /// The stack has no quotes, or SQS makes no queue.
    pub async fn open(target: &Target) -> Result<Self> {
        let requests = target.resources().id("QuotesQueue")?;
        let (_, name) = requests
            .rsplit_once('/')
            .context("the queue's URL is none")?;
        let stack = name.strip_suffix("-quotes").unwrap_or(name);
        let prefix = format!("{stack}-quote-replies-");
        let mailbox = SqsMailbox::open(target.config(), requests, &prefix).await?;
        Ok(Self {
            requester: Requester::new(mailbox),
        })
    }

    /// Asks so many times; the last answer, and how long each took.
    ///
    /// # Errors
    ///
    /// There is no answer: what is known is said.
    pub async fn ask(
        &self,
        question: &QuoteRequested,
        timeout: Duration,
        times: u32,
    ) -> Result<(QuoteGiven, Vec<Duration>)> {
        let mut took = Vec::new();
        let mut last = None;
        for _ in 0..times {
            let begun = Instant::now();
            last = Some(self.requester.ask(question.clone(), timeout).await?);
            took.push(begun.elapsed());
        }
        Ok((last.context("nothing was asked")?, took))
    }

    /// Deletes the queue for the answers.
    ///
    /// # Errors
    ///
    /// It may still be there.
    pub async fn close(&self) -> Result<()> {
        Ok(self.requester.mailbox().close().await?)
    }
}

fn show(answer: &QuoteGiven) -> Result<()> {
    let known = answer.items.iter().map(|line| {
        let amount = line
            .unit_price
            .and_then(|it| it.checked_mul(line.quantity.get()));
        let cell =
            |money: Option<shop_events::Money>| money.map_or("–".to_owned(), |it| it.to_string());
        vec![
            line.sku.to_string(),
            line.quantity.to_string(),
            cell(line.unit_price),
            cell(amount),
        ]
    });
    let unknown = answer.unknown.iter().map(|sku| {
        let dash = "–".to_owned();
        vec![sku.to_string(), dash.clone(), "not sold".to_owned(), dash]
    });
    let rows: Vec<Vec<String>> = known.chain(unknown).collect();
    output::table(&["SKU", "QUANTITY", "PRICE", "AMOUNT"], &rows)?;
    match answer.total {
        Some(total) => output::line(&format!("\ntotal  {BOLD}{total}{BOLD:#}")),
        None => output::line("\nno total: not all of it is sold, or not in one currency"),
    }
}
