//! What an order's events come to: one pure function from a set of events to an order.
//!
//! - [`event`]: what one event says about an order, and under which order it is filed
//! - [`facts`]: what several events say together; joined in any order, as often as one likes
//! - [`fold()`]: the order, at any moment
//! - [`timeline()`]: what caused what
//!
//! A set: neither duplicates nor the order of arrival change anything. `journal` keeps the events, `orders` shows one
//! order, `listing` keeps a row for each; all of them go by this.

pub mod event;
pub mod facts;
pub mod fold;
pub mod timeline;

pub use event::{Contradiction, Entry, Event};
pub use facts::{Balance, Cancellation, Facts, Last, State, Summary, UnknownState};
pub use fold::{Order, fold};
pub use timeline::{Step, timeline};
