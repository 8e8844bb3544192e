//! Every parser of outside data, with what must hold for whatever it is given.
//!
//! A [`Target`] takes any bytes and panics where something does not hold. Property tests (`tests/`) give it
//! mutated samples and hostile values, the fuzzer (`fuzz/`) what coverage leads it to, and the fuzzer's corpus is
//! replayed by an ordinary test.
//!
//! - [`batch`]: SQS's event, through a whole consumer
//! - [`envelope`]: a body, its envelope, SNS's wrapper around it, and each payload
//! - [`api`]: API Gateway's event, and the order form in it
//! - [`stream`]: a DynamoDB stream's event, through the relay
//! - [`provider`]: the payment provider's answers

#![expect(
    clippy::unwrap_used,
    reason = "a target says by a panic that something does not hold"
)]

pub mod api;
pub mod batch;
pub mod envelope;
pub mod provider;
pub mod stream;

/// A parser, by the name of its corpus.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The folder of its corpus.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 7] = [
    Target {
        name: "batch",
        run: batch::check,
    },
    Target {
        name: "envelope",
        run: envelope::check,
    },
    Target {
        name: "payload",
        run: envelope::check_payload,
    },
    Target {
        name: "form",
        run: api::check_form,
    },
    Target {
        name: "api",
        run: api::check,
    },
    Target {
        name: "stream",
        run: stream::check,
    },
    Target {
        name: "provider",
        run: provider::check,
    },
];

/// The target of that name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    let known = TARGETS.map(|target| target.name);
    TARGETS
        .into_iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| panic!("there is no target {name:?}: {known:?}"))
}

/// What is told about bad input names no address that stands in it, and no character that does not show.
fn is_discreet(detail: &str, input: &str) {
    assert!(
        !detail.chars().any(char::is_control),
        "{detail:?} has control characters"
    );
    if !detail.contains('@') {
        return;
    }
    let words = input.split(|c: char| c.is_whitespace() || "\"\\,:;{}[]".contains(c));
    for address in words.filter(|word| word.len() > 2 && word.contains('@')) {
        assert!(!detail.contains(address), "{detail:?} quotes {address:?}");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}
