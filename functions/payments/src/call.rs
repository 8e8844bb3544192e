//! One act at the provider, from asking to knowing how it ended.

use dashpot::{Disposition, Failure, FailureExt};
use payment_gateway::{Gateway, GatewayError, Intent, IntentId, IntentStatus, RefundStatus};
use shop_events::Money;

use crate::payment::Outcome;

/// One act at the provider on one payment, under one claim.
#[derive(Debug)]
pub struct Call<'a, G> {
    /// The provider.
    pub gateway: &'a G,
    /// The payment.
    pub intent: IntentId,
    /// What the idempotency keys begin with: the order's id.
    pub order: &'a str,
    /// The claim's version, which ends the idempotency keys. A key would bring back its first answer, also a
    /// stored server error; under a new claim what is asked for anew is meant anew.
    pub version: i64,
    /// An earlier try may have had its effect.
    pub may_have_happened: bool,
}

impl<G: Gateway> Call<'_, G> {
    /// Takes the held money, unless it was taken before.
    ///
    /// # Errors
    /// A [`Failure`] while it is not known how it ended.
    pub async fn capture(&self) -> Result<Outcome, Failure> {
        if self.may_have_happened {
            let intent = self.retrieve().await?;
            if intent.status != IntentStatus::RequiresCapture {
                return self.not_to_be_captured(&intent, None).await;
            }
        }
        let key = self.key("capture");
        match self.gateway.capture(&self.intent, &key).await {
            Ok(intent) => match intent.status {
                IntentStatus::Succeeded => captured(&intent),
                _ => Err(undecided(&intent)),
            },
            Err(GatewayError::Declined { code, .. }) => {
                let intent = self.retrieve().await?;
                self.not_to_be_captured(&intent, Some(code)).await
            }
            Err(refusal @ GatewayError::Invalid { .. }) => {
                let intent = self.retrieve().await?;
                if intent.status == IntentStatus::RequiresCapture {
                    // The hold is good, so our request is not: a fault of ours must not cost the customer
                    // their order.
                    return Err(failure(refusal));
                }
                self.not_to_be_captured(&intent, None).await
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// Lets go of the hold. Cancelling what is cancelled changes nothing, so nobody is asked first.
    ///
    /// Money that turns out to be captured, by hand and behind our back, goes back to the customer: that is
    /// what whoever wants the hold gone wants.
    ///
    /// # Errors
    /// A [`Failure`] while it is not known how it ended.
    pub async fn void(&self) -> Result<Outcome, Failure> {
        match self.cancel().await? {
            Cancelled::Yes => Ok(Outcome::Voided),
            Cancelled::TooLate => self.refund_captured(true).await,
        }
    }

    /// Gives back what was captured, unless it was given back before.
    ///
    /// # Errors
    /// A [`Failure`] while it is not known how it ended, or when the bank did not take it: then the money is
    /// still ours, and only a person can find the customer another way.
    pub async fn refund(&self) -> Result<Outcome, Failure> {
        self.refund_captured(self.may_have_happened).await
    }

    async fn refund_captured(&self, ask_first: bool) -> Result<Outcome, Failure> {
        if ask_first && let Some(done) = refunded(&self.retrieve().await?)? {
            return Ok(done);
        }
        let key = self.key("refund");
        match self.gateway.refund(&self.intent, &key).await {
            Ok(refund) => match refund.status {
                // Accepted: Stripe counts what is on its way as refunded.
                RefundStatus::Succeeded | RefundStatus::Pending | RefundStatus::RequiresAction => {
                    money(refund.amount, refund.currency).map(Outcome::Refunded)
                }
                RefundStatus::Failed | RefundStatus::Canceled => Err(Failure::permanent(
                    "the bank did not take the refund: the money is still the shop's",
                )),
                RefundStatus::Other(_) => Err(Failure::retry("the refund is not decided yet")),
            },
            Err(refusal @ GatewayError::Invalid { .. }) => {
                refunded(&self.retrieve().await?)?.ok_or_else(|| failure(refusal))
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// The payment holds nothing, or the bank will not hand it over: what that means, by what it is now.
    async fn not_to_be_captured(
        &self,
        intent: &Intent,
        code: Option<String>,
    ) -> Result<Outcome, Failure> {
        let reason = match &intent.status {
            IntentStatus::Succeeded => return captured(intent),
            IntentStatus::Processing | IntentStatus::Other(_) => return Err(undecided(intent)),
            // The hold lapsed, or this very call let go of it before and did not get to say so.
            IntentStatus::Canceled => {
                return Ok(Outcome::Failed(code.unwrap_or("canceled".into())));
            }
            IntentStatus::RequiresCapture
            | IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction => code.unwrap_or_else(|| "card_declined".into()),
        };
        match self.cancel().await? {
            Cancelled::Yes => Ok(Outcome::Failed(reason)),
            Cancelled::TooLate => captured(&self.retrieve().await?),
        }
    }

    async fn cancel(&self) -> Result<Cancelled, Failure> {
        let key = self.key("cancel");
        match self.gateway.cancel(&self.intent, &key).await {
            Ok(intent) if intent.status == IntentStatus::Canceled => Ok(Cancelled::Yes),
            Ok(intent) => Err(undecided(&intent)),
            Err(GatewayError::Invalid {
                intent_status: Some(IntentStatus::Canceled),
                ..
            }) => Ok(Cancelled::Yes),
            Err(GatewayError::Invalid {
                intent_status: Some(IntentStatus::Succeeded),
                ..
            }) => Ok(Cancelled::TooLate),
            Err(error) => Err(failure(error)),
        }
    }

    async fn retrieve(&self) -> Result<Intent, Failure> {
        self.gateway.retrieve(&self.intent).await.map_err(failure)
    }

    fn key(&self, operation: &str) -> String {
        format!("{}:{operation}:{}", self.order, self.version)
    }
}

enum Cancelled {
    Yes,
    /// The money is captured.
    TooLate,
}

fn captured(intent: &Intent) -> Result<Outcome, Failure> {
    money(intent.amount_received, intent.currency).map(Outcome::Captured)
}

/// Everything that was captured went back; none while something did not.
fn refunded(intent: &Intent) -> Result<Option<Outcome>, Failure> {
    if intent.amount_refunded == 0 || intent.amount_refunded < intent.amount_received {
        return Ok(None);
    }
    let amount = money(intent.amount_refunded, intent.currency)?;
    Ok(Some(Outcome::Refunded(amount)))
}

fn money(amount: u64, currency: payment_gateway::Currency) -> Result<Money, Failure> {
    let currency = currency.to_string().parse().permanent()?;
    Ok(Money { amount, currency })
}

fn undecided(intent: &Intent) -> Failure {
    Failure::retry(format!(
        "the provider has not decided yet: {:?}",
        intent.status
    ))
}

fn failure(error: GatewayError) -> Failure {
    Failure::new(disposition(&error), error)
}

/// What becomes of the message when an error is not an answer in itself.
fn disposition(error: &GatewayError) -> Disposition {
    match error {
        // The same request gets the same answer: a person has to look.
        GatewayError::Declined { .. } | GatewayError::Invalid { .. } => Disposition::Permanent,
        // Nothing happened (a wrong key is put right by a person, who then finds the messages waiting), or
        // nobody knows: the claim stays, and the next delivery asks.
        GatewayError::Unauthorised { .. }
        | GatewayError::RateLimited
        | GatewayError::Unavailable(_)
        | GatewayError::Unknown(_)
        | GatewayError::Replayed(_) => Disposition::Retry,
    }
}
