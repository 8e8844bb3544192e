//! `dashpot stats`: orders, revenue and failures by hour or by day, as analytics has counted them.

mod plot;
mod recount;
mod series;
mod svg;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use analytics::s3::S3;
use analytics::totals::Period;
use anyhow::{Context, Result, ensure};
use clap::Args;
use dashpot::{DynamoStore, now};
use serde_json::json;

use super::Common;
use crate::moment;
use crate::output::{self, BOLD, GREEN, RED};
use crate::progress::Progress;
use crate::target::Target;

pub use self::recount::{Books, Difference, Report};
pub use self::series::{Row, Series};

/// Up to so long, in milliseconds, hours are plotted, and days beyond.
const BY_HOUR: u64 = 48 * 60 * 60 * 1000;

/// How long an hour that differs is left alone before it is looked at again.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Whole hours or whole days, in UTC [default: hours of up to two days, else days]
    #[arg(long, value_name = "hour|day")]
    by: Option<Period>,
    /// The last of them until --until: 24h, 30d
    #[arg(
        long,
        default_value = "24h",
        value_name = "SPAN",
        conflicts_with = "from"
    )]
    last: String,
    /// Since when: 2026-11-24T13:00:00Z, or `7d ago`
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// Until when
    #[arg(long, default_value = "now", value_name = "MOMENT")]
    until: String,
    /// Write the plot to this file as well
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Recount from the journal: are the totals, the archive and the journal equal? (1 if they are not)
    #[arg(long)]
    recount: bool,
}

/// Whole periods. Moments are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What it consists of.
    pub by: Period,
    /// Where the first begins.
    pub from: u64,
    /// Where the last ends.
    pub until: u64,
}

impl Span {
    /// The periods that lie between two moments, the first of them wholly or in part; and of the last, which may be
    /// going on, what there is.
    ///
    /// # Errors
    ///
    /// There are none, or more than a year has hours.
    pub fn new(by: Period, from: u64, until: u64) -> Result<Self> {
        let step = by.millis();
        ensure!(from < until, "--from lies not before --until");
        let span = Self {
            by,
            from: from / step * step,
            until: until.div_ceil(step).saturating_mul(step),
        };
        let most = 366 * 24;
        ensure!(
            (span.until - span.from) / step <= most,
            "more than {most} of them do not fit into a plot: ask for a shorter time, or --by day"
        );
        Ok(span)
    }

    fn of(asked: &Arguments, now: u64) -> Result<Self> {
        let until = moment::parse(&asked.until, now).context("--until")?;
        if let Some(from) = &asked.from {
            let from = moment::parse(from, now).context("--from")?;
            let by = asked.by.unwrap_or_else(|| fitting(from, until));
            return Self::new(by, from, until);
        }
        let from = moment::parse(&format!("{} ago", asked.last), until)
            .context("--last is a number with s, m, h or d, such as 24h")?;
        let by = asked.by.unwrap_or_else(|| fitting(from, until));
        // The last 24 hours are 24 rows, of which the last is going on.
        let step = by.millis();
        let from = from.div_ceil(step) * step;
        Self::new(by, from.min(until.saturating_sub(1)), until)
    }

    /// The names of the periods.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.by.between(self.from, self.until - 1)
    }
}

fn fitting(from: u64, until: u64) -> Period {
    if until.saturating_sub(from) <= BY_HOUR {
        Period::Hour
    } else {
        Period::Day
    }
}

pub(super) async fn run(common: &Common, asked: &Arguments) -> Result<ExitCode> {
    let span = Span::of(asked, now())?;
    let target = common.target().await?;
    let series = series(&target, span).await?;
    if let Some(path) = &asked.svg {
        let written = std::fs::write(path, svg::draw(&series));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let report = if asked.recount {
        let step = Progress::Shown.step("recount from the journal");
        let report = recount(&target, span).await?;
        step.done();
        Some(report)
    } else {
        None
    };
    if common.json {
        let mut answer = json!(series);
        if let Some(report) = &report {
            answer["recount"] = json!(report);
        }
        output::json(&answer)?;
    } else {
        show(&series)?;
        if let Some(path) = &asked.svg {
            output::line(&format!("drawn in {}", path.display()))?;
        }
        report.as_ref().map_or(Ok(()), tell)?;
    }
    let differs = report.is_some_and(|report| !report.differences.is_empty());
    Ok(if differs {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What analytics has counted.
///
/// # Errors
///
/// Its table does not answer.
pub async fn series(target: &Target, span: Span) -> Result<Series> {
    let table = target.resources().id("AnalyticsTable")?;
    let table = DynamoStore::new(target.config(), table);
    let read = Series::read(&table, span.by, &span.names()).await;
    read.context("cannot read what analytics has counted")
}

/// Whether totals, archive and journal are equal, hour by hour and day by day.
///
/// # Errors
///
/// A table or the bucket does not answer.
pub async fn recount(target: &Target, span: Span) -> Result<Report> {
    let table = |name| {
        let id = target.resources().id(name)?;
        Ok::<_, anyhow::Error>(DynamoStore::new(target.config(), id))
    };
    let bucket = target.resources().id("AnalyticsBucket")?;
    let s3 = S3::new(target.config(), bucket);
    let books = Books {
        journal: table("JournalTable")?,
        analytics: table("AnalyticsTable")?,
        object: async |key: &str| Ok(s3.get(key).await?),
    };
    books.recount(span.from, span.until, PATIENCE).await
}

fn show(series: &Series) -> Result<()> {
    for line in plot::lines(series) {
        output::line(&line)?;
    }
    let curves = series.curves().into_iter();
    let sums = curves.map(|it| format!("{BOLD}{}{BOLD:#} {}", it.words(it.sum()), it.name));
    output::line(&format!("\n{}", sums.collect::<Vec<_>>().join(", ")))
}

fn tell(report: &Report) -> Result<()> {
    if report.differences.is_empty() {
        return output::line(&format!(
            "{GREEN}equal:{GREEN:#} the totals and {} archived events are what the journal's {BOLD}{}{BOLD:#} add up to",
            report.archived, report.events
        ));
    }
    for Difference { period, differs } in &report.differences {
        for words in differs {
            output::line(&format!("{period}: {}", output::visible(words)))?;
        }
    }
    output::line(&format!(
        "{RED}{} of the hours and days differ{RED:#} from what the journal adds up to: look for dead letters of \
         journal and analytics (`cargo dashpot dlq list`); `cargo dashpot replay --to analytics` brings what was not counted",
        report.differences.len()
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use clap::Parser;

    use super::*;

    /// 2024-11-24T16:30:00Z.
    const NOW: u64 = 1_732_465_800_000;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn span(line: &str) -> Result<Span> {
        let words = ["stats"].into_iter().chain(line.split_whitespace());
        Span::of(&Line::try_parse_from(words)?.arguments, NOW)
    }

    /// How many periods there are, the first and the last.
    fn named(line: &str) -> (usize, String, String) {
        let names = span(line).unwrap().names();
        (
            names.len(),
            names[0].clone(),
            names[names.len() - 1].clone(),
        )
    }

    fn expected(count: usize, first: &str, last: &str) -> (usize, String, String) {
        (count, first.to_owned(), last.to_owned())
    }

    #[test]
    fn the_last_are_so_many_and_end_with_the_one_that_goes_on() {
        for (line, count, first, last) in [
            ("", 24, "2024-11-23T17", "2024-11-24T16"),
            ("--last 1h", 1, "2024-11-24T16", "2024-11-24T16"),
            ("--last 10m", 1, "2024-11-24T16", "2024-11-24T16"),
            ("--last 30d", 30, "2024-10-26", "2024-11-24"),
            ("--last 2d", 48, "2024-11-22T17", "2024-11-24T16"),
            ("--last 24h --by day", 1, "2024-11-24", "2024-11-24"),
            (
                "--until 2024-11-02T00:00:00Z --last 2h",
                2,
                "2024-11-01T22",
                "2024-11-01T23",
            ),
        ] {
            assert_eq!(named(line), expected(count, first, last), "{line}");
        }
    }

    #[test]
    fn what_lies_between_two_moments_is_whole_periods() {
        let line = "--from 2024-11-24T13:59:59Z --until 2024-11-24T15:00:00Z";
        assert_eq!(named(line), expected(2, "2024-11-24T13", "2024-11-24T14"));
        let line = "--from 2024-11-01T13:00:00Z";
        assert_eq!(named(line), expected(24, "2024-11-01", "2024-11-24"));
    }

    #[test]
    fn what_cannot_be_plotted_is_refused_with_a_remedy() {
        for (line, remedy) in [
            ("--from 2024-11-24T17:00:00Z", "--from lies not before"),
            ("--last 400d --by hour", "--by day"),
            ("--last soon", "such as 24h"),
            ("--last 1h --from now", "cannot be used with"),
            ("--by week", "`hour` or `day`"),
        ] {
            let refused = format!("{:#}", span(line).unwrap_err());
            assert!(refused.contains(remedy), "{line}: {refused}");
        }
    }
}
