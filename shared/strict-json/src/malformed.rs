use std::borrow::Cow;
use std::fmt;

use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::trail::{self, Trail};

/// What is wrong with a document, and where; without a word of what was found.
///
/// It reads `items[2].quantity: expected a whole number above 0, at line 1 column 27`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    path: String,
    problem: Cow<'static, str>,
    /// The line, counted from 1, and how many of its bytes were read.
    position: Option<(usize, usize)>,
}

impl Malformed {
    /// A complaint about the document as a whole. It must not quote the document.
    pub fn new(problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            path: String::new(),
            problem: problem.into(),
            position: None,
        }
    }

    pub(crate) fn of(error: &serde_json::Error, trail: Trail) -> Self {
        let mut path = trail.into_path();
        let (field, problem) = explain(error);
        trail::push(&mut path, &field);
        Self {
            path,
            problem,
            position: (error.line() > 0).then(|| (error.line(), error.column())),
        }
    }

    /// The field, as in `items[2].quantity`; none where the document as a whole is wrong.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        Some(self.path.as_str()).filter(|path| !path.is_empty())
    }

    /// The same without the field: `expected a whole number above 0, at line 1 column 27`.
    #[must_use]
    pub fn problem(&self) -> String {
        match self.position {
            Some((line, column)) => format!("{}, at line {line} column {column}", self.problem),
            None => self.problem.clone().into_owned(),
        }
    }

    /// The same complaint about a document in which the first one lies as the field at `path`: `part`, as a slice
    /// of `whole`.
    #[must_use]
    pub fn within(self, path: impl Into<String>, whole: &str, part: &RawValue) -> Self {
        let mut path = path.into();
        trail::push(&mut path, &self.path);
        let start = part
            .get()
            .as_ptr()
            .addr()
            .wrapping_sub(whole.as_ptr().addr());
        let before = whole.as_bytes().get(..start).unwrap_or_default();
        Self { path, ..self }.after(before)
    }

    /// The same complaint, about what begins behind these bytes.
    pub(crate) fn after(self, before: &[u8]) -> Self {
        let mut lines = before.rsplit(|byte| *byte == b'\n');
        let indent = lines.next().map_or(0, <[u8]>::len);
        let (line, column) = self.position.unwrap_or((1, 1));
        let column = if line == 1 { indent + column } else { column };
        Self {
            position: Some((lines.count() + line, column)),
            ..self
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.problem())
    }
}

impl std::error::Error for Malformed {}

/// What `serde_json` says by itself, which knows no path.
impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        Self::of(&error, Trail::default())
    }
}

/// The field that the error itself names, if it does, and the problem in words that need no Rust.
fn explain(error: &serde_json::Error) -> (String, Cow<'static, str>) {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    if error.classify() != Category::Data {
        return (String::new(), syntax(text).into());
    }
    for (complaint, problem) in [
        ("missing field `", "is missing"),
        ("duplicate field `", "is there more than once"),
    ] {
        // Both name a field of the code, not of the document.
        if let Some(field) = text.strip_prefix(complaint) {
            return (field.trim_end_matches('`').to_owned(), problem.into());
        }
    }
    // `invalid type: …, expected …` and the like quote what was found before they say what was expected.
    let quotes = ["invalid ", "unknown "]
        .iter()
        .any(|prefix| text.starts_with(prefix));
    let problem = match text.rfind(", expected ") {
        Some(at) if quotes => format!("expected {}", in_plain_words(&text[at + 11..])).into(),
        _ if text.starts_with("unknown field ") => "has a member that is not known here".into(),
        _ if quotes => "is not valid".into(),
        // A type's own words; should they quote what was found, they do so in quotes.
        _ => match text.split(['"', '`']).next().map(str::trim_end) {
            None | Some("") => "is not valid".into(),
            Some(words) => words.to_owned().into(),
        },
    };
    (String::new(), problem)
}

/// What serde calls the types of Rust.
fn in_plain_words(expected: &str) -> Cow<'_, str> {
    match expected {
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero u64"
        | "a nonzero usize" => "a whole number above 0".into(),
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "u64" | "u128" | "usize" => "a whole number, 0 or more".into(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "an array".into(),
        "a map" => "an object".into(),
        "a borrowed string" | "string" => "a string".into(),
        "unit" => "null".into(),
        struct_ if struct_.starts_with("struct ") => "an object".into(),
        enum_ if enum_.starts_with("enum ") => "one of the known values".into(),
        other => other.into(),
    }
}

/// What `serde_json` says of a text that is no JSON, where it speaks of its own insides.
fn syntax(text: &str) -> String {
    match text {
        "expected ident" => "expected a value".to_owned(),
        "trailing characters" => "expected nothing more".to_owned(),
        "recursion limit exceeded" => "is nested too deeply".to_owned(),
        _ => match text.strip_prefix("EOF while parsing ") {
            Some(what) => format!("ends within {what}"),
            None => text.to_owned(),
        },
    }
}
