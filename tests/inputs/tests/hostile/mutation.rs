use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::document::Document;

/// What is put where something else belongs.
const HOSTILE: [&str; 32] = [
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.0",
    "1.5",
    "1e2",
    "1E400",
    "-1e-400",
    "4294967296",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999999999",
    "00",
    "\"\"",
    "\"0\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\u202egnp.ada@example.com\"",
    "\"a\\nb\\u001b[2J\"",
    "\"\\ufffe\u{ffff}\"",
    "\"ada@example.com\"",
    "\"{}\"",
    "\"a#b\"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{\"\":null}",
    "{\"a\":1,\"a\":2}",
    "nonsense",
];

#[derive(Debug, Clone)]
enum Mutation {
    /// Another value.
    Replace(Index),
    /// The member or element is gone.
    Drop(Index),
    /// The member or element is there again, perhaps with another value.
    Repeat(Index, Option<Index>),
    /// An object becomes the array of its values.
    Flatten,
    /// The value lies this deep in arrays.
    Bury(usize),
    /// A text becomes very long.
    Stretch(usize),
    /// A value becomes the text of it.
    Quote,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => any::<Index>().prop_map(Mutation::Replace),
        2 => any::<Index>().prop_map(Mutation::Drop),
        2 => (any::<Index>(), any::<Option<Index>>()).prop_map(|(at, value)| Mutation::Repeat(at, value)),
        2 => Just(Mutation::Flatten),
        1 => (1..300_usize).prop_map(Mutation::Bury),
        1 => (0..2000_usize).prop_map(Mutation::Stretch),
        1 => Just(Mutation::Quote),
    ]
}

/// The sample with one to three things wrong with it, and now and then with a piece missing at its end.
pub(crate) fn mutated(sample: &str) -> impl Strategy<Value = String> + use<> {
    let sample = Document::from(&serde_json::from_str::<Value>(sample).unwrap());
    let mutations = proptest::collection::vec((any::<Index>(), mutation()), 1..4);
    let cut = prop_oneof![9 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (mutations, cut).prop_map(move |(mutations, cut)| {
        let mut document = sample.clone();
        for (at, mutation) in &mutations {
            let at = at.index(document.len());
            if let Some(value) = document.at(at) {
                mutate(value, mutation);
            }
        }
        let mut text = document.to_string();
        if let Some(cut) = cut {
            let mut end = cut.index(text.len() + 1);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        text
    })
}

fn hostile(index: Index) -> Document {
    Document::Leaf(HOSTILE[index.index(HOSTILE.len())].to_owned())
}

fn mutate(value: &mut Document, mutation: &Mutation) {
    match (mutation, &mut *value) {
        (Mutation::Drop(at), Document::Array(elements)) if !elements.is_empty() => {
            elements.remove(at.index(elements.len()));
        }
        (Mutation::Drop(at), Document::Object(members)) if !members.is_empty() => {
            members.remove(at.index(members.len()));
        }
        (Mutation::Repeat(at, other), Document::Array(elements)) if !elements.is_empty() => {
            let again = elements[at.index(elements.len())].clone();
            elements.push(other.map_or(again, hostile));
        }
        (Mutation::Repeat(at, other), Document::Object(members)) if !members.is_empty() => {
            let (name, again) = members[at.index(members.len())].clone();
            members.push((name, other.map_or(again, hostile)));
        }
        (Mutation::Flatten, Document::Object(members)) => {
            let values = std::mem::take(members).into_iter().map(|(_, value)| value);
            *value = Document::Array(values.collect());
        }
        (Mutation::Bury(depth), _) => {
            *value = Document::Leaf(format!(
                "{}{value}{}",
                "[".repeat(*depth),
                "]".repeat(*depth)
            ));
        }
        (Mutation::Stretch(length), _) => {
            *value = Document::Leaf(format!("\"{}\"", "ä".repeat(*length)));
        }
        (Mutation::Quote, _) => {
            *value = Document::Leaf(Value::from(value.to_string()).to_string());
        }
        (Mutation::Replace(with) | Mutation::Drop(with) | Mutation::Repeat(with, _), _) => {
            *value = hostile(*with);
        }
        (Mutation::Flatten, _) => *value = Document::Array(Vec::new()),
    }
}
