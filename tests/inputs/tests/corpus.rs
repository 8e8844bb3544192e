//! What the fuzzer has found once stays found.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use inputs::TARGETS;

#[test]
fn the_fuzzers_corpus_breaks_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for target in TARGETS {
        let entries = std::fs::read_dir(corpus.join(target.name)).unwrap();
        let inputs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            let outcome =
                std::panic::catch_unwind(|| (target.run)(&std::fs::read(&input).unwrap()));
            assert!(outcome.is_ok(), "{}: {}", target.name, input.display());
        }
    }
}
