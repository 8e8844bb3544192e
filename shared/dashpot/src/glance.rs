//! The fast reading of an envelope, which finds its payload without reading it: what it is read into depends on type and
//! version, and they may come after it. Where one member at most is still to come, the payload ends before it; else its text is
//! passed over once, bracket by bracket. It is read once.
//!
//! About an envelope that is not as producers usually write it, valid or not, it says nothing, and `serde_json` reads it. What
//! is seen here is an envelope if the payload turns out to be JSON; a property test holds the two readings against each other.

use dashpot_envelope::RawMetadata;

use crate::scan::{Scan, plain_end, set};

/// JSON's white space.
const SPACE: [char; 4] = [' ', '\n', '\r', '\t'];

/// An envelope, with a payload that may be no JSON.
pub(crate) struct Glance<'a> {
    pub(crate) event_type: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) metadata: RawMetadata<'a>,
}

/// The three parts of an envelope, where there is nothing else in it.
pub(crate) fn glance(content: &str) -> Option<Glance<'_>> {
    let (mut event_type, mut payload, mut metadata) = (None, None, None);
    let mut scan = Scan::new(content);
    scan.object(|scan, key| match key {
        "type" => {
            let name = scan.name().filter(|name| !name.is_empty())?;
            set(&mut event_type, name)
        }
        "payload" => {
            let rest = scan.rest()?;
            let end = match (event_type.is_some(), metadata.is_some()) {
                (true, true) => before_end(rest),
                (true, false) => before(rest, "\"metadata\""),
                (false, true) => before(rest, "\"type\""),
                (false, false) => None,
            };
            let end = end.or_else(|| extent(rest.as_bytes()))?;
            scan.at += end;
            set(&mut payload, rest[..end].trim_end_matches(SPACE))
        }
        "metadata" => {
            let (read, end) = usual(scan.rest()?).or_else(|| unusual(scan.rest()?))?;
            scan.at += end;
            set(&mut metadata, read)
        }
        _ => None,
    })?;
    scan.space();
    (scan.at == content.len()).then_some(())?;
    Some(Glance {
        event_type: event_type?,
        payload: payload?,
        metadata: metadata?,
    })
}

/// Metadata of plain names and numbers, and nothing else; and where they end.
fn usual(text: &str) -> Option<(RawMetadata<'_>, usize)> {
    let (mut id, mut correlation_id, mut causation_id) = (None, None, None);
    let (mut source, mut subject) = (None, None);
    let (mut timestamp, mut version, mut hops) = (None, None, None);
    let mut scan = Scan::new(text);
    scan.object(|scan, key| match key {
        "id" => set(&mut id, scan.name()?.into()),
        "timestamp" => set(&mut timestamp, scan.number()?),
        "correlationId" => set(&mut correlation_id, scan.name()?.into()),
        "causationId" => set(&mut causation_id, scan.name()?.into()),
        "version" => set(&mut version, scan.number()?.try_into().ok()?),
        "source" => set(&mut source, scan.name()?.into()),
        "subject" => set(&mut subject, scan.name()?.into()),
        "hops" => set(&mut hops, scan.number()?.try_into().ok()?),
        _ => None,
    })?;
    let metadata = RawMetadata {
        id,
        timestamp,
        correlation_id,
        causation_id,
        version: version.unwrap_or(1),
        source,
        subject,
        hops: hops.unwrap_or(0),
    };
    Some((metadata, scan.at))
}

/// Any other metadata.
fn unusual(text: &str) -> Option<(RawMetadata<'_>, usize)> {
    let end = extent(text.as_bytes())?;
    let metadata = strict_json::from_str(&text[..end]).ok()?;
    Some((metadata, end))
}

/// Where a value ends if this member alone follows: what stands before it is JSON then, and nothing else is.
fn before(value: &str, member: &str) -> Option<usize> {
    let before = &value[..value.rfind(member)?];
    let value = before.trim_end_matches(SPACE).strip_suffix(',')?;
    Some(value.len())
}

/// Where a value ends if nothing follows: in the same way.
fn before_end(value: &str) -> Option<usize> {
    let value = value.trim_end_matches(SPACE).strip_suffix('}')?;
    Some(value.len())
}

/// Where a member's value ends: at the comma or the bracket that is not its own.
fn extent(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

/// Where the quote is that ends a string.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = plain_end(bytes, at)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use dashpot_envelope::RawEnvelope;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const CONTENT: &str = r#"{"type":"thing.done","payload":{"a":"}\"]{\\","b":[1,{"c":null}],"metadata":{}},"metadata":{"id":"i","timestamp":17,"version":2,"subject":"s"}}"#;

    /// What is seen is what serde reads, wherever the payload is JSON.
    fn sees_the_same(content: &str) -> bool {
        let Some(seen) = glance(content) else {
            return true;
        };
        if serde_json::from_str::<Value>(seen.payload).is_err() {
            return true;
        }
        let read: RawEnvelope<'_> = strict_json::from_str(content).unwrap();
        seen.event_type == read.event_type
            && seen.payload == read.payload.get()
            && format!("{:?}", seen.metadata) == format!("{:?}", read.metadata)
    }

    #[test]
    fn an_envelope_is_seen_in_any_order_and_with_white_space() {
        for content in [
            CONTENT,
            r#"{"metadata":{},"payload":[],"type":"a"}"#,
            " {\n \"type\" : \"a\" ,\t\"payload\" : 7 , \"metadata\" : { } } \r\n",
        ] {
            assert!(
                glance(content).is_some() && sees_the_same(content),
                "{content}"
            );
        }
    }

    #[test]
    fn about_anything_else_nothing_is_said() {
        for content in [
            "",
            "{}",
            "[]",
            r#"{"type":"a","payload":{}}"#,
            r#"{"type":"a","payload":{},"metadata":{}"#,
            r#"{"type":"a","payload":{},"metadata":{}}}"#,
            r#"{"type":"a","payload":{},"metadata":{},}"#,
            r#"{"type":"a","payload":{},"metadata":{},"more":1}"#,
            r#"{"type":"a","type":"a","payload":{},"metadata":{}}"#,
            r#"{"type":"","payload":{},"metadata":{}}"#,
            r#"{"type":"a\u0062","payload":{},"metadata":{}}"#,
            r#"{"type":7,"payload":{},"metadata":{}}"#,
            r#"{"type":"a","payload":{},"metadata":[]}"#,
            r#"{"type":"a","payload":{},"metadata":{"id":"a\nb"}}"#,
            r#"{"type":"a","payload":{},"metadata":{"version":-1}}"#,
            r#"{"type":"a","payload":"#,
            r#"{"type":"a","payload":"\"#,
        ] {
            assert!(glance(content).is_none(), "{content}");
        }
    }

    proptest! {
        /// What is cut, doubled or exchanged somewhere in an envelope.
        #[test]
        fn what_is_seen_is_what_serde_reads(
            edits in prop::collection::vec((0..CONTENT.len(), 0..12_usize, "[\\\\\"{}\\[\\],:u0d8 \u{1}nätype]{0,6}"), 0..4)
        ) {
            let mut content = CONTENT.to_owned();
            for (at, cut, insert) in edits {
                let boundary = |at: usize| content.ceil_char_boundary(at);
                let range = boundary(at)..boundary(at + cut);
                content.replace_range(range, &insert);
            }
            prop_assert!(sees_the_same(&content), "{}", content);
        }
    }
}
