//! The payment provider's answers. What cannot be read is never taken for a refusal, nor a refusal for a success.

use payment_gateway::{GatewayError, answer};

/// The statuses that the first byte chooses from.
const STATUSES: [u16; 10] = [200, 201, 301, 400, 401, 402, 404, 409, 429, 500];

/// # Panics
/// When an answer means what its status cannot mean.
pub fn check(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let status = STATUSES[usize::from(*choice) % STATUSES.len()];
    let failures = [
        answer::intent(status, body).err(),
        answer::refund(status, body).err(),
        answer::found(status, body).err(),
    ];
    for failure in failures {
        let success = (200..300).contains(&status);
        match failure {
            None => assert!(success),
            Some(GatewayError::Unknown(_)) => {}
            Some(error) => {
                assert!(!success, "{error:?}");
                let certain = matches!(
                    error,
                    GatewayError::Declined { .. } | GatewayError::Invalid { .. }
                );
                assert!(!certain || (400..500).contains(&status), "{error:?}");
            }
        }
    }
}
