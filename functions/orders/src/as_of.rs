//! The moment that a client asks about.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads a moment: RFC 3339, or milliseconds since the Unix epoch, which is what comes back.
///
/// # Errors
/// What a moment looks like, when it is none, or one before 1970.
pub fn read(text: &str) -> Result<u64, NoMoment> {
    if let Ok(milliseconds) = text.parse() {
        return Ok(milliseconds);
    }
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| NoMoment)?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).map_err(|_| NoMoment)
}

/// It is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a moment is written as 2026-11-24T13:00:00Z (RFC 3339), or in milliseconds since the Unix epoch"
)]
pub struct NoMoment;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_to_the_millisecond_in_any_zone() {
        assert_eq!(read("2024-11-24T16:00:00Z"), Ok(1_732_464_000_000));
        assert_eq!(read("2024-11-24T17:00:00.123+01:00"), Ok(1_732_464_000_123));
        assert_eq!(read("1732464000123"), Ok(1_732_464_000_123));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "2024-11-24",
            "-1",
            "1969-12-31T23:59:59Z",
            "1e3",
        ] {
            assert_eq!(read(text), Err(NoMoment), "{text}");
        }
    }
}
