//! One call: its key, its rule, its deed, its note in the ledger.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::behaviour::{Effect, Operation, Rule, Rules, Subject};
use super::fields::Fields;
use super::intent::{End, Intent};
use super::keys::{Found, Keys};
use super::ledger::{Ledger, order_id_in};
use super::refusal::{self, Refusal};

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) path: String,
    /// The payment that it is about, as far as the request names one.
    pub(super) intent: Option<String>,
    pub(super) key: Option<String>,
    pub(super) fields: Fields,
}

/// What it gets.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) replayed: bool,
    /// Whether the request got to work; see [`Refusal::began`].
    pub(super) began: bool,
    intents: Vec<String>,
}

impl Answer {
    /// A success that concerns these payments.
    pub(super) fn of(intents: Vec<String>, body: Value) -> Self {
        Self {
            status: 200,
            body,
            replayed: false,
            began: true,
            intents,
        }
    }

    /// A success that concerns this payment.
    pub(super) fn about(intent: &Intent, body: Value) -> Self {
        Self::of(vec![intent.id.clone()], body)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status,
            body: json!({ "error": refusal.error }),
            replayed: false,
            began: refusal.began,
            intents: refusal.intent.into_iter().collect(),
        }
    }
}

/// The provider, with all that it knows.
#[derive(Debug, Default)]
pub(super) struct Provider {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    keys: Keys,
    rules: Rules,
}

/// How a call goes on after its first look at the state.
enum Course {
    Act,
    Say(Answer),
    Hang,
}

impl Provider {
    /// Does what is asked; `None` if the connection is to end without an answer.
    pub(super) async fn answer(&self, call: &Call) -> Option<Answer> {
        let (course, effect) = self.state().begin(call);
        if let Some(delay) = effect.delay_ms {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        self.state().finish(call, course, effect)
    }

    pub(super) fn ledger(&self) -> Value {
        self.state().ledger.show()
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        self.state().rules.in_force().to_vec()
    }

    /// The rules in force afterwards.
    pub(super) fn add_rules(&self, rules: Vec<Rule>) -> Vec<Rule> {
        self.state().rules.add(rules);
        self.rules()
    }

    pub(super) fn drop_rules(&self) {
        self.state().rules = Rules::default();
    }

    pub(super) fn reset(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No call leaves the state half changed: each checks first and then writes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, call: &Call) -> (Course, Effect) {
        let found = self.keys.look(call);
        let effect = self.rule(call, matches!(found, Found::Fresh));
        let course = if effect.refuse {
            Course::Hang
        } else if let Some(status) = effect.passing_failure() {
            Course::Say(refusal::on_demand(status).into())
        } else {
            match found {
                Found::Fresh => {
                    self.keys.begin(call);
                    Course::Act
                }
                Found::Answered(answer) => Course::Say(Answer {
                    replayed: true,
                    ..answer
                }),
                Found::Refused(refusal) => Course::Say(refusal.into()),
            }
        };
        (course, effect)
    }

    fn finish(&mut self, call: &Call, course: Course, effect: Effect) -> Option<Answer> {
        let (answer, acted) = match course {
            Course::Hang => (None, false),
            Course::Say(answer) => (Some(answer), false),
            Course::Act => {
                let (answer, acted) = self.act(call, effect);
                self.keys.end(call, &answer);
                (Some(answer), acted)
            }
        };
        let given = answer.as_ref().filter(|_| !effect.lose_answer);
        let end = End {
            http_status: given.map(|answer| answer.status),
            replayed: answer.as_ref().is_some_and(|answer| answer.replayed),
            acted,
        };
        let named = answer
            .as_ref()
            .map(|answer| &answer.intents)
            .filter(|intents| !intents.is_empty());
        for id in named.map_or_else(|| call.intent.as_slice(), Vec::as_slice) {
            if let Some(intent) = self.ledger.get_mut(id) {
                intent.note(call.operation, call.key.as_deref(), end);
            }
        }
        answer.filter(|_| !effect.lose_answer)
    }

    /// The answer, and whether money was moved.
    fn act(&mut self, call: &Call, effect: Effect) -> (Answer, bool) {
        let failure = effect.stored_failure().map(|status| Answer {
            began: true,
            ..Answer::from(refusal::on_demand(status))
        });
        match failure {
            Some(failure) if !effect.acts => (failure, false),
            failure => {
                let done = self.ledger.act(call);
                let acted = done.status == 200 && call.operation.moves_money();
                let answer = match failure {
                    None => done,
                    Some(failure) => Answer {
                        intents: done.intents,
                        ..failure
                    },
                };
                (answer, acted)
            }
        }
    }

    fn rule(&mut self, call: &Call, fresh: bool) -> Effect {
        let intent = call.intent.as_deref().and_then(|id| self.ledger.get(id));
        let searched = call.fields.get("query").and_then(order_id_in);
        let order_id = call.fields.get("metadata[order_id]").or(searched);
        self.rules.take(&Subject {
            operation: call.operation,
            order_id: intent.and_then(Intent::order_id).or(order_id),
            payment_method: intent
                .map(|intent| intent.payment_method.as_str())
                .or_else(|| call.fields.get("payment_method")),
            fresh,
        })
    }
}
