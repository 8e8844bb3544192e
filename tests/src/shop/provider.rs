//! Stripe in memory, as strict as its documentation: idempotency keys that bring the first answer again for a day, also
//! when that was a server error; states; a search that lags; holds that lapse after a week.
//!
//! <https://docs.stripe.com/api/idempotent_requests>, <https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>,
//! <https://docs.stripe.com/search>

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use payment_gateway::{
    Authorisation, GatewayError, Intent, IntentId, IntentStatus, OrderId, Refund, RefundId,
    RefundStatus,
};
use tokio::time::Instant;

/// How long a key brings its first answer again.
const KEYS_KEPT: Duration = Duration::from_hours(24);

/// How long the search may not know a payment.
const SEARCH_LAG: Duration = Duration::from_mins(1);

/// When a hold lapses that nobody captured.
const HELD_FOR: Duration = Duration::from_hours(7 * 24);

/// A card that is good.
pub const GOOD: &str = "pm_card_visa";
/// A card that is declined at once.
pub const DECLINED: &str = "pm_card_visa_chargeDeclined";
/// A card that can be held, and not charged.
pub const CAPTURE_REFUSED: &str = "pm_card_dashpot_captureRefused";

/// The provider.
#[derive(Debug, Default)]
pub struct Provider(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<String, First>,
    payments: Vec<Payment>,
    /// Which of the calls that act, counted from 0, fail with a server error, and whether they act all the same.
    errors: BTreeMap<usize, bool>,
    acting_calls: usize,
}

/// One payment, with all that happened to its money.
#[derive(Debug, Clone)]
pub struct Payment {
    /// As the provider shows it.
    pub intent: Intent,
    /// What moved money, in order.
    pub moves: Vec<Move>,
    /// How often it was asked, under another key, to do again what it had done.
    pub blind_repeats: usize,
    /// The token of the card.
    pub card: String,
    made: Instant,
}

/// What happened to a payment's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// So much was held.
    Held(u64),
    /// So much was taken.
    Captured(u64),
    /// The hold was let go of.
    Voided(u64),
    /// The hold lapsed by itself.
    Lapsed(u64),
    /// So much went back.
    Refunded(u64),
}

/// The first answer under a key.
#[derive(Debug, Clone)]
struct First {
    request: String,
    answer: Answer,
    at: Instant,
}

#[derive(Debug, Clone)]
enum Answer {
    Intent(Intent),
    Refund(Refund),
    Declined(IntentId),
    Invalid {
        code: Option<&'static str>,
        param: Option<&'static str>,
        status: Option<IntentStatus>,
    },
    ServerError,
}

/// A refusal that is kept under the key, because the request got to work.
fn unexpected_state(intent: &Intent) -> Answer {
    Answer::Invalid {
        code: Some("payment_intent_unexpected_state"),
        param: None,
        status: Some(intent.status.clone()),
    }
}

fn missing(param: &'static str) -> GatewayError {
    invalid(Some("resource_missing"), Some(param), None)
}

fn invalid(
    code: Option<&'static str>,
    param: Option<&'static str>,
    intent_status: Option<IntentStatus>,
) -> GatewayError {
    GatewayError::Invalid {
        code: code.map(str::to_owned),
        message: "refused".to_owned(),
        param: param.map(str::to_owned),
        intent_status,
    }
}

impl Provider {
    /// That call among those that act, counted from 0, is answered with a server error, which its key repeats.
    pub fn fail(&self, call: usize, acts_all_the_same: bool) {
        self.lock().errors.insert(call, acts_all_the_same);
    }

    /// How many calls wanted to act, under whatever key.
    pub fn acting_calls(&self) -> usize {
        self.lock().acting_calls
    }

    /// All payments, oldest first.
    pub fn payments(&self) -> Vec<Payment> {
        let mut state = self.lock();
        state.lapse();
        state.payments.clone()
    }

    /// See [`Gateway::authorise`](payment_gateway::Gateway::authorise).
    ///
    /// # Errors
    /// As there.
    pub fn authorise(&self, what: &Authorisation) -> Result<Intent, GatewayError> {
        let mut state = self.lock();
        let card = what.payment_method.as_str();
        if ![GOOD, DECLINED, CAPTURE_REFUSED].contains(&card) {
            return Err(missing("payment_method"));
        }
        let request = format!("create {} {:?} {card}", what.order_id, what.amount);
        state
            .under_key(&what.key(), request, |state| state.create(what))
            .and_then(Answer::intent)
    }

    /// See [`Gateway::capture`](payment_gateway::Gateway::capture).
    ///
    /// # Errors
    /// As there.
    pub fn capture(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        let mut state = self.lock();
        let at = state.find(id).ok_or_else(|| missing("intent"))?;
        state
            .under_key(key, format!("capture {id}"), |state| {
                state.payments[at].capture()
            })
            .and_then(Answer::intent)
    }

    /// See [`Gateway::cancel`](payment_gateway::Gateway::cancel).
    ///
    /// # Errors
    /// As there.
    pub fn cancel(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        let mut state = self.lock();
        let at = state.find(id).ok_or_else(|| missing("intent"))?;
        state
            .under_key(key, format!("cancel {id}"), |state| {
                state.payments[at].cancel()
            })
            .and_then(Answer::intent)
    }

    /// See [`Gateway::refund`](payment_gateway::Gateway::refund).
    ///
    /// # Errors
    /// As there.
    pub fn refund(&self, id: &IntentId, key: &str) -> Result<Refund, GatewayError> {
        let mut state = self.lock();
        let at = state.find(id).ok_or_else(|| missing("payment_intent"))?;
        let answer = state.under_key(key, format!("refund {id}"), |state| {
            state.payments[at].refund()
        })?;
        match answer {
            Answer::Refund(refund) => Ok(refund),
            other => Err(other.error()),
        }
    }

    /// See [`Gateway::retrieve`](payment_gateway::Gateway::retrieve).
    ///
    /// # Errors
    /// As there.
    pub fn retrieve(&self, id: &IntentId) -> Result<Intent, GatewayError> {
        let mut state = self.lock();
        let at = state.find(id).ok_or_else(|| missing("intent"))?;
        Ok(state.payments[at].intent.clone())
    }

    /// See [`Gateway::find`](payment_gateway::Gateway::find).
    pub fn find(&self, order: &OrderId) -> Vec<Intent> {
        let mut state = self.lock();
        state.lapse();
        let is_known = |payment: &&Payment| {
            payment.made.elapsed() >= SEARCH_LAG && payment.intent.order_id.as_ref() == Some(order)
        };
        let found = state.payments.iter().filter(is_known);
        found.map(|payment| payment.intent.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, id: &IntentId) -> Option<usize> {
        self.lapse();
        self.payments
            .iter()
            .position(|payment| payment.intent.id == *id)
    }

    fn lapse(&mut self) {
        for payment in &mut self.payments {
            let held = payment.intent.status == IntentStatus::RequiresCapture;
            if held && payment.made.elapsed() >= HELD_FOR {
                payment.intent.status = IntentStatus::Canceled;
                payment.moves.push(Move::Lapsed(payment.intent.amount));
            }
        }
    }

    /// Acts, or brings the key's first answer again.
    fn under_key(
        &mut self,
        key: &str,
        request: String,
        act: impl FnOnce(&mut Self) -> Answer,
    ) -> Result<Answer, GatewayError> {
        let call = self.acting_calls;
        self.acting_calls += 1;
        let known = self.keys.get(key);
        if let Some(first) = known.filter(|first| first.at.elapsed() < KEYS_KEPT) {
            return match &first.answer {
                _ if first.request != request => Err(invalid(None, None, None)),
                Answer::ServerError => Err(GatewayError::Replayed("stored".into())),
                answer => Ok(answer.clone()),
            };
        }
        let answer = match self.errors.get(&call) {
            None => act(self),
            Some(false) => Answer::ServerError,
            Some(true) => {
                act(self);
                Answer::ServerError
            }
        };
        let first = First {
            request,
            answer: answer.clone(),
            at: Instant::now(),
        };
        self.keys.insert(key.to_owned(), first);
        match answer {
            Answer::ServerError => Err(GatewayError::Unknown("HTTP 500".into())),
            answer => Ok(answer),
        }
    }

    fn create(&mut self, what: &Authorisation) -> Answer {
        let id = IntentId::parse(format!("pi_{}", self.payments.len())).unwrap();
        let card = what.payment_method.as_str().to_owned();
        let is_held = card != DECLINED;
        let amount = what.amount.minor_units;
        let intent = Intent {
            id: id.clone(),
            status: if is_held {
                IntentStatus::RequiresCapture
            } else {
                IntentStatus::RequiresPaymentMethod
            },
            amount,
            currency: what.amount.currency,
            amount_received: 0,
            amount_refunded: 0,
            order_id: Some(what.order_id.clone()),
        };
        self.payments.push(Payment {
            intent: intent.clone(),
            moves: is_held.then_some(Move::Held(amount)).into_iter().collect(),
            blind_repeats: 0,
            card,
            made: Instant::now(),
        });
        if is_held {
            Answer::Intent(intent)
        } else {
            Answer::Declined(id)
        }
    }
}

impl Payment {
    fn capture(&mut self) -> Answer {
        if self.intent.status != IntentStatus::RequiresCapture {
            let is_repeat = self.intent.status == IntentStatus::Succeeded;
            self.blind_repeats += usize::from(is_repeat);
            return unexpected_state(&self.intent);
        }
        if self.card == CAPTURE_REFUSED {
            // As the sandbox does: the hold is gone with it.
            self.intent.status = IntentStatus::RequiresPaymentMethod;
            self.moves.push(Move::Voided(self.intent.amount));
            return Answer::Declined(self.intent.id.clone());
        }
        self.intent.status = IntentStatus::Succeeded;
        self.intent.amount_received = self.intent.amount;
        self.moves.push(Move::Captured(self.intent.amount));
        Answer::Intent(self.intent.clone())
    }

    fn cancel(&mut self) -> Answer {
        match self.intent.status {
            IntentStatus::RequiresCapture => self.moves.push(Move::Voided(self.intent.amount)),
            IntentStatus::RequiresPaymentMethod => {}
            _ => return unexpected_state(&self.intent),
        }
        self.intent.status = IntentStatus::Canceled;
        Answer::Intent(self.intent.clone())
    }

    fn refund(&mut self) -> Answer {
        let amount = self.intent.amount_received - self.intent.amount_refunded;
        if amount == 0 {
            self.blind_repeats += 1;
            return Answer::Invalid {
                code: Some("charge_already_refunded"),
                param: None,
                status: None,
            };
        }
        self.intent.amount_refunded += amount;
        self.moves.push(Move::Refunded(amount));
        let id = self.intent.id.as_str().replace("pi_", "re_");
        Answer::Refund(Refund {
            id: RefundId::parse(id).unwrap(),
            intent: self.intent.id.clone(),
            amount,
            currency: self.intent.currency,
            status: RefundStatus::Succeeded,
        })
    }
}

impl Answer {
    fn intent(self) -> Result<Intent, GatewayError> {
        match self {
            Self::Intent(intent) => Ok(intent),
            other => Err(other.error()),
        }
    }

    fn error(self) -> GatewayError {
        match self {
            Self::Declined(intent) => GatewayError::Declined {
                code: "card_declined".to_owned(),
                decline_code: Some("generic_decline".to_owned()),
                intent: Some(intent),
            },
            Self::Invalid {
                code,
                param,
                status,
            } => invalid(code, param, status),
            Self::ServerError => GatewayError::Replayed("stored".into()),
            Self::Intent(_) | Self::Refund(_) => invalid(None, None, None),
        }
    }
}
