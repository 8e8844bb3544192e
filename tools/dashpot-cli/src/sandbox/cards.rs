//! Test cards: <https://docs.stripe.com/testing>.

/// What the bank behind a card says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Card {
    /// Yes.
    Good,
    /// No.
    Declined(Decline),
    /// Yes to the hold, no to the capture: the sandbox's own card.
    CaptureRefused(Decline),
}

/// How Stripe says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decline {
    pub(super) code: &'static str,
    /// Stripe's `decline_code`: the bank's own reason.
    pub(super) reason: Option<&'static str>,
    pub(super) message: &'static str,
}

const fn declined(reason: &'static str, message: &'static str) -> Decline {
    Decline {
        code: "card_declined",
        reason: Some(reason),
        message,
    }
}

const fn refused(code: &'static str, message: &'static str) -> Decline {
    Decline {
        code,
        reason: None,
        message,
    }
}

pub(super) const GENERIC: Decline = declined("generic_decline", "Your card was declined.");
const INSUFFICIENT_FUNDS: Decline =
    declined("insufficient_funds", "Your card has insufficient funds.");
const LOST: Decline = declined("lost_card", "Your card was declined.");
const STOLEN: Decline = declined("stolen_card", "Your card was declined.");
const FRAUDULENT: Decline = declined("fraudulent", "Your card was declined.");
const VELOCITY: Decline = declined(
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
);
const EXPIRED: Decline = refused("expired_card", "Your card has expired.");
const INCORRECT_CVC: Decline = refused("incorrect_cvc", "Your card's security code is incorrect.");
const PROCESSING: Decline = refused(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
);
const AUTHENTICATION: Decline = Decline {
    code: "authentication_required",
    reason: Some("authentication_required"),
    message: "Your card was declined. This transaction requires authentication.",
};

impl Card {
    /// The card behind a token; `None` if there is none.
    pub(super) fn of(payment_method: &str) -> Option<Self> {
        let card = match payment_method.strip_prefix("pm_card_")? {
            "visa" | "visa_debit" | "mastercard" | "mastercard_debit" | "mastercard_prepaid"
            | "amex" | "discover" | "diners" | "jcb" | "unionpay" => Self::Good,
            "chargeDeclined" | "visa_chargeDeclined" => Self::Declined(GENERIC),
            "chargeDeclinedInsufficientFunds" | "visa_chargeDeclinedInsufficientFunds" => {
                Self::Declined(INSUFFICIENT_FUNDS)
            }
            "chargeDeclinedLostCard" | "visa_chargeDeclinedLostCard" => Self::Declined(LOST),
            "chargeDeclinedStolenCard" | "visa_chargeDeclinedStolenCard" => Self::Declined(STOLEN),
            "chargeDeclinedFraudulent" | "radarBlock" => Self::Declined(FRAUDULENT),
            "chargeDeclinedVelocityLimitExceeded" | "visa_chargeDeclinedVelocityLimitExceeded" => {
                Self::Declined(VELOCITY)
            }
            "chargeDeclinedExpiredCard" | "visa_chargeDeclinedExpiredCard" => {
                Self::Declined(EXPIRED)
            }
            "chargeDeclinedIncorrectCvc" | "visa_chargeDeclinedIncorrectCvc" => {
                Self::Declined(INCORRECT_CVC)
            }
            "chargeDeclinedProcessingError" | "visa_chargeDeclinedProcessingError" => {
                Self::Declined(PROCESSING)
            }
            "authenticationRequired" | "threeDSecure2Required" => Self::Declined(AUTHENTICATION),
            "dashpot_captureRefused" => Self::CaptureRefused(GENERIC),
            _ => return None,
        };
        Some(card)
    }
}
