//! What goes wrong in a shop.

use dashpot_testing::fault::Faults;
use dashpot_testing::fault::Trial;

/// Decides what goes wrong, and is told what happens.
pub trait Mishaps: Send + Sync {
    /// A new process of that function, about that event or request.
    fn process(&self, function: &'static str, subject: &'static str) -> Faults;

    /// The types that the function as it is deployed just now does not know yet.
    fn not_yet_known(&self, function: &'static str) -> Vec<&'static str> {
        let _ = function;
        Vec::new()
    }

    /// Whether the mapping fails to delete a message that this consumer has done.
    fn delete_fails(&self, consumer: &'static str) -> bool {
        let _ = consumer;
        false
    }

    /// How often a client library of AWS tries a call: 3 in production; 1 shows each fault to our own code.
    fn attempts(&self) -> u32 {
        1
    }

    /// Something happened that an exact repeat would repeat.
    fn note(&self, what: &str) {
        let _ = what;
    }
}

/// Nothing goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Fair;

impl Mishaps for Fair {
    fn process(&self, function: &'static str, _: &'static str) -> Faults {
        Faults::none(function)
    }
}

impl Mishaps for Trial {
    fn process(&self, function: &'static str, subject: &'static str) -> Faults {
        Self::process(self, function, subject)
    }
}
