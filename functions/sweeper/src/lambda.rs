//! The Lambda runtime around the sweeper.

use dashpot::{Invocation, Store};
use payment_gateway::Gateway;

use crate::sweep::Sweeper;
use crate::telemetry;

/// Polls the Lambda Runtime API and sweeps at every invocation, whatever its event says.
///
/// An invocation fails if the table could not be asked what is due. Attempts that did not end are counted as
/// `stuck`; they fail no invocation, because the next one takes them up anyway.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<S: Store, G: Gateway>(
    sweeper: Sweeper<S, G>,
) -> Result<(), lambda_runtime::Error> {
    dashpot::serve(async |_: &str, invocation: &Invocation| {
        let now = invocation.clock.now();
        let swept = sweeper.sweep(now, invocation.deadline).await;
        telemetry::tell(&swept, &invocation.request_id);
        swept.unasked.map_or(Ok(()), Err)
    })
    .await
}
