//! Whether a schema may take the place of the one that was published under the same name and version.
//!
//! Two builds of every consumer and of every producer run at once during a deployment, dead letters are replayed after
//! weeks, and the journal is for ever. So what was said must be read by whoever runs later, and what is said now by
//! whoever still runs. Of one version only this may change: a field may be added that may be missing.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};
use shop_events::schema::Published;

/// A change that somebody could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The event's name.
    pub name: String,
    /// The payload's version.
    pub version: u32,
    /// Where: `payload.items[].quantity`.
    pub path: String,
    /// What was, and what is.
    pub change: String,
    /// Whom it breaks, and what to do instead.
    pub kind: Kind,
}

/// Kinds of change, by whom they break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A version is known no more.
    Retired,
    /// A field is gone.
    Removed,
    /// A field that may have been missing must be there.
    Required,
    /// A field that must have been there may be missing.
    Optional,
    /// Less is accepted.
    Narrowed,
    /// More is accepted.
    Widened,
    /// Something else is accepted.
    Changed,
}

impl Kind {
    fn why(self) -> &'static str {
        match self {
            Self::Retired => {
                "the journal keeps such messages for ever, and dead letters are replayed"
            }
            Self::Removed | Self::Optional => {
                "consumers that still run, of the build before, park a message without it as malformed"
            }
            Self::Required => {
                "what lies in queues, in dead-letter queues and in the journal was said without it, and would be parked \
                 as malformed"
            }
            Self::Narrowed => {
                "what lies in queues, in dead-letter queues and in the journal was said under the wider rule, and would \
                 be parked as malformed"
            }
            Self::Widened => {
                "consumers that still run, of the build before, park what is said under the wider rule as malformed"
            }
            Self::Changed => {
                "what lies in queues and in the journal was said as it was, and consumers that still run read it so"
            }
        }
    }

    fn instead(self) -> &'static str {
        match self {
            Self::Retired => {
                "Keep its golden file, its upcast in `Event::read`, and its line in `shop_events::schema::published`"
            }
            Self::Removed => "Go on saying it",
            Self::Required => {
                "Make it an `Option` with `#[serde(default, skip_serializing_if = \"Option::is_none\")]`, or give it \
                 another `#[serde(default = ..)]`"
            }
            Self::Optional => "Go on saying it, always",
            Self::Narrowed => {
                "Leave the type as wide as it was, and be strict where the event is made"
            }
            Self::Widened | Self::Changed => {
                "Leave it as it was, and say what is new in an optional field beside it"
            }
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            version,
            path,
            change,
            kind,
        } = self;
        writeln!(f, "{name}, version {version}: {path}: {change}.")?;
        writeln!(f, "  This breaks a consumer: {}.", kind.why())?;
        write!(f, "  Instead: {}", kind.instead())?;
        if *kind != Kind::Retired {
            let next = version + 1;
            write!(
                f,
                "; or say it in version {next}: raise VERSION, read version {version} by an upcast in `Event::read`, go \
                 on listing it in `shop_events::schema::published`, keep its schema and its golden file, and add those \
                 of version {next}"
            )?;
        }
        writeln!(f, ".")
    }
}

/// Everything about today's payloads that would break somebody who goes by the published schemas.
#[must_use]
pub fn breaks(committed: &BTreeMap<(String, u32), Value>, published: &[Published]) -> Vec<Break> {
    let mut breaks = Vec::new();
    for ((name, version), before) in committed {
        let today = published
            .iter()
            .find(|it| (it.name, it.version) == (name, *version));
        let mut comparison = Comparison {
            before,
            after: today.map_or(&Value::Null, |it| &it.schema),
            breaks: Vec::new(),
        };
        match today {
            Some(today) => comparison.schema(before, &today.schema, "payload"),
            None => comparison.found("payload", Kind::Retired, "it is known no more".into()),
        }
        let named = comparison.breaks.into_iter();
        breaks.extend(named.map(|(path, kind, change)| Break {
            name: name.clone(),
            version: *version,
            path,
            change,
            kind,
        }));
    }
    breaks
}

/// Two documents, and how they differ so far.
struct Comparison<'a> {
    before: &'a Value,
    after: &'a Value,
    breaks: Vec<(String, Kind, String)>,
}

impl Comparison<'_> {
    fn found(&mut self, path: &str, kind: Kind, change: String) {
        self.breaks.push((path.to_owned(), kind, change));
    }

    fn schema(&mut self, before: &Value, after: &Value, path: &str) {
        let mut before = resolved(self.before, before);
        let mut after = resolved(self.after, after);
        let (was, is) = (before.remove("anyOf"), after.remove("anyOf"));
        let (alternatives, now) = (list(was.as_ref()), list(is.as_ref()));
        let kind = match alternatives.len().cmp(&now.len()) {
            Ordering::Less => Kind::Widened,
            Ordering::Greater => Kind::Narrowed,
            Ordering::Equal => {
                for (before, after) in alternatives.iter().zip(now) {
                    self.schema(before, after, path);
                }
                return self.keywords(&before, &after, path);
            }
        };
        self.found(path, kind, changed("anyOf", was.as_ref(), is.as_ref()));
    }

    fn keywords(&mut self, before: &Map<String, Value>, after: &Map<String, Value>, path: &str) {
        let keywords: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for keyword in keywords {
            let (was, is) = (before.get(keyword), after.get(keyword));
            match (keyword.as_str(), was, is) {
                // For people; and what is missing is told by `required`.
                ("$schema" | "$defs" | "title" | "description", ..)
                | ("default", None, _)
                | ("default", _, None) => {}
                ("properties", Some(was), Some(is)) => self.properties(was, is, path),
                ("required", ..) => self.required(was, is, after, path),
                ("items", Some(was), Some(is)) => self.schema(was, is, &format!("{path}[]")),
                ("then", Some(was), Some(is)) => self.schema(was, is, path),
                _ if was == is => {}
                _ => {
                    let kind = direction(keyword, was, is);
                    self.found(path, kind, changed(keyword, was, is));
                }
            }
        }
    }

    fn properties(&mut self, before: &Value, after: &Value, path: &str) {
        for (name, before) in before.as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            match after.get(name) {
                Some(after) => self.schema(before, after, &path),
                None => self.found(&path, Kind::Removed, "it is gone".into()),
            }
        }
    }

    fn required(
        &mut self,
        was: Option<&Value>,
        is: Option<&Value>,
        after: &Map<String, Value>,
        path: &str,
    ) {
        let (was, is) = (texts(was), texts(is));
        for name in is.difference(&was) {
            let change = "it need not be there, and must now".into();
            self.found(&format!("{path}.{name}"), Kind::Required, change);
        }
        // What is gone as a whole is told by `properties`.
        let is_there = |name: &&&str| {
            after
                .get("properties")
                .is_some_and(|it| it.get(**name).is_some())
        };
        for name in was.difference(&is).filter(is_there) {
            let change = "it must be there, and need not now".into();
            self.found(&format!("{path}.{name}"), Kind::Optional, change);
        }
    }
}

/// Whether a keyword's new value lets less through, or more.
fn direction(keyword: &str, was: Option<&Value>, is: Option<&Value>) -> Kind {
    let (Some(was), Some(is)) = (was, is) else {
        return if was.is_none() {
            Kind::Narrowed
        } else {
            Kind::Widened
        };
    };
    let narrower = match keyword {
        _ if keyword.starts_with("max") => {
            was.as_f64().partial_cmp(&is.as_f64()).map(Ordering::is_gt)
        }
        _ if keyword.starts_with("min") => {
            was.as_f64().partial_cmp(&is.as_f64()).map(Ordering::is_lt)
        }
        "type" | "enum" => {
            let (was, is) = (members(was), members(is));
            let is_within = |few: &[Value], many: &[Value]| few.iter().all(|it| many.contains(it));
            is_within(&is, &was)
                .then_some(true)
                .or(is_within(&was, &is).then_some(false))
        }
        _ => None,
    };
    match narrower {
        Some(true) => Kind::Narrowed,
        Some(false) => Kind::Widened,
        None => Kind::Changed,
    }
}

fn changed(what: &str, was: Option<&Value>, is: Option<&Value>) -> String {
    let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    format!("{what} was {}, and is {}", shown(was), shown(is))
}

/// The schema with what it refers to in its place.
fn resolved(document: &Value, schema: &Value) -> Map<String, Value> {
    let mut own = schema.as_object().cloned().unwrap_or_default();
    let Some(Value::String(reference)) = own.remove("$ref") else {
        return own;
    };
    let target = reference
        .strip_prefix('#')
        .and_then(|it| document.pointer(it));
    let mut whole = resolved(document, target.unwrap_or(&Value::Null));
    whole.extend(own);
    whole
}

fn members(value: &Value) -> Vec<Value> {
    value
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()])
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: Option<&Value>) -> BTreeSet<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}
