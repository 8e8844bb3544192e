//! What follows a request through every service: its correlation id and its trace.

use crate::id::new_id;

/// The longest correlation id that is taken from a client, in bytes.
const LONGEST: usize = 128;

/// The client's correlation id, if it is fit for a log line and a header (1 to 128 of `A-Z a-z 0-9 _ . : -`);
/// else a new one of this moment, in milliseconds since the Unix epoch.
#[must_use]
pub fn correlation_id(from_client: Option<&str>, now: u64) -> String {
    let is_sane = |id: &&str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        (1..=LONGEST).contains(&id.len()) && id.bytes().all(fits)
    };
    from_client
        .filter(is_sane)
        .map_or_else(|| new_id(now).to_string(), str::to_owned)
}

/// Whether a text is what W3C Trace Context calls a traceparent: `00-<32 digits>-<16 digits>-<2 digits>`.
#[must_use]
pub fn is_traceparent(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    lengths.eq([2, 32, 16, 2]) && text.bytes().all(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_id_that_could_forge_a_line_is_replaced() {
        assert_eq!(correlation_id(Some("req_789"), 0), "req_789");
        let long = "x".repeat(LONGEST + 1);
        for id in [
            None,
            Some(""),
            Some("a b"),
            Some("a\nb"),
            Some("ä"),
            Some(&long),
        ] {
            let made = correlation_id(id, 0);
            assert!(uuid::Uuid::parse_str(&made).is_ok(), "{id:?}");
        }
    }

    #[test]
    fn only_a_traceparent_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_traceparent(good));
        for text in ["", &good[..52], &good.to_uppercase(), &format!("{good}-00")] {
            assert!(!is_traceparent(text), "{text}");
        }
    }
}
