//! libFuzzer around the targets of `tests/inputs`; `FUZZ_TARGET` chooses one.
#![no_main]

use std::sync::LazyLock;

use inputs::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    inputs::target(&name)
});

fuzz_target!(|input: &[u8]| (TARGET.run)(input));
