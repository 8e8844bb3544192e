//! Every way to say no: RFC 9457, `application/problem+json`.

use std::fmt::Display;

use serde::Serialize;
use strict_json::Malformed;

/// A refusal, as the client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem it is.
    pub kind: &'static Kind,
    /// What is wrong this time.
    pub detail: String,
    /// The field of the request that is wrong: `items[0].quantity`.
    pub field: Option<String>,
    /// The provider's code for a declined card: `card_declined`.
    pub code: Option<String>,
    /// In how many seconds the same request may be worth another try.
    pub retry_after: Option<u64>,
    /// For the log only: what lies behind it.
    pub cause: Option<String>,
}

/// A kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The HTTP status.
    pub status: u16,
    /// The last part of `type`.
    pub name: &'static str,
    /// The kind in words.
    pub title: &'static str,
}

macro_rules! kind {
    ($status:literal, $name:literal, $title:literal) => {{
        static KIND: Kind = Kind {
            status: $status,
            name: $name,
            title: $title,
        };
        &KIND
    }};
}

/// In how many seconds a request is worth another try when something outside was at fault.
const RETRY_AFTER_SECONDS: u64 = 2;

impl Problem {
    fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
            code: None,
            retry_after: None,
            cause: None,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind.status
    }

    /// 400: the request as a whole cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            kind!(400, "malformed-request", "The request cannot be read"),
            detail,
        )
    }

    /// 400: one field is wrong.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..Self::new(kind!(400, "invalid-field", "A field is not valid"), detail)
        }
    }

    /// 402: the card was declined.
    pub fn declined(code: impl Into<String>) -> Self {
        Self {
            code: Some(code.into()),
            ..Self::new(
                kind!(402, "card-declined", "The card was declined"),
                "nothing was taken; another card needs another Idempotency-Key",
            )
        }
    }

    /// 404: there is nothing at this path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            kind!(404, "not-found", "There is nothing here"),
            "orders are posted to /orders, their cancellations to /orders/{id}/cancel",
        )
    }

    /// 404: there is no such order, or it is another customer's.
    #[must_use]
    pub fn no_such_order() -> Self {
        Self::new(
            kind!(404, "no-such-order", "There is no such order"),
            "of this customer there is no order of that id",
        )
    }

    /// 405: the path takes another method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            kind!(405, "method-not-allowed", "The method is not allowed"),
            "only POST is",
        )
    }

    /// 409: a request of the same key is being handled.
    #[must_use]
    pub fn in_flight(retry_after_seconds: u64) -> Self {
        Self {
            retry_after: Some(retry_after_seconds),
            ..Self::new(
                kind!(
                    409,
                    "request-in-flight",
                    "The same request is being handled"
                ),
                "repeat it with the same Idempotency-Key to learn how it ended",
            )
        }
    }

    /// 409: the key's attempt was given up, and its hold voided. No repeat of it will ever help.
    #[must_use]
    pub fn abandoned() -> Self {
        Self::new(
            kind!(409, "attempt-abandoned", "This key's attempt was abandoned"),
            "nothing was taken; use a new Idempotency-Key",
        )
    }

    /// 413: the body is too large.
    #[must_use]
    pub fn too_large(most_bytes: usize) -> Self {
        let detail = format!("a body has at most {most_bytes} bytes");
        Self::new(
            kind!(413, "body-too-large", "The body is too large"),
            detail,
        )
    }

    /// 422: the key was used before, with another body.
    #[must_use]
    pub fn key_reused() -> Self {
        Self::new(
            kind!(
                422,
                "idempotency-key-reused",
                "The Idempotency-Key belongs to another request"
            ),
            "another order needs another Idempotency-Key",
        )
    }

    /// 503: whether the order is placed is not decided. The same request, repeated, decides it.
    pub fn undecided(cause: impl Display) -> Self {
        Self {
            retry_after: Some(RETRY_AFTER_SECONDS),
            cause: Some(cause.to_string()),
            ..Self::new(
                kind!(503, "not-decided", "The order could not be placed just now"),
                "repeat the request with the same Idempotency-Key: it is placed once at most",
            )
        }
    }

    /// The same, of a request to cancel.
    #[must_use]
    pub fn about_a_cancellation(self) -> Self {
        if self.kind.status < 500 {
            return self;
        }
        Self {
            kind: kind!(
                503,
                "not-decided",
                "The cancellation could not be asked for just now"
            ),
            detail: "repeat the request: it is asked for once at most".to_owned(),
            ..self
        }
    }

    /// The JSON document.
    #[must_use]
    pub fn body(&self, correlation_id: &str) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<&'a str>,
            #[serde(rename = "correlationId")]
            correlation_id: &'a str,
        }
        let body = Body {
            r#type: format!("urn:dashpot:problem:{}", self.kind.name),
            title: self.kind.title,
            status: self.status(),
            detail: &self.detail,
            field: self.field.as_deref(),
            code: self.code.as_deref(),
            correlation_id,
        };
        // Strings and a number: nothing that serde_json could refuse.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// 400: what cannot be read, by the name of its field if it has one.
impl From<Malformed> for Problem {
    fn from(error: Malformed) -> Self {
        match error.path() {
            Some(field) => Self::field(field, error.problem()),
            None => Self::malformed(error.problem()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_what_the_rfc_says() {
        assert_eq!(
            Problem::field("items[0].quantity", "must be at least 1").body("c-1"),
            r#"{"type":"urn:dashpot:problem:invalid-field","title":"A field is not valid","status":400,"detail":"must be at least 1","field":"items[0].quantity","correlationId":"c-1"}"#
        );
    }

    #[test]
    fn what_lies_behind_a_problem_is_for_the_log_only() {
        let problem = Problem::undecided("the table is throttling");
        assert!(!problem.body("c").contains("throttling"));
        assert_eq!(problem.cause.as_deref(), Some("the table is throttling"));
    }
}
