//! How rows that would crowd one partition are spread.

/// Over how many partitions they are spread.
pub const SHARDS: u32 = 16;

/// The shard of an id, below [`SHARDS`]. FNV-1a: any spread would do, as readers look into all shards.
#[must_use]
pub fn shard(id: &str) -> u32 {
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash % SHARDS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_spread_over_all_shards() {
        let shards: BTreeSet<u32> = (0..500).map(|n| shard(&format!("event-{n}"))).collect();
        assert_eq!(shards, (0..SHARDS).collect());
    }
}
