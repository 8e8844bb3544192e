//! `cargo contract` writes `docs/events` anew, unless that would break a consumer: then it says whom, and what to do
//! instead.

use std::process::ExitCode;

use shop_events::schema::published;
use system_tests::contract::{folder, renew};

fn main() -> ExitCode {
    match renew(&folder(), &published()) {
        Ok(written) => {
            for path in written {
                println!("docs/events/{path}");
            }
            ExitCode::SUCCESS
        }
        Err(breaks) => {
            for it in breaks {
                eprintln!("{it}");
            }
            ExitCode::FAILURE
        }
    }
}
