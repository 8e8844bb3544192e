use std::collections::BTreeSet;
use std::sync::Mutex;

use analytics::archive::{Archive, NotArchived};
use email::letter::Letter;
use email::mailer::{MailError, Mailer};
use invoices::cabinet::{Kept, NotKept};
use payment_gateway::{
    Authorisation, Currency, Gateway, GatewayError, Intent, IntentId, IntentStatus, OrderId, Refund,
};
use quotes::replies::{NotReplied, Replies};

/// Takes every object, and forgets it.
#[derive(Debug)]
pub(crate) struct Shelf;

impl Archive for Shelf {
    async fn put(&self, _: &str, _: String) -> Result<(), NotArchived> {
        Ok(())
    }
}

/// Keeps every invoice, and counts.
#[derive(Debug, Default)]
pub(crate) struct Cabinet {
    keys: Mutex<BTreeSet<String>>,
}

impl Cabinet {
    pub(crate) fn documents(&self) -> usize {
        self.keys.lock().unwrap().len()
    }
}

impl invoices::cabinet::Cabinet for &Cabinet {
    async fn put_new(&self, key: &str, _: Vec<u8>) -> Result<Kept, NotKept> {
        let is_new = self.keys.lock().unwrap().insert(key.to_owned());
        Ok(if is_new { Kept::Now } else { Kept::Before })
    }
}

/// Takes every answer, and counts the different ones.
#[derive(Debug, Default)]
pub(crate) struct Post {
    answers: Mutex<BTreeSet<String>>,
}

impl Post {
    pub(crate) fn answers(&self) -> usize {
        self.answers.lock().unwrap().len()
    }
}

impl Replies for &Post {
    async fn send(&self, _: &str, answer: &str) -> Result<(), NotReplied> {
        self.answers.lock().unwrap().insert(answer.to_owned());
        Ok(())
    }
}

/// Takes every letter, and counts.
#[derive(Debug, Default)]
pub(crate) struct Letterbox {
    letters: Mutex<usize>,
}

impl Letterbox {
    pub(crate) fn letters(&self) -> usize {
        *self.letters.lock().unwrap()
    }
}

impl Mailer for &Letterbox {
    async fn send(&self, _: &Letter) -> Result<(), MailError> {
        *self.letters.lock().unwrap() += 1;
        Ok(())
    }
}

/// A provider that holds money for every intent it is asked about, and does what it is told.
#[derive(Debug)]
pub(crate) struct Obliging;

impl Gateway for Obliging {
    async fn authorise(&self, _: &Authorisation) -> Result<Intent, GatewayError> {
        unreachable!("no consumer authorises")
    }

    async fn capture(&self, id: &IntentId, _: &str) -> Result<Intent, GatewayError> {
        Ok(intent(id, IntentStatus::Succeeded))
    }

    async fn cancel(&self, id: &IntentId, _: &str) -> Result<Intent, GatewayError> {
        Ok(intent(id, IntentStatus::Canceled))
    }

    async fn refund(&self, id: &IntentId, _: &str) -> Result<Refund, GatewayError> {
        unreachable!("no sample refunds {id:?}")
    }

    async fn retrieve(&self, id: &IntentId) -> Result<Intent, GatewayError> {
        Ok(intent(id, IntentStatus::RequiresCapture))
    }

    async fn find(&self, _: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        unreachable!("every sample names its intent")
    }
}

fn intent(id: &IntentId, status: IntentStatus) -> Intent {
    let amount = 12_997;
    let received = status == IntentStatus::Succeeded;
    Intent {
        id: id.clone(),
        status,
        amount,
        currency: Currency::parse("EUR").unwrap(),
        amount_received: if received { amount } else { 0 },
        amount_refunded: 0,
        order_id: None,
    }
}
