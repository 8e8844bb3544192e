//! `shop-events`
