//! The way from the root of a document to where it went wrong.

use std::cell::RefCell;
use std::fmt::Write as _;

/// How many steps a path tells; a document nested more deeply means nothing by it.
const MOST_STEPS: usize = 16;

/// Collected from the inside out, while an error is on its way up.
#[derive(Debug, Default)]
pub(crate) struct Trail(RefCell<Vec<Step>>);

/// One step into a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A field that the code names.
    Field(&'static str),
    /// A member of a map: its name is found in the document, and may be personal.
    Member,
    /// An element of an array.
    Element(usize),
}

impl Trail {
    pub(crate) fn step(&self, step: Step) {
        self.0.borrow_mut().push(step);
    }

    /// The path, as in `items[2].quantity`; empty at the root.
    pub(crate) fn into_path(self) -> String {
        let mut path = String::new();
        let steps = self.0.into_inner();
        for step in steps.iter().rev().take(MOST_STEPS) {
            match step {
                Step::Field(name) => push(&mut path, name),
                Step::Member => push(&mut path, "*"),
                // Writing to a String does not fail.
                Step::Element(index) => {
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        if steps.len() > MOST_STEPS {
            path.push('…');
        }
        path
    }
}

/// Goes from `path` on into a field.
pub(crate) fn push(path: &mut String, field: &str) {
    if !path.is_empty() && !field.is_empty() && !field.starts_with('[') {
        path.push('.');
    }
    path.push_str(field);
}
