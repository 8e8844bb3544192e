//! What the provider's answer means for an attempt.

use std::time::Duration;

use payment_gateway::{Authorisation, Gateway, GatewayError, Intent, IntentId, IntentStatus};
use tokio::time::{Instant, sleep, timeout_at};

use crate::problem::Problem;

/// How often one round is asked within one request.
const TRIES: u32 = 2;

/// An answer that says nothing and took less came from a server; what took more may be silence.
const SILENCE: Duration = Duration::from_secs(1);

/// Where the hold on the customer's card stands.
#[derive(Debug)]
pub enum Hold {
    /// The money is held.
    Held(IntentId),
    /// Nothing is held, and nothing ever will be under this key.
    Refused(Refusal),
    /// Nobody knows. Never a decline: asking again under the same key is what tells.
    Undecided(GatewayError),
}

/// Why nothing is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The card was declined, with the provider's code. The bank's own reason is not for the customer's eyes.
    Declined(String),
    /// The provider does not take the payment method.
    PaymentMethod,
    /// The provider does not take the amount or the currency: too little, too much.
    Amount,
}

impl From<Result<Intent, GatewayError>> for Hold {
    fn from(answer: Result<Intent, GatewayError>) -> Self {
        match answer {
            Ok(intent) => match intent.status {
                IntentStatus::RequiresCapture => Self::Held(intent.id),
                IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled => {
                    Self::Refused(Refusal::Declined("card_declined".to_owned()))
                }
                IntentStatus::RequiresConfirmation
                | IntentStatus::RequiresAction
                | IntentStatus::Processing
                | IntentStatus::Succeeded
                | IntentStatus::Other(_) => Self::undecided("the payment is in a state between"),
            },
            Err(GatewayError::Declined { code, .. }) => Self::Refused(Refusal::Declined(code)),
            Err(error) => match refused_field(&error) {
                Some(refusal) => Self::Refused(refusal),
                None => Self::Undecided(error),
            },
        }
    }
}

/// A refused request is final only where it says which part of it is wrong. Another refusal (a key that
/// belongs to other parameters, as after a change of ours) says nothing about what is held under the key.
fn refused_field(error: &GatewayError) -> Option<Refusal> {
    let GatewayError::Invalid { code, param, .. } = error else {
        return None;
    };
    let names = |part: &str| {
        let starts = |text: &Option<String>| text.as_deref().is_some_and(|t| t.starts_with(part));
        starts(param) || starts(code)
    };
    if names("payment_method") {
        Some(Refusal::PaymentMethod)
    } else if names("amount") || names("currency") {
        Some(Refusal::Amount)
    } else {
        None
    }
}

impl Hold {
    fn undecided(why: &'static str) -> Self {
        Self::Undecided(GatewayError::Unknown(why.into()))
    }

    /// Asks for the hold, and again under the same key while that may help and there is time.
    pub async fn ask<G: Gateway>(gateway: &G, what: &Authorisation, until: Instant) -> Self {
        let mut pause = Duration::from_millis(100);
        for attempt in 1.. {
            let Ok(answer) = timeout_at(until, gateway.authorise(what)).await else {
                return Self::undecided("the time is up");
            };
            let hold = Self::from(answer);
            let again = matches!(
                hold,
                Self::Undecided(
                    GatewayError::Unknown(_)
                        | GatewayError::Unavailable(_)
                        | GatewayError::RateLimited
                )
            );
            if !again || attempt == TRIES || Instant::now() + pause >= until {
                return hold;
            }
            sleep(pause / 2 + pause.mul_f64(fastrand::f64() / 2.0)).await;
            pause *= 2;
        }
        Self::undecided("never asked")
    }

    /// Whether the key will most likely only ever repeat a server error: the provider says that it is a stored one,
    /// or has answered at once, twice, and said nothing.
    #[must_use]
    pub fn is_stored_error(&self, asked: Instant) -> bool {
        match self {
            Self::Undecided(GatewayError::Replayed(_)) => true,
            Self::Undecided(GatewayError::Unknown(_)) => asked.elapsed() < SILENCE * TRIES,
            _ => false,
        }
    }
}

impl Refusal {
    /// What the customer is told.
    #[must_use]
    pub fn problem(self) -> Problem {
        match self {
            Self::Declined(code) => Problem::declined(code),
            Self::PaymentMethod => {
                Problem::field("paymentMethod", "is not one that can be charged")
            }
            Self::Amount => Problem::field("items", "cost an amount that cannot be charged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(code: Option<&str>, param: Option<&str>) -> Hold {
        Hold::from(Err(GatewayError::Invalid {
            code: code.map(str::to_owned),
            message: String::new(),
            param: param.map(str::to_owned),
            intent_status: None,
        }))
    }

    #[test]
    fn only_a_refusal_that_names_a_part_of_the_order_is_final() {
        let refused = |hold| match hold {
            Hold::Refused(refusal) => Some(refusal),
            Hold::Held(_) | Hold::Undecided(_) => None,
        };
        assert_eq!(
            refused(invalid(Some("resource_missing"), Some("payment_method"))),
            Some(Refusal::PaymentMethod)
        );
        assert_eq!(
            refused(invalid(Some("amount_too_small"), Some("amount"))),
            Some(Refusal::Amount)
        );
        // What a key says that belongs to other parameters.
        assert_eq!(refused(invalid(None, None)), None);
    }

    #[test]
    fn no_trouble_of_the_provider_is_a_decline() {
        for error in [
            GatewayError::RateLimited,
            GatewayError::Unavailable("refused".into()),
            GatewayError::Unknown("timed out".into()),
            GatewayError::Unauthorised {
                status: 401,
                message: String::new(),
            },
        ] {
            assert!(matches!(Hold::from(Err(error)), Hold::Undecided(_)));
        }
    }
}
