//! How rows become calls: as few as SNS's limits allow, in the order of the stream.

/// SNS takes at most ten entries in a batch.
pub const MOST_ENTRIES: usize = 10;

/// SNS takes at most 256 KiB in a batch, and in a message, with all attributes counted.
pub const MOST_BYTES: usize = 256 * 1024;

/// Cuts `items` into runs that each fit into one call.
///
/// An item above [`MOST_BYTES`] would be a run of its own that does not fit: there must be none.
pub fn chunks<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut chunks = Vec::new();
    let (mut start, mut total) = (0, 0);
    for (index, item) in items.iter().enumerate() {
        let size = bytes(item);
        if index > start && (index - start == MOST_ENTRIES || total + size > MOST_BYTES) {
            chunks.push(&items[start..index]);
            (start, total) = (index, 0);
        }
        total += size;
    }
    if start < items.len() {
        chunks.push(&items[start..]);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ten_small_rows_are_one_call_and_eleven_are_two() {
        let lengths = |n: usize| -> Vec<usize> {
            let items = vec![1; n];
            chunks(&items, |size| *size)
                .iter()
                .map(|chunk| chunk.len())
                .collect()
        };
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(10), [10]);
        assert_eq!(lengths(11), [10, 1]);
    }

    #[test]
    fn a_call_is_filled_to_the_last_byte() {
        let half = MOST_BYTES / 2;
        let items = [half, half, 1];
        assert_eq!(
            chunks(&items, |size| *size),
            [&items[..2], &items[2..]] as [&[usize]; 2]
        );
    }

    proptest! {
        #[test]
        fn every_row_is_in_exactly_one_call_in_order_and_no_call_is_above_a_limit(
            sizes in proptest::collection::vec(
                prop_oneof![0..2_000_usize, 0..=MOST_BYTES, Just(MOST_BYTES)], 0..120)
        ) {
            let items: Vec<(usize, usize)> = sizes.into_iter().enumerate().collect();
            let chunks = chunks(&items, |(_, size)| *size);
            for chunk in &chunks {
                prop_assert!((1..=MOST_ENTRIES).contains(&chunk.len()));
                prop_assert!(chunk.iter().map(|(_, size)| size).sum::<usize>() <= MOST_BYTES);
            }
            prop_assert_eq!(chunks.concat(), items);
        }
    }
}
