//! The steps from a request to its answer. It may end at any of them: what was done is repeatable, and a repeat of
//! the request goes on from there.

use std::fmt;
use std::time::Duration;

use dashpot::{CommitError, Item, Key, Origin, Row, Store, Write, chain};
use payment_gateway::{Authorisation, Gateway, IntentId, IntentStatus};
use serde::Serialize;
use shop_events::{Money, OrderId};
use tokio::time::{Instant, sleep, timeout_at};

use crate::attempt::{Answer, Attempt, AttemptKey, Lease, State};
use crate::cancellation::order_key;
use crate::form::Form;
use crate::hold::Hold;
use crate::order::Order;
use crate::prices::{price, product_key};
use crate::problem::Problem;
use crate::telemetry;

/// The largest body, in bytes.
pub const LARGEST_BODY: usize = 64 * 1024;

/// The longest `Idempotency-Key`.
const LONGEST_KEY: usize = 255;

/// How much of a request's time is kept for writing down what the provider said.
const TIME_TO_COMMIT: Duration = Duration::from_millis(600);

/// How often a transaction is tried within one request.
const COMMITS: u32 = 3;

/// A request to place an order, as far as it matters.
#[derive(Debug, Clone)]
pub struct Request {
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Follows the request through every service.
    pub correlation_id: String,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Now, in milliseconds since the Unix epoch.
    pub now: u64,
    /// When the answer must be on its way.
    pub deadline: Instant,
}

impl Request {
    /// What an event follows from that is said for it.
    pub(crate) fn origin(&self) -> Origin<'_> {
        Origin {
            source: "checkout",
            correlation_id: &self.correlation_id,
            causation_id: None,
            hops: 0,
            traceparent: self.traceparent.as_deref(),
            now: self.now,
        }
    }

    /// What its steps come to, before the answer must be on its way.
    pub(crate) async fn in_time(
        &self,
        steps: impl Future<Output = Result<Answer, Problem>>,
    ) -> Result<Answer, Problem> {
        // Boxed: with the clients' futures inside, the compiler would refuse to lay out the whole.
        timeout_at(self.deadline, Box::pin(steps))
            .await
            .unwrap_or_else(|_| Err(Problem::undecided("the time is up")))
    }
}

/// The answer, and what the log says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status and body; a problem's body from 400 on.
    pub answer: Answer,
    /// In how many seconds the same request may be worth another try.
    pub retry_after: Option<u64>,
    /// The order that it is about, if it got that far.
    pub order_id: Option<OrderId>,
    /// What lies behind a problem: for the log only.
    pub cause: Option<String>,
}

/// The function, over a table and a payment provider.
pub struct Checkout<S, G> {
    pub(crate) store: S,
    gateway: G,
    hold_bound: Duration,
    pub(crate) log: fn(&str),
}

impl<S, G> fmt::Debug for Checkout<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout")
            .field("hold_bound", &self.hold_bound)
            .finish_non_exhaustive()
    }
}

/// How a step ended that needs the attempt to be ours.
pub(crate) enum Step<T> {
    Ours(T),
    /// It is not: this is what it is.
    Theirs(Option<Item>),
}

/// An attempt that is ours to bring to an end.
struct Taken {
    key: AttemptKey,
    lease: Lease,
    order: Order,
    round: u32,
}

impl<S: Store, G: Gateway> Checkout<S, G> {
    /// An attempt that is older than `hold_bound` and has no end is the sweeper's.
    pub fn new(store: S, gateway: G, hold_bound: Duration) -> Self {
        Self {
            store,
            gateway,
            hold_bound,
            log: telemetry::to_stdout,
        }
    }

    /// Where the line of a request goes; standard output by default.
    #[must_use]
    pub fn log_to(mut self, log: fn(&str)) -> Self {
        self.log = log;
        self
    }

    /// Places an order, or says why not.
    pub async fn place(&self, request: &Request) -> Reply {
        let mut order_id = None;
        let outcome = request.in_time(self.steps(request, &mut order_id)).await;
        let mut reply = Reply::from_outcome(outcome, &request.correlation_id);
        reply.order_id = order_id;
        reply
    }

    async fn steps(
        &self,
        request: &Request,
        order_id: &mut Option<OrderId>,
    ) -> Result<Answer, Problem> {
        if request.body.len() > LARGEST_BODY {
            return Err(Problem::too_large(LARGEST_BODY));
        }
        let idempotency_key = idempotency_key(request.idempotency_key.as_deref())?;
        let form = Form::read(&request.body)?;
        let key = AttemptKey::of(&form.user_id, idempotency_key);
        let mut taken = match self.take(key, &form, request, order_id).await? {
            Step::Ours(taken) => taken,
            Step::Theirs(row) => return judge(row, &form.digest(), request.now, order_id),
        };
        let ended = match self.hold(&mut taken, request).await? {
            Ok(intent) => self.commit_order(&taken, &intent, request).await?,
            Err(declined) => self.commit_refusal(&taken, declined).await?,
        };
        match ended {
            Step::Ours(answer) => Ok(answer),
            Step::Theirs(row) => judge(row, &form.digest(), request.now, order_id),
        }
    }

    /// Freezes the order under a new key, or goes on with what was frozen under a known one.
    async fn take(
        &self,
        key: AttemptKey,
        form: &Form,
        request: &Request,
        order_id: &mut Option<OrderId>,
    ) -> Result<Step<Taken>, Problem> {
        let left = request.deadline.saturating_duration_since(Instant::now());
        let left = u64::try_from(left.as_millis()).unwrap_or_default();
        let lease = Lease::new(request.now, left);
        let products = form.items.iter().map(|wanted| product_key(&wanted.sku));
        let keys: Vec<Key> = std::iter::once(key.key().clone()).chain(products).collect();
        let mut rows = self.store.get(&keys).await.map_err(Problem::undecided)?;
        let products = rows.split_off(1);
        let mut known = rows.pop().flatten();
        if known.is_none() {
            let order = price_order(form, &products, request.now)?;
            *order_id = Some(order.order_id.clone());
            let due = request.now / 1000 + self.hold_bound.as_secs();
            let create = key.create(&order, &form.digest(), &lease, due);
            match self.commit(&[create]).await? {
                Step::Ours(()) => {
                    return Ok(Step::Ours(Taken {
                        key,
                        lease,
                        order,
                        round: 0,
                    }));
                }
                Step::Theirs(row) => known = row,
            }
        }
        // Either it is known, or somebody (perhaps this very write, whose answer was lost) was faster.
        let Some(row) = known else {
            return Err(Problem::undecided("the attempt went away"));
        };
        let attempt = Attempt::read(&row).map_err(Problem::undecided)?;
        *order_id = Some(attempt.order_id.clone());
        let State::Pending(order, round) = &attempt.state else {
            return Ok(Step::Theirs(Some(row)));
        };
        let taken = || Taken {
            key: key.clone(),
            lease: lease.clone(),
            order: order.clone(),
            round: *round,
        };
        if attempt.is_owned_by(&lease) {
            return Ok(Step::Ours(taken()));
        }
        if attempt.digest != form.digest() || attempt.lease_left(request.now) > 0 {
            return Ok(Step::Theirs(Some(row)));
        }
        match self.commit(&[key.take_over(&lease)]).await? {
            Step::Ours(()) => Ok(Step::Ours(taken())),
            Step::Theirs(Some(row))
                if Attempt::read(&row).is_ok_and(|now| now.is_owned_by(&lease)) =>
            {
                Ok(Step::Ours(taken()))
            }
            Step::Theirs(row) => Ok(Step::Theirs(row)),
        }
    }

    /// Holds the money. The inner error is final; the outer one lets the next request go on.
    async fn hold(
        &self,
        taken: &mut Taken,
        request: &Request,
    ) -> Result<Result<IntentId, Answer>, Problem> {
        let cause = match self.ask(taken, request.deadline).await {
            Ok(Hold::Held(intent)) => return Ok(Ok(intent)),
            Ok(Hold::Refused(refusal)) => {
                let problem = refusal.problem();
                return Ok(Err(answer_of(&problem, &request.correlation_id)));
            }
            Ok(Hold::Undecided(error)) => Problem::undecided(chain(&error)),
            Err(problem) => problem,
        };
        // At best: a lease that stays runs out by itself.
        let _ = self.store.commit(&[taken.key.release(&taken.lease)]).await;
        Err(cause)
    }

    async fn ask(&self, taken: &mut Taken, deadline: Instant) -> Result<Hold, Problem> {
        let until = deadline.checked_sub(TIME_TO_COMMIT).unwrap_or(deadline);
        let authorisation = taken.authorisation()?;
        let asked = Instant::now();
        let hold = Hold::ask(&self.gateway, &authorisation, until).await;
        if !hold.is_stored_error(asked) {
            return Ok(hold);
        }
        // It will only ever repeat the error under this key. If it has made a hold all the same, and the search
        // already knows, that is the one; if not, we go on under another key, and the sweeper lets go of what
        // turns up later. The new round is noted before it begins, so that the sweeper knows of it.
        let found = timeout_at(until, self.gateway.find(&authorisation.order_id)).await;
        let Ok(Ok(found)) = found else {
            return Ok(hold);
        };
        let made = found
            .into_iter()
            .find(|intent| intent.status == IntentStatus::RequiresCapture);
        if let Some(intent) = made {
            return Ok(Hold::Held(intent.id));
        }
        let round = taken.round.saturating_add(1);
        match self
            .commit(&[taken.key.next_round(&taken.lease, round)])
            .await?
        {
            Step::Ours(()) => taken.round = round,
            Step::Theirs(_) => return Ok(hold),
        }
        let authorisation = taken.authorisation()?;
        Ok(Hold::ask(&self.gateway, &authorisation, until).await)
    }

    /// The one transaction: the attempt has its answer, the order exists, and `order.placed` is said.
    async fn commit_order(
        &self,
        taken: &Taken,
        intent: &IntentId,
        request: &Request,
    ) -> Result<Step<Answer>, Problem> {
        let order = &taken.order;
        let intent_id: shop_events::IntentId =
            intent.as_str().parse().map_err(Problem::undecided)?;
        let answer = Answer {
            status: 202,
            body: accepted(&order.order_id, &request.correlation_id, order.total),
        };
        let placed = order.clone().placed(intent_id.clone());
        let says = request.origin().says(&placed).map_err(Problem::undecided)?;
        let row = Row::new(order_key(&order.order_id))
            .set("userId", order.user_id.as_str())
            .set("placedAt", request.now)
            .set(
                "placed",
                serde_json::to_string(&placed).map_err(Problem::undecided)?,
            );
        let place = taken
            .key
            .place(&taken.lease, &answer, &intent_id, taken.round);
        let ended = self.commit(&[place, Write::create(row), says]).await?;
        Ok(ended.map(answer))
    }

    async fn commit_refusal(&self, taken: &Taken, answer: Answer) -> Result<Step<Answer>, Problem> {
        let ended = self
            .commit(&[taken.key.decline(&taken.lease, &answer, taken.round)])
            .await?;
        Ok(ended.map(answer))
    }

    /// Commits writes of which the first is the attempt's. A repeat of one that happened, and whose answer was
    /// lost, is refused by what it has written itself.
    pub(crate) async fn commit(&self, writes: &[Write]) -> Result<Step<()>, Problem> {
        let mut pause = Duration::from_millis(25);
        for attempt in 1.. {
            match self.store.commit(writes).await {
                Ok(()) => return Ok(Step::Ours(())),
                Err(CommitError::Refused(refusals)) => {
                    let row = refusals.into_iter().find(|refusal| refusal.index == 0);
                    return Ok(Step::Theirs(row.and_then(|refusal| refusal.row)));
                }
                Err(error) if attempt == COMMITS || matches!(error, CommitError::Invalid(_)) => {
                    return Err(Problem::undecided(error));
                }
                Err(_) => sleep(pause / 2 + pause.mul_f64(fastrand::f64() / 2.0)).await,
            }
            pause *= 2;
        }
        Err(Problem::undecided("never committed"))
    }
}

impl Taken {
    fn authorisation(&self) -> Result<Authorisation, Problem> {
        self.order
            .authorisation(self.round)
            .map_err(Problem::undecided)
    }
}

impl<T> Step<T> {
    fn map<U>(self, ours: U) -> Step<U> {
        match self {
            Self::Ours(_) => Step::Ours(ours),
            Self::Theirs(row) => Step::Theirs(row),
        }
    }
}

impl Reply {
    /// From what the steps said.
    #[must_use]
    pub fn from_outcome(outcome: Result<Answer, Problem>, correlation_id: &str) -> Self {
        match outcome {
            Ok(answer) => Self {
                answer,
                retry_after: None,
                order_id: None,
                cause: None,
            },
            Err(problem) => Self {
                answer: answer_of(&problem, correlation_id),
                retry_after: problem.retry_after,
                order_id: None,
                cause: problem.cause,
            },
        }
    }
}

/// What an attempt that is not ours means for this request.
fn judge(
    row: Option<Item>,
    digest: &str,
    now: u64,
    order_id: &mut Option<OrderId>,
) -> Result<Answer, Problem> {
    let row = row.ok_or_else(|| Problem::undecided("the attempt went away"))?;
    let attempt = Attempt::read(&row).map_err(Problem::undecided)?;
    *order_id = Some(attempt.order_id.clone());
    if attempt.digest != digest {
        return Err(Problem::key_reused());
    }
    let lease_left = attempt.lease_left(now);
    match attempt.state {
        State::Placed(answer, _) | State::Declined(answer) => Ok(answer),
        State::Pending(..) => Err(Problem::in_flight(lease_left.div_ceil(1000).max(1))),
        State::Voiding(..) | State::Voided => Err(Problem::abandoned()),
    }
}

fn idempotency_key(header: Option<&str>) -> Result<&str, Problem> {
    let key = header.unwrap_or_default();
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || key.len() > LONGEST_KEY || !visible {
        let detail = format!("is required: 1 to {LONGEST_KEY} visible ASCII characters");
        return Err(Problem::field("Idempotency-Key", detail));
    }
    Ok(key)
}

fn price_order(form: &Form, products: &[Option<Item>], now: u64) -> Result<Order, Problem> {
    let (items, total) = price(&form.items, products)?;
    let order = Order {
        order_id: dashpot::new_id(now)
            .to_string()
            .try_into()
            .map_err(Problem::undecided)?,
        user_id: form.user_id.clone(),
        email: form.email.clone(),
        items,
        total,
        payment_method: form.payment_method.clone(),
    };
    order
        .authorisation(0)
        .map_err(|error| Problem::field("items", error.to_string()))?;
    Ok(order)
}

fn answer_of(problem: &Problem, correlation_id: &str) -> Answer {
    Answer {
        status: problem.status(),
        body: problem.body(correlation_id),
    }
}

fn accepted(order_id: &OrderId, correlation_id: &str, total: Money) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Accepted<'a> {
        order_id: &'a OrderId,
        correlation_id: &'a str,
        status: &'static str,
        total: Money,
    }
    let accepted = Accepted {
        order_id,
        correlation_id,
        status: "placed",
        total,
    };
    // Strings and a number: nothing that serde_json could refuse.
    serde_json::to_string(&accepted).unwrap_or_default()
}

#[cfg(test)]
mod tests;
