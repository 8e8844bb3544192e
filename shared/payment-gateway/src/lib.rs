//! `payment-gateway`
