//! Answers on standard output: tables for people, JSON for programs.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde::Serialize;

/// For headings.
pub const BOLD: Style = Style::new().bold();
/// For what is well.
pub const GREEN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
/// For what wants attention.
pub const YELLOW: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
/// For what went wrong.
pub const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));

/// Prints a line; colours are left out where nobody would see them (`NO_COLOR`, a pipe).
///
/// # Errors
///
/// Standard output is closed.
pub fn line(text: &str) -> Result<()> {
    Ok(writeln!(anstream::stdout(), "{text}")?)
}

/// Prints one JSON document.
///
/// # Errors
///
/// Standard output is closed.
pub fn json(value: &impl Serialize) -> Result<()> {
    let document = serde_json::to_string_pretty(value)?;
    Ok(writeln!(io::stdout(), "{document}")?)
}

/// Prints rows under headings, as wide as their widest cell. Cells that hold numbers only are set to the
/// right.
///
/// # Errors
///
/// Standard output is closed.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<()> {
    for text in layout(headings, rows) {
        line(&text)?;
    }
    Ok(())
}

/// The text with everything written out that a terminal would take for a command, or that turns or hides what stands
/// beside it: what others wrote is looked at, never obeyed.
#[must_use]
pub fn visible(text: &str) -> String {
    let show = |c: char| match c {
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(show).collect()
}

/// A moment in UTC, from milliseconds since the Unix epoch.
#[must_use]
pub fn moment(milliseconds: i64) -> String {
    use aws_sdk_cloudformation::primitives::{DateTime, DateTimeFormat};
    DateTime::from_millis(milliseconds)
        .fmt(DateTimeFormat::DateTime)
        .unwrap_or_else(|_| milliseconds.to_string())
}

/// How many events a second that was, in whole events.
#[must_use]
pub fn per_second(events: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    events.saturating_mul(1000) / milliseconds
}

/// An amount of money as the interface tells it, in words: `49.99 EUR`.
#[must_use]
pub fn money(total: &serde_json::Value) -> String {
    serde_json::from_value::<shop_events::Money>(total.clone())
        .map_or_else(|_| total.to_string(), |total| total.to_string())
}

pub(crate) fn layout(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain([headings[column].len()])
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let numeric = |column: usize| {
        !rows.is_empty()
            && rows.iter().all(|row| {
                row[column] == "–" || row[column].bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    let cells = |row: &[&str]| {
        let padded = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if numeric(column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![format!("{BOLD}{}{BOLD:#}", cells(headings))];
    lines.extend(
        rows.iter()
            .map(|row| cells(&row.iter().map(String::as_str).collect::<Vec<_>>())),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_whole_events_a_second_also_in_no_time() {
        assert_eq!(per_second(500, Duration::from_millis(250)), 2000);
        assert_eq!(per_second(3, Duration::ZERO), 3000);
    }

    #[test]
    fn a_moment_is_utc_to_the_millisecond() {
        assert_eq!(moment(1_732_464_000_123), "2024-11-24T16:00:00.123Z");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() {
        let rows = [
            vec!["email".to_owned(), "7".to_owned()],
            vec!["inventory".to_owned(), "123".to_owned()],
        ];

        let lines = layout(&["SERVICE", "VISIBLE"], &rows);

        assert_eq!(lines[0], format!("{BOLD}SERVICE    VISIBLE{BOLD:#}"));
        assert_eq!(lines[1], "email            7");
        assert_eq!(lines[2], "inventory      123");
    }
}
