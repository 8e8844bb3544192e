//! One JSON line a batch, with CloudWatch's embedded metrics in it, and one for each message that did not
//! simply succeed. Never a word of a body.
//!
//! The format of the metrics: CloudWatch, "Specification: Embedded metric format".

use std::io::Write;

use serde::Serialize;

use crate::message::Message;
use crate::outcome::{Fate, Outcome};

/// How many values one metric may have in one line, by CloudWatch's specification.
const MOST_VALUES: usize = 100;

/// Writes the lines of a batch at once.
pub(crate) fn to_stdout(lines: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody could be told.
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
}

/// What is told about one batch.
pub(crate) struct Report<'a> {
    lines: String,
    summary: Summary<'a>,
    handler: Vec<u64>,
    dwell: Vec<u64>,
}

/// What the first line of a batch says beside the metrics' values.
#[derive(Clone, Copy)]
struct Summary<'a> {
    service: &'a str,
    version: &'a str,
    request_id: &'a str,
    counts: Counts,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    received: u64,
    processed: u64,
    duplicates: u64,
    failed: u64,
    parked: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    message: &'static str,
    service: &'a str,
    request_id: &'a str,
    message_id: &'a str,
    event_id: Option<&'a str>,
    event_type: Option<&'a str>,
    correlation_id: Option<&'a str>,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

/// A line with metrics. What is told once a batch is left out of the lines that only carry on the values of a large one.
#[derive(Serialize)]
struct Embedded<'a> {
    #[serde(rename = "_aws")]
    aws: Directive,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    service: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parked: Option<u64>,
    #[serde(rename = "handlerDuration", skip_serializing_if = "<[u64]>::is_empty")]
    handler: &'a [u64],
    #[serde(rename = "dwellTime", skip_serializing_if = "<[u64]>::is_empty")]
    dwell: &'a [u64],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    timestamp: u64,
    cloud_watch_metrics: [Group; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    namespace: &'static str,
    dimensions: [&'static [&'static str]; 2],
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl<'a> Report<'a> {
    pub(crate) fn new(service: &'a str, request_id: &'a str) -> Self {
        Self {
            lines: String::new(),
            summary: Summary {
                service,
                version: function_version(),
                request_id,
                counts: Counts::default(),
            },
            handler: Vec::new(),
            dwell: Vec::new(),
        }
    }

    pub(crate) fn message(&mut self, message: &Message<'_>, outcome: &Outcome) {
        let summary = &mut self.summary;
        let counts = &mut summary.counts;
        counts.received += 1;
        self.handler.extend(outcome.handler_millis);
        self.dwell.extend(outcome.subject.dwell_millis);
        let (level, text, reason, delay) = match outcome.fate {
            Fate::Done => {
                counts.processed += 1;
                return;
            }
            Fate::Duplicate => {
                counts.duplicates += 1;
                ("info", "message was handled before", None, None)
            }
            Fate::Parked(reason) => {
                counts.parked += 1;
                ("error", "message parked", Some(reason.as_str()), None)
            }
            Fate::Delayed(delay) => {
                counts.failed += 1;
                ("warn", "message comes back", None, Some(delay.as_secs()))
            }
            Fate::Returned => {
                counts.failed += 1;
                ("warn", "message comes back", None, None)
            }
        };
        let line = Line {
            level,
            message: text,
            service: summary.service,
            request_id: summary.request_id,
            message_id: &message.message_id,
            event_id: outcome.subject.event_id.as_deref(),
            event_type: outcome.subject.event_type.as_deref(),
            correlation_id: outcome.subject.correlation_id.as_deref(),
            attempt: message.attempt(),
            reason,
            delay_seconds: delay,
            detail: &outcome.detail,
        };
        push(&mut self.lines, &line);
    }

    /// All lines of the batch.
    pub(crate) fn finish(mut self) -> String {
        let rest = |values: &'_ [u64]| values.len().saturating_sub(1) / MOST_VALUES + 1;
        let lines = rest(&self.handler).max(rest(&self.dwell));
        let chunk = |values: &'_ [u64], n: usize| {
            let end = values.len().min((n + 1) * MOST_VALUES);
            (n * MOST_VALUES).min(end)..end
        };
        for n in 0..lines {
            let (handler, dwell) = (chunk(&self.handler, n), chunk(&self.dwell, n));
            let once = (n == 0).then_some(self.summary);
            let metric = |name, unit| Metric { name, unit };
            let mut metrics = Vec::with_capacity(6);
            if n == 0 {
                let counts = ["processed", "duplicates", "failed", "parked"];
                metrics.extend(counts.map(|name| metric(name, "Count")));
            }
            if !handler.is_empty() {
                metrics.push(metric("handlerDuration", "Milliseconds"));
            }
            if !dwell.is_empty() {
                metrics.push(metric("dwellTime", "Milliseconds"));
            }
            let line = Embedded {
                aws: Directive {
                    timestamp: crate::clock::now(),
                    cloud_watch_metrics: [Group {
                        namespace: "Dashpot",
                        dimensions: [&["service"], &["service", "version"]],
                        metrics,
                    }],
                },
                level: once.map(|_| "info"),
                message: once.map(|_| "batch handled"),
                service: self.summary.service,
                version: self.summary.version,
                request_id: once.map(|summary| summary.request_id),
                received: once.map(|summary| summary.counts.received),
                processed: once.map(|summary| summary.counts.processed),
                duplicates: once.map(|summary| summary.counts.duplicates),
                failed: once.map(|summary| summary.counts.failed),
                parked: once.map(|summary| summary.counts.parked),
                handler: &self.handler[handler],
                dwell: &self.dwell[dwell],
            };
            push(&mut self.lines, &line);
        }
        self.lines
    }
}

fn push(lines: &mut String, line: &impl Serialize) {
    // Strings, numbers and arrays of them: nothing that serde_json could refuse.
    if let Ok(json) = serde_json::to_string(line) {
        lines.push_str(&json);
        lines.push('\n');
    }
}

fn function_version() -> &'static str {
    static VERSION: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        std::env::var("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_else(|_| "$LATEST".to_owned())
    });
    &VERSION
}
