//! Rules by which the sandbox misbehaves.

use serde::{Deserialize, Serialize};

/// What a client asks the provider to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    Create,
    Capture,
    Cancel,
    Refund,
    Retrieve,
    Search,
}

impl Operation {
    /// Whether it does something, rather than look.
    pub(super) fn moves_money(self) -> bool {
        !matches!(self, Self::Retrieve | Self::Search)
    }
}

/// When to misbehave, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    operation: Scope,
    effect: Effect,
    times: Option<u32>,
    order_id: Option<String>,
    payment_method: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    Any,
    #[serde(untagged)]
    One(Operation),
}

/// How to misbehave. The default is to behave.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Effect {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "failure")]
    pub(super) fail: Option<u16>,
    pub(super) acts: bool,
    pub(super) lose_answer: bool,
    pub(super) refuse: bool,
}

fn failure<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    match Option::deserialize(deserializer)? {
        Some(status) if !(400..=599).contains(&status) => Err(serde::de::Error::custom(
            "`fail` must be a status from 400 to 599",
        )),
        status => Ok(status),
    }
}

impl Effect {
    /// The failure that is stored under the key, as that of a request that got to work.
    pub(super) fn stored_failure(&self) -> Option<u16> {
        self.fail
            .filter(|status| self.acts || *status == 402 || *status >= 500)
    }

    /// The failure of a request that never got to work.
    pub(super) fn passing_failure(&self) -> Option<u16> {
        self.fail.filter(|_| self.stored_failure().is_none())
    }
}

/// What a rule looks at.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) operation: Operation,
    pub(super) order_id: Option<&'a str>,
    pub(super) payment_method: Option<&'a str>,
    /// Whether the request will act, rather than bring a stored answer.
    pub(super) fresh: bool,
}

impl Rule {
    fn fits(&self, subject: &Subject<'_>) -> bool {
        let operation = match self.operation {
            Scope::Any => true,
            Scope::One(operation) => operation == subject.operation,
        };
        let named = |wanted: &Option<String>, given: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == given)
        };
        operation
            && named(&self.order_id, subject.order_id)
            && named(&self.payment_method, subject.payment_method)
            && (subject.fresh || self.effect.stored_failure().is_none())
    }
}

/// The rules in force, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    pub(super) fn add(&mut self, rules: Vec<Rule>) {
        self.0
            .extend(rules.into_iter().filter(|rule| rule.times != Some(0)));
    }

    pub(super) fn in_force(&self) -> &[Rule] {
        &self.0
    }

    /// The effect of the first rule that fits, of which one time is spent.
    pub(super) fn take(&mut self, subject: &Subject<'_>) -> Effect {
        let Some(index) = self.0.iter().position(|rule| rule.fits(subject)) else {
            return Effect::default();
        };
        let rule = &mut self.0[index];
        let effect = rule.effect;
        if let Some(times) = &mut rule.times {
            *times -= 1;
            if *times == 0 {
                self.0.remove(index);
            }
        }
        effect
    }
}
