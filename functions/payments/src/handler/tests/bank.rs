//! A payment provider in memory that holds one payment, and can be told what goes wrong.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use dashpot::CommitError;
use dashpot_testing::MemoryStore;
use payment_gateway::{
    Authorisation, Currency, Gateway, GatewayError, Intent, IntentId, IntentStatus, OrderId,
    Refund, RefundId, RefundStatus,
};

pub(super) const AMOUNT: u64 = 998;

/// What goes wrong with one call that acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does nothing and does not answer.
    Silence,
    /// It acts and does not answer.
    LostAnswer,
    /// It acts and answers, and the caller dies before it can record that.
    Crash,
    /// It acts and answers, and the caller never learns that it has recorded that.
    LostRecord,
    /// It does nothing and says so.
    RateLimited,
    /// It does not understand the request.
    Invalid,
}

#[derive(Debug)]
pub(super) struct Bank {
    store: Arc<MemoryStore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    intent: Intent,
    refuses_captures: bool,
    refuses_refunds: bool,
    calls: Vec<String>,
    keys: BTreeSet<String>,
    /// For the calls that act, in order.
    faults: VecDeque<Option<Fault>>,
}

impl Bank {
    /// A bank that holds the money of order 1 for a caller that records in this store.
    pub(super) fn new(store: Arc<MemoryStore>) -> Self {
        let intent = Intent {
            id: IntentId::parse("pi_1").unwrap(),
            status: IntentStatus::RequiresCapture,
            amount: AMOUNT,
            currency: Currency::parse("EUR").unwrap(),
            amount_received: 0,
            amount_refunded: 0,
            order_id: OrderId::parse("1").ok(),
        };
        let state = State {
            intent,
            refuses_captures: false,
            refuses_refunds: false,
            calls: Vec::new(),
            keys: BTreeSet::new(),
            faults: VecDeque::new(),
        };
        Self {
            store,
            state: Mutex::new(state),
        }
    }

    pub(super) fn intent(&self) -> Intent {
        self.lock().intent.clone()
    }

    /// What was asked of it, in order.
    pub(super) fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// What goes wrong with the next calls that act.
    pub(super) fn faults(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().faults.extend(faults);
    }

    pub(super) fn refuse_captures(&self) {
        self.lock().refuses_captures = true;
    }

    pub(super) fn refuse_refunds(&self) {
        self.lock().refuses_refunds = true;
    }

    /// The hold lapses, or somebody lets go of it by hand.
    pub(super) fn lapse(&self) {
        self.lock().intent.status = IntentStatus::Canceled;
    }

    /// Somebody captures by hand.
    pub(super) fn capture_by_hand(&self) {
        self.lock().take_money();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn act<T>(
        &self,
        operation: &str,
        key: &str,
        act: impl FnOnce(&mut State) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        let mut state = self.lock();
        state.calls.push(operation.to_owned());
        assert!(
            key.contains(operation) && state.keys.insert(key.to_owned()),
            "{key} would bring the first answer again"
        );
        let fault = state.faults.pop_front().flatten();
        let silence = || GatewayError::Unknown("silence".into());
        match fault {
            Some(Fault::Silence) => return Err(silence()),
            Some(Fault::RateLimited) => return Err(GatewayError::RateLimited),
            Some(Fault::Invalid) => return Err(invalid(None)),
            None | Some(Fault::LostAnswer | Fault::Crash | Fault::LostRecord) => {}
        }
        let answer = act(&mut state);
        match fault {
            Some(Fault::LostAnswer) => return Err(silence()),
            Some(Fault::Crash) => self.store.fail_next(CommitError::Unknown("dead".into())),
            Some(Fault::LostRecord) => self.store.lose_next_answer(),
            _ => {}
        }
        answer
    }
}

impl State {
    fn take_money(&mut self) {
        self.intent.status = IntentStatus::Succeeded;
        self.intent.amount_received = self.intent.amount;
    }
}

fn invalid(status: Option<IntentStatus>) -> GatewayError {
    GatewayError::Invalid {
        code: None,
        message: "not so".into(),
        param: None,
        intent_status: status,
    }
}

impl Gateway for &Bank {
    async fn authorise(&self, _: &Authorisation) -> Result<Intent, GatewayError> {
        Err(invalid(None))
    }

    async fn capture(&self, _: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        self.act("capture", key, |state| match state.intent.status {
            IntentStatus::RequiresCapture if state.refuses_captures => {
                state.intent.status = IntentStatus::RequiresPaymentMethod;
                Err(GatewayError::Declined {
                    code: "expired_card".into(),
                    decline_code: Some("stolen_card".into()),
                    intent: Some(state.intent.id.clone()),
                })
            }
            IntentStatus::RequiresCapture => {
                state.take_money();
                Ok(state.intent.clone())
            }
            ref other => Err(invalid(Some(other.clone()))),
        })
    }

    async fn cancel(&self, _: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        self.act("cancel", key, |state| match state.intent.status {
            IntentStatus::RequiresCapture | IntentStatus::RequiresPaymentMethod => {
                state.intent.status = IntentStatus::Canceled;
                Ok(state.intent.clone())
            }
            ref other => Err(invalid(Some(other.clone()))),
        })
    }

    async fn refund(&self, _: &IntentId, key: &str) -> Result<Refund, GatewayError> {
        self.act("refund", key, |state| {
            let amount = state.intent.amount_received - state.intent.amount_refunded;
            if amount == 0 {
                return Err(invalid(None));
            }
            let status = if state.refuses_refunds {
                RefundStatus::Failed
            } else {
                state.intent.amount_refunded += amount;
                RefundStatus::Succeeded
            };
            Ok(Refund {
                id: RefundId::parse("re_1").unwrap(),
                intent: state.intent.id.clone(),
                amount,
                currency: state.intent.currency,
                status,
            })
        })
    }

    async fn retrieve(&self, _: &IntentId) -> Result<Intent, GatewayError> {
        self.lock().calls.push("retrieve".into());
        Ok(self.intent())
    }

    async fn find(&self, _: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        Ok(Vec::new())
    }
}
