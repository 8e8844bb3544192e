//! Moments as people write them.

use anyhow::{Context, Result, bail};
use aws_sdk_cloudformation::primitives::{DateTime, DateTimeFormat};

/// Reads a moment, in milliseconds since the Unix epoch: RFC 3339 (`2026-11-24T13:00:00Z`), how long ago it was
/// (`10m ago`; s, m, h or d), or `now`.
///
/// # Errors
///
/// It is written in another way, or lies before 1970.
pub fn parse(text: &str, now: u64) -> Result<u64> {
    const FORMS: &str = "write a moment as 2026-11-24T13:00:00Z, `10m ago` (s, m, h, d), or now";
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Some(span) = text.strip_suffix("ago") {
        let span = span.trim();
        let at = span
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(span.len());
        let (number, unit) = span.split_at(at);
        let number: u64 = number.parse().context(FORMS)?;
        let seconds: u64 = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => bail!("{FORMS}"),
        };
        let ago = number.checked_mul(seconds * 1000);
        return ago
            .and_then(|ago| now.checked_sub(ago))
            .context("that was before 1970");
    }
    let read = DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset);
    let milliseconds = read
        .ok()
        .and_then(|moment| moment.to_millis().ok())
        .context(FORMS)?;
    u64::try_from(milliseconds).context("that was before 1970")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_732_464_000_000;

    #[test]
    fn a_moment_is_a_date_or_a_while_ago() {
        for (text, expected) in [
            ("2024-11-24T16:00:00Z", NOW),
            ("2024-11-24T17:00:00.5+01:00", NOW + 500),
            ("now", NOW),
            ("10m ago", NOW - 600_000),
            ("90 s ago", NOW - 90_000),
            ("2d ago", NOW - 172_800_000),
        ] {
            assert_eq!(parse(text, NOW).ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "ago",
            "10 ago",
            "m ago",
            "-5m ago",
            "2024-11-24",
            "1969-01-01T00:00:00Z",
            "99999999999d ago",
        ] {
            assert!(parse(text, NOW).is_err(), "{text}");
        }
    }
}
