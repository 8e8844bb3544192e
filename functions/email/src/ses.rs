//! SES as the carrier of letters.

use aws_config::SdkConfig;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Builder;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::error::SdkError;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::error::MessageRejected;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use dashpot::ConfigError;

use crate::letter::Letter;
use crate::mailer::{MailError, Mailer};

/// Sends through SES v2.
#[derive(Debug, Clone)]
pub struct Ses {
    client: Client,
    sender: String,
}

impl Ses {
    /// Letters from the address in `SENDER_ADDRESS`.
    ///
    /// # Errors
    /// [`ConfigError`] when the variable is not set.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        // SES takes no key for a letter, so a repeat after a lost answer is another letter. Whether to send again is
        // for the claim to say, not for the client.
        let once = Builder::from(config).retry_config(RetryConfig::disabled());
        Ok(Self {
            client: Client::from_conf(once.build()),
            sender: dashpot::variable("SENDER_ADDRESS")?,
        })
    }
}

impl Mailer for Ses {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let text = |data: &str| {
            Content::builder()
                .data(data)
                .charset("UTF-8")
                .build()
                .map_err(|error| MailError::Unknown(error.into()))
        };
        // Simple content: SES writes the headers itself, and encodes what we put in them.
        let message = Message::builder()
            .subject(text(&letter.subject)?)
            .body(Body::builder().text(text(&letter.text)?).build())
            .build();
        self.client
            .send_email()
            .from_email_address(&self.sender)
            .destination(
                Destination::builder()
                    .to_addresses(letter.to.expose())
                    .build(),
            )
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await
            .map(drop)
            .map_err(classify)
    }
}

fn classify(error: SdkError<SendEmailError>) -> MailError {
    match error {
        SdkError::ServiceError(service) => refusal(service.err()),
        error => MailError::Unknown(error.into()),
    }
}

/// What SES's own refusal means. Its message names the address, so only the name of the refusal goes on.
fn refusal(error: &SendEmailError) -> MailError {
    match error {
        // The sender's own address or, in SES's sandbox, the customer's: a person puts that right.
        SendEmailError::MessageRejected(rejected) if speaks_of_verification(rejected) => {
            MailError::NotNow("NotVerified")
        }
        SendEmailError::MessageRejected(_) => MailError::Refused("MessageRejected"),
        SendEmailError::BadRequestException(_) => MailError::Refused("BadRequest"),
        // Time heals these two.
        SendEmailError::TooManyRequestsException(_) => MailError::NotNow("TooManyRequests"),
        SendEmailError::LimitExceededException(_) => MailError::NotNow("LimitExceeded"),
        // These wait for a person, and the letters with them.
        SendEmailError::AccountSuspendedException(_) => MailError::NotNow("AccountSuspended"),
        SendEmailError::SendingPausedException(_) => MailError::NotNow("SendingPaused"),
        SendEmailError::MailFromDomainNotVerifiedException(_) => {
            MailError::NotNow("MailFromDomainNotVerified")
        }
        SendEmailError::NotFoundException(_) => MailError::NotNow("NotFound"),
        // Without a type of its own: missing permissions, or a fault on SES's side.
        other => MailError::Unknown(other.meta().code().unwrap_or("no code").into()),
    }
}

/// SES has no error of its own for an address that is not verified, only these words.
fn speaks_of_verification(rejected: &MessageRejected) -> bool {
    let message = rejected.message().unwrap_or_default();
    message.contains("not verified")
}

#[cfg(test)]
mod tests {
    use aws_sdk_sesv2::types::error::SendingPausedException;

    use super::*;

    fn rejected(message: &str) -> MailError {
        let rejected = MessageRejected::builder().message(message).build();
        refusal(&SendEmailError::MessageRejected(rejected))
    }

    #[test]
    fn a_letter_that_ses_rejects_is_hopeless_and_the_address_stays_out_of_the_error() {
        let error = rejected("Illegal content in a letter to ada@example.com");
        assert!(matches!(error, MailError::Refused(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("ada"), "{error:?}");
    }

    #[test]
    fn an_account_that_may_not_send_just_now_is_waited_for() {
        let error = rejected(
            "Email address is not verified. The following identities failed the check: shop@example.com",
        );
        assert!(matches!(error, MailError::NotNow(_)), "{error:?}");
        let paused = SendingPausedException::builder().build();
        let error = refusal(&SendEmailError::SendingPausedException(paused));
        assert!(matches!(error, MailError::NotNow(_)), "{error:?}");
    }

    #[test]
    fn silence_is_unknown_and_no_refusal() {
        let error = classify(SdkError::timeout_error("no answer"));
        assert!(matches!(error, MailError::Unknown(_)), "{error:?}");
    }
}
