//! Every way to say no: RFC 9457, `application/problem+json`.

use serde_json::json;

/// A refusal, as the client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// 404: there is no such path here.
    NotFound,
    /// 405: the path takes another method.
    MethodNotAllowed,
    /// 400: what was asked is no order, or no moment.
    Invalid {
        /// What of it: `id`, `asOf`.
        field: &'static str,
        /// Why.
        detail: String,
    },
    /// 404: the journal does not know the order, or not yet.
    UnknownOrder,
    /// 404: at the moment that was asked about there was no such order yet.
    UnknownThen,
    /// 503: the journal could not be read. The cause is for the log only.
    Unavailable(String),
}

impl Problem {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } => 400,
            Self::NotFound | Self::UnknownOrder | Self::UnknownThen => 404,
            Self::MethodNotAllowed => 405,
            Self::Unavailable(_) => 503,
        }
    }

    /// The JSON document.
    #[must_use]
    pub fn body(&self, correlation_id: &str) -> String {
        let (kind, title, detail) = match self {
            Self::NotFound => (
                "not-found",
                "There is nothing here",
                "an order is read at /orders/{id}",
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                "The method is not allowed",
                "only GET is",
            ),
            Self::Invalid { detail, .. } => {
                ("invalid-field", "A field is not valid", detail.as_str())
            }
            Self::UnknownOrder => (
                "unknown-order",
                "The order is not known",
                "an order that was just placed is known within moments",
            ),
            Self::UnknownThen => (
                "unknown-order",
                "The order was not known",
                "at that moment there was no such order yet; without asOf it is shown as it is now",
            ),
            Self::Unavailable(_) => (
                "unavailable",
                "The order cannot be read just now",
                "repeat the request",
            ),
        };
        let mut body = json!({
            "type": format!("urn:dashpot:problem:{kind}"),
            "title": title,
            "status": self.status(),
            "detail": detail,
            "correlationId": correlation_id,
        });
        if let Self::Invalid { field, .. } = self {
            body["field"] = (*field).into();
        }
        body.to_string()
    }
}
