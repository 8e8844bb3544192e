//! Email: writes to the customer on what concerns them, one letter an order and kind.
//!
//! - [`handler`]: which events are worth a letter, and when it is not wanted any more
//! - [`letter`]: what the letters say
//! - [`mailer`]: the port; [`ses`]: SES behind it
//!
//! SES has no idempotency token: a letter whose sending nobody got to record is sent again. So it is sent at least
//! once, and once as long as no process dies and no answer is lost between SES and the record.

pub mod handler;
pub mod letter;
pub mod mailer;
pub mod ses;
