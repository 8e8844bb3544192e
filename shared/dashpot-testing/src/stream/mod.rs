//! A table's stream and its event source mapping, by the documented rules.
//! - [`table_stream`]: the committed writes, in order
//! - [`mapping`]: which batches a function is invoked with, and what its answer means

mod lane;
mod mapping;
mod record;
mod table_stream;

pub use mapping::{EventFilter, StreamMapping, StreamMappingRefused};
pub use record::{EventName, StreamRecord};
pub use table_stream::TableStream;
