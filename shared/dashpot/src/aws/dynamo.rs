//! The store on DynamoDB.

mod expression;
mod value;

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, KeysAndAttributes, Put,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use self::expression::Expression;
use self::value::{from_item, key_item, to_item};
use crate::config::{ConfigError, variable};
use crate::row::{Item, Key, Write};
use crate::store::{CommitError, Page, Part, Query, Refusal, Scan, Store, StoreError};

/// One DynamoDB table with the string keys `pk` and `sk`.
///
/// A transaction is one `TransactWriteItems`; a single write that can be repeated without counting twice is one
/// `PutItem`, `UpdateItem` or `DeleteItem`, at half the price.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
}

type Attributes = HashMap<String, AttributeValue>;

/// Puts table and condition to a request, alone or in a transaction. The SDK has a type for each of the seven, and
/// nothing that they share.
macro_rules! guarded {
    ($store:expr, $request:expr, $write:expr, $expression:expr) => {
        $request
            .table_name(&$store.table)
            .set_condition_expression($expression.condition($write.condition()))
            .set_expression_attribute_names($expression.names())
            .set_expression_attribute_values($expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
}

impl DynamoStore {
    /// The table of that name.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            table: table.into(),
        }
    }

    /// The table that `TABLE_NAME` names.
    ///
    /// # Errors
    /// [`ConfigError`] when the variable is not set.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(config, variable("TABLE_NAME")?))
    }

    async fn commit_one(&self, write: &Write) -> Result<(), CommitError> {
        use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
        use aws_sdk_dynamodb::operation::put_item::PutItemError;
        use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

        let mut expression = Expression::default();
        match write {
            Write::Put { row, .. } => {
                let request = self.client.put_item().set_item(Some(to_item(row)));
                let sent = guarded!(self, request, write, expression).send().await;
                sent.map(drop).map_err(|error| {
                    single(&error, write, |error| match error {
                        PutItemError::ConditionalCheckFailedException(refusal) => refusal.item(),
                        _ => None,
                    })
                })
            }
            Write::Update { key, changes, .. } => {
                let request = self.client.update_item().set_key(Some(key_item(key)));
                let request = request.set_update_expression(expression.update(changes));
                let sent = guarded!(self, request, write, expression).send().await;
                sent.map(drop).map_err(|error| {
                    single(&error, write, |error| match error {
                        UpdateItemError::ConditionalCheckFailedException(refusal) => refusal.item(),
                        _ => None,
                    })
                })
            }
            Write::Delete { key, .. } => {
                let request = self.client.delete_item().set_key(Some(key_item(key)));
                let sent = guarded!(self, request, write, expression).send().await;
                sent.map(drop).map_err(|error| {
                    single(&error, write, |error| match error {
                        DeleteItemError::ConditionalCheckFailedException(refusal) => refusal.item(),
                        _ => None,
                    })
                })
            }
            Write::Check { .. } => self.commit_all(std::slice::from_ref(write)).await,
        }
    }

    async fn commit_all(&self, writes: &[Write]) -> Result<(), CommitError> {
        let items = writes
            .iter()
            .map(|write| self.item(write))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| CommitError::Invalid(error.to_string()))?;
        let outcome = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .send()
            .await;
        let Err(error) = outcome else {
            return Ok(());
        };
        if let SdkError::ServiceError(service) = &error
            && let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled) = service.err()
        {
            return Err(cancellation(cancelled.cancellation_reasons(), writes));
        }
        Err(classify(&error))
    }

    fn item(
        &self,
        write: &Write,
    ) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let mut expression = Expression::default();
        let item = TransactWriteItem::builder();
        Ok(match write {
            Write::Put { row, .. } => {
                let put = Put::builder().set_item(Some(to_item(row)));
                item.put(guarded!(self, put, write, expression).build()?)
            }
            Write::Update { key, changes, .. } => {
                let update = Update::builder().set_key(Some(key_item(key)));
                let update = update.set_update_expression(expression.update(changes));
                item.update(guarded!(self, update, write, expression).build()?)
            }
            Write::Delete { key, .. } => {
                let delete = Delete::builder().set_key(Some(key_item(key)));
                item.delete(guarded!(self, delete, write, expression).build()?)
            }
            Write::Check { key, .. } => {
                let check = ConditionCheck::builder().set_key(Some(key_item(key)));
                item.condition_check(guarded!(self, check, write, expression).build()?)
            }
        }
        .build())
    }
}

impl Store for DynamoStore {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        // DynamoDB takes some of these where they stand alone, and refuses them in a transaction.
        for write in writes {
            write.validate().map_err(CommitError::Invalid)?;
        }
        match writes {
            [] => Ok(()),
            [write] if !write.counts() => self.commit_one(write).await,
            _ => self.commit_all(writes).await,
        }
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let mut found: HashMap<Key, Item> = HashMap::new();
        // BatchGetItem takes at most 100 keys, and refuses one that is named twice.
        let mut wanted: Vec<&Key> = keys.iter().collect();
        wanted.sort();
        wanted.dedup();
        for chunk in wanted.chunks(100) {
            let mut left: Vec<Attributes> = chunk.iter().map(|key| key_item(key)).collect();
            let mut tries = 0;
            while !left.is_empty() {
                tries += 1;
                if tries > 5 {
                    return Err(StoreError("the table is throttling reads".into()));
                }
                if tries > 1 {
                    // What came back unread was throttled: 25 ms at first, doubled each time, half of it at random.
                    let pause = Duration::from_millis(25 << (tries - 2));
                    tokio::time::sleep(pause / 2 + pause.mul_f64(fastrand::f64() / 2.0)).await;
                }
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(left))
                    .consistent_read(true)
                    .build()
                    .map_err(|error| StoreError(error.to_string()))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.table, request)
                    .send()
                    .await
                    .map_err(|error| read_error(&error))?;
                left = answer
                    .unprocessed_keys
                    .into_iter()
                    .flat_map(HashMap::into_values)
                    .flat_map(|unprocessed| unprocessed.keys)
                    .collect();
                let rows = match answer.responses {
                    None if left.is_empty() => {
                        return Err(StoreError("the table's answer has no rows in it".into()));
                    }
                    rows => rows.into_iter().flat_map(HashMap::into_values).flatten(),
                };
                for row in rows {
                    let item = from_item(row)?;
                    let key = key_of(&item)
                        .ok_or_else(|| StoreError("a row came without its key".into()))?;
                    found.insert(key, item);
                }
            }
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    fn query(&self, query: &Query) -> impl Future<Output = Result<Page, StoreError>> + Send {
        let (partition, value) = &query.partition;
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(query.index.map(str::to_owned))
            .consistent_read(query.index.is_none())
            .expression_attribute_names("#p", *partition)
            .expression_attribute_values(":p", AttributeValue::S(value.clone()))
            .set_limit(query.limit.and_then(|limit| i32::try_from(limit).ok()))
            .set_exclusive_start_key(query.after.as_ref().map(value::to_attributes));
        request = match query.up_to {
            None => request.key_condition_expression("#p = :p"),
            Some((sort, bound)) => request
                .key_condition_expression("#p = :p AND #s <= :s")
                .expression_attribute_names("#s", sort)
                .expression_attribute_values(":s", AttributeValue::N(bound.to_string())),
        };
        async move {
            let answer = request.send().await.map_err(|error| read_error(&error))?;
            page(answer.items, answer.last_evaluated_key)
        }
    }
}

impl Scan for DynamoStore {
    async fn scan(&self, part: &Part) -> Result<Page, StoreError> {
        let number = |number: u32| i32::try_from(number).ok();
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .set_segment(number(part.number))
            .set_total_segments(number(part.of))
            .set_limit(part.limit.and_then(number))
            .set_exclusive_start_key(part.after.as_ref().map(value::to_attributes))
            .send()
            .await
            .map_err(|error| read_error(&error))?;
        page(answer.items, answer.last_evaluated_key)
    }
}

fn page(items: Option<Vec<Attributes>>, last: Option<Attributes>) -> Result<Page, StoreError> {
    let items = items.into_iter().flatten().map(from_item);
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        next: last.map(from_item).transpose()?,
    })
}

fn key_of(item: &Item) -> Option<Key> {
    Some(Key::of(
        item.get("pk")?.as_str()?,
        item.get("sk")?.as_str()?,
    ))
}

/// A cancelled transaction says of each write why. Conditions come first: a message that is found done is done, and who
/// can decide again need not wait, nor write again what can never be written.
fn cancellation(reasons: &[CancellationReason], writes: &[Write]) -> CommitError {
    let reason = |codes: &[&str]| {
        reasons
            .iter()
            .find(|reason| reason.code().is_some_and(|code| codes.contains(&code)))
    };
    let refusals: Result<Vec<Refusal>, StoreError> = reasons
        .iter()
        .zip(writes)
        .enumerate()
        .filter(|(_, (reason, _))| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(index, (reason, write))| refusal(index, write, reason.item()))
        .collect();
    match refusals {
        Ok(refusals) if refusals.is_empty() => {}
        Ok(refusals) => return CommitError::Refused(refusals),
        Err(error) => return CommitError::Unknown(error.to_string()),
    }
    if let Some(never) = reason(&["ValidationError", "ItemCollectionSizeLimitExceeded"]) {
        let told = never.message().or(never.code()).unwrap_or_default();
        CommitError::Invalid(told.to_owned())
    } else if reason(&["TransactionConflict"]).is_some() {
        CommitError::Conflict
    } else if reason(&["ThrottlingError", "ProvisionedThroughputExceeded"]).is_some() {
        CommitError::Throttled
    } else {
        CommitError::Unknown("the transaction was cancelled without a reason".into())
    }
}

fn refusal(index: usize, write: &Write, old: Option<&Attributes>) -> Result<Refusal, StoreError> {
    let row = old
        .filter(|item| !item.is_empty())
        .map(|item| from_item(item.clone()))
        .transpose()?;
    Ok(Refusal {
        index,
        key: write.key().clone(),
        row,
    })
}

fn single<E: ProvideErrorMetadata + std::error::Error + 'static>(
    error: &SdkError<E>,
    write: &Write,
    old: impl Fn(&E) -> Option<&Attributes>,
) -> CommitError {
    match error {
        SdkError::ServiceError(service)
            if error.code() == Some("ConditionalCheckFailedException") =>
        {
            match refusal(0, write, old(service.err())) {
                Ok(refusal) => CommitError::Refused(vec![refusal]),
                Err(error) => CommitError::Unknown(error.to_string()),
            }
        }
        _ => classify(error),
    }
}

fn classify<E: ProvideErrorMetadata + std::error::Error + 'static>(
    error: &SdkError<E>,
) -> CommitError {
    match error.code() {
        Some(
            "TransactionConflictException"
            | "TransactionInProgressException"
            | "ReplicatedWriteConflictException",
        ) => CommitError::Conflict,
        Some(
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded",
        ) => CommitError::Throttled,
        Some("ValidationException" | "ItemCollectionSizeLimitExceededException") => {
            CommitError::Invalid(error.message().unwrap_or("validation").to_owned())
        }
        _ => CommitError::Unknown(crate::failure::chain(error)),
    }
}

fn read_error<E: ProvideErrorMetadata + std::error::Error + 'static>(
    error: &SdkError<E>,
) -> StoreError {
    StoreError(crate::failure::chain(error))
}
