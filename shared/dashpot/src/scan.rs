//! The fast reading of an SQS event, in one pass, for an event as SQS sends it: objects, lists and strings, nothing else.
//!
//! About anything else, be it valid or not, it says nothing, and `serde_json` reads it: there is one place that says what
//! is wrong. What it does read, it reads as `serde_json` would; a property test holds the two against each other.

use std::borrow::Cow;

use memchr::memchr2;

use crate::message::{Attributes, Message};

/// Objects and lists in a record lie no deeper: SQS's own attributes are two deep.
const DEEPEST: usize = 8;

/// The longest name or id, in bytes: see `dashpot_envelope`.
const LONGEST_NAME: usize = 256;

/// How much of a body is made room for at first: one that is larger makes its buffer grow. With what stands before its first
/// escape, and the room for a word, it is what glibc's allocator has at hand: up to 1,032 bytes.
const USUAL_BODY: usize = 1000;

/// The records of the event.
pub(crate) fn records(event: &str) -> Option<Vec<Message<'_>>> {
    let mut scan = Scan::new(event);
    let mut records = None;
    scan.object(|scan, key| match key {
        "Records" if records.is_none() => {
            let mut messages = Vec::new();
            scan.list(|scan| {
                messages.push(scan.record()?);
                Some(())
            })?;
            records = Some(messages);
            Some(())
        }
        "Records" => None,
        _ => scan.skip(DEEPEST),
    })?;
    scan.space();
    (scan.at == event.len()).then_some(records).flatten()
}

/// Reads JSON from one place to the next. A call that gives nothing has stopped somewhere: whoever knows another way begins anew.
pub(crate) struct Scan<'a> {
    text: &'a str,
    pub(crate) at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The text from the next value on.
    pub(crate) fn rest(&mut self) -> Option<&'a str> {
        self.peek()?;
        self.text.get(self.at..)
    }

    /// Reads a name or an id as most are: of visible ASCII, without an escape.
    pub(crate) fn name(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        let end = self.plain_end()?;
        let name = &self.text[start..end];
        // Not `all`: without a way out in the middle the compiler looks at many at once.
        let visible = name
            .bytes()
            .fold(true, |visible, byte| visible & matches!(byte, b' '..=b'~'));
        self.at = end;
        (visible && name.len() <= LONGEST_NAME).then_some(())?;
        // Where there is a backslash, this is no name as most are.
        self.take(b'"').map(|()| name)
    }

    /// Reads a number as times and versions are: whole and not negative.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let first = self.peek()?;
        let digits = &self.text.as_bytes()[self.at..];
        let (mut count, mut number) = (0, 0_u64);
        while let Some(digit @ b'0'..=b'9') = digits.get(count) {
            number = number
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))?;
            count += 1;
        }
        self.at += count;
        // None at all, or a zero before others: neither is a number.
        (count == 1 || count > 1 && first != b'0').then_some(number)
    }

    fn record(&mut self) -> Option<Message<'a>> {
        let (mut id, mut receipt, mut body, mut source) = (None, None, None, None);
        let (mut attributes, mut from_sender) = (None, None);
        self.object(|scan, key| match key {
            "messageId" => scan.string_into(&mut id),
            "receiptHandle" => scan.string_into(&mut receipt),
            "body" => scan.string_into(&mut body),
            "eventSourceARN" => scan.string_into(&mut source),
            "attributes" => set(&mut attributes, scan.attributes()?),
            "messageAttributes" => {
                scan.space();
                let start = scan.at;
                scan.skip(DEEPEST)?;
                set(&mut from_sender, &scan.text[start..scan.at])
            }
            _ => scan.skip(DEEPEST),
        })?;
        Some(Message {
            message_id: id?,
            receipt_handle: receipt.unwrap_or_default(),
            body: body.unwrap_or_default(),
            attributes: attributes.unwrap_or_default(),
            message_attributes: from_sender,
            source_arn: source.unwrap_or_default(),
            defect: None,
        })
    }

    fn attributes(&mut self) -> Option<Attributes<'a>> {
        let (mut count, mut first, mut group) = (None, None, None);
        self.object(|scan, key| match key {
            "ApproximateReceiveCount" => scan.string_into(&mut count),
            "ApproximateFirstReceiveTimestamp" => scan.string_into(&mut first),
            "MessageGroupId" => scan.string_into(&mut group),
            _ => scan.skip(DEEPEST),
        })?;
        Some(Attributes {
            approximate_receive_count: count.unwrap_or_default(),
            approximate_first_receive_timestamp: first.unwrap_or_default(),
            message_group_id: group.unwrap_or_default(),
        })
    }

    /// Reads an object; `member` takes each key and reads its value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Option<()>,
    ) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        loop {
            self.take(b'"')?;
            let start = self.at;
            self.at = self.plain_end()?;
            let key = &self.text[start..self.at];
            // A key with an escape in it is not as SQS writes it.
            self.take(b'"')?;
            self.take(b':')?;
            member(self, key)?;
            if self.peek()? == b'}' {
                return self.take(b'}');
            }
            self.take(b',')?;
        }
    }

    /// Reads a list; `element` reads each value.
    fn list(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            return self.take(b']');
        }
        loop {
            element(self)?;
            if self.peek()? == b']' {
                return self.take(b']');
            }
            self.take(b',')?;
        }
    }

    /// Passes over a value that nobody asks for.
    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.skip_string(),
            b'{' => self.object(|scan, _| scan.skip(depth.checked_sub(1)?)),
            b'[' => self.list(|scan| scan.skip(depth.checked_sub(1)?)),
            _ => None,
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            self.at = self.plain_end()?;
            if self.text.as_bytes()[self.at] == b'"' {
                self.at += 1;
                return Some(());
            }
            self.escape()?;
        }
    }

    fn string_into(&mut self, into: &mut Option<Cow<'a, str>>) -> Option<()> {
        self.take(b'"')?;
        let start = self.at;
        let end = self.plain_end()?;
        self.at = end;
        let string = if self.text.as_bytes()[end] == b'"' {
            self.at += 1;
            Cow::Borrowed(&self.text[start..end])
        } else {
            Cow::Owned(self.unescape(start)?)
        };
        set(into, string)
    }

    /// Reads on in a string that began at `start`, from its first escape. A body is JSON in a string: there is an escape
    /// in every eight bytes or so, hence eight at a time, copied before it is known how many of them count.
    fn unescape(&mut self, start: usize) -> Option<String> {
        let bytes = self.text.as_bytes();
        let mut length = self.at - start;
        let mut string = vec![0; length + USUAL_BODY.min(bytes.len() - start) + ROOM];
        string[..length].copy_from_slice(&bytes[start..self.at]);
        loop {
            if string.len() < length + ROOM {
                string.resize(2 * string.len(), 0);
            }
            let (read, written) = copy_plain(&bytes[self.at..], &mut string[length..]);
            self.at += read;
            length += written;
            match *bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    string.truncate(length);
                    return String::from_utf8(string).ok();
                }
                b'\\' => match self.escape()? {
                    Escape::Byte(byte) => {
                        string[length] = byte;
                        length += 1;
                    }
                    Escape::Code(code) => {
                        // Half of a surrogate pair is none.
                        let character = char::from_u32(code)?;
                        length += character.encode_utf8(&mut string[length..]).len();
                    }
                },
                // JSON has no control characters in its strings.
                ..b' ' => return None,
                // The text's last bytes, or the buffer's.
                byte => {
                    string[length] = byte;
                    self.at += 1;
                    length += 1;
                }
            }
        }
    }

    /// Reads an escape, from its backslash.
    fn escape(&mut self) -> Option<Escape> {
        let rest = &self.text.as_bytes()[self.at..];
        let byte = match rest.get(1)? {
            byte @ (b'"' | b'\\' | b'/') => *byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let digit =
                    |code: u32, byte: &u8| Some(code << 4 | char::from(*byte).to_digit(16)?);
                let code = rest.get(2..6)?.iter().try_fold(0, digit)?;
                self.at += 6;
                return Some(Escape::Code(code));
            }
            _ => return None,
        };
        self.at += 2;
        Some(Escape::Byte(byte))
    }

    fn plain_end(&self) -> Option<usize> {
        plain_end(self.text.as_bytes(), self.at)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        let byte = *bytes.get(self.at)?;
        // SQS writes no white space.
        if byte > b' ' {
            return Some(byte);
        }
        self.space();
        bytes.get(self.at).copied()
    }

    #[cold]
    pub(crate) fn space(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
    }
}

/// Copies the plain part of a string, with escaped quotes, as nearly all escapes are, while there is room. Returns how many bytes
/// were read, and how many written.
///
/// Words of eight bytes, wherever escapes lie: so a processor can look at the next while it copies one.
#[inline(never)] // With the registers to itself.
fn copy_plain(from: &[u8], to: &mut [u8]) -> (usize, usize) {
    // Where in its word the next byte lies: the first one may belong to an escape that began before it.
    let (mut start, mut written) = (0, 0);
    let (words, _) = from.as_chunks::<EIGHT>();
    for (n, word) in words.iter().enumerate() {
        let base = n * EIGHT;
        let Some(room) = to[written..].first_chunk_mut::<ROOM>() else {
            return (base + start, written);
        };
        let word = u64::from_le_bytes(*word);
        let mut found = special(word) >> (8 * start) << (8 * start);
        let mut at = 0;
        while found != 0 {
            let find = plain_bytes(found);
            // What is copied beyond the find is written over.
            room[at..at + EIGHT].copy_from_slice(&(word >> (8 * start)).to_le_bytes());
            at += find - start;
            if from.get(base + find..base + find + 2) != Some(b"\\\"") {
                return (base + find, written + at);
            }
            room[at] = b'"';
            at += 1;
            start = find + 2;
            // The escaped quote is a find, too, and lies in the next word if the backslash is this one's last byte.
            found &= found - 1;
            found &= found.wrapping_sub(1);
        }
        if start < EIGHT {
            room[at..at + EIGHT].copy_from_slice(&(word >> (8 * start)).to_le_bytes());
            at += EIGHT - start;
            start = EIGHT;
        }
        start -= EIGHT;
        written += at;
    }
    (words.len() * EIGHT + start, written)
}

/// Where the plain part of a string ends that goes on at `at`: at a quote or a backslash.
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    // Most are short.
    for _ in 0..SHORT / WINDOW {
        let Some(window) = bytes.get(at..)?.first_chunk::<WINDOW>() else {
            break;
        };
        let word = |half: Option<&[u8; EIGHT]>| half.map_or(0, |half| u64::from_le_bytes(*half));
        let first = special(word(window.first_chunk()));
        let second = special(word(window.last_chunk()));
        if first | second != 0 {
            let plain = if first == 0 {
                EIGHT + plain_bytes(second)
            } else {
                plain_bytes(first)
            };
            return (window[plain] >= b' ').then_some(at + plain);
        }
        at += WINDOW;
    }
    plain_end_of_long(bytes, at)
}

#[inline(never)] // Out of the way of the short ones.
fn plain_end_of_long(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let plain = memchr2(b'"', b'\\', rest)?;
    // Not `any`: without a way out in the middle the compiler looks at many at once.
    let least = rest[..plain]
        .iter()
        .fold(u8::MAX, |least, &byte| least.min(byte));
    (least >= b' ').then_some(at + plain)
}

enum Escape {
    Byte(u8),
    Code(u32),
}

const EIGHT: usize = size_of::<u64>();

/// What is looked at at once, in bytes.
const WINDOW: usize = 2 * EIGHT;

/// What one word may need while it is copied: its own bytes, and as many that are written over.
const ROOM: usize = 2 * EIGHT;

/// How long a string is that is not worth the start of a faster search, in bytes.
const SHORT: usize = 32;

/// The high bit of each of eight bytes that is a quote, a backslash or a control character: after "Determine if a word has a byte
/// less than n", Bit Twiddling Hacks, without a carry from one byte to the next.
fn special(eight: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // The high bits of the bytes that are `least` at least, or no ASCII.
    let from = |word: u64, least: u64| ((word & !HIGH) + ONES * (0x80 - least)) | word;
    // Exchanging the quote, 0x22, for what comes after the control characters makes them one range.
    let neither_quote_nor_control = from(eight ^ (ONES * 0x02), 0x21);
    let no_backslash = from(eight ^ (ONES * u64::from(b'\\')), 1);
    !(neither_quote_nor_control & no_backslash) & HIGH
}

/// How many of eight bytes come before the first [`special`] one; eight where there is none.
fn plain_bytes(special: u64) -> usize {
    (special.trailing_zeros() / 8) as usize
}

/// A member that is there twice is not as SQS writes it.
pub(crate) fn set<T>(member: &mut Option<T>, value: T) -> Option<()> {
    member.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;
    use crate::message::SqsEvent;

    const EVENT: &str = r#"{"Records":[{"messageId":"m-1","receiptHandle":"r-1","body":"{\"a\":\"ä\u00e4\n\"}",
        "attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1","MessageGroupId":"g","ApproximateFirstReceiveTimestamp":"17"},
        "messageAttributes":{"type":{"stringValue":"a\"b","stringListValues":[],"binaryListValues":["eA=="],"dataType":"String"}},
        "md5OfBody":"x","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:eu-central-1:1:q"}, {"messageId":"m-2","body":"plain"}]}"#;

    fn facts(messages: &[Message<'_>]) -> Vec<Vec<String>> {
        let facts = |message: &Message<'_>| {
            let attributes = &message.attributes;
            [
                message.message_id.as_ref(),
                &message.receipt_handle,
                &message.body,
                &message.source_arn,
                &attributes.approximate_receive_count,
                &attributes.approximate_first_receive_timestamp,
                &attributes.message_group_id,
                message.message_attributes.unwrap_or("none"),
            ]
            .map(str::to_owned)
            .into()
        };
        messages.iter().map(facts).collect()
    }

    /// Reads both ways; the fast one may say nothing, but nothing else.
    fn reads_alike(event: &str) -> bool {
        let Some(fast) = records(event) else {
            return true;
        };
        let slow: Option<SqsEvent<'_>> = serde_json::from_str(event).ok();
        slow.is_some_and(|slow| facts(&fast) == facts(&slow.records))
    }

    #[test]
    fn an_event_as_sqs_sends_it_is_read_and_as_serde_json_reads_it() {
        let read = records(EVENT).unwrap();
        assert_eq!(read[0].body, "{\"a\":\"ää\n\"}");
        assert_eq!((read[0].group(), read[1].group()), (Some("g"), None));
        assert!(matches!(read[1].body, Cow::Borrowed("plain")));
        assert!(reads_alike(EVENT));
        let empty = r#" { "Records" : [ ] , "more": {"a": []} } "#;
        assert!(records(empty).unwrap().is_empty() && reads_alike(empty));
    }

    #[test]
    fn about_anything_else_nothing_is_said() {
        for event in [
            "",
            "[]",
            "{}",
            r#"{"Records":[]"#,
            r#"{"Records":[]}x"#,
            r#"{"Records":[],"Records":[]}"#,
            r#"{"Records":[{}]}"#,
            r#"{"Records":[{"messageId":"m","messageId":"n"}]}"#,
            r#"{"Records":[{"messageId":"m","body":7}]}"#,
            r#"{"Records":[{"messageId":"m","body":"\ud83d\ude00"}]}"#,
            r#"{"Records":[{"messageId":"m","body":"\x"}]}"#,
            r#"{"Records":[{"messageId":"m","x":"\ug000"}]}"#,
            "{\"Records\":[{\"messageId\":\"m\",\"body\":\"a\nb\"}]}",
            "{\"Records\":[{\"messageId\":\"m\",\"body\":\"\\n\n\"}]}",
            r#"{"Records":[{"messageId":"m","x":[[[[[[[[[[]]]]]]]]]]}]}"#,
            r#"{"Records":[{"messageId":"m","b\u006fdy":"x"}]}"#,
        ] {
            assert!(records(event).is_none(), "{event}");
        }
    }

    proptest! {
        #[test]
        fn a_body_is_read_as_it_was_written(body in "(?s).*") {
            let event = format!(
                r#"{{"Records":[{{"messageId":"m","body":{}}}]}}"#,
                serde_json::to_string(&body).unwrap()
            );
            prop_assert_eq!(&records(&event).unwrap()[0].body, &body);
        }

        /// What is cut, doubled or exchanged somewhere in an event.
        #[test]
        fn whatever_is_read_is_read_as_serde_json_reads_it(
            edits in prop::collection::vec((0..EVENT.len(), 0..12_usize, "[\\\\\"{}\\[\\],:u0d8 \u{1}näbody]{0,6}"), 1..4)
        ) {
            let mut event = EVENT.to_owned();
            for (at, cut, insert) in edits {
                let boundary = |at: usize| event.ceil_char_boundary(at);
                let range = boundary(at)..boundary(at + cut);
                event.replace_range(range, &insert);
            }
            prop_assert!(reads_alike(&event), "{}", event);
        }
    }
}
